"""Prove that check() finds each kind of damage under its name, and repairs what is derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import numpy as np
import pytest

from memstrata import Memstrata
from memstrata.errors import MemstrataError
from memstrata.store import spaces
from memstrata.store.sqlite.store import DATABASE
from memstrata.testing import FakeEmbedder

TABLES = 'memory m JOIN segment s ON s."row" = m."row"'


@pytest.fixture
def filled(memory: Memstrata) -> Memstrata:
    memory.add_many([f"Ana drank green tea, cup {n}" for n in range(20)], user_id="ana")
    memory.add("a long text. " * 400, user_id="ana")
    id = memory.add("she lives in Lisbon", user_id="ana", attributes={"a": "b"}, speaker="Ana").id
    memory.update(id, text="she lives in Porto")
    memory.add("Bo repaired the bicycle", user_id="bo")
    gone = memory.add("something deleted", user_id="ana").id
    memory.delete(gone)
    assert memory.check().ok
    return memory


@pytest.fixture
def database(filled: Memstrata, home: Path) -> Iterator[apsw.Connection]:
    """The database by the back door."""
    connection = apsw.Connection(str(home / DATABASE))
    yield connection
    connection.close()


DERIVED = {
    "a passage without words": ("DELETE FROM lexicon WHERE rowid = 68719476737", "text index"),
    "all words gone": ("DELETE FROM lexicon", "text index"),
    "other words": (
        "DELETE FROM lexicon WHERE rowid = 68719476737; "
        "INSERT INTO lexicon (rowid, terms) VALUES (68719476737, '1_coffe')",
        "text index",
    ),
    "words of another space": (
        "DELETE FROM lexicon WHERE rowid = 68719476737; "
        "INSERT INTO lexicon (rowid, terms) VALUES (68719476737, '2_green 2_tea')",
        "text index",
    ),
    "words of nothing": ("INSERT INTO lexicon (rowid, terms) VALUES (68719999999, '1_ghost')", "text index"),
    "a passage too few": ("DELETE FROM segment WHERE id = 68719476760", "text index"),
    "no passage at all": ("DELETE FROM segment WHERE id = 68719476740", "text index"),
    "a passage that ends early": ("UPDATE segment SET stop = stop - 3 WHERE id = 68719476740", "text index"),
    "no vector": ("UPDATE segment SET vector = NULL WHERE id = 68719476740", "vectors"),
    "half a vector": ("UPDATE segment SET vector = substr(vector, 1, 64) WHERE id = 68719476740", "vectors"),
    "a vector of noise": ("UPDATE segment SET vector = randomblob(128) WHERE id = 68719476740", "vectors"),
    "a vector that is no number": (
        "UPDATE segment SET vector = CAST(zeroblob(126) || x'007c' AS BLOB) WHERE id = 68719476740",
        "vectors",
    ),
    "too many counted": ("UPDATE space SET segments = segments + 5 WHERE id = 1", "text index"),
    "too few words counted": ("UPDATE space SET words = 1", "text index"),
    "a last number too low": ("UPDATE space SET last = 3 WHERE id = 1", "text index"),
    "a position behind": ("UPDATE meta SET value = 2 WHERE name = 'position'", "changes"),
    "a position ahead": ("UPDATE meta SET value = 999 WHERE name = 'position'", "changes"),
    "a space's position behind": ("UPDATE space SET position = 1", "changes"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DERIVED)
def test_damage_to_what_is_derived_is_found_and_repaired(
    filled: Memstrata, database: apsw.Connection, damage: str
) -> None:
    sql, part = DERIVED[damage]
    database.execute(sql)
    report = filled.check()
    assert not report.ok
    assert {difference.part for difference in report.differences} == {part}, report.differences
    assert filled.check().differences == report.differences, "looking changes nothing"
    repaired = filled.check(repair=True)
    assert repaired.ok, repaired.differences
    again = filled.check()
    assert again.differences == ()
    filled.add("Ana drank more green tea", user_id="ana")
    assert len(filled.search("green tea", user_id="ana", limit=50)) >= 21
    assert filled.check().ok


TRUTH = {
    "another text": "UPDATE memory SET text = 'Ana drank black tea' WHERE \"row\" = 68719476737",
    "one bit of a text": "UPDATE memory SET text = replace(text, 'cup', 'bup') WHERE \"row\" = 68719476737",
    "another speaker": "UPDATE memory SET speaker = 'Eve' WHERE speaker = 'Ana'",
    "another time": 'UPDATE memory SET at = at + 1 WHERE "row" = 68719476737',
    "another kind": "UPDATE memory SET kind = 'fact' WHERE \"row\" = 68719476737",
    "other attributes": 'UPDATE memory SET attributes = \'{"a": "c"}\' WHERE attributes IS NOT NULL',
    "attributes that are no JSON": "UPDATE memory SET attributes = '{\"a' WHERE attributes IS NOT NULL",
    "bytes that are no text": "UPDATE memory SET text = CAST(x'ff00fe80' AS TEXT) WHERE \"row\" = 68719476737",
    "a time beyond all years": 'UPDATE memory SET at = 9223372036854775807 WHERE "row" = 68719476737',
    "another session": "UPDATE memory SET session = 's9' WHERE \"row\" = 68719476737",
    "no digest": 'UPDATE memory SET digest = NULL WHERE "row" = 68719476737',
}


@pytest.mark.parametrize("damage", TRUTH)
def test_damage_to_the_rows_is_found_and_not_hidden(filled: Memstrata, database: apsw.Connection, damage: str) -> None:
    database.execute(TRUTH[damage])
    report = filled.check()
    assert not report.ok
    assert "rows" in {difference.part for difference in report.differences}, report.differences
    repaired = filled.check(repair=True)
    assert not repaired.ok, "what only a backup can bring back is not called repaired"
    assert not filled.check().ok
    for ask in (
        lambda: filled.search("green tea", user_id="ana"),
        lambda: list(filled.list(user_id="ana")),
        lambda: filled.context("green tea", user_id="ana"),
    ):
        with suppress(MemstrataError):
            ask()


def test_a_damaged_memory_can_still_be_deleted(filled: Memstrata, database: apsw.Connection) -> None:
    database.execute(TRUTH["another text"])
    (damaged,) = filled.list(user_id="ana", filters={"text": "Ana drank black tea"})
    filled.delete(damaged.id)
    assert filled.check().ok


@pytest.mark.parametrize("damage", ["truncated", "garbage", "one code", "one flag", "empty", "head"])
def test_a_damaged_cache_is_found_thrown_away_and_made_again(
    opened: Callable[..., Memstrata], home: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", 300)
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    memory.add_many([f"green tea number {n}" for n in range(400)], user_id="ana")
    memory.close()
    (file,) = (home / "caches").glob("*.vectors")
    content = bytearray(file.read_bytes())
    match damage:
        case "truncated":
            content = content[:5_000]
        case "garbage":
            content = bytearray(np.random.default_rng(1).bytes(len(content)))
        case "one code":
            content[-1] ^= 0x40
        case "one flag":
            content[4096 + 20] ^= 1
        case "empty":
            content = bytearray()
        case "head":
            content[:200] = content[:200].replace(b'"rows": 4', b'"rows": "')
    file.write_bytes(bytes(content))
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    report = memory.check()
    assert {difference.part for difference in report.differences} == {"caches"}
    assert not report.ok
    assert memory.check(repair=True).ok
    assert memory.check().ok
    assert memory.search("green tea number 399", user_id="ana")[0].memory.text == "green tea number 399"
    if damage != "one flag":
        assert len(memory.search("green tea", user_id="ana", limit=1_000)) == 400


def test_an_unusable_cache_is_passed_over_without_a_check(
    opened: Callable[..., Memstrata], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", 300)
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    memory.add_many([f"green tea number {n}" for n in range(400)], user_id="ana")
    memory.close()
    (file,) = (home / "caches").glob("*.vectors")
    whole = file.read_bytes()
    head = whole[:4096]
    heads = [b"", b"\0" * 4096, head.replace(b'"rows": 401', b'"rows": -1 '), b"[]".ljust(4096),
             head.replace(b'"dimensions": 16', b'"dimensions": {}'), whole[:20] + b"[1, 2]".ljust(4076)]  # fmt: skip
    for head in heads:
        file.write_bytes(head + whole[4096:])
        memory = opened(embedder=FakeEmbedder(dimensions=16))
        assert memory.search("green tea number 399", user_id="ana")[0].memory.text == "green tea number 399"
        memory.close()


def test_a_dead_row_that_a_damaged_cache_calls_live_is_not_found(
    opened: Callable[..., Memstrata], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", 300)
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    memory.add_many([f"green tea number {n}" for n in range(400)], user_id="ana")
    id = next(iter(memory.list(user_id="ana", filters={"text": "green tea number 7"}))).id
    memory.update(id, text="zanzibar")
    memory.close()
    next((home / "caches").glob("*.vectors")).unlink()
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    memory.search("tea", user_id="ana")
    memory.close()
    (file,) = (home / "caches").glob("*.vectors")
    content = bytearray(file.read_bytes())
    content[4096 + 1 : 4096 + 402] = b"\1" * 401
    file.write_bytes(bytes(content))
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    assert "green tea number 7" not in {
        hit.memory.text for hit in memory.search("green tea 7", user_id="ana", limit=999)
    }


def test_progress_counts_each_memory(filled: Memstrata) -> None:
    seen: list[int] = []
    report = filled.check(progress=seen.append)
    assert sum(seen) == report.memories == 24
    assert report.segments > 24
