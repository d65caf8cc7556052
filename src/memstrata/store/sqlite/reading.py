"""Read one moment of the database."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import apsw
import numpy as np
from numpy.typing import NDArray

from memstrata.clock import EARLIEST, LATEST, as_datetime, id_bytes, id_text, micros
from memstrata.errors import PositionExpired, StoreCorrupt
from memstrata.store import (
    NUMBERS,
    SPACE_BITS,
    AuditRow,
    ChangeRow,
    Feedback,
    Place,
    SegmentColumns,
    SegmentText,
    SpaceState,
    Stored,
    When,
    number_of,
    row_of,
    space_of,
    told_of,
)
from memstrata.store.filters import Filter
from memstrata.store.sqlite.blobs import BlobReading
from memstrata.store.sqlite.content import content_of, digest_of
from memstrata.store.sqlite.facts import FactReading
from memstrata.store.sqlite.where import Clause, SqlValue, current_clause, filter_clause, moment_clause, place_clause
from memstrata.text.terms import Told, speaker_code
from memstrata.types import Difference, Memory, Scope, Statistics, Version

COLUMN_RUN: Final = 4096
DESCRIBING: Final = ("caption", "aliases")  # attributes that are indexed along with the text
MAX_SEGMENTS: Final = 4096  # of one memory

MEMORY_COLUMNS: Final = """
  m."row", m.id, m.version, m.space, m.agent, m.session, m.namespace, m.kind, m.state, m.text, m.attributes,
  m.speaker, m.role, m.at, m.at_offset, m.created_at, m.recorded_at, m.valid_from, m.valid_until, m.expires_at,
  m.contributor, m.resource,
  (SELECT json_group_array(s.source ORDER BY s.place) FROM source s WHERE s."row" = m."row"),
  (SELECT r.key FROM receipt r WHERE r.id = m.id)
"""
SELECT_BY_ROWS: Final = f'SELECT {MEMORY_COLUMNS} FROM json_each(?) j CROSS JOIN memory m ON m."row" = j.value'
SELECT_CURRENT: Final = f"SELECT {MEMORY_COLUMNS} FROM memory m WHERE m.id = ? AND m.state = 'active'"
SELECT_KEYED: Final = f"""
SELECT {MEMORY_COLUMNS} FROM receipt k CROSS JOIN memory m ON m.id = k.id
WHERE k.space = ? AND k.key = ? AND m.state = 'active'
"""
SELECT_HISTORY: Final = f"SELECT {MEMORY_COLUMNS} FROM memory m WHERE m.id = ? ORDER BY m.version"
SELECT_STATE: Final = "SELECT last, segments, words, position FROM space WHERE id = ?"
SELECT_SPACES: Final = """
SELECT id FROM space
WHERE (? IS NULL OR tenant = ?) AND (? IS NULL OR app = ?) AND (? IS NULL OR user = ?) ORDER BY id
"""
SELECT_SPACE: Final = "SELECT id FROM space WHERE tenant = ? AND app = ? AND user = ?"
# joined into one text inside SQLite and split by numpy: half the cost of a Python integer for each row
SELECT_POSTINGS: Final = """
SELECT group_concat(rowid) FROM (SELECT rowid FROM lexicon WHERE lexicon MATCH ? ORDER BY rowid DESC LIMIT ?)
"""
# left to itself SQLite walks all memories of the space: 16 ms at 100,000; a row's upper bits are its space
SELECT_LAPSED: Final = f"""
SELECT group_concat("row") FROM (
  SELECT "row" FROM memory INDEXED BY memory_by_expiry
  WHERE state = 'active' AND expires_at <= ? AND "row" >> {SPACE_BITS} = ?
  UNION SELECT "row" FROM memory INDEXED BY memory_by_end
  WHERE state = 'active' AND valid_until <= ? AND "row" >> {SPACE_BITS} = ?
  UNION SELECT "row" FROM memory INDEXED BY memory_by_start
  WHERE state = 'active' AND valid_from > ? AND "row" >> {SPACE_BITS} = ?
)
"""
SELECT_NEXT_LAPSE: Final = f"""
SELECT min(moment) FROM (
  SELECT min(expires_at) AS moment FROM memory INDEXED BY memory_by_expiry
  WHERE state = 'active' AND expires_at > ? AND "row" >> {SPACE_BITS} = ?
  UNION ALL SELECT min(valid_until) FROM memory INDEXED BY memory_by_end
  WHERE state = 'active' AND valid_until > ? AND "row" >> {SPACE_BITS} = ?
  UNION ALL SELECT min(valid_from) FROM memory INDEXED BY memory_by_start
  WHERE state = 'active' AND valid_from > ? AND "row" >> {SPACE_BITS} = ?
)
"""
SELECT_FEEDBACK: Final = """
SELECT "row", useful, evidence FROM feedback WHERE space = ? AND length(evidence) = ? ORDER BY id DESC LIMIT ?
"""
SELECT_SEGMENTS: Final = """
SELECT s.id, s."row", s.start, s.stop, substr(m.text, s.start + 1, s.stop - s.start), m.speaker, m.at, m.at_offset,
  m.attributes -> '$.caption', m.attributes -> '$.aliases'
