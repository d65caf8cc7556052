"""Read and write what memories state, the times they speak of, and which statement replaced which."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw
import numpy as np
from numpy.typing import NDArray

from memstrata.store import NUMBERS, SPACE_BITS, Resolved, StoredStatement, Succession, row_of

STATEMENT: Final = """
  s."row", s.place, s.subject, s.attribute, s.object, s.condition, s.said, s.start, s.stop, s.single, s.ends,
  s.confidence, s.since, m.valid_until, m.recorded_at, m.retired_at, s.leans
"""
SELECT_OF_ROWS: Final = f"""
SELECT {STATEMENT} FROM json_each(?) j CROSS JOIN statement s ON s."row" = j.value
CROSS JOIN memory m ON m."row" = s."row" ORDER BY j.key, s.place
"""
SELECT_ABOUT: Final = f"""
SELECT {STATEMENT} FROM statement s CROSS JOIN memory m ON m."row" = s."row"
WHERE s."row" >> {SPACE_BITS} = ? AND s.subject = ? AND (? IS NULL OR s.attribute = ?) AND m.state <> 'deleted'
ORDER BY s.since, s."row", s.place
"""
SELECT_NAMING: Final = f"""
SELECT {STATEMENT} FROM (
  SELECT s."row" AS r, s.place AS p FROM json_each(?) j CROSS JOIN statement s
    ON s."row" >> {SPACE_BITS} = ? AND s.subject = j.value
  UNION
  SELECT s."row", s.place FROM json_each(?) j CROSS JOIN statement s
    ON s."row" >> {SPACE_BITS} = ? AND s.object = j.value
) CROSS JOIN statement s ON s."row" = r AND s.place = p CROSS JOIN memory m ON m."row" = s."row"
WHERE (m.state = 'active' OR ? AND m.state <> 'deleted') ORDER BY s.since DESC, s."row" DESC, s.place LIMIT ?
"""
SELECT_KNOWN: Final = f"""
SELECT j.value FROM json_each(?) j
WHERE EXISTS (SELECT 1 FROM statement s WHERE s."row" >> {SPACE_BITS} = ? AND s.subject = j.value)
   OR EXISTS (SELECT 1 FROM statement s WHERE s."row" >> {SPACE_BITS} = ? AND s.object = j.value)
