"""Prove that clients get a configuration that starts the server, and that nothing else in their files is touched."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from memstrata.errors import InvalidConfig
from memstrata.faces.cli import app
from memstrata.faces.mcp.clients import CLIENTS, Client, Launch, entry, launch, location, merge, snippet

START = Launch("/opt/memstrata", ("mcp", "--user-id", 'a "b" \\ c'), {"MEMSTRATA_HOME": "/data/ü"})
JSON = [client for client in CLIENTS.values() if not client.toml]
CURSOR, CODEX = CLIENTS["cursor"], CLIENTS["codex"]


@pytest.fixture(autouse=True)
def someone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose home, settings and current folder are all in a temporary one."""
    for name, folder in (("HOME", "."), ("USERPROFILE", "."), ("XDG_CONFIG_HOME", ".config")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("MEMSTRATA_HOME", str(tmp_path / "memory"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def install(*options: str) -> Result:
    return CliRunner().invoke(app, ["mcp", "install", *options])


def loaded(client: Client, text: str) -> Any:
    return tomllib.loads(text) if client.toml else json.loads(text)


# ── what a client gets ──


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.name)
def test_what_is_shown_is_what_is_written(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings"
    assert merge(client, "memstrata", START, path).backup is None
    text = path.read_text(encoding="utf-8")
    assert loaded(client, text) == loaded(client, snippet(client, "memstrata", START))
    assert loaded(client, text)[client.section]["memstrata"] == entry(client, START)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.name)
def test_the_file_lies_with_the_user(client: Client, someone: Path) -> None:
    assert location(client).is_relative_to(someone)


def test_the_command_is_one_that_runs_anywhere(someone: Path) -> None:
    start = launch(someone / "memory", ["--user-id", "ana"])
    assert Path(start.command).is_absolute()
    assert os.access(start.command, os.X_OK)
    assert start.arguments[-3:] == ("mcp", "--user-id", "ana")
    assert start.environment == {"MEMSTRATA_HOME": str(someone / "memory")}


def test_without_a_client_all_are_shown_and_nothing_is_written(someone: Path) -> None:
    result = install("--user-id", "ana", "--read-only")
    assert result.exit_code == 0, result.output
    for client in CLIENTS.values():
        assert client.title in result.stdout
    assert "claude mcp add" in result.stdout
    assert '"--user-id"' in result.stdout
    assert list(someone.iterdir()) == []


def test_the_command_writes_once_and_says_where(someone: Path) -> None:
    file = someone / ".cursor" / "mcp.json"
    first = install("--client", "cursor", "--write", "--compat", "server-memory", "--name", "notes")
    assert first.exit_code == 0, first.output
    assert "wrote" in first.stdout
    written = json.loads(file.read_text(encoding="utf-8"))["mcpServers"]["notes"]
    assert written["args"][-3:] == ["mcp", "--compat", "server-memory"]
    assert written["env"] == {"MEMSTRATA_HOME": str(someone / "memory")}
    again = install("--client", "cursor", "--write", "--compat", "server-memory", "--name", "notes")
    assert "has it already" in again.stdout
    assert [one.name for one in file.parent.iterdir()] == ["mcp.json"]


@pytest.mark.parametrize(
    ("options", "hint"),
    [(("--client", "emacs"), "known are"), (("--write",), "say which client"), (("--file", "x"), "say which client")],
)
def test_what_cannot_be_meant_is_refused(options: tuple[str, ...], hint: str) -> None:
    result = install(*options)
    assert result.exit_code in (1, 2)
    assert hint in result.stderr.replace("\n", " ")


# ── what stays as it was ──


@pytest.mark.parametrize("client", JSON, ids=lambda client: client.name)
def test_everything_else_in_the_file_stays_and_a_copy_is_kept(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    before = {"z": [1, {"y": None}], client.section: {"other": {"command": "x", "env": {"ü": "ß"}}}, "a": "‮"}
    path.write_text(json.dumps(before), encoding="utf-8")
    path.chmod(0o600)
    written = merge(client, "memstrata", START, path)
    after = json.loads(path.read_text(encoding="utf-8"))
    assert after[client.section].pop("memstrata") == entry(client, START)
    assert after == before
    assert list(after) == list(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert written.backup is not None
    assert json.loads(written.backup.read_text(encoding="utf-8")) == before


def test_an_older_entry_of_ours_is_replaced_and_every_copy_kept(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    for number in range(3):
        merge(CURSOR, "memstrata", Launch(f"/opt/{number}", (), {}), path)
    assert json.loads(path.read_text())["mcpServers"]["memstrata"]["command"] == "/opt/2"
    copies = [json.loads(one.read_text()) for one in tmp_path.iterdir() if one != path]
    assert sorted(copy["mcpServers"]["memstrata"]["command"] for copy in copies) == ["/opt/0", "/opt/1"]


def test_comments_and_order_of_a_toml_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    before = '# mine\nmodel = "x"  # best\n\n[mcp_servers.other]\ncommand = "y"'
    path.write_text(before, encoding="utf-8")
    merge(CODEX, "memstrata", START, path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith(before)
    assert tomllib.loads(text)["mcp_servers"] == {"other": {"command": "y"}, "memstrata": entry(CODEX, START)}
    assert not merge(CODEX, "memstrata", START, path).changed


def test_a_link_to_a_file_elsewhere_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles" / "mcp.json", tmp_path / "mcp.json"
    real.parent.mkdir()
    real.write_text("{}")
    link.symlink_to(real)
    merge(CURSOR, "memstrata", START, link)
    assert link.is_symlink()
    assert "memstrata" in json.loads(real.read_text())["mcpServers"]


@pytest.mark.parametrize(
    ("client", "content", "hint"),
    [
        (CURSOR, b'{"mcpServers": {', "no plain JSON"),
        (CURSOR, b'// mine\n{"mcpServers": {}}', "comments"),
        (CURSOR, b"[1, 2]", "no JSON object"),
        (CURSOR, b'{"mcpServers": [1]}', "no JSON object"),
        (CURSOR, b'{"mcpServers": null}', "no JSON object"),
        (CURSOR, b"\xff\xfe{}", "cannot be read"),
        (CURSOR, b"[" * 100_000, "no plain JSON"),
        (CODEX, b"= 3", "no TOML"),
        (CODEX, b'[mcp_servers.memstrata]\ncommand = "theirs"', "another mcp_servers.memstrata"),
        (CODEX, b'mcp_servers = { other = { command = "x" } }', "cannot take a table"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_should_be_is_refused_and_left(
    tmp_path: Path, client: Client, content: bytes, hint: str
) -> None:
    path = tmp_path / "settings"
    path.write_bytes(content)
    with pytest.raises(InvalidConfig, match=hint):
        merge(client, "memstrata", START, path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="whoever may write everywhere is not refused")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InvalidConfig, match="cannot be written"):
        merge(CURSOR, "memstrata", START, tmp_path / "locked" / "mcp.json")


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidConfig, match="cannot be"):
        merge(CURSOR, "memstrata", START, tmp_path / "file" / "mcp.json")
