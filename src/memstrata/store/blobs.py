"""Keep payloads as files named after what is in them, each of them whole or not there.

A payload is written beside and flushed first; it gets its name inside the transaction that commits the row naming it,
and loses it after the transaction that deletes the last such row. Whoever holds the writer's lock therefore knows: a
file that no row names is nobody's. It is left only by a process that was killed between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final, Protocol

from memstrata.store.files import PARTIAL, aside, reachable, sync_folder

FOLDER: Final = "blobs"
SUFFIX: Final = ".blob"
DIGEST_BYTES: Final = 32
READ_BYTES: Final = 1 << 20
STALE_US: Final = 3_600_000_000  # an hour: nobody writes one payload for that long without a byte reaching the disk


class Sink(Protocol):
    """Where a payload is poured."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take the next bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """A payload that is on disk and has no name yet."""

    path: Path
    digest: bytes
    size: int


class Blobs:
    """A folder of payloads, each under the blake2b of its content."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, digest: bytes) -> Path:
        """Where the payload of a digest lies, or would."""
        return self.directory / f"{digest.hex()}{SUFFIX}"

    def write(self, pour: Callable[[Sink], None]) -> Written:
        """Put on disk what `pour` writes, under no name yet.

        Raises:
            StoreFull: there is no room; nothing is left behind.
            StoreUnavailable: the folder may not be written.
        """
        with reachable(self.directory):
            self.directory.mkdir(mode=0o700, exist_ok=True)
            with aside(self.directory) as file:
                sink = _Hashing(file)
                pour(sink)
        return Written(Path(file.name), sink.hash.digest(), sink.size)

    def name(self, written: Written) -> None:
        """Give a payload its name, to stay; the caller holds the writer's lock, and commits its row next."""
        with reachable(self.directory):
            written.path.replace(self.path(written.digest))
            sync_folder(self.directory)

    def discard(self, path: Path) -> bool:
        """Throw away a payload that will not get a name."""
        path.unlink(missing_ok=True)
        return True

    def remove(self, digest: bytes) -> bool:
        """Remove a payload that no row names; the caller holds the writer's lock.

        False when it is not there, or cannot be removed just now, as on Windows while somebody reads it: the change
        that forgot it is committed, and the file is swept later.
        """
        try:
            self.path(digest).unlink()
        except OSError:
            return False
        return True

    def read(self, digest: bytes) -> bytes | None:
        """A payload; None when it is gone.

        Raises:
            StoreUnavailable: it may not be read.
        """
        path = self.path(digest)
        with reachable(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def intact(self, digest: bytes) -> bool:
        """Whether the payload is there, and is what its name says."""
        found = blake2b(digest_size=DIGEST_BYTES)
        try:
            with open(self.path(digest), "rb") as file:
                while data := file.read(READ_BYTES):
                    found.update(data)
        except FileNotFoundError:
            return False
        return found.digest() == digest

    def digests(self) -> set[bytes]:
        """The digests that files are named after."""
        return {bytes.fromhex(path.stem) for path in self._files(SUFFIX) if _is_digest(path.stem)}

    def abandoned(self, *, now: int) -> list[Path]:
        """Files that somebody began to write and gave up, as of a time in microseconds."""
        found = []
        for path in self._files(PARTIAL):
            try:
                last_written = path.stat().st_mtime_ns // 1000
            except FileNotFoundError:  # it was just given its name
                continue
            if now - last_written > STALE_US:
                found.append(path)
        return found

    def copy(self, digest: bytes, target: Blobs) -> bool:
        """Copy a payload to another folder; False when it is gone, or not what its name says."""

        def pour(sink: Sink) -> None:
            while data := source.read(READ_BYTES):
                sink.write(data)

        try:
            source = open(self.path(digest), "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            return False
        with source:
            written = target.write(pour)
        if written.digest == digest:
            target.name(written)
        else:
            target.discard(written.path)
        return written.digest == digest

    def _files(self, suffix: str) -> Iterator[Path]:
        if self.directory.is_dir():
            yield from sorted(self.directory.glob(f"*{suffix}"))


class _Hashing:
    """A file that knows the digest and the length of what went into it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = blake2b(digest_size=DIGEST_BYTES)
        self.size = 0

    def write(self, data: bytes | memoryview, /) -> int:
        self.hash.update(data)
        written = self._file.write(data)
        self.size += written
        return written


def _is_digest(stem: str) -> bool:
    return len(stem) == 2 * DIGEST_BYTES and all(sign in "0123456789abcdef" for sign in stem)