FROM json_each(?) j CROSS JOIN segment s ON s.id = j.value CROSS JOIN memory m ON m."row" = s."row"
"""
SELECT_COLUMNS: Final = """
SELECT s.id, s."row", m.state, s.words, s.traits, m.at, m.session, m.speaker, s.vector, m.id
FROM segment s CROSS JOIN memory m ON m."row" = s."row" WHERE s.id > ? AND s.id < ? ORDER BY s.id
"""
SELECT_COLUMNS_OF: Final = f"""
SELECT s.id, s."row", m.state, s.words, s.traits, m.at, m.session, m.speaker, s.vector, m.id
FROM json_each(?) j CROSS JOIN segment s ON s.id >= j.value AND s.id < j.value + {MAX_SEGMENTS}
CROSS JOIN memory m ON m."row" = s."row" WHERE s."row" = j.value ORDER BY s.id
"""
SELECT_CHANGED: Final = """
SELECT DISTINCT "row" FROM change WHERE space = ? AND sequence > ? AND operation <> 'add' AND operation <> 'resolve'
"""
SELECT_CHANGES_AFTER: Final = """
SELECT c.sequence, c."row", m.id, iif(c.version, c.version, m.version), c.operation, c.at, c.version = 0
FROM change c LEFT JOIN memory m ON m."row" = c."row"
WHERE c.sequence > ? AND c.space IN (SELECT value FROM json_each(?))
  AND c.operation IN ('add', 'update', 'merge', 'delete')
ORDER BY c.sequence LIMIT ?
"""
SELECT_VECTORS: Final = """
SELECT j.key, s.vector FROM json_each(?) j CROSS JOIN segment s ON s.id = j.value WHERE s.vector IS NOT NULL
"""
AS_ADDED: Final = '(SELECT min(f."row") FROM memory f WHERE f.id = m.id), m.version'
SELECT_LINEAGE: Final = """
WITH RECURSIVE kin (id) AS (
  SELECT id FROM memory WHERE id = ? AND state IN ('active', 'merged')
  UNION
  SELECT p.id FROM kin k JOIN memory m ON m.id = k.id JOIN source s ON s."row" = m."row"
    JOIN memory p ON p.id = unhex(s.source, '-') AND p.space = m.space AND p.state = 'merged'
)
SELECT id FROM kin
"""
COUNT_SEGMENTS: Final = f"""
SELECT count(*) FROM memory m CROSS JOIN segment s
  ON s.id >= m."row" AND s.id < m."row" + {MAX_SEGMENTS} AND s."row" = m."row" WHERE {{where}} AND m.state = 'active'
"""
SELECT_SEGMENT_IDS: Final = f"""
SELECT s.id FROM json_each(?) j CROSS JOIN segment s ON s.id >= j.value AND s.id < j.value + {MAX_SEGMENTS}
  AND s."row" = j.value
"""
SELECT_AUDITED: Final = 'SELECT "row" FROM memory WHERE state <> \'deleted\' ORDER BY "row"'
SELECT_AUDIT: Final = f"""
SELECT {MEMORY_COLUMNS}, m.digest, EXISTS (SELECT 1 FROM owed o WHERE o.task = 'embed' AND o."row" = m."row"),
  EXISTS (SELECT 1 FROM owed o WHERE o.task = 'words' AND o."row" = m."row")
