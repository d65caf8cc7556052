"""Keep what retrievers need of each space in memory, in step with the rows.

Every reader brings its caches up to its own moment by the list of changes; no timer is involved. Above
`MAPPED_FROM` segments the vectors lie in one mapped file that all processes of the machine share.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from memstrata.store import IndexReading, SegmentColumns, VectorReading
from memstrata.store.columns import DTYPES, Columns
from memstrata.store.mapped import Head, Mapped, checksum, intact, load, save
from memstrata.store.vectors import VectorCache
from memstrata.store.vectors.exact import ExactScan
from memstrata.types import Difference

MAPPED_FROM: Final = 20_000
REWRITE_TAIL: Final = 20_000  # segments beyond a mapped file before it is written anew
RELOAD_CHANGES: Final = 10_000  # changes to known segments before reading all of them is cheaper
MEMORY_BYTES: Final = 1 << 30


class Source(IndexReading, VectorReading, Protocol):
    """What a space is filled from."""


@dataclass(frozen=True, slots=True)
class SpaceImage:
    """A space at one moment; every array (size,) is indexed by segment number. See `columns.Columns`."""

    owners: NDArray[np.int64]
    live: NDArray[np.bool_]
    words: NDArray[np.int32]
    traits: NDArray[np.uint8]
    at: NDArray[np.int64]
    sessions: NDArray[np.int64]
    speakers: NDArray[np.uint32]
    previous: NDArray[np.int64]
    following: NDArray[np.int64]
    vectors: VectorCache

    @property
    def size(self) -> int:
        """One more than the highest segment number."""
        return len(self.owners)


SHOWN: Final = ("owners", "live", "words", "traits", "at", "sessions", "speakers", "previous", "following")


class SpaceCache:
    """One space: what is known of each segment, and its vector."""

    def __init__(self, space: int, dimensions: int, vectors: VectorCache, mapped: Mapped | None = None) -> None:
        self.space = space
        self.dimensions = dimensions
        self.vectors = vectors
        self.columns = Columns(None if mapped is None else mapped.arrays)
        self.position = 0 if mapped is None else mapped.head.position
        self.patched = self.position  # up to here memories may have been changed or deleted, and not only added

    @property
    def size(self) -> int:
        """One more than the highest segment number."""
        return self.columns.size

    def image(self) -> SpaceImage:
        """The space as it is now."""
        return SpaceImage(**{name: self.columns[name] for name in SHOWN}, vectors=self.vectors)

    @property
    def nbytes(self) -> int:
        """Bytes this process holds for the space."""
        return self.columns.nbytes + self.vectors.nbytes

    def catch_up(self, reading: Source, position: int) -> bool:
        """Follow the changes up to a reader's moment; False when the space must be read anew."""
        if position <= self.position:
            return True
        changed = reading.changed(self.space, after=self.position)
        if changed is None or len(changed) > RELOAD_CHANGES:
            return False
        for run in reading.columns(self.space, after=self.size - 1, dimensions=self.dimensions):
            self.append(run)
        if changed:
            self._patch(changed, reading.columns_of(self.space, changed, dimensions=self.dimensions))
            self.patched = position
        self.position = position
        return True

    def append(self, run: SegmentColumns) -> None:
        """Add segments with higher numbers than all before."""
        self.columns.append(run)
        self._put(run)

    def _patch(self, changed: Iterable[int], run: SegmentColumns) -> None:
        gone = np.setdiff1d(self.columns.of(changed), run.numbers)
        self.columns.patch(gone, run)
        self.vectors.drop(gone)
        self._put(run)

    def _put(self, run: SegmentColumns) -> None:
        there = run.vectors.any(axis=1)
        self.vectors.put(run.numbers[there], run.vectors[there])


