"""Read and write the rows that name blobs, and what each was made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw

from memstrata.store import NewBlob, Place, StoredBlob

OF_PLACE: Final = "space = ? AND (? = '' OR agent = ?) AND (? = '' OR session = ?)"
BELOW: Final = "(? = '' OR namespace = ? OR substr(namespace, 1, length(?) + 1) = ? || '/')"
SELECT_BLOB: Final = """
SELECT id, digest, bytes, fingerprint, tokens, created_at FROM blob
WHERE space = ? AND kind = ? AND agent = ? AND session = ? AND namespace = ?
"""
SELECT_ROWS: Final = 'SELECT "row" FROM made_from WHERE blob = ? ORDER BY "row"'
COUNT_GONE: Final = """
SELECT count(*) FROM json_each(?) j LEFT JOIN memory m ON m."row" = j.value
WHERE m.state IS NULL OR m.state <> 'active' OR m.expires_at <= ?
"""
INSERT_BLOB: Final = """
INSERT INTO blob (space, agent, session, namespace, kind, digest, bytes, fingerprint, tokens, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
SELECT_MADE_FROM: Final = 'SELECT b.id, b.digest FROM made_from f CROSS JOIN blob b ON b.id = f.blob WHERE f."row" = ?'
SELECT_OF_PLACE: Final = f"SELECT id, digest FROM blob WHERE {OF_PLACE} AND {BELOW}"
SELECT_LATE: Final = """
SELECT DISTINCT f.blob FROM made_from f LEFT JOIN memory m ON m."row" = f."row"
WHERE m.state IS NULL OR m.state <> 'active'
"""
SUM_OF_PLACE: Final = f"SELECT count(*), coalesce(sum(bytes), 0) FROM blob WHERE {OF_PLACE} AND {BELOW}"


class BlobReading:
    """What is known at one moment of payloads that lie in files."""

    connection: apsw.Connection

    def blob(self, place: Place, kind: str, *, now: int) -> StoredBlob | None:
        """The payload of a kind that was kept for exactly this place, unless a memory it was made from is gone."""
        row = self.connection.execute(SELECT_BLOB, (place.space, kind, *_names(place)[1:])).fetchone()
        if row is None:
            return None
        id, digest, size, fingerprint, tokens, created_at = row
        rows = tuple(number for (number,) in self.connection.execute(SELECT_ROWS, (id,)))
        found = StoredBlob(id, digest, size, fingerprint, tokens, created_at, rows)
        return None if self.any_gone(rows, now=now) else found

    def any_gone(self, rows: Iterable[int], *, now: int) -> bool:
        """Whether one of these versions of memories is no longer current, or has expired."""
        return bool(self.connection.execute(COUNT_GONE, (json.dumps(list(rows)), now)).get)

    def blob_digests(self) -> dict[bytes, list[int]]:
        """Every payload that a row names, with the rows that name it."""
        found: dict[bytes, list[int]] = {}
        for id, digest in self.connection.execute("SELECT id, digest FROM blob ORDER BY id"):
            found.setdefault(digest, []).append(id)
        return found

    def late_blobs(self) -> list[int]:
        """Payloads that should have been forgotten along with a memory."""
        return [id for (id,) in self.connection.execute(SELECT_LATE)]

    def _blob_sums(self, places: Sequence[Place]) -> tuple[int, int]:
        """How many payloads the places hold, and their bytes."""
        sums = [self.connection.execute(SUM_OF_PLACE, _of_place(place)).get for place in places]
        return sum(count for count, _ in sums), sum(size for _, size in sums)


def keep(connection: apsw.Connection, new: NewBlob, *, now: int) -> list[bytes]:
    """Name a payload for its place, in place of what was there; returns the digests that were named before."""
    old = connection.execute(SELECT_BLOB, (new.place.space, new.kind, *_names(new.place)[1:])).fetchall()
    replaced = _forget(connection, [row[:2] for row in old])
    names = (*_names(new.place), new.kind)
    values = (new.written.digest, new.written.size, new.fingerprint, new.tokens, now)
    id = connection.execute(INSERT_BLOB, (*names, *values)).get
    connection.executemany("INSERT INTO made_from VALUES (?, ?)", [(id, row) for row in sorted(set(new.rows))])
    return replaced


def forget_made_from(connection: apsw.Connection, row: int) -> list[bytes]:
    """Forget what was made from a version of a memory; returns the digests that were named."""
    return _forget(connection, connection.execute(SELECT_MADE_FROM, (row,)).fetchall())


def forget_of(connection: apsw.Connection, places: Iterable[Place]) -> list[bytes]:
    """Forget all that was kept for some places and for what lies within them."""
    return [
        digest
        for place in places
        for digest in _forget(connection, connection.execute(SELECT_OF_PLACE, _of_place(place)).fetchall())
    ]


def forget(connection: apsw.Connection, ids: Iterable[int]) -> list[bytes]:
    """Forget payloads by the rows that name them."""
    found = [(id, connection.execute("SELECT digest FROM blob WHERE id = ?", (id,)).get) for id in ids]
    return _forget(connection, found)


def is_named(connection: apsw.Connection, digest: bytes) -> bool:
    """Whether a row names a payload."""
    return connection.execute("SELECT 1 FROM blob WHERE digest = ? LIMIT 1", (digest,)).get is not None


def _forget(connection: apsw.Connection, found: Sequence[tuple[Any, ...]]) -> list[bytes]:  # Any: SQLite columns
    ids = [(id,) for id, _ in found]
    connection.executemany("DELETE FROM made_from WHERE blob = ?", ids)
    connection.executemany("DELETE FROM blob WHERE id = ?", ids)
    return [digest for _, digest in found]


def _names(place: Place) -> tuple[int, str, str, str]:
    return place.space, place.agent or "", place.session or "", place.namespace or ""


def _of_place(place: Place) -> tuple[int | str, ...]:
    space, agent, session, namespace = _names(place)
    return space, agent, agent, session, session, *(namespace,) * 4