FROM memory m WHERE m."row" = ?
"""
SELECT_AUDIT_SEGMENTS: Final = f"""
SELECT id, start, stop, vector FROM segment WHERE id >= ? AND id < ? + {MAX_SEGMENTS} AND "row" = ? ORDER BY id
"""
# walks the passages of each word: 5 ms for the words of one first letter at 100,000 memories, 50 ms for all of them
VOCABULARY: Final = """
CREATE VIRTUAL TABLE IF NOT EXISTS temp.lexicon_vocabulary USING fts5vocab (main, lexicon, row)
"""
SELECT_WORDS: Final = """
SELECT group_concat(term, ' ') FROM temp.lexicon_vocabulary WHERE term >= ? AND term < ?
"""
INDEXED_WORDS: Final = """
CREATE VIRTUAL TABLE IF NOT EXISTS temp.lexicon_words USING fts5vocab (main, lexicon, instance)
"""
SELECT_COUNTS: Final = f"""
SELECT p.id, p.segments, p.words, p.last,
  count(s.id) FILTER (WHERE m.state = 'active'), coalesce(sum(s.words) FILTER (WHERE m.state = 'active'), 0),
  max(coalesce(max(s.id), 0), coalesce(max(m."row"), 0)) & {NUMBERS}
FROM space p LEFT JOIN memory m ON m.space = p.id LEFT JOIN segment s ON s."row" = m."row"
  AND s.id >= m."row" AND s.id < m."row" + {MAX_SEGMENTS}
