"""Open a directory as a store, and hand out its transactions."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import apsw

from memstrata.clock import id_text
from memstrata.errors import StoreClosed, StoreCorrupt, StoreUnavailable
from memstrata.store.blobs import FOLDER, Blobs
from memstrata.store.files import reachable, replaced
from memstrata.store.gate import Gate
from memstrata.store.sqlite import blobs
from memstrata.store.sqlite.errors import translated
from memstrata.store.sqlite.migrations import CURRENT, migrate, refuse_newer
from memstrata.store.sqlite.reading import Row, SqliteReading
from memstrata.store.sqlite.where import SqlValue, contains_json, overlaps_json
from memstrata.store.sqlite.writing import Ids, SqliteWriting
from memstrata.types import Difference

DATABASE: Final = "memory.db"
LOCK: Final = "writer.lock"
MARKER: Final = "store.json"
CACHE_KIB: Final = 32 * 1024
CHECKPOINT_PAGES: Final = 2_000
SMALLEST_BYTES: Final = 512  # of a database; SQLite takes what is shorter for an empty one, and begins anew
LOOK_S: Final = 0.01  # between two looks for what others wrote: 0.05 ms each
FORK_WAIT_S: Final = 5.0  # for the transactions of other threads to end


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Microseconds since 1970 UTC."""
        ...


