"""Change what is kept: a new version of a memory, or one memory out of several."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from memstrata import access
from memstrata.clock import id_bytes, micros
from memstrata.errors import InvalidInput, NotFound, VersionConflict
from memstrata.providers.embedders import Embedder
from memstrata.store import NewMemory, RowReading, Store, Stored, space_of
from memstrata.types import KEEP, NOTHING, Event, Memory, Scope
from memstrata.write.event import checked
from memstrata.write.index import rows_of
from memstrata.write.journal import agree

ATTEMPTS: Final = 20


def found(id: str, scope: Scope, reading: RowReading, *, now: int) -> Stored:
    """The current version of a memory that has not expired.

    Raises:
        NotFound: there is none of this id in this scope; it may be elsewhere, and this does not say.
    """
    raw = id_bytes(id)
    stored = None if raw is None else reading.current(raw)
    if stored is None or not access.visible(stored.memory, scope):
        raise _not_found(id)
    expires = stored.memory.expires_at
    if expires is not None and micros(expires) <= now:
        raise _not_found(id)
    return stored


def _not_found(id: str) -> NotFound:
    return NotFound(f"no memory {id!r:.80} in this scope; it may have been deleted, or lie in another scope")


def kin(id: str, scope: Scope, reading: RowReading) -> list[bytes]:
    """Ids of a memory, current or merged, and of all that were merged into it.

    Raises:
        NotFound: there is none of this id in this scope.
    """
    raw = id_bytes(id)
    versions = [] if raw is None else [version for _, version in reading.history(raw)]
    if raw is None or not versions or versions[-1].memory is None or not access.visible(versions[-1].memory, scope):
        raise _not_found(id)
    return reading.lineage(raw)


def update(
    id: str,
    changes: Mapping[str, Any],  # Any: values of Event's fields, checked as an event is
    scope: Scope,
    *,
    expected_version: int | None,
    store: Store,
    embedder: Embedder,
    now: int,
) -> Memory:
    """Write a new version with some properties changed; what another writer changed meanwhile is kept.

    Raises:
        NotFound: there is no such memory in this scope.
        VersionConflict: it has another version than the one expected.
    """
    given = {name: value for name, value in changes.items() if value is not KEEP}
    if not given:
        raise InvalidInput("there is nothing to change; pass text=…, attributes=… or another property")
    for _ in range(ATTEMPTS):
        with store.reading() as reading:
            before = found(id, scope, reading, now=now)
        _expect(before.memory, expected_version)
        row = revised(before.memory, given, embedder, now=now)
        with store.writing() as writing:
            agree(writing, embedder)
            current = found(id, scope, writing, now=now)
            if current.row == before.row:
                return writing.supersede(current, row).memory
        # somebody wrote between reading and writing: start again from their version
    raise VersionConflict(f"memory {id} was changed {ATTEMPTS} times while this change was made; try again")


def _expect(memory: Memory, version: int | None) -> None:
    if version is not None and memory.version != version:
        raise VersionConflict(
            f"memory {memory.id} has version {memory.version}, not {version}; read it again and repeat the change"
        )


def revised(memory: Memory, changes: Mapping[str, Any], embedder: Embedder, *, now: int) -> NewMemory:
    """A memory with some properties changed, as a row."""
    own = {field.name: getattr(memory, field.name) for field in fields(Event) if hasattr(memory, field.name)}
    narrower = {name: getattr(memory.scope, name) for name in ("agent_id", "session_id", "namespace")}
    cleared = {name: NOTHING if name == "attributes" else value for name, value in changes.items() if value is None}
    event = checked(Event(**{**own, **narrower, **changes, **cleared}))
    return rows_of([event], Scope(), embedder, now=now)[0]


def merge(
    ids: Sequence[str],
    changes: Mapping[str, Any],  # Any: values of Event's fields, checked as an event is
    scope: Scope,
    *,
    store: Store,
    embedder: Embedder,
    now: int,
) -> Memory:
    """Make one memory out of several; it names them all, and they stay in the history as merged.

    Raises:
        InvalidInput: fewer than two memories, or memories of different users.
        NotFound: one of them is not there.
    """
    if isinstance(ids, str) or not isinstance(ids, Collection) or not all(isinstance(id, str) for id in ids):
        raise InvalidInput(f"merge takes a list of ids, not {ids!r:.80}")
    if len(set(ids)) < 2:
        raise InvalidInput("merge takes the ids of at least two memories")
    for _ in range(ATTEMPTS):
        with store.reading() as reading:
            parents = _parents(ids, scope, reading, now=now)
        row = _merged([parent.memory for parent in parents], changes, embedder, now=now)
        with store.writing() as writing:
            agree(writing, embedder)
            current = _parents(ids, scope, writing, now=now)
            if [parent.row for parent in current] == [parent.row for parent in parents]:
                for parent in parents:
                    writing.retire(parent.row, "merged", operation="merge")
                (id,), _ = writing.insert(space_of(parents[0].row), [row], operation="merge")
                return found_again(id, writing)
    raise VersionConflict(f"the memories were changed {ATTEMPTS} times while they were merged; try again")


def found_again(id: bytes, reading: RowReading) -> Memory:
    """A memory that was just written."""
    stored = reading.current(id)
    assert stored is not None
    return stored.memory


def _parents(ids: Sequence[str], scope: Scope, reading: RowReading, *, now: int) -> list[Stored]:
    parents = [found(id, scope, reading, now=now) for id in dict.fromkeys(ids)]
    if len({space_of(parent.row) for parent in parents}) > 1:
        raise InvalidInput("these memories belong to different users or apps and are not merged")
    return sorted(parents, key=lambda parent: (parent.memory.at, parent.row))


def _merged(parents: Sequence[Memory], changes: Mapping[str, Any], embedder: Embedder, *, now: int) -> NewMemory:
    given = {name: value for name, value in changes.items() if value is not KEEP}
    last = parents[-1]
    attributes = {name: value for parent in parents for name, value in parent.attributes.items()}
    own: dict[str, Any] = {
        "text": "\n".join(dict.fromkeys(parent.text for parent in parents)),
        "kind": last.kind,
        "attributes": attributes,
        "at": last.at,
        # what was to be kept for a while only is not kept longer for having been merged
        "expires_at": min((parent.expires_at for parent in parents if parent.expires_at is not None), default=None),
        **{name: _common(parents, name) for name in ("speaker", "role", "contributor", "resource")},
        **{
            name: _common([parent.scope for parent in parents], name)
            for name in ("agent_id", "session_id", "namespace")
        },
    }
    event = checked(Event(**{**own, **given, "sources": tuple(parent.id for parent in parents)}))
    return rows_of([event], Scope(), embedder, now=now)[0]


def _common(values: Sequence[object], name: str) -> Any:  # Any: whatever the property holds
    """A property that all have alike, or nothing."""
    found = {getattr(value, name) for value in values}
    return found.pop() if len(found) == 1 else None
