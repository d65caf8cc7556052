"""Translate what SQLite raises into our own errors, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from memstrata.errors import StoreClosed, StoreCorrupt, StoreError, StoreFull, StoreLocked, StoreUnavailable

IN_USE = "the database is in use by a program that does not go through Memstrata; stop it"
TABLE: list[tuple[type[apsw.Error], type[StoreError], str]] = [
    (apsw.FullError, StoreFull, "the disk is full; the change was rolled back. Make room and try again"),
    (apsw.BusyError, StoreLocked, IN_USE),
    (apsw.LockedError, StoreLocked, IN_USE),
    (apsw.CorruptError, StoreCorrupt, "the database is damaged; restore a backup"),
    (apsw.NotADBError, StoreCorrupt, "the file is no SQLite database, or its head is damaged; restore a backup"),
    (apsw.ReadOnlyError, StoreUnavailable, "the database may not be written; check the directory's permissions"),
    (apsw.CantOpenError, StoreUnavailable, "the database cannot be opened; check the directory's permissions"),
    (apsw.PermissionsError, StoreUnavailable, "the database may not be opened by this user"),
    (apsw.IOError, StoreUnavailable, "the disk failed to read or write; the change was rolled back"),
    (apsw.ConnectionClosedError, StoreClosed, "the memory has been closed"),
]  # fmt: skip


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise our error for SQLite's, naming the file."""
    try:
        yield
    except apsw.Error as exc:
        for foreign, ours, advice in TABLE:
            if isinstance(exc, foreign):
                raise ours(f"{path}: {advice} ({exc})") from exc
        raise StoreError(f"{path}: the database failed in a way that was not foreseen ({exc})") from exc
    except UnicodeDecodeError as exc:
        raise StoreCorrupt(f"{path}: a text in it is damaged; run `memstrata check`, or restore a backup") from exc
