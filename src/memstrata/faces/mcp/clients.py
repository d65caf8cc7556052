"""Turn a command into the configuration that a client of the protocol wants to have, and merge it into its file."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, Literal

from memstrata.errors import InvalidConfig

BACKUP: Final = ".before-memstrata"
MAX_BYTES: Final = 16 << 20  # of a configuration

Base = Literal["home", "config", "here"]
Json = Any  # a JSON value of somebody's configuration; only our own entry is looked at


@dataclass(frozen=True, slots=True)
class Client:
    """A client: what it is called, the file it reads, and under which name servers stand in it.

    `path` lies below the user's home, the folder where programs of this system keep settings, or the current one.
    """

    name: str
    title: str
    base: Base
    path: str
    section: str = "mcpServers"
    typed: bool = False  # whether an entry says that it is stdio
    toml: bool = False


CLIENTS: Final[Mapping[str, Client]] = {
    client.name: client
    for client in (
        Client("claude-desktop", "Claude Desktop", "config", "Claude/claude_desktop_config.json"),
        Client("claude-code", "Claude Code, for this folder", "here", ".mcp.json", typed=True),
        Client("cursor", "Cursor", "home", ".cursor/mcp.json"),
        Client("vscode", "Visual Studio Code", "config", "Code/User/mcp.json", section="servers", typed=True),
        Client("windsurf", "Windsurf", "home", ".codeium/windsurf/mcp_config.json"),
        Client("zed", "Zed", "config", "zed/settings.json", section="context_servers"),
        Client("codex", "Codex", "home", ".codex/config.toml", section="mcp_servers", toml=True),
        Client("gemini-cli", "Gemini CLI", "home", ".gemini/settings.json"),
        Client("lm-studio", "LM Studio", "home", ".lmstudio/mcp.json"),
    )
}


@dataclass(frozen=True, slots=True)
class Launch:
    """How a client starts the server."""

    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def launch(home: Path, options: Sequence[str] = ()) -> Launch:
    """How to start `memstrata mcp` over a directory, by paths that hold in whatever environment a client has."""
    beside = Path(sys.executable).with_name("memstrata.exe" if os.name == "nt" else "memstrata")
    found = str(beside) if beside.exists() else shutil.which("memstrata")
    environment = {"MEMSTRATA_HOME": str(home)}
    if found is not None:
        return Launch(found, ("mcp", *options), environment)
    program = "from memstrata.faces.cli import main; main()"
    return Launch(sys.executable, ("-c", program, "mcp", *options), environment)


def location(client: Client) -> Path:
    """The file that a client reads on this system."""
    return _base(client) / client.path


def _base(client: Client) -> Path:
    from platformdirs import user_config_path  # late: most commands need no such place

    match client.base:
        case "home":
            return Path.home()
        case "here":
            return Path.cwd()
        case "config" if client.name == "zed" and sys.platform == "darwin":
            return Path.home() / ".config"  # where Zed looks, unlike other programs of that system
        case "config":
            return user_config_path(roaming=True)


def entry(client: Client, start: Launch) -> dict[str, Json]:
    """What stands in the client's file under the server's name."""
    typed = {"type": "stdio"} if client.typed else {}
    return typed | {"command": start.command, "args": list(start.arguments), "env": dict(start.environment)}


def snippet(client: Client, name: str, start: Launch) -> str:
    """The entry with what stands around it, to be pasted into the client's file."""
    if client.toml:
        return _toml(client, name, start)
    return json.dumps({client.section: {name: entry(client, start)}}, indent=2, ensure_ascii=False)


def command_line(client: Client, name: str, start: Launch) -> str | None:
    """The client's own command that does the same, where it has one."""
    line = [start.command, *start.arguments]
    variables = [f"{key}={value}" for key, value in start.environment.items()]
    match client.name:
        case "claude-code":
            options = [part for variable in variables for part in ("--env", variable)]
            return shlex.join(["claude", "mcp", "add", "--scope", "user", name, *options, "--", *line])
        case "vscode":
            return shlex.join(["code", "--add-mcp", json.dumps({"name": name} | entry(client, start))])
        case "codex":
            options = [part for variable in variables for part in ("--env", variable)]
            return shlex.join(["codex", "mcp", "add", name, *options, "--", *line])
        case _:
            return None