class SqliteStore:
    """One directory with one database; any number of processes and threads may hold it open."""

    def __init__(self, directory: Path, *, clock: Clock, ids: Ids, lock_timeout_s: float = 30.0) -> None:
        self.directory = directory
        self.path = directory / DATABASE
        self.blobs = Blobs(directory / FOLDER)
        self._clock = clock
        self._ids = ids
        self._timeout_s = lock_timeout_s
        self._gate = Gate(directory / LOCK, timeout_s=lock_timeout_s)
        self._names: dict[int, tuple[str, str, str]] = {}
        self._idle: list[apsw.Connection] = []
        self._busy = 0  # connections lent out
        self._forking = False
        self._lock = threading.Condition()
        self._closed = False
        self._make_directory()
        self._prepare()
        self._inode = self._identity()
        _open_stores.add(self)

    # ── transactions ──

    @contextmanager
    def reading(self) -> Iterator[SqliteReading]:
        """One moment of the store."""
        with translated(self.path):
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield SqliteReading(connection, self._names)
            finally:
                self._return(connection)

    @contextmanager
    def writing(self, *, wait: bool = True) -> Iterator[SqliteWriting]:
        """The right to write; commits when the block ends well, rolls back when it does not."""
        with translated(self.path), self._gate.held(wait=wait):
            connection = self._borrow()
            try:
                connection.execute("BEGIN IMMEDIATE")
                known = dict(self._names)
                writing = SqliteWriting(
                    connection, known, now=self._clock.now(), ids=self._ids, files=self.blobs
                )  # fmt: skip
                try:
                    yield writing
                    writing.finish()
                    connection.execute("COMMIT")
                    self._names.update(known)
                finally:
                    self._remove_unnamed(connection, writing.touched)
            finally:
                self._return(connection)

    def _remove_unnamed(self, connection: apsw.Connection, touched: set[bytes]) -> None:
        """After a transaction, whichever way it ended, remove the payloads that it left without a row."""
        if touched and connection.in_transaction:
            connection.execute("ROLLBACK")
        for digest in touched:
            if not blobs.is_named(connection, digest):
                self.blobs.remove(digest)

    def wait(self, after: int, *, seconds: float) -> bool:
        """Wait until the last change lies after a position, looking every `LOOK_S` whether another process wrote."""
        until = time.monotonic() + seconds
        while True:
            with self.reading() as reading:
                if reading.position() > after:
                    return True
            if time.monotonic() + LOOK_S > until:
                return False
            time.sleep(LOOK_S)

    # ── maintenance ──

    def purge(self) -> int:
        """Rewrite what still holds deleted words: text index, free pages and write-ahead log."""
        with self.writing() as writing:
            owed: Sequence[Row] = writing.connection.execute("SELECT id FROM owed WHERE task = 'purge'").fetchall()
            writing.forget_empty_spaces()
            writing.connection.execute("INSERT INTO lexicon (lexicon) VALUES ('optimize')")
        self.sweep()
        self._vacuum()
        self.checkpoint()
        with self.writing() as writing:  # only now: what was held up by a reader is still owed
            writing.settle(task for (task,) in owed)
        return len(owed)

    def _vacuum(self) -> None:
        """Write every page anew: `secure_delete` misses the copies of a row that moving it between pages left."""
        with translated(self.path), self._gate.held():
            connection = self._connect()
            try:
                connection.execute("PRAGMA temp_store = FILE")  # the copy may be larger than memory
                connection.execute("VACUUM")
            finally:
                connection.close()

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the database and cut it to nothing.

        Raises:
            StoreLocked: a reader held an old moment for the whole of the timeout.
        """
        with translated(self.path), self._gate.held():
            connection = self._borrow()
            try:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").get
                if busy:
                    raise apsw.BusyError("a reader still holds an older moment")
            finally:
                self._return(connection)

    def inspect(self) -> list[Difference]:
        """Damage that SQLite itself can see."""
        try:
            with translated(self.path):
                connection = self._borrow()
                try:
                    found = [row[0] for row in connection.execute("PRAGMA integrity_check(20)")]
                    connection.execute("INSERT INTO lexicon (lexicon) VALUES ('integrity-check')")
                finally:
                    self._return(connection)
        except StoreCorrupt as exc:
            return [Difference("database", str(self.path), str(exc))]
        return [Difference("database", str(self.path), problem) for problem in found if problem != "ok"]

    def sweep(self) -> list[str]:
        """Remove payloads that no row names, and what was never written to its end."""
        with self.writing() as writing:  # nobody names a payload meanwhile
            return [name for name, remove in self._unnamed(writing) if remove()]

    def _unnamed(self, reading: SqliteReading) -> Iterator[tuple[str, Callable[[], bool]]]:
        """Files that belong to nobody, each with what removes it."""
        for digest in sorted(self.blobs.digests() - reading.blob_digests().keys()):
            yield self.blobs.path(digest).name, partial(self.blobs.remove, digest)
        for path in self.blobs.abandoned(now=self._clock.now()):
            yield path.name, partial(self.blobs.discard, path)

    def audit_blobs(self, *, repair: bool) -> list[Difference]:
        """Where the files of payloads are not what rows name.

        A payload is made anew from what it was made from, so one that is damaged is forgotten.
        """
        with self.reading() as reading:
            named = reading.blob_digests()
        damaged = {digest for digest in named if not self.blobs.intact(digest)}  # takes long; others go on writing
        with self.writing() as writing:
            found = [
                Difference("blobs", name, "belongs to no row; whoever wrote it was stopped", repair and remove())
                for name, remove in self._unnamed(writing)
            ]
            broken = _broken(writing, damaged)
            if repair:
                writing.forget_blob_rows(broken)
        return found + [Difference("blobs", f"payload {id}", said, repair) for id, said in broken.items()]

    def files(self) -> tuple[str, ...]:
        """Names of the files it writes to."""
        return (DATABASE, f"{DATABASE}-wal")

    def backup(self, target: Path) -> None:
        """A copy of one moment, whole or not there at all."""
        with reachable(target):
            if target.exists() and any(target.iterdir()):
                raise StoreUnavailable(f"{target} is not empty; name a new directory for the backup")
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            unfinished = target / (DATABASE + ".partial")
            try:
                self._copy(unfinished)
                self._copy_blobs(unfinished, Blobs(target / FOLDER))
                _sync(unfinished)
                unfinished.rename(target / DATABASE)
            finally:
                unfinished.unlink(missing_ok=True)
            _write_marker(target / MARKER, self._store_id())

    def _copy(self, target: Path) -> None:
        target.touch(mode=0o600)
        with translated(self.path):
            source = self._borrow()
            copy = apsw.Connection(str(target))
            try:
                source.execute("BEGIN")  # one moment to copy: without it each write of others starts the copy again
                SqliteReading(source, self._names).position()
                with copy.backup("main", source, "main") as job:
                    while not job.done:
                        job.step(1000)
                copy.execute("PRAGMA journal_mode = WAL")
            finally:
                copy.close()
                self._return(source)

    def _copy_blobs(self, copy: Path, target: Blobs) -> None:
        """Copy the payloads that a copied database names; one that was forgotten or damaged meanwhile is left out."""
        with translated(copy):
            connection = apsw.Connection(str(copy))
            try:
                for digest, ids in SqliteReading(connection, {}).blob_digests().items():
                    if not self.blobs.copy(digest, target):
                        with connection:
                            blobs.forget(connection, ids)
            finally:
                connection.close()

    def close(self) -> None:
        """Let go of every file; the last process out folds the log into the database."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            idle, self._idle = self._idle, []
        with translated(self.path), self._gate.held():
            for connection in idle:
                connection.close()
        self._gate.close()

    # ── connections ──

    def _borrow(self) -> apsw.Connection:
        with self._lock:
            self._lock.wait_for(lambda: not self._forking)
            if self._closed:
                raise StoreClosed(f"{self.directory} has been closed; open it again with memstrata.open()")
            connection = self._idle.pop() if self._idle else None
            self._busy += 1
        try:
            if self._identity() != self._inode:
                raise StoreUnavailable(
                    f"{self.path} was removed or replaced while open; close, restore it and open again"
                )
            return connection or self._connect()
        except BaseException:
            self._given_back()
            raise

    def _return(self, connection: apsw.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except BaseException:
            self._given_back()
            raise
        self._given_back(connection)

    def _given_back(self, connection: apsw.Connection | None = None) -> None:
        with self._lock:
            self._busy -= 1
            self._lock.notify_all()
            if connection is not None and not self._closed:
                self._idle.append(connection)
                return
        if connection is not None:
            connection.close()

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(int(self._timeout_s * 1000))
        connection.execute(
            "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; "
            f"PRAGMA cache_size = -{CACHE_KIB}"
        )
        connection.wal_autocheckpoint(CHECKPOINT_PAGES)
        connection.create_scalar_function("memstrata_contains", contains_json, 3, deterministic=True)  # type: ignore[arg-type]  # wants *args
        connection.create_scalar_function("memstrata_overlaps", overlaps_json, 2, deterministic=True)  # type: ignore[arg-type]  # wants *args
        connection.create_scalar_function("memstrata_id", _id_or_null, 1, deterministic=True)  # type: ignore[arg-type]  # wants *args
        return connection

    # ── forks ──

    def before_fork(self) -> None:
        """Let every connection end and close it: SQLite counts its locks in memory, which a child would inherit
        and believe, and so write to a log that others had already removed."""
        self._lock.acquire()
        self._forking = True
        self._lock.wait_for(lambda: self._busy == 0, timeout=FORK_WAIT_S)
        for connection in self._idle:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.close()
        self._idle = []

    def after_fork(self, *, child: bool) -> None:
        """Go on in the parent; in the child, with locks that no thread of the parent holds."""
        self._forking = False
        if not child:
            self._lock.notify_all()
            self._lock.release()
            return
        self._closed = self._closed or self._busy > 0  # forked in the middle of a transaction: nothing can be saved
        self._busy = 0
        self._lock = threading.Condition()
        self._gate.renew()

    # ── opening ──

    def _make_directory(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise StoreUnavailable(
                f"cannot make the directory {self.directory}: {exc.strerror}; pass another path, or set MEMSTRATA_HOME"
            ) from exc

    def _prepare(self) -> None:
        with translated(self.path), reachable(self.directory):
            if self._is_ready():
                return
            with self._gate.held():
                self._refuse_missing()
                connection = apsw.Connection(str(self.path))
                try:
                    connection.execute(
                        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON"
                    )
                    migrate(connection, self.path, now=self._clock.now())
                    if connection.execute("SELECT value FROM meta WHERE name = 'store_id'").get is None:
                        store_id = id_text(self._ids.next(self._clock.now()))
                        connection.execute("INSERT INTO meta VALUES ('store_id', ?)", (store_id,))
                finally:
                    connection.close()
                self.path.chmod(0o600)
                _write_marker(self.directory / MARKER, self._store_id())

    def _is_ready(self) -> bool:
        """Whether the database is there at this version; looking needs no lock."""
        if (
            not (self.directory / MARKER).exists()
            or not self.path.exists()
            or self.path.stat().st_size < SMALLEST_BYTES
        ):
            return False
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(int(self._timeout_s * 1000))
            return refuse_newer(connection, self.path) == CURRENT
        finally:
            connection.close()

    def _refuse_missing(self) -> None:
        missing = not self.path.exists() or self.path.stat().st_size < SMALLEST_BYTES
        if missing and (self.directory / MARKER).exists():
            raise StoreCorrupt(
                f"{self.path} is missing or empty, but {self.directory / MARKER} says a store was made here; "
                f"restore {DATABASE} from a backup, or remove {MARKER} to start with nothing"
            )

    def _store_id(self) -> str:
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            return str(connection.execute("SELECT value FROM meta WHERE name = 'store_id'").get)
        finally:
            connection.close()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _before_fork() -> None:
    _fork_lock.acquire()
    _held_for_fork.extend(sorted(_open_stores, key=id))
    for store in _held_for_fork:
        store.before_fork()


def _after_fork(*, child: bool) -> None:
    while _held_for_fork:
        _held_for_fork.pop().after_fork(child=child)
    _fork_lock.release()


_open_stores: weakref.WeakSet[SqliteStore] = weakref.WeakSet()
_held_for_fork: list[SqliteStore] = []
_fork_lock = threading.Lock()  # two threads may fork at once
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(child=False),
        after_in_child=lambda: _after_fork(child=True),
    )


def _id_or_null(id: SqlValue) -> SqlValue:
    """The SQL function behind filters on `id`."""
    return id_text(id) if isinstance(id, bytes) else None


def _broken(reading: SqliteReading, damaged: set[bytes]) -> dict[int, str]:
    """What is wrong with payloads, by the rows that name them."""
    late = dict.fromkeys(reading.late_blobs(), "was made from a memory that is gone; it is forgotten")
    lost = "is missing or damaged; it is forgotten, and made anew when needed"
    return late | {id: lost for digest, ids in reading.blob_digests().items() if digest in damaged for id in ids}


def _write_marker(path: Path, store_id: str) -> None:
    with replaced(path) as file:
        file.write((json.dumps({"memstrata": "store", "id": store_id}) + "\n").encode())


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