GROUP BY p.id
"""
SELECT_LATE_SPACES: Final = """
SELECT p.id, p.position, max(c.sequence) FROM change c JOIN space p ON p.id = c.space
GROUP BY p.id HAVING p.position < max(c.sequence)
"""
Row = tuple[Any, ...]  # Any: SQLite columns have no static types


def numbers_in(joined: str | None) -> NDArray[np.int64]:
    """Numbers joined by commas, without the space in their upper bits."""
    if not joined:
        return np.empty(0, np.int64)
    return np.fromstring(joined, dtype=np.int64, sep=",") & NUMBERS


class SqliteReading(FactReading, BlobReading):
    """One moment of the database, for as long as its transaction lasts."""

    def __init__(self, connection: apsw.Connection, names: dict[int, tuple[str, str, str]]) -> None:
        self.connection = connection
        self._names = names  # of spaces; they never change, so every transaction may share them

    # ── rows ──

    def spaces(self, tenant: str | None, app: str | None, user: str | None) -> list[int]:
        """The spaces of this name; None stands for any."""
        if tenant is not None and app is not None and user is not None:
            found = self.connection.execute(SELECT_SPACE, (tenant, app, user)).get
            return [] if found is None else [found]
        rows = self.connection.execute(SELECT_SPACES, (tenant, tenant, app, app, user, user))
        return [space for (space,) in rows]

    def select(
        self,
        places: Sequence[Place],
        where: Filter | None,
        *,
        newest_first: bool = False,
        after: tuple[int, int] | None = None,
        limit: int,
        now: int,
    ) -> list[Stored]:
        """Current memories in the order of their event time, merged over the places."""
        key: Callable[[Stored], tuple[int, int]] = self._order_key
        found: list[Stored] = []
        for place in places:
            sql, values = _selection(place, where, newest_first=newest_first, after=after, now=now)
            rows = self.connection.execute(sql, (*values, limit))
            found += [self._stored(row) for row in rows]
        if len(places) > 1:
            found.sort(key=key, reverse=newest_first)
        return found[:limit]

    @staticmethod
    def _order_key(stored: Stored) -> tuple[int, int]:
        return micros(stored.memory.at), stored.row

    def memories(self, rows: Iterable[int]) -> dict[int, Stored]:
        """The memories at these rows."""
        found = self.connection.execute(SELECT_BY_ROWS, (json.dumps([int(row) for row in rows]),))
        return {row[0]: self._stored(row) for row in found}

    def current(self, id: bytes) -> Stored | None:
        """The current version of a memory that is not deleted."""
        row = self.connection.execute(SELECT_CURRENT, (id,)).fetchone()
        return None if row is None else self._stored(row)

    def named(self, space: int, name: str) -> Stored | None:
        """The current version of a memory of a space, by its key or its id."""
        row = self.connection.execute(SELECT_KEYED, (space, name)).fetchone()
        if row is not None:
            return self._stored(row)
        raw = id_bytes(name)
        found = None if raw is None else self.current(raw)
        return found if found is not None and space_of(found.row) == space else None

    def history(self, id: bytes) -> list[tuple[int, Version]]:
        """Every version, oldest first, each with its row."""
        versions = []
        for row in self.connection.execute(SELECT_HISTORY, (id,)):
            stored = self._stored(row)
            memory = None if stored.memory.state == "deleted" else stored.memory
            versions.append((stored.row, Version(row[2], row[8], as_datetime(row[16]), memory)))
        return versions

    def deletable(self, places: Sequence[Place], where: Filter | None, *, limit: int) -> list[bytes]:
        """Ids of memories of the places that still hold content."""
        found: list[bytes] = []
        for place in places:
            sql, values = place_clause(place)
            if where is not None:
                condition, more = filter_clause(where)
                sql, values = f"{sql} AND {condition}", [*values, *more]
            sql = f"SELECT m.id FROM memory m WHERE {sql} AND m.state IN ('active', 'merged') LIMIT ?"
            rows: Sequence[Row] = self.connection.execute(sql, (*values, limit - len(found))).fetchall()
            found += [id for (id,) in rows]
        return found

    def lineage(self, id: bytes) -> list[bytes]:
        """The id itself and those of all memories that were merged into it."""
        return [found for (found,) in self.connection.execute(SELECT_LINEAGE, (id,))]

    def everything(self, places: Sequence[Place]) -> Iterator[Stored]:
        """Every version of every memory of the places that is not deleted, memory by memory."""
        for place in places:
            sql, values = place_clause(place)
            sql = f"SELECT {MEMORY_COLUMNS} FROM memory m WHERE {sql} AND m.state <> 'deleted' ORDER BY {AS_ADDED}"
            for row in self.connection.execute(sql, values):
                yield self._stored(row)

    # ── indexes ──

    def state(self, space: int) -> SpaceState:
        """How much the space holds and its last change."""
        row = self.connection.execute(SELECT_STATE, (space,)).fetchone()
        return SpaceState(0, 0, 0, 0) if row is None else SpaceState(*row)

    def postings(self, space: int, term: str, *, limit: int) -> NDArray[np.int64]:
        """Numbers of the newest `limit` segments that hold the word, newest first."""
        return numbers_in(self.connection.execute(SELECT_POSTINGS, (f'"{space}_{term}"', limit)).get)

    def words(self, space: int, opening: str) -> list[str]:
        """The words of the space that begin so, in order."""
        self.connection.execute(VOCABULARY)
        first = f"{space}_{opening}"
        last = first[:-1] + chr(ord(first[-1]) + 1)
        joined: str = self.connection.execute(SELECT_WORDS, (first, last)).get or ""
        skipped = len(f"{space}_")
        return [term[skipped:] for term in joined.split(" ") if term.find("_", skipped) < 0] if joined else []

    def allowed_rows(self, place: Place, where: Filter | None, *, when: When) -> NDArray[np.int64]:
        """Numbers of the first segments of the memories that the place and filter allow, as of a moment."""
        sql, values = _filtered(moment_clause(place, when), where)
        return numbers_in(
            self.connection.execute(f'SELECT group_concat(m."row") FROM memory m WHERE {sql}', values).get
        )

    def last_feedback(self, space: int) -> int:
        """The number of the last feedback given in a space."""
        return int(self.connection.execute("SELECT coalesce(max(id), 0) FROM feedback WHERE space = ?", (space,)).get)

    def feedback(self, space: int, *, features: int, limit: int) -> Feedback:
        """The newest feedback given in a space with so many features."""
        found: Sequence[Row] = self.connection.execute(SELECT_FEEDBACK, (space, features * 4, limit)).fetchall()
        evidence = b"".join([row[2] for row in found])
        return Feedback(
            np.array([row[0] for row in found], np.int64),
            np.array([row[1] for row in found], np.bool_),
            np.frombuffer(evidence, "<f4").reshape(len(found), features),
        )

    def lapsed(self, space: int, *, now: int) -> NDArray[np.int64]:
        """Numbers of the first segments of memories that have expired, or do not hold now."""
        return numbers_in(self.connection.execute(SELECT_LAPSED, (now, space) * 3).get)

    def next_lapse(self, space: int, *, now: int) -> int | None:
        """When the first of a space's memories expires, begins or ceases to hold."""
        found: int | None = self.connection.execute(SELECT_NEXT_LAPSE, (now, space) * 3).get
        return found

    def segment_texts(self, ids: Iterable[int]) -> dict[int, SegmentText]:
        """Segments with their texts, by id."""
        rows = self.connection.execute(SELECT_SEGMENTS, (json.dumps([int(id) for id in ids]),))
        found: dict[int, SegmentText] = {}
        for id, row, start, stop, text, speaker, at, at_offset, *described in rows:
            if not EARLIEST <= at <= LATEST:
                raise StoreCorrupt(f"the time of row {row} is damaged; run `memstrata check`, or restore a backup")
            attributes = {
                name: json.loads(said) for name, said in zip(DESCRIBING, described, strict=True) if said is not None
            }
            told = told_of(speaker, at, at_offset, attributes)
            found[id] = SegmentText(id, row, start, stop, text, told)
        return found

    def segments_of(self, rows: Iterable[int]) -> list[int]:
        """Ids of the segments of the memories at these rows."""
        return [id for (id,) in self.connection.execute(SELECT_SEGMENT_IDS, (json.dumps([int(row) for row in rows]),))]

    # ── vectors ──

    def columns(self, space: int, *, after: int, dimensions: int) -> Iterator[SegmentColumns]:
        """The space's segments with numbers above `after`, in runs."""
        rows = self.connection.execute(SELECT_COLUMNS, (row_of(space, after), row_of(space + 1, 0)))
        while run := list(islice(rows, COLUMN_RUN)):
            yield _columns(run, dimensions)

    def changed(self, space: int, *, after: int) -> Sequence[int] | None:
        """Numbers of memories changed after a position other than by being added."""
        if after < max(self.meta("pruned_to") or 0, self.meta("reread_from") or 0):
            return None
        return [number_of(row) for (row,) in self.connection.execute(SELECT_CHANGED, (space, after))]

    def changes_after(self, position: int, spaces: Sequence[int], *, limit: int) -> list[ChangeRow]:
        """The next changes to memories of some spaces, oldest first."""
        if position < int(self.meta("pruned_to") or 0):
            raise PositionExpired(
                f"the list of changes begins at {self.meta('pruned_to')}, and position {position} lies before it: "
                "read what there is with list(), and go on from the position that stats() names"
            )
        rows = self.connection.execute(SELECT_CHANGES_AFTER, (position, json.dumps(list(spaces)), limit))
        return [ChangeRow(row[0], row[1], row[2], row[3], row[4], row[5], retired=bool(row[6])) for row in rows]

    def moment_of(self, position: int) -> int | None:
        """When a change was made."""
        found: int | None = self.connection.execute("SELECT at FROM change WHERE sequence = ?", (position,)).get
        return found

    def columns_of(self, space: int, numbers: Sequence[int], *, dimensions: int) -> SegmentColumns:
        """The segments of the memories with these first-segment numbers."""
        rows = json.dumps([row_of(space, number) for number in numbers])
        return _columns(self.connection.execute(SELECT_COLUMNS_OF, (rows,)).fetchall(), dimensions)

    def vectors(self, ids: Sequence[int], *, dimensions: int) -> NDArray[np.float16]:
        """Exact vectors of segments, zero rows where there is none."""
        found = np.zeros((len(ids), dimensions), np.float16)
        rows = self.connection.execute(SELECT_VECTORS, (json.dumps([int(id) for id in ids]),))
        there = [(place, vector) for place, vector in rows if len(vector) == dimensions * 2]
        vectors = np.frombuffer(b"".join([vector for _, vector in there]), "<f2")
        found[[place for place, _ in there]] = vectors.reshape(len(there), dimensions)
        return found

    # ── what check() compares ──

    def audit(self) -> Iterator[AuditRow]:
        """Every version that is not deleted, as it lies in the files."""
        for (number,) in self.connection.execute(SELECT_AUDITED):
            found: Sequence[Row] = self.connection.execute(SELECT_AUDIT_SEGMENTS, (number, number, number)).fetchall()
            yield self._audited(number, tuple(found))

    def _audited(self, number: int, segments: tuple[Any, ...]) -> AuditRow:  # Any: SQLite columns
        """One version; a row that cannot even be read comes without text."""
        try:
            found: Row = self.connection.execute(SELECT_AUDIT, (number,)).fetchone() or ()
            *columns, digest, embedding_owed, words_owed = found
            memory = self._stored(tuple(columns)).memory
        except (StoreCorrupt, UnicodeDecodeError):
            return AuditRow(
                number, f"in row {number}", 0, "", Told(None, 0, 0), intact=False, embedding_owed=False,
                words_owed=False, segments=segments,
            )  # fmt: skip
        content = content_of(memory, columns[13])
        return AuditRow(
            number, memory.id, memory.version, memory.text, content.told,
            intact=digest == digest_of(content, at=columns[13]), embedding_owed=bool(embedding_owed),
            words_owed=bool(words_owed), segments=segments,
        )  # fmt: skip

    def indexed_words(self) -> dict[int, int]:
        """The sum of CRC-32 over the words that the text index holds of each segment."""
        self.connection.execute(INDEXED_WORDS)
        sums: dict[int, int] = {}
        for term, id in self.connection.execute("SELECT term, doc FROM temp.lexicon_words"):
            sums[id] = sums.get(id, 0) + zlib.crc32(term.encode())
        return sums

    def audit_counts(self) -> list[Difference]:
        """Where the counts of spaces and changes are not what the rows add up to."""
        found = []
        for space, segments, words, last, real_segments, real_words, real_last in self.connection.execute(
            SELECT_COUNTS
        ):
            if (segments, words) != (real_segments, real_words) or last < real_last:
                told, real = (segments, words, last), (real_segments, real_words, real_last)
                found.append(Difference("text index", f"space {space}", f"counts {told} where the rows make {real}"))
        for space, position, last_change in self.connection.execute(SELECT_LATE_SPACES):
            problem = f"says {position}, its last change is {last_change}"
            found.append(Difference("changes", f"position of space {space}", problem))
        last_change = self.connection.execute("SELECT coalesce(max(sequence), 0) FROM change").get
        if last_change and last_change != self.position():
            found.append(Difference("changes", "position", f"says {self.position()}, the last change is {last_change}"))
        return found

    # ── the whole ──

    def position(self) -> int:
        """The number of the last change."""
        return int(self.meta("position") or 0)

    def meta(self, name: str) -> Any:  # Any: text, number or nothing, as it was put there
        """A setting that the database itself carries."""
        return self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).get

    def owed(self) -> Mapping[str, int]:
        """How many tasks of each name are owed."""
        return dict(self.connection.execute("SELECT task, count(*) FROM owed GROUP BY task ORDER BY task"))

    def statistics(self, places: Sequence[Place], *, now: int) -> Statistics:
        """Counts over the places, sizes over the whole store."""
        by_kind: dict[str, int] = {}
        versions = segments = 0
        for place in places:
            sql, values = current_clause(place, now=now)
            for kind, count in self.connection.execute(
                f"SELECT kind, count(*) FROM memory m WHERE {sql} GROUP BY kind", values
            ):
                by_kind[kind] = by_kind.get(kind, 0) + count
            sql, values = place_clause(place)
            versions += self.connection.execute(
                f"SELECT count(*) FROM memory m WHERE {sql} AND m.state <> 'deleted'", values
            ).get
            segments += self._segments(place)
        blobs, blob_bytes = self._blob_sums(places)
        pages = self.connection.pragma("page_count") * self.connection.pragma("page_size")
        return Statistics(
            memories=sum(by_kind.values()), versions=versions, segments=segments, by_kind=by_kind,
            spaces=len(places), owed=self.owed(), embedder=str(self.meta("embedder") or ""), size_bytes=pages,
            position=self.position(), blobs=blobs, blob_bytes=blob_bytes,
        )  # fmt: skip

    def _segments(self, place: Place) -> int:
        """How many segments of current memories a place holds."""
        if not place.narrowed:
            return self.state(place.space).segments
        sql, values = place_clause(place)
        return int(self.connection.execute(COUNT_SEGMENTS.format(where=sql), values).get)

    def name_of(self, space: int) -> tuple[str, str, str]:
        """The tenant, app and user of a space."""
        name = self._names.get(space)
        if name is None:
            row = self.connection.execute("SELECT tenant, app, user FROM space WHERE id = ?", (space,)).fetchone()
            name = self._names[space] = row or ("", "", "")
        return name

    def _stored(self, row: Row) -> Stored:
        try:
            return self._read(row)
        except (ValueError, OverflowError, TypeError, AttributeError) as exc:
            raise StoreCorrupt(
                f"memory in row {row[:1]} is damaged ({exc}); run `memstrata check`, or restore a backup"
            ) from exc

    def _read(self, row: Row) -> Stored:
        (number, id, version, space, agent, session, namespace, kind, state, text, attributes, speaker, role, at,
         at_offset, created_at, recorded_at, valid_from, valid_until, expires_at, contributor, resource, sources,
         key) = row  # fmt: skip
        for value in (agent, session, namespace, kind, state, text, speaker, role, contributor, resource, key):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{type(value).__name__} where a text should be")
        tenant, app, user = self.name_of(space)
        memory = Memory(
            id=id_text(id),
            text=text,
            kind=kind,
            scope=Scope(tenant or None, app or None, user or None, agent, session, namespace),
            at=as_datetime(at, at_offset),
            created_at=as_datetime(created_at),
            updated_at=as_datetime(recorded_at),
            version=version,
            state=state,
            speaker=speaker,
            role=role,
            attributes=json.loads(attributes) if attributes else {},
            valid_from=None if valid_from is None else as_datetime(valid_from),
            valid_until=None if valid_until is None else as_datetime(valid_until),
            expires_at=None if expires_at is None else as_datetime(expires_at),
            sources=tuple(json.loads(sources)) if sources != "[]" else (),
            contributor=contributor,
            resource=resource,
            key=key,
        )
        return Stored(number, memory)