"""
SELECT_SUBJECTS: Final = f"""
SELECT DISTINCT s.subject FROM statement s CROSS JOIN memory m ON m."row" = s."row"
WHERE s."row" >> {SPACE_BITS} = ? AND (m.state = 'active' OR ? AND m.state <> 'deleted') ORDER BY s.subject
"""
SELECT_SUCCESSIONS: Final = """
SELECT "row", place, by_row, by_place, reason, confidence, closed_at, noticed_at, undone FROM succession
WHERE id IN (
  SELECT c.id FROM json_each(?) j CROSS JOIN succession c ON c."row" = j.value
  UNION SELECT c.id FROM json_each(?) j CROSS JOIN succession c ON c.by_row = j.value
) AND (ended_at IS NULL OR undone) ORDER BY id
"""
SELECT_SPOKEN_IN: Final = f"""
SELECT DISTINCT p."row" & {NUMBERS} FROM spoken p CROSS JOIN memory m ON m."row" = p."row"
WHERE p."row" >> {SPACE_BITS} = ? AND p.since < ? AND p.until > ? AND (m.state = 'active' OR ? AND m.state <> 'deleted')
ORDER BY 1 DESC LIMIT ?
"""
INSERT_STATEMENT: Final = "INSERT INTO statement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_SUCCESSION: Final = """
INSERT INTO succession ("row", place, by_row, by_place, reason, confidence, closed_at, noticed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET reason = excluded.reason, confidence = excluded.confidence,
  closed_at = excluded.closed_at, noticed_at = iif(ended_at IS NULL, noticed_at, excluded.noticed_at), ended_at = NULL
WHERE NOT undone
"""
END_SUCCESSION: Final = """
UPDATE succession SET ended_at = ?, undone = max(undone, ?)
WHERE "row" = ? AND place = ? AND by_row = ? AND by_place = ? AND ended_at IS NULL
"""
COUNT_OWED: Final = """
SELECT count(*) FROM (SELECT 1 FROM owed WHERE task = ? AND "row" >= ? AND "row" < ? LIMIT ?)
"""
OWE_BESIDE: Final = f"""
INSERT INTO owed (task, "row")
SELECT DISTINCT 'resolve', o."row" FROM statement s CROSS JOIN statement o
  ON o."row" >> {SPACE_BITS} = s."row" >> {SPACE_BITS} AND o.subject = s.subject AND o.attribute = s.attribute
CROSS JOIN memory m ON m."row" = o."row"
WHERE s."row" = ? AND o."row" <> s."row" AND m.state = 'active'
ON CONFLICT DO NOTHING
"""
SELECT_LEANING: Final = 'SELECT DISTINCT "row" FROM statement WHERE leans = ? AND "row" <> ?'
OWE_AGAIN: Final = """
INSERT INTO owed (task, "row") SELECT 'resolve', "row" FROM memory WHERE "row" = ? AND state = 'active'
ON CONFLICT DO NOTHING
"""


class FactReading:
    """What memories state, at one moment of the database."""

    connection: apsw.Connection

    def statements_of(self, rows: Iterable[int]) -> list[StoredStatement]:
        """What the memories at these rows state, in order."""
        return _statements(self.connection.execute(SELECT_OF_ROWS, (_json(rows),)))

    def statements_about(self, space: int, subject: str, attribute: str | None) -> list[StoredStatement]:
        """All that versions of memories ever stated of a subject, by since when it holds."""
        return _statements(self.connection.execute(SELECT_ABOUT, (space, subject, attribute, attribute)))

    def statements_naming(
        self, space: int, names: Iterable[str], *, limit: int, retired: bool = False
    ) -> list[StoredStatement]:
        """What current memories, or also retired ones, state whose subject or object is one of these names, newest
        first."""
        wanted = json.dumps(list(names), ensure_ascii=False)
        return _statements(self.connection.execute(SELECT_NAMING, (wanted, space, wanted, space, retired, limit)))

    def known_names(self, space: int, names: Iterable[str]) -> set[str]:
        """Those of some names that are a subject or an object of something stated in a space."""
        wanted = json.dumps(list(names), ensure_ascii=False)
        return {name for (name,) in self.connection.execute(SELECT_KNOWN, (wanted, space, space))}

    def subjects(self, space: int, *, retired: bool = False) -> list[str]:
        """All subjects of whom something is stated by current memories, or also by retired ones."""
        return [subject for (subject,) in self.connection.execute(SELECT_SUBJECTS, (space, retired))]

    def successions(self, rows: Iterable[int]) -> list[Succession]:
        """Which statements of these rows were closed by others, or closed others; those undone included."""
        wanted = _json(rows)
        return [
            Succession(tuple(row[0:2]), tuple(row[2:4]), row[4], row[5], row[6], row[7], bool(row[8]))
            for row in self.connection.execute(SELECT_SUCCESSIONS, (wanted, wanted))
        ]

    def spoken_in(self, space: int, since: int, until: int, *, limit: int, retired: bool = False) -> NDArray[np.int64]:
        """Numbers of the first segments of current memories, or also of retired ones, that speak of a time in
        [since, until)."""
        found = self.connection.execute(SELECT_SPOKEN_IN, (space, until, since, retired, limit))
        return np.array([number for (number,) in found], np.int64)

    def owed_in(self, space: int, task: str, *, most: int | None = None) -> int:
        """How many tasks of a name are owed in a space, counted up to `most`."""
        bounds = (task, row_of(space, 0), row_of(space + 1, 0), -1 if most is None else most)
        return int(self.connection.execute(COUNT_OWED, bounds).get)


def note(connection: apsw.Connection, resolved: Resolved) -> None:
    """Keep what a memory speaks of in place of what was kept before."""
    _clear(connection, resolved.row)
    for place, spoken in enumerate(resolved.spoken):
        connection.execute("INSERT INTO spoken VALUES (?, ?, ?, ?, ?, ?)", (resolved.row, place, *spoken))
    for one in resolved.statements:
        values = (
            resolved.row, one.place, one.subject, one.attribute, one.object,
            json.dumps(one.said, ensure_ascii=False), one.condition, one.start, one.stop, one.single, one.ends,
            one.confidence, one.since, one.leans,
        )  # fmt: skip
        connection.execute(INSERT_STATEMENT, values)


def relink(
    connection: apsw.Connection,
    made: Sequence[Succession],
    ended: Sequence[Succession],
    *,
    undone: bool,
    now: int,
) -> None:
    """Make links between statements and end others."""
    for one in ended:
        connection.execute(END_SUCCESSION, (now, undone, *one.old, *one.new))
    for one in made:
        values = (*one.old, *one.new, one.reason, one.confidence, one.closed_at, now)
        connection.execute(INSERT_SUCCESSION, values)


def forget(connection: apsw.Connection, row: int) -> None:
    """Drop all that a memory at a row was known to state; what stood beside it or leant on it is looked at anew."""
    rows: list[tuple[Any, ...]] = connection.execute(SELECT_LEANING, (row, row)).fetchall()  # Any: as above
    for (leaning,) in rows:
        forget(connection, leaning)
        connection.execute(OWE_AGAIN, (leaning,))
    owe_beside(connection, row)
    _clear(connection, row)
    connection.execute('DELETE FROM succession WHERE "row" = ? OR by_row = ?', (row, row))


def _clear(connection: apsw.Connection, row: int) -> None:
    connection.execute('DELETE FROM spoken WHERE "row" = ?', (row,))
    connection.execute('DELETE FROM statement WHERE "row" = ?', (row,))


def owe_beside(connection: apsw.Connection, row: int) -> None:
    """Owe a fresh look at the memories that state something of the same things as one that is no longer current."""
    connection.execute(OWE_BESIDE, (row,))


def _json(rows: Iterable[int]) -> str:
    return json.dumps([int(row) for row in rows])


def _statements(rows: Iterable[tuple[Any, ...]]) -> list[StoredStatement]:  # Any: SQLite columns have no static types
    return [
        StoredStatement(
            row=row[0], place=row[1], subject=row[2], attribute=row[3], object=row[4], condition=row[5],
            said=tuple(json.loads(row[6])), start=row[7], stop=row[8], single=bool(row[9]), ends=bool(row[10]),
            confidence=row[11], since=row[12], until=row[13], known=row[14], retired=row[15], leans=row[16],
        )
        for row in rows
    ]  # fmt: skip
