"""Write to the database, inside the one transaction that may."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import apsw

from memstrata.clock import id_bytes, id_text, micros
from memstrata.errors import KeyConflict
from memstrata.store import (
    Held,
    NewBlob,
    NewMemory,
    NewSegment,
    OwedTask,
    Place,
    Resolved,
    Restored,
    Stored,
    Succession,
    row_of,
    space_of,
)
from memstrata.store.blobs import Blobs
from memstrata.store.sqlite import blobs, facts
from memstrata.store.sqlite.content import content_of, digest_of
from memstrata.store.sqlite.reading import MAX_SEGMENTS, SELECT_COUNTS, Row, SqliteReading
from memstrata.store.sqlite.where import SqlValue
from memstrata.types import Operation, State

INSERT_SPACE: Final = "INSERT INTO space (tenant, app, user) VALUES (?, ?, ?) RETURNING id"
INSERT_MEMORY: Final = """
INSERT INTO memory ("row", id, version, space, agent, session, namespace, kind, state, text, attributes, speaker,
  role, at, at_offset, created_at, recorded_at, valid_from, valid_until, expires_at, contributor, resource, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_SEGMENT: Final = (
    'INSERT INTO segment (id, "row", start, stop, words, traits, vector) VALUES (?, ?, ?, ?, ?, ?, ?)'
)
INSERT_TERMS: Final = "INSERT INTO lexicon (rowid, terms) VALUES (?, ?)"
INSERT_CHANGE: Final = 'INSERT INTO change (space, "row", version, operation, at) VALUES (?, ?, ?, ?, ?)'
INSERT_SOURCE: Final = "INSERT INTO source VALUES (?, ?, ?)"
INSERT_RECEIPT: Final = "INSERT INTO receipt (space, key, id, digest) VALUES (?, ?, ?, ?)"
SELECT_CONTRIBUTOR: Final = "SELECT contributor FROM memory WHERE id = ? ORDER BY version LIMIT 1"
SELECT_RECEIPT: Final = "SELECT id, digest FROM receipt WHERE space = ? AND key = ?"
UPDATE_SPACE: Final = """
UPDATE space SET last = ?, segments = segments + ?, words = words + ?, position = ? WHERE id = ?
"""
SET_META: Final = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
RENEW: Final = 'UPDATE memory SET expires_at = ?, digest = ? WHERE "row" = ?'
RETIRE: Final = 'UPDATE memory SET state = ?, retired_at = ? WHERE "row" = ?'
SELECT_SIZE: Final = 'SELECT count(*), coalesce(sum(words), 0) FROM segment WHERE "row" = ? AND id >= ? AND id < ?'
SELECT_VERSIONS: Final = "SELECT \"row\", state, version FROM memory WHERE id = ? AND state <> 'deleted'"
BURY_SEGMENTS: Final = 'DELETE FROM segment WHERE "row" = ? AND id >= ? AND id < ? RETURNING id'
BURY_MEMORY: Final = """
UPDATE memory SET state = 'deleted', text = '', attributes = NULL, speaker = NULL, role = NULL, agent = NULL,
  session = NULL, namespace = NULL, at = 0, at_offset = 0, valid_from = NULL, valid_until = NULL, expires_at = NULL,
  contributor = NULL, resource = NULL, digest = NULL, recorded_at = ?
WHERE "row" = ?
"""
SELECT_EXPIRED_IDS: Final = """
SELECT id FROM memory WHERE state = 'active' AND expires_at <= ? ORDER BY expires_at LIMIT ?
"""
SELECT_EMPTY_SPACES: Final = """
SELECT id FROM space s
WHERE NOT EXISTS (SELECT 1 FROM memory m WHERE m.space = s.id AND m.state <> 'deleted')
  AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.space = s.id)
  AND (s.last > 0 OR NOT EXISTS (SELECT 1 FROM blob b WHERE b.space = s.id))  -- a payload made from no memory
"""
CLAIM: Final = """
UPDATE owed SET holder = ?, held_until = ?
WHERE id IN (
  SELECT id FROM owed WHERE task = ? AND (held_until <= ? OR holder = ?) AND "row" >= ? AND "row" < ?
  ORDER BY id LIMIT ?
)
RETURNING id, task, "row"
"""
INSERT_FEEDBACK: Final = 'INSERT INTO feedback (space, "row", useful, evidence, at) VALUES (?, ?, ?, ?, ?)'
PRUNE_FEEDBACK: Final = """
DELETE FROM feedback
WHERE space = ? AND id <= (SELECT id FROM feedback WHERE space = ? ORDER BY id DESC LIMIT 1 OFFSET ?)
"""
PRUNE: Final = "DELETE FROM change WHERE sequence <= ? AND sequence NOT IN (SELECT position FROM space)"
SELECT_PRUNABLE: Final = (
    "SELECT max(sequence) FROM change WHERE at < ? OR sequence <= (SELECT max(sequence) FROM change) - ?"
)
LAST_ROW: Final = (1 << 63) - 1
OWE_ALL: Final = (
    'INSERT INTO owed (task, "row") SELECT DISTINCT \'embed\', "row" FROM segment WHERE 1 '
    "ON CONFLICT DO UPDATE SET holder = NULL, held_until = 0"
)


def _retired(versions: Sequence[Restored], one: Restored) -> int:
    """When a version gave way to the next; of the last one it is not known, and taken for when it was recorded."""
    return min((other.recorded_at for other in versions if other.version > one.version), default=one.recorded_at)


class Ids(Protocol):
    """Makes ids that sort by time."""

    def next(self, now: int) -> bytes:
        """Sixteen bytes."""
        ...


class SqliteWriting(SqliteReading):
    """The one transaction that writes; sees its own changes."""

    def __init__(
        self, connection: apsw.Connection, names: dict[int, tuple[str, str, str]], *, now: int, ids: Ids, files: Blobs
    ) -> None:
        super().__init__(connection, names)
        self._ids = ids
        self._files = files
        self.touched: set[bytes] = set()  # digests of payloads that this transaction named, or ceased to name
        self._position = super().position()
        # the clock may have gone back since the last change; what is recorded never does
        self.now = max(now, int(self.meta("recorded_at") or 0) + 1)

    def finish(self) -> None:
        """Note how far the changes reach; the store calls this before it commits."""
        if self._position != super().position():
            self.set_meta("position", self._position)
            self.set_meta("recorded_at", self.now)

    def position(self) -> int:
        """The number of the last change, those of this transaction included."""
        return self._position

    def space(self, tenant: str, app: str, user: str) -> int:
        """The space of this name, made when it is new."""
        found = self.spaces(tenant, app, user)
        return found[0] if found else self.connection.execute(INSERT_SPACE, (tenant, app, user)).get

    def insert(
        self, space: int, memories: Sequence[NewMemory], *, operation: Operation = "add", once: bool = False
    ) -> tuple[list[bytes], int]:
        """Write new memories; a key that came before keeps its first id, and with `once` its content too."""
        ids: list[bytes] = []
        last = first = self.state(space).last
        words = repeated = 0
        for memory in memories:
            digest = _digest(memory)
            known = None if memory.key is None else self._receipt(space, memory, digest, once=once)
            if known is not None:
                ids.append(known)
                repeated += 1
                continue
            id = self._ids.next(self.now)
            ids.append(id)
            self._write(row_of(space, last + 1), id, 1, self.now, memory)
            self._note(space, row_of(space, last + 1), 1, operation)
            if memory.key is not None:
                self.connection.execute(INSERT_RECEIPT, (space, memory.key, id, digest))
            last += len(memory.segments)
            words += sum(segment.words for segment in memory.segments)
        if last != first:
            self.connection.execute(UPDATE_SPACE, (last, last - first, words, self._position, space))
        return ids, repeated

    def supersede(self, current: Stored, new: NewMemory) -> Stored:
        """Write a new version; the old one stays in the history."""
        space = space_of(current.row)
        last = self.state(space).last
        row = row_of(space, last + 1)
        version = current.memory.version + 1
        created = micros(current.memory.created_at)
        self.retire(current.row, "superseded", operation="update")
        self._write(row, id_bytes(current.memory.id) or b"", version, created, new)
        self._note(space, row, version, "update")
        words = sum(segment.words for segment in new.segments)
        size = len(new.segments)
        self.connection.execute(UPDATE_SPACE, (last + size, size, words, self._position, space))
        return self.memories([row])[row]

    def renew(self, current: Stored, expires_at: int) -> None:
        """Move when a memory expires; its content stays, and so does its version."""
        at = micros(current.memory.at)
        digest = digest_of(replace(content_of(current.memory, at), expires_at=expires_at), at=at)
        self.connection.execute(RENEW, (expires_at, digest, current.row))
        self._note(space_of(current.row), current.row, current.memory.version, "update")
        self._shrink(space_of(current.row))

    def retire(self, row: int, state: State, *, operation: Operation) -> None:
        """Take a memory out of the current ones, keeping its row."""
        space = space_of(row)
        self.connection.execute(RETIRE, (state, self.now, row))
        facts.owe_beside(self.connection, row)
        self.touched.update(blobs.forget_made_from(self.connection, row))
        segments, words = self.connection.execute(SELECT_SIZE, (row, row, row + MAX_SEGMENTS)).get
        self._note(space, row, 0, operation)
        self._shrink(space, segments, words)

    def bury(self, ids: Iterable[bytes]) -> int:
        """Delete memories whole; a tombstone without content stays."""
        buried = 0
        for id in ids:
            versions: Sequence[Row] = self.connection.execute(SELECT_VERSIONS, (id,)).fetchall()
            buried += bool(versions)
            for row, state, version in versions:
                self._bury_version(row, live=state == "active", version=version)
            self.connection.execute("DELETE FROM receipt WHERE id = ?", (id,))
        return buried

    def _bury_version(self, row: int, *, live: bool, version: int) -> None:
        space = space_of(row)
        segments, words = self.connection.execute(SELECT_SIZE, (row, row, row + MAX_SEGMENTS)).get
        ids = self.connection.execute(BURY_SEGMENTS, (row, row, row + MAX_SEGMENTS)).fetchall()
        self.connection.executemany("DELETE FROM lexicon WHERE rowid = ?", ids)
        self.connection.execute('DELETE FROM source WHERE "row" = ?', (row,))
        self.connection.execute('DELETE FROM feedback WHERE "row" = ?', (row,))
        facts.forget(self.connection, row)
        self.touched.update(blobs.forget_made_from(self.connection, row))
        self.connection.execute('DELETE FROM owed WHERE "row" = ? AND task <> ?', (row, "purge"))
        self.connection.execute(BURY_MEMORY, (self.now, row))
        self._note(space, row, version, "delete")
        self._shrink(space, segments if live else 0, words if live else 0)
        self.owe("purge", [row])

    # ── owed work and vectors ──

    def owe(self, task: str, rows: Iterable[int]) -> None:
        """Note that a task is owed for each row."""
        sql = 'INSERT INTO owed (task, "row") VALUES (?, ?) ON CONFLICT DO NOTHING'
        self.connection.executemany(sql, [(task, row) for row in rows])

    def claim(self, task: str, *, holder: str, limit: int, lease_s: float, space: int | None = None) -> list[OwedTask]:
        """Take tasks nobody else holds, or whose holder's lease ran out, of one space or of any."""
        until = self.now + int(lease_s * 1_000_000)
        first, end = (0, LAST_ROW) if space is None else (row_of(space, 0), row_of(space + 1, 0))
        rows = self.connection.execute(CLAIM, (holder, until, task, self.now, holder, first, end, limit))
        return [OwedTask(*row) for row in rows]

    def settle(self, tasks: Iterable[int]) -> None:
        """Strike tasks off."""
        self.connection.executemany("DELETE FROM owed WHERE id = ?", [(task,) for task in tasks])

    def note(self, resolved: Resolved) -> None:
        """Keep what a memory speaks of in place of what was kept before."""
        facts.note(self.connection, resolved)

    def resolved(self, spaces: Iterable[int]) -> None:
        """Tell readers of these spaces that more is known of what their memories state."""
        for space in sorted(set(spaces)):
            self._note(space, row_of(space, 0), 0, "resolve")
            self._shrink(space)

    def relink(self, made: Sequence[Succession], ended: Sequence[Succession], *, undone: bool = False) -> None:
        """Make links between statements and end others; what a caller undid stays undone."""
        facts.relink(self.connection, made, ended, undone=undone, now=self.now)

    def set_vectors(self, vectors: Mapping[int, bytes]) -> None:
        """Set vectors of segments by id."""
        owners = set()
        for id, vector in vectors.items():
            row = self.connection.execute(
                'UPDATE segment SET vector = ? WHERE id = ? RETURNING "row"', (vector, id)
            ).get
            owners.add(row)
        spaces = set()
        for row in owners - {None}:
            self._note(space_of(row), row, 0, "vector")
            spaces.add(space_of(row))
        for space in spaces:
            self._shrink(space)

    def forget_empty_spaces(self) -> None:
        """Forget the names of users, apps and tenants of whom only tombstones are left, and the tombstones."""
        self.end_claims(now=self.now)
        empty: Sequence[Row] = self.connection.execute(SELECT_EMPTY_SPACES).fetchall()
        self.forget_blobs(Place(space) for (space,) in empty)
        self.connection.executemany("DELETE FROM memory WHERE space = ?", empty)
        self.connection.executemany("DELETE FROM space WHERE id = ?", empty)

    # ── payloads in files ──

    def keep_blob(self, new: NewBlob) -> None:
        """Keep a payload for its place, instead of the one of its kind that was there."""
        self.touched.add(new.written.digest)
        self._files.name(new.written)
        self.touched.update(blobs.keep(self.connection, new, now=self.now))

    def forget_blobs(self, places: Iterable[Place]) -> None:
        """Forget all payloads that were kept for some places, and for what lies within them."""
        self.touched.update(blobs.forget_of(self.connection, places))

    def forget_blob_rows(self, ids: Iterable[int]) -> None:
        """Forget payloads by the rows that name them."""
        self.touched.update(blobs.forget(self.connection, ids))

    # ── time and use ──

    def expire(self, *, now: int, limit: int) -> int:
        """Delete memories whose time has run out."""
        rows: Sequence[Row] = self.connection.execute(SELECT_EXPIRED_IDS, (now, limit)).fetchall()
        return self.bury([id for (id,) in rows])

    def hold(self, space: int, key: str, held: Held) -> None:
        """Note who holds a key from now on."""
        self.end_claims(now=self.now)
        self.connection.execute(
            "INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?)", (space, key, held.holder, held.until)
        )

    def let_go(self, space: int, key: str) -> None:
        """Forget who holds a key."""
        self.connection.execute("DELETE FROM claim WHERE space = ? AND key = ?", (space, key))

    def end_claims(self, *, now: int) -> None:
        """Forget claims whose time is over."""
        self.connection.execute("DELETE FROM claim WHERE until <= ?", (now,))

    def note_feedback(self, row: int, *, useful: bool, evidence: bytes, keep: int) -> None:
        """Keep what was said of a memory, and of its space no more than the newest `keep`."""
        space = space_of(row)
        self.connection.execute(INSERT_FEEDBACK, (space, row, useful, evidence, self.now))
        self.connection.execute(PRUNE_FEEDBACK, (space, space, keep))
        self._note(space, row, 0, "feedback")
        self._shrink(space)

    def prune_changes(self, *, before: int, keep: int) -> None:
        """Forget changes older than a moment, or beyond the newest `keep`."""
        last = self.connection.execute(SELECT_PRUNABLE, (before, keep)).get
        if last:
            self.connection.execute(PRUNE, (last,))
            self.set_meta("pruned_to", last)

    def set_meta(self, name: str, value: SqlValue) -> None:
        """Keep a setting in the database itself."""
        self.connection.execute(SET_META, (name, value))

    # ── what is derived ──

    def forget_vectors(self, embedder: str) -> int:
        """Drop every vector, name another embedder, and owe it all embeddings."""
        self.set_meta("embedder", embedder)
        self.connection.execute("UPDATE segment SET vector = NULL")
        self.connection.execute(OWE_ALL)
        self.connection.execute("UPDATE space SET position = ?", (self._note_all(),))
        return int(self.owed().get("embed", 0))

    def reindex(self, row: int, segments: Sequence[NewSegment]) -> None:
        """Write a memory's segments and words anew."""
        ids = [(row + place,) for place in range(MAX_SEGMENTS if not segments else len(segments))]
        self.connection.execute(
            'DELETE FROM segment WHERE "row" = ? AND id >= ? AND id < ?', (row, row, row + MAX_SEGMENTS)
        )
        self.connection.executemany("DELETE FROM lexicon WHERE rowid = ?", ids)
        self._write_segments(row, segments)
        self._note(space_of(row), row, 0, "vector")
        self._shrink(space_of(row))

    def drop_words(self, ids: Iterable[int]) -> None:
        """Take segments that are not there out of the text index."""
        self.connection.executemany("DELETE FROM lexicon WHERE rowid = ?", [(id,) for id in ids])

    def set_words(self, words: Mapping[int, Sequence[str]]) -> None:
        """Set what segments are found by, by id."""
        rows: dict[int, int] = {}
        for id, terms in words.items():
            row = self.connection.execute('SELECT "row" FROM segment WHERE id = ?', (id,)).get
            if row is not None:
                rows[row] = space_of(row)
                self.connection.execute("DELETE FROM lexicon WHERE rowid = ?", (id,))
                self.connection.execute(INSERT_TERMS, (id, _stored_words(space_of(row), terms)))
        for row, space in rows.items():
            self._note(space, row, 0, "vector")
        for space in set(rows.values()):
            self._shrink(space)

    def recount(self) -> None:
        """Set the counts of all spaces to what their rows add up to."""
        rows: Sequence[Row] = self.connection.execute(SELECT_COUNTS).fetchall()
        for space, _, _, last, segments, words, real_last in rows:
            values = (segments, words, max(last, real_last), space)
            self.connection.execute("UPDATE space SET segments = ?, words = ?, last = ? WHERE id = ?", values)
        last_change = self.connection.execute("SELECT max(sequence) FROM change").get
        if last_change:
            self.set_meta("position", last_change)
            self._position = last_change
            self.connection.execute("UPDATE space SET position = ?", (last_change,))

    def restore(self, space: int, versions: Sequence[Restored]) -> bool:
        """Write all versions of one memory under its own id; False when the id was ever used here."""
        if self.connection.execute("SELECT 1 FROM memory WHERE id = ? LIMIT 1", (versions[0].id,)).get is not None:
            return False
        last = self.state(space).last
        for one in versions:
            row = row_of(space, last + 1)
            new = one.content
            self._write(row, one.id, one.version, one.created_at, new, state=one.state, recorded=one.recorded_at)
            self._note(space, row, one.version, "add")
            last += len(new.segments)
            live = new.segments if one.state == "active" else ()
            if one.state != "active":
                self.connection.execute(RETIRE, (one.state, _retired(versions, one), row))
            values = (last, len(live), sum(segment.words for segment in live), self._position, space)
            self.connection.execute(UPDATE_SPACE, values)
        first = versions[0].content
        if first.key is not None and self.connection.execute(SELECT_RECEIPT, (space, first.key)).fetchone() is None:
            # an export does not say whether `at` was given, so a receipt made from it does not ask
            self.connection.execute(INSERT_RECEIPT, (space, first.key, versions[0].id, digest_of(first, at=None)))
        return True

    # ── one version ──

    def _write(
        self,
        row: int,
        id: bytes,
        version: int,
        created: int,
        memory: NewMemory,
        *,
        state: State = "active",
        recorded: int | None = None,
    ) -> None:
        space = space_of(row)
        attributes = json.dumps(dict(memory.attributes), ensure_ascii=False) if memory.attributes else None
        self.connection.execute(
            INSERT_MEMORY,
            (
                row, id, version, space, memory.agent, memory.session, memory.namespace, memory.kind, state,
                memory.text, attributes, memory.speaker, memory.role, memory.at, memory.at_offset, created,
                self.now if recorded is None else recorded, memory.valid_from,
                memory.valid_until, memory.expires_at, memory.contributor, memory.resource,
                digest_of(memory, at=memory.at),
            ),
        )  # fmt: skip
        self._write_segments(row, memory.segments)
        if memory.owes:
            self.owe("resolve", [row])
        for place, source in enumerate(memory.sources):
            self.connection.execute(INSERT_SOURCE, (row, place, source))

    def _write_segments(self, row: int, segments: Sequence[NewSegment]) -> None:
        space = space_of(row)
        for place, segment in enumerate(segments):
            values = (
                row + place, row, segment.start, segment.stop, segment.words, segment.traits, segment.vector,
            )  # fmt: skip
            self.connection.execute(INSERT_SEGMENT, values)
            self.connection.execute(INSERT_TERMS, (row + place, _stored_words(space, segment.terms)))
        if any(segment.vector is None for segment in segments):
            self.owe("embed", [row])

    def _receipt(self, space: int, memory: NewMemory, digest: bytes, *, once: bool) -> bytes | None:
        row = self.connection.execute(SELECT_RECEIPT, (space, memory.key)).fetchone()
        if row is None:
            return None
        if not once and not self._is_receipt(bytes(row[0]), row[1], memory, digest):
            raise KeyConflict(
                f"key {memory.key!r:.80} was used for memory {id_text(row[0])} with other content; "
                "use another key, or update that memory"
            )
        return bytes(row[0])

    def _is_receipt(self, id: bytes, kept: bytes, memory: NewMemory, digest: bytes) -> bool:
        """Whether what was kept under a key is what comes again, whoever brings it."""
        if kept in (digest, digest_of(memory, at=None)):
            return True
        first = self.connection.execute(SELECT_CONTRIBUTOR, (id,)).fetchone()
        if first is None or first[0] == memory.contributor:
            return False
        again = replace(memory, contributor=first[0])
        return kept in (_digest(again), digest_of(again, at=None))

    def _note(self, space: int, row: int, version: int, operation: Operation) -> None:
        self.connection.execute(INSERT_CHANGE, (space, row, version, operation, self.now))
        self._position = self.connection.last_insert_rowid()

    def _note_all(self) -> int:
        """Forget which changes came when: every cache reads its space anew."""
        self.connection.execute(INSERT_CHANGE, (0, 0, 0, "vector", self.now))
        self._position = self.connection.last_insert_rowid()
        self.set_meta("reread_from", self._position)
        return self._position

    def _shrink(self, space: int, segments: int = 0, words: int = 0) -> None:
        """Say that a space has changed, and by how much less it holds."""
        last = self.state(space).last
        self.connection.execute(UPDATE_SPACE, (last, -segments, -words, self._position, space))


def _digest(memory: NewMemory) -> bytes:
    """Of a memory's content: an event without a time of its own is the same event when it comes again later."""
    return digest_of(memory, at=memory.at if memory.at_given else None)


def _stored_words(space: int, terms: Iterable[str]) -> str:
    """Words as the text index takes them, each with its space in front."""
    return " ".join([f"{space}_{term}" for term in terms])