def _filtered(clause: Clause, where: Filter | None) -> Clause:
    sql, values = clause
    if where is not None:
        condition, more = filter_clause(where)
        sql, values = f"{sql} AND {condition}", [*values, *more]
    return sql, values


def _selection(
    place: Place, where: Filter | None, *, newest_first: bool, after: tuple[int, int] | None, now: int
) -> tuple[str, list[SqlValue]]:
    sql, values = _filtered(current_clause(place, now=now), where)
    if after is not None:
        sql += f' AND (m.at, m."row") {"<" if newest_first else ">"} (?, ?)'
        values += after
    order = "DESC" if newest_first else "ASC"
    return (
        f'SELECT {MEMORY_COLUMNS} FROM memory m WHERE {sql} ORDER BY m.at {order}, m."row" {order} LIMIT ?',
        values,
    )


def _columns(rows: Sequence[Row], dimensions: int) -> SegmentColumns:
    try:
        found = _as_columns(rows, dimensions)
    except (TypeError, ValueError, OverflowError, AttributeError) as exc:
        raise StoreCorrupt(f"a passage is damaged ({exc}); run `memstrata check`, or restore a backup") from exc
    within = found.numbers - found.owners
    if np.any((within < 0) | (within >= MAX_SEGMENTS)):
        raise StoreCorrupt("a passage names a memory that is not its own; run `memstrata check`, or restore a backup")
    return found


