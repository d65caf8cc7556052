"""Keep the cache of one scope in a store, and take it out again: a file with a row that says what it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from memstrata import access
from memstrata.clock import id_bytes
from memstrata.errors import KVDamaged
from memstrata.kv.container import Contents, parsed, pour
from memstrata.kv.fingerprints import Fingerprint, tokens_digest
from memstrata.store import NewBlob, Place, Reading, Store
from memstrata.types import Memory, Scope

KIND: Final = "kv"


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Microseconds since 1970 UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A cache that was kept, and the rows of the memories it was made from."""

    contents: Contents
    rows: frozenset[int]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the cache of one scope is kept."""

    store: Store
    scope: Scope
    clock: Clock

    def taken(self) -> Taken | None:
        """What is kept; None when nothing is, or when a memory it was made from is gone.

        Raises:
            KVRefused: there is something, and it cannot be used.
        """
        with self.store.reading() as reading:
            places = access.one_space(reading, self.scope, shared=False)
            found = reading.blob(places[0], KIND, now=self.clock.now()) if places else None
        if found is None:
            return None
        data = self.store.blobs.read(found.digest)
        if data is None:
            raise KVDamaged("the file of this scope's cache is gone; `memstrata check --repair` forgets it")
        return Taken(parsed(data), frozenset(found.rows))

    def put(self, contents: Contents, fingerprint: Fingerprint, rows: Iterable[int]) -> bool:
        """Keep a cache in place of what was kept; False when a memory it was made from has gone meanwhile.

        Raises:
            StoreFull: there is no room; what was kept before stays.
        """
        made_from = tuple(rows)
        blobs = self.store.blobs
        written = blobs.write(lambda sink: pour(contents, sink))
        try:
            with self.store.writing() as writing:
                if writing.any_gone(made_from, now=self.clock.now()):
                    blobs.discard(written.path)
                    return False
                place = Place(
                    writing.space(*access.space_name(self.scope)), self.scope.agent_id, self.scope.session_id,
                    access.namespace_path(self.scope.namespace),
                )  # fmt: skip
                tokens = tokens_digest(contents.tensors["tokens"])
                writing.keep_blob(NewBlob(place, KIND, written, fingerprint.digest, tokens, made_from))
        except BaseException:
            blobs.discard(written.path)
            raise
        return True

    def forget(self) -> None:
        """Forget what is kept."""
        with self.store.writing() as writing:
            writing.forget_blobs(access.one_space(writing, self.scope, shared=False))

    def still_there(self, rows: Iterable[int]) -> bool:
        """Whether all of these versions of memories are current."""
        with self.store.reading() as reading:
            return not reading.any_gone(rows, now=self.clock.now())

    def rows_of(self, memories: Iterable[Memory]) -> frozenset[int] | None:
        """Where these versions of memories lie; None when one of them is no longer current."""
        with self.store.reading() as reading:
            found = [_row_of(memory, reading) for memory in memories]
        return None if None in found else frozenset(row for row in found if row is not None)


def _row_of(memory: Memory, reading: Reading) -> int | None:
    stored = reading.current(id_bytes(memory.id) or b"")
    return None if stored is None or stored.memory.version != memory.version else stored.row
