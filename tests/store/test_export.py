"""Prove that an export holds everything, and that reading it back loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memstrata import ANY, Event, Memstrata
from memstrata.errors import InvalidInput, MemstrataError
from memstrata.testing import FakeEmbedder


@pytest.fixture
def rich(memory: Memstrata) -> Memstrata:
    memory.add(
        Event(
            "naïve 雨 👍🏽 \u2028 \"quoted\"\\n\r\n\ttab", kind="fact", speaker="Ünal", role="user",
            at="2024-02-03T18:05:00.123456+05:45", attributes={"größe": [1, 2.5, None, {"ü": True}], "n": -1e-7},
            key="k/1", valid_from="0001-01-01", valid_until="9999-12-31T23:59:59.999999", expires_at="9000-01-01",
            sources=("a", "b"), contributor="c", resource="https://x/?q=1", agent_id="g", session_id="s",
            namespace="team/notes",
        ),
        user_id="ana",
    )  # fmt: skip
    id = memory.add("first", user_id="ana", tenant_id="t", app_id="a").id
    memory.update(id, text="second", speaker="Bo")
    memory.update(id, kind="profile", attributes={"a": 1})
    parts = [memory.add(f"part {n}", at=f"1969-12-31T23:59:5{n}.5-03:30").id for n in range(2)]
    memory.merge(parts)
    memory.delete(memory.add("gone", user_id="ana").id)
    memory.add("long text. " * 300, user_id="bo")
    return memory


def everything(memory: Memstrata) -> list[Any]:
    whole = {"tenant_id": ANY, "app_id": ANY, "user_id": ANY}
    kept = sorted(memory.list(**whole), key=lambda one: one.id)  # type: ignore[arg-type]
    return [(one, [version.memory for version in memory.history(one.id)]) for one in kept]


def test_reading_an_export_back_loses_nothing(
    rich: Memstrata, opened: Callable[..., Memstrata], tmp_path: Path
) -> None:
    count = rich.export(tmp_path / "all.jsonl")
    other = opened(path=tmp_path / "other")
    receipt = other.import_(tmp_path / "all.jsonl")
    assert (receipt.added, receipt.repeated) == (count, 0)
    assert everything(other) == everything(rich)
    ours, theirs = rich.stats(), other.stats()
    assert (ours.memories, ours.versions, ours.segments) == (theirs.memories, theirs.versions, theirs.segments)
    assert other.check().ok
    for word, user in (("naïve", "ana"), ("second", None), ("long text", "bo")):
        scope = {"user_id": user} if user else {"tenant_id": "t", "app_id": "a", "user_id": "ana"}
        assert [hit.memory.id for hit in other.search(word, **scope)] == [
            hit.memory.id for hit in rich.search(word, **scope)
        ]
    assert "gone" not in (tmp_path / "all.jsonl").read_text(encoding="utf-8")


def test_an_export_of_an_import_is_the_same_file(
    rich: Memstrata, opened: Callable[..., Memstrata], tmp_path: Path
) -> None:
    names = [tmp_path / name for name in ("one", "two", "three")]
    rich.export(names[0])
    rich.export(names[1])
    other = opened(path=tmp_path / "other")
    other.import_(names[0])
    other.export(names[2])
    assert names[0].read_bytes() == names[1].read_bytes() == names[2].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["one", "three", "two"]


def test_importing_twice_adds_nothing_and_keys_still_hold(
    rich: Memstrata, opened: Callable[..., Memstrata], tmp_path: Path
) -> None:
    rich.add("keyed", user_id="ana", key="k2")
    rich.export(tmp_path / "all.jsonl")
    other = opened(path=tmp_path / "other", embedder=FakeEmbedder())
    first = other.import_(tmp_path / "all.jsonl")
    again = other.import_(tmp_path / "all.jsonl")
    assert (again.added, again.repeated) == (0, first.added)
    assert other.add("keyed", user_id="ana", key="k2").repeated == 1
    assert rich.import_(tmp_path / "all.jsonl").added == 0


def test_what_was_deleted_here_does_not_come_back_by_an_import(memory: Memstrata, tmp_path: Path) -> None:
    id = memory.add("secret", user_id="ana").id
    memory.export(tmp_path / "all.jsonl")
    memory.delete(id)
    assert memory.import_(tmp_path / "all.jsonl").added == 0
    assert memory.search("secret", user_id="ana") == []


GOOD: dict[str, Any] = {
    "id": "01890000-0000-7000-8000-000000000000",
    "user_id": "ana",
    "versions": [
        {"version": 1, "state": "active", "text": "tea", "kind": "turn", "at": "2024-01-01T00:00:00+00:00",
         "created_at": "2024-01-01T00:00:00+00:00", "updated_at": "2024-01-01T00:00:00+00:00"}
    ],
}  # fmt: skip


def version(**changes: Any) -> dict[str, Any]:
    return {**GOOD["versions"][0], **changes}


BAD_LINES: list[Any] = [
    "not json", "[]", "5", "null", '{"id": ', "{}",
    {**GOOD, "id": "x"}, {**GOOD, "id": 5}, {**GOOD, "versions": []}, {**GOOD, "versions": 5},
    {**GOOD, "versions": [5]}, {**GOOD, "user_id": ""}, {**GOOD, "user_id": 5}, {**GOOD, "key": 5},
    *({**GOOD, "versions": [version(**changes)]} for changes in (
        {"text": ""}, {"text": 5}, {"text": "\0"}, {"kind": "x"}, {"kind": []}, {"state": "deleted"}, {"state": None},
        {"version": "x"}, {"version": None}, {"version": 0}, {"version": -1}, {"version": 2**70}, {"at": "x"},
        {"created_at": None}, {"updated_at": "x"}, {"created_at": {}}, {"sources": 5}, {"sources": [5]},
        {"attributes": 5}, {"attributes": {"a": "x" * 70_000}}, {"unknown": 1}, {"namespace": 5}, {"speaker": 5},
        {"expires_at": "never"}, {"text": "\ud800"},
    )),
    {**GOOD, "versions": [version(), version()]},
    {**GOOD, "versions": [version(), version(version=2)]},
    {**GOOD, "versions": [version(version=2, state="active"), version(version=1, state="superseded")]},
]  # fmt: skip


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_damaged_line_is_named_and_nothing_of_it_kept(memory: Memstrata, tmp_path: Path, line: Any) -> None:
    path = tmp_path / "bad.jsonl"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_text('{"memstrata": "export", "version": 1}\n' + text + "\n")
    before = memory.stats().position
    with pytest.raises(InvalidInput, match="line 2"):
        memory.import_(path)
    assert memory.stats().position == before
    assert memory.check().ok


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00" * 50])
def test_a_file_that_is_nothing_we_know_is_refused(memory: Memstrata, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(MemstrataError):
        memory.import_(path)


def test_a_missing_file_or_an_unwritable_place_is_said(memory: Memstrata, tmp_path: Path) -> None:
    memory.add("tea", user_id="ana")
    with pytest.raises(MemstrataError, match=r"nothing\.jsonl"):
        memory.import_(tmp_path / "nothing.jsonl")
    with pytest.raises(MemstrataError, match="no-folder"):
        memory.export(tmp_path / "no-folder" / "x.jsonl")
    (tmp_path / "taken").mkdir()
    with pytest.raises(MemstrataError, match="taken"):
        memory.export(tmp_path / "taken")
    assert not list(tmp_path.glob("*.partial"))
