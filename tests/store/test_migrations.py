"""Prove that an older store opens, and that a newer one is refused and left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from memstrata import Memstrata
from memstrata.errors import StoreTooNew
from memstrata.store.sqlite.migrations import CURRENT, STEPS, migrate, version_of
from memstrata.store.sqlite.store import DATABASE, MARKER
from memstrata.testing import FakeEmbedder


def as_of_version_1(folder: Path) -> None:
    """A store as the first version made it, with one memory in it."""
    folder.mkdir()
    connection = apsw.Connection(str(folder / DATABASE))
    connection.execute("PRAGMA journal_mode = WAL")
    migrate(connection, folder / DATABASE, now=1, upto=1)
    assert version_of(connection) == 1
    embedder = FakeEmbedder()
    connection.execute(
        "INSERT INTO meta VALUES ('store_id', 'x'), ('embedder', ?), ('position', 1)", (embedder.identity,)
    )
    connection.execute("INSERT INTO space VALUES (1, '', '', 'ana', 1, 1, 5, 1)")
    row = 1 << 36 | 1
    connection.execute(
        'INSERT INTO memory ("row", id, version, space, kind, state, text, at, at_offset, created_at, recorded_at) '
        "VALUES (?, ?, 1, 1, 'turn', 'active', 'Ana likes tea', 0, 0, 1, 1)",
        (row, bytes(range(16))),
    )
    connection.execute(
        'INSERT INTO segment (id, "row", start, stop, words, traits) VALUES (?, ?, 0, 13, 5, 0)', (row, row)
    )
    connection.execute(
        "INSERT INTO lexicon (rowid, terms) VALUES (?, '1_1 1_januari 1_1970 1_ana 1_like 1_tea')", (row,)
    )
    connection.execute("INSERT INTO change VALUES (1, 1, ?, 1, 'add', 1)", (row,))
    connection.close()
    (folder / MARKER).write_text('{"memstrata": "store", "id": "x"}\n')


def test_a_store_of_the_first_version_opens_and_works(home: Path, opened: Callable[..., Memstrata]) -> None:
    as_of_version_1(home)
    memory = opened()
    assert [hit.memory.text for hit in memory.search("tea", user_id="ana")] == ["Ana likes tea"]
    memory.add("Ana likes rain", user_id="ana")
    memory.delete(memory.search("tea", user_id="ana", filters={"text": "Ana likes tea"})[0].memory.id)
    memory.purge()
    assert memory.upkeep().owed == {}
    connection = apsw.Connection(str(home / DATABASE))
    assert version_of(connection) == CURRENT
    assert [name for (name,) in connection.execute("SELECT name FROM migration ORDER BY version")] == [
        step.name for step in STEPS
    ]
    connection.close()


def test_a_store_of_the_third_version_opens_and_what_it_states_is_read(
    home: Path, opened: Callable[..., Memstrata]
) -> None:
    as_of_version_1(home)
    connection = apsw.Connection(str(home / DATABASE))
    migrate(connection, home / DATABASE, now=2, upto=3)
    for number, (value, day, more) in enumerate((("Mdina", 1, ""), ("Valletta", 2, ', "pinned": true')), start=2):
        row = 1 << 36 | number
        connection.execute(
            'INSERT INTO memory ("row", id, version, space, kind, state, text, attributes, at, at_offset, created_at, '
            "recorded_at) VALUES (?, ?, 1, 1, 'turn', 'active', ?, ?, ?, 0, 1, 1)",
            (
                row, bytes([number] * 16), f"Malta: {value}",
                f'{{"subject": "Malta", "attribute": "capital", "value": "{value}"{more}}}', day * 86_400_000_000,
            ),
        )  # fmt: skip
        connection.execute(
            'INSERT INTO segment (id, "row", start, stop, words, traits) VALUES (?, ?, 0, 15, 3, 0)', (row, row)
        )
        connection.execute("INSERT INTO lexicon (rowid, terms) VALUES (?, '1_malta')", (row,))
        connection.execute("INSERT INTO change VALUES (?, 1, ?, 1, 'add', 1)", (number, row))
    connection.execute("UPDATE space SET last = 3, segments = 3, words = 11, position = 3")
    connection.execute("UPDATE meta SET value = 3 WHERE name = 'position'")
    connection.execute("UPDATE memory SET state = 'superseded' WHERE \"row\" = ?", (1 << 36 | 1,))
    connection.execute("UPDATE space SET segments = 2, words = 6")
    connection.close()
    memory = opened()
    assert [one.value for one in memory.state("Malta", user_id="ana")] == ["Valletta"]
    first, second = memory.search("Malta Mdina", user_id="ana")
    assert (first.pinned, second.replaced_by) == (True, first.memory.id)
    assert memory.upkeep().owed.get("resolve", 0) == 0


def test_two_that_open_an_older_store_at_once_bring_it_up_once(home: Path, opened: Callable[..., Memstrata]) -> None:
    as_of_version_1(home)
    first, second = opened(), opened()
    first.add("one", user_id="ana")
    second.add("two", user_id="ana")
    assert first.stats(user_id="ana").memories == 3


def test_a_newer_store_is_refused_and_left_untouched(home: Path, opened: Callable[..., Memstrata]) -> None:
    memory = opened()
    memory.add("tea", user_id="ana")
    memory.close()
    connection = apsw.Connection(str(home / DATABASE))
    connection.execute("INSERT INTO migration VALUES (?, 'from the future', 1)", (CURRENT + 1,))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()

    def digest() -> str:
        return hashlib.sha256((home / DATABASE).read_bytes()).hexdigest()

    before = digest()
    with pytest.raises(StoreTooNew, match="upgrade"):
        opened()
    assert digest() == before
    (home / MARKER).unlink()
    with pytest.raises(StoreTooNew):
        opened()
    assert digest() == before


def test_a_migration_that_fails_leaves_the_version_it_found(home: Path) -> None:
    home.mkdir()
    connection = apsw.Connection(str(home / DATABASE))
    migrate(connection, home / DATABASE, now=1, upto=1)
    connection.execute("CREATE TABLE owed (in_the_way)")
    with pytest.raises(apsw.SQLError):
        migrate(connection, home / DATABASE, now=2)
    assert version_of(connection) == 1
    connection.execute("DROP TABLE owed")
    assert [step.version for step in migrate(connection, home / DATABASE, now=3)] == [2, 3, 4, 5, 6]
    connection.close()


def test_a_store_from_before_other_languages_is_searched_and_brought_up_to_date(
    home: Path, opened: Callable[..., Memstrata]
) -> None:
    memory = opened()
    memory.add("Die Häuser am See sind alt, und er wohnt in Łódź.", user_id="ana", at="1970-01-01")
    memory.add("green tea", user_id="ana", at="1970-01-01")
    connection = apsw.Connection(str(home / DATABASE))
    (row,) = connection.execute('SELECT min("row") FROM memory').fetchall()[0]
    before = "1 januari 1970 die hauser am see sind alt und er wohnt łodz"
    connection.execute("DELETE FROM lexicon WHERE rowid = ?", (row,))
    words = " ".join([f"1_{word}" for word in before.split() if word != "am"])
    connection.execute("INSERT INTO lexicon (rowid, terms) VALUES (?, ?)", (row, words))
    connection.execute("DELETE FROM owed")
    connection.execute(next(step.sql for step in STEPS if step.version == 4))  # as if it had only now been run
    connection.close()

    def found(query: str) -> int:
        return memory.explain(query, user_id="ana").terms[-1].found

    memory = opened()
    assert memory.check().ok
    assert [found(query) for query in ("Häuser", "Łódź", "Wo ist das Haus?")] == [1, 1, 0]
    assert memory.upkeep().settled["words"] == 2
    assert memory.upkeep().owed == {}
    assert memory.check().ok
    assert [found(query) for query in ("Häuser", "Łódź", "lodz", "Wo ist das Haus?")] == [1, 1, 1, 1]
