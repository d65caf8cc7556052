"""Turn events that carry keys into what stands under these keys, in one commit.

`add` keeps the first event that came under a key. Here the last one counts: a key that is known gets a new version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from memstrata.access import space_name
from memstrata.clock import id_bytes, micros
from memstrata.errors import InvalidInput
from memstrata.providers.embedders import Embedder
from memstrata.store import NewMemory, Store, Stored, Writing, space_of
from memstrata.types import Event, Scope
from memstrata.write.event import checked
from memstrata.write.index import rows_of
from memstrata.write.journal import agree


def put(
    events: Sequence[Event], removed: Iterable[str], scope: Scope, *, store: Store, embedder: Embedder, now: int
) -> None:
    """Make each event what stands under its key, and leave nothing under the keys removed; all or none.

    Raises:
        InvalidInput: an event cannot be kept, or has no key.
    """
    for event in events:
        if event.key is None:
            raise InvalidInput("an event that is to stand under a key needs one; name it as key=…")
    rows = rows_of([checked(event) for event in events], scope, embedder, now=now)
    with store.writing() as writing:
        agree(writing, embedder)
        space = writing.space(*space_name(scope))
        for key in removed:
            standing = writing.named(space, key)
            if standing is not None:
                writing.bury(_lineage(standing, writing))
        for row in rows:
            _stand(row, space, writing, now=now)


def _stand(row: NewMemory, space: int, writing: Writing, *, now: int) -> None:
    assert row.key is not None
    standing = writing.named(space, row.key)
    if standing is not None and not _lapsed(standing, now=now):
        writing.supersede(standing, row)
        return
    if standing is not None:  # its time ran out: what comes now is another memory
        writing.bury(_lineage(standing, writing))
    ids, repeated = writing.insert(space, [row])
    if repeated:  # what came under the key before was merged into another memory
        writing.bury(ids)
        writing.insert(space, [row])


def _lineage(stored: Stored, writing: Writing) -> list[bytes]:
    return writing.lineage(id_bytes(stored.memory.id) or b"")


def _lapsed(stored: Stored, *, now: int) -> bool:
    expires = stored.memory.expires_at
    return expires is not None and micros(expires) <= now


def renew(expiries: Mapping[str, int], scope: Scope, *, store: Store, now: int) -> None:
    """Move when memories of a scope expire, by their ids, in microseconds; those that are gone stay gone."""
    with store.writing() as writing:
        spaces = writing.spaces(*space_name(scope))
        for id, expires_at in expiries.items():
            stored = writing.current(id_bytes(id) or b"")
            if stored is not None and space_of(stored.row) in spaces and not _lapsed(stored, now=now):
                writing.renew(stored, expires_at)