def _as_columns(rows: Sequence[Row], dimensions: int) -> SegmentColumns:
    size = dimensions * 2
    nothing = bytes(size)
    vectors = b"".join([row[8] if row[8] is not None and len(row[8]) == size else nothing for row in rows])
    return SegmentColumns(
        numbers=np.array([row[0] for row in rows], np.int64) & NUMBERS,
        owners=np.array([row[1] for row in rows], np.int64) & NUMBERS,
        live=np.array([row[2] == "active" for row in rows], np.bool_),
        words=np.array([row[3] for row in rows], np.int32),
        traits=np.array([row[4] for row in rows], np.uint8),
        at=np.array([row[5] for row in rows], np.int64),
        born=np.array([_born(row[9]) for row in rows], np.int64),
        sessions=np.array([_session_code(row[6]) for row in rows], np.int64),
        speakers=np.array([_speaker_code(row[7]) for row in rows], np.uint32),
        vectors=np.frombuffer(vectors, "<f2").reshape(len(rows), dimensions),
    )


def _born(id: bytes) -> int:
    """The time in an id: milliseconds and their fraction, which grow from id to id."""
    return int.from_bytes(id[:6], "big") << 12 | int.from_bytes(id[6:8], "big") & 0xFFF


@lru_cache(maxsize=4096)
def _session_code(session: str | None) -> int:
    """A session as a number; two sessions of one space share it once in four billion."""
    return 0 if session is None else 1 + zlib.crc32(session.encode())


_speaker_code = lru_cache(maxsize=4096)(speaker_code)