class Spaces:
    """The caches of a store's spaces: the most recently used ones, within a bound of memory."""

    def __init__(
        self,
        directory: Path,
        *,
        store_id: str,
        embedder: str,
        dimensions: int,
        cache: Callable[[int], VectorCache] | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.directory = directory
        self.embedder = embedder
        self.dimensions = dimensions
        self._store_id = store_id
        self._cache = cache  # None: the exact scan, which can lie in a mapped file
        self._memory_bytes = memory_bytes
        self._held: OrderedDict[int, SpaceCache] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._bytes = 0
        self._lock = threading.RLock()

    def at(self, reading: Source, space: int) -> SpaceImage:
        """A space brought up to the reader's moment.

        Where another thread is ahead of this reader, what it has added is left out when rows are fetched; once
        it has changed or deleted something, this reader needs a space of its own to find what it replaced.
        """
        with self._lock:
            state = reading.state(space)
            if space in self._held and self._held[space].patched > state.position:
                return self._opened(reading, space, state.position).image()
            cache = self._held.pop(space, None)
            self._bytes -= self._sizes.pop(space, 0)
            if cache is None or not cache.catch_up(reading, state.position):
                cache = self._opened(reading, space, state.position)
            if self._cache is None and self._worth_writing(cache):
                cache = self._written(cache, reading)
            self._hold(cache)
            return cache.image()

    def warm(self, reading: Source, space: int) -> None:
        """Write a mapped file for a space that has outgrown its last one; smaller spaces need nothing."""
        if self._cache is None and reading.state(space).last >= MAPPED_FROM:
            self.at(reading, space)

    def rewrite(self, reading: Source) -> list[str]:
        """Write every mapped file anew from the rows, so that none holds what was deleted."""
        with self._lock:
            self._forget()
            rewritten = []
            for path in self._files():
                mapped = load(path)
                path.unlink(missing_ok=True)
                if mapped is not None and mapped.head.embedder == self.embedder:
                    self.at(reading, mapped.head.space)
                rewritten.append(path.name)
            for partial in self.directory.glob("*.partial"):  # of a process that ended while it was writing
                partial.unlink(missing_ok=True)
            return rewritten

    def compare(self, *, repair: bool) -> list[Difference]:
        """Find mapped files that are not what was written; throw them away when told to."""
        found = []
        with self._lock:
            for path in self._files():
                mapped = load(path)
                if mapped is None or not intact(mapped):
                    if repair:
                        path.unlink(missing_ok=True)
                        self._forget()
                    found.append(Difference("caches", path.name, "is damaged; it is rebuilt from the rows", repair))
        return found

    def _opened(self, reading: Source, space: int, position: int) -> SpaceCache:
        mapped = load(self._path(space)) if self._cache is None else None
        if mapped is not None and self._fits(mapped, space, position, reading):
            cache = SpaceCache(space, self.dimensions, ExactScan(self.dimensions, base=mapped.codes), mapped)
            if cache.catch_up(reading, position):
                return cache
        cache = SpaceCache(space, self.dimensions, self._empty())
        for run in reading.columns(space, after=0, dimensions=self.dimensions):
            cache.append(run)
        cache.position = cache.patched = position
        return cache

    def _empty(self) -> VectorCache:
        return ExactScan(self.dimensions) if self._cache is None else self._cache(self.dimensions)

    def _fits(self, mapped: Mapped, space: int, position: int, reading: Source) -> bool:
        """Whether a file is of this space, this embedder, and of the history that the rows have had."""
        head = mapped.head
        named = (head.store, head.space, head.embedder, head.dimensions)
        known = named == (self._store_id, space, self.embedder, self.dimensions) and head.position <= position
        return known and reading.moment_of(head.position) == head.moment

    def _worth_writing(self, cache: SpaceCache) -> bool:
        if not isinstance(cache.vectors, ExactScan) or cache.size < MAPPED_FROM:
            return False
        return cache.vectors.tail_rows > max(REWRITE_TAIL, cache.size // 4) or cache.vectors.tail_rows >= cache.size

    def _written(self, cache: SpaceCache, reading: Source) -> SpaceCache:
        assert isinstance(cache.vectors, ExactScan)
        columns = cache.columns
        codes = _padded(cache.vectors.codes(), columns.size)
        head = Head(
            self._store_id, cache.space, self.embedder, self.dimensions, cache.position,
            reading.moment_of(cache.position) or 0, cache.size,
            checksum({name: columns[name] for name in DTYPES}, codes),
        )  # fmt: skip
        path = self._path(cache.space)
        try:
            path.parent.mkdir(exist_ok=True)
            save(path, head, columns, codes)
        except OSError:
            return cache  # no room for a cache is no reason to fail a search
        mapped = load(path)
        if mapped is None:
            return cache
        return SpaceCache(cache.space, self.dimensions, ExactScan(self.dimensions, base=mapped.codes), mapped)

    def _path(self, space: int) -> Path:
        name = blake2b(self.embedder.encode(), digest_size=6).hexdigest()
        return self.directory / f"{space}-{name}.vectors"

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("*.vectors")) if self.directory.is_dir() else []

    def _hold(self, cache: SpaceCache) -> None:
        """Keep a cache as the most recently used, and let go of the least recently used beyond the bound."""
        self._held[cache.space] = cache
        self._sizes[cache.space] = cache.nbytes
        self._bytes += cache.nbytes
        while len(self._held) > 1 and self._bytes > self._memory_bytes:
            space, _ = self._held.popitem(last=False)
            self._bytes -= self._sizes.pop(space)

    def _forget(self) -> None:
        self._held.clear()
        self._sizes.clear()
        self._bytes = 0


def _padded(codes: NDArray[np.int8], rows: int) -> NDArray[np.int8]:
    missing = rows - len(codes)
    return codes if missing <= 0 else np.concatenate([codes, np.zeros((missing, codes.shape[1]), np.int8)])