# ── merging ──


@dataclass(frozen=True, slots=True)
class Written:
    """What merging did: the file, a copy of what it was before, and whether anything had to change."""

    path: Path
    backup: Path | None
    changed: bool


def merge(client: Client, name: str, start: Launch, path: Path) -> Written:
    """Put the entry into a client's file and leave everything else in it as it is; the old file is kept beside it.

    Raises:
        InvalidConfig: the file cannot be read or written, or is not what it should be; it stays as it was.
    """
    path = path.resolve()  # a link to somebody's dotfiles stays a link
    before = _read(path)
    after = (
        _merged_toml(client, name, start, before, path) if client.toml else _merged(client, name, start, before, path)
    )
    if after == before:
        return Written(path, None, changed=False)
    try:
        return Written(path, _replace(path, after), changed=True)
    except OSError as exc:
        raise InvalidConfig(
            f"{path} cannot be written: {exc.strerror}; add by hand what is printed without --write"
        ) from exc


def _read(path: Path) -> str:
    try:
        if path.exists() and path.stat().st_size > MAX_BYTES:
            raise InvalidConfig(f"{path} has more than {MAX_BYTES:,} bytes; is it the right file?")
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidConfig(f"{path} cannot be read ({type(exc).__name__}); it was left as it is") from exc


def _merged(client: Client, name: str, start: Launch, before: str, path: Path) -> str:
    text = before.removeprefix("\ufeff")
    try:
        settings = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as exc:
        raise InvalidConfig(
            f"{path} is no plain JSON ({exc}), perhaps because it has comments; it was left as it is: "
            "mend it, or add by hand what is printed without --write"
        ) from exc
    servers = settings.get(client.section, {}) if isinstance(settings, dict) else None
    if not isinstance(servers, dict):
        where = client.section if isinstance(settings, dict) else "the whole file"
        raise InvalidConfig(f"{path}: {where} is no JSON object; it was left as it is: mend it and try again")
    wanted = entry(client, start)
    if servers.get(name) == wanted:
        return before
    return json.dumps(settings | {client.section: servers | {name: wanted}}, indent=2, ensure_ascii=False) + "\n"


def _merged_toml(client: Client, name: str, start: Launch, before: str, path: Path) -> str:
    try:
        servers = tomllib.loads(before).get(client.section, {})
    except tomllib.TOMLDecodeError as exc:
        raise InvalidConfig(f"{path} is no TOML ({exc}); it was left as it is: mend it and try again") from exc
    known = servers.get(name) if isinstance(servers, dict) else None
    if known == entry(client, start):
        return before
    if known is not None or not isinstance(servers, dict):
        raise InvalidConfig(
            f"{path} has another {client.section}.{name}; it was left as it is: take it out, or give another --name"
        )
    space = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    after = f"{before}{space}{_toml(client, name, start)}\n"
    try:
        tomllib.loads(after)
    except tomllib.TOMLDecodeError as exc:  # such as `mcp_servers = {}` in one line, which no table may follow
        raise InvalidConfig(
            f"{path} cannot take a table [{client.section}.{name}] ({exc}); it was left as it is"
        ) from exc
    return after


def _toml(client: Client, name: str, start: Launch) -> str:
    plain = json.dumps  # a JSON string, and a list of them, is one in TOML as well
    variables = ", ".join(f"{key} = {plain(value)}" for key, value in start.environment.items())
    return "\n".join(
        [
            f"[{client.section}.{plain(name)}]",
            f"command = {plain(start.command)}",
            f"args = {plain(list(start.arguments))}",
            f"env = {{ {variables} }}",
        ]
    )


def _replace(path: Path, after: str) -> Path | None:
    """Write a file whole or not at all, with the rights it had; what it held goes to a backup beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    backup = None
    if path.exists():
        backup = _free(path.with_name(path.name + BACKUP))
        shutil.copy2(path, backup)
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False, newline=""
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
            if backup is not None:
                shutil.copymode(backup, temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return backup


def _free(path: Path) -> Path:
    """The path, or with a number behind it where there is a file already."""
    tries = [path, *(path.with_name(f"{path.name}.{number}") for number in range(2, 1_000))]
    return next((one for one in tries if not one.exists()), path)
