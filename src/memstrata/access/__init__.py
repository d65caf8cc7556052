"""Decide who may see what: turn a scope into spaces, and a mask of the segments inside them.

Everything that reads goes through here, inside its own transaction, and hands retrievers nothing but what
may be seen. Deleted, superseded and expired memories are masked here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.clock import micros
from memstrata.errors import InvalidInput
from memstrata.store import Place, Reading, RowReading, SpaceState, Stored, When, number_of, space_of
from memstrata.store.filters import Filter, matches
from memstrata.store.spaces import SpaceImage, Spaces
from memstrata.types import ANY, Anyone, Memory, Scope, ScopeId, ScopeIds

MAX_ID: Final = 512  # characters
MAX_NAMESPACE: Final = 2_048


@dataclass(frozen=True, slots=True)
class SpaceView:
    """What one space shows to one reader: `allowed` and `counted` (segments,) are indexed by segment number.

    `counted` are the segments that document counts are made of: all live ones of the space, or, as of an earlier
    moment, those that the reader would have seen then. `state` counts the same ones.
    """

    space: int
    state: SpaceState
    cache: SpaceImage
    allowed: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    when: When
    place: Place
    where: Filter | None = None

    @property
    def narrowed(self) -> bool:
        """Whether something of the space is hidden by more than time."""
        return self.place.narrowed or self.where is not None

    def allows(self, row: int) -> bool:
        """Whether a memory's row lies in this space and the reader may see it."""
        number = number_of(row)
        return space_of(row) == self.space and number < self.cache.size and bool(self.allowed[number])

    def shows(self, stored: Stored) -> bool:
        """Whether a memory lies in what is shown, whenever it holds."""
        return within(stored, self.place, self.when) and matches(self.where, stored.memory)


def scope_from(scope: Scope | None, ids: ScopeIds) -> Scope:
    """One checked scope from a `Scope`, keywords, or both.

    Raises:
        InvalidInput: an id is empty, too long, or no text; or a keyword is unknown.
    """
    unknown = sorted(set(ids) - set(ScopeIds.__annotations__))
    if unknown:
        known = ", ".join(ScopeIds.__annotations__)
        raise InvalidInput(f"unknown argument {unknown[0]!r}; a scope is made of {known}")
    if scope is not None and not isinstance(scope, Scope):
        raise InvalidInput(f"scope={scope!r:.80} is no memstrata.Scope; pass one, or name its parts as keywords")
    merged = replace(scope or Scope(), **ids)
    for name in ("tenant_id", "app_id", "user_id", "agent_id", "session_id"):
        _check_id(name, getattr(merged, name), sweeping=name in ("tenant_id", "app_id", "user_id"))
    return replace(merged, namespace=namespace_path(merged.namespace))


def _check_id(name: str, value: object, *, sweeping: bool) -> None:
    if value is None or (sweeping and value is ANY):
        return
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{name}={value!r:.80} is no id; pass a text that is not empty, or leave it out")
    if len(value) > MAX_ID or not _storable(value):
        raise InvalidInput(
            f"{name} may have {MAX_ID} characters, none of them NUL or half of a pair; it has {len(value)}"
        )


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def namespace_path(namespace: str | tuple[str, ...] | list[str] | None) -> str | None:
    """A namespace as one path, `a/b/c`.

    >>> namespace_path(("team", "notes"))
    'team/notes'
    """
    if namespace is None or not namespace:
        return None
    if not isinstance(namespace, str | list | tuple):
        raise InvalidInput(f"namespace={namespace!r:.80} is no path; pass a text such as 'team/notes', or its parts")
    parts = namespace.strip("/").split("/") if isinstance(namespace, str) else list(namespace)
    if not all(isinstance(part, str) and part and "/" not in part and _storable(part) for part in parts):
        raise InvalidInput(f"namespace={namespace!r:.80}: every part is a text that is not empty and has no '/'")
    path = "/".join(parts)
    if len(path) > MAX_NAMESPACE:
        raise InvalidInput(f"a namespace may have {MAX_NAMESPACE:,} characters; this one has {len(path):,}")
    return path


def space_name(scope: Scope) -> tuple[str, str, str]:
    """The one space that a scope writes to.

    Raises:
        InvalidInput: the scope stands for several.
    """
    for name in ("tenant_id", "app_id", "user_id"):
        if getattr(scope, name) is ANY:
            raise InvalidInput(f"{name}=memstrata.ANY stands for many; a memory is written to and searched in one")
    return (str(scope.tenant_id or ""), str(scope.app_id or ""), str(scope.user_id or ""))


def one_space(reading: RowReading, scope: Scope, *, shared: bool) -> list[Place]:
    """The place a scope names, and with `shared` also what the app's users share; [] when nothing is there."""
    tenant, app, user = space_name(scope)
    names = [(tenant, app, user)] + ([(tenant, app, "")] if shared and user else [])
    return [_place(space, scope) for name in names for space in reading.spaces(*name)]


def many_spaces(reading: RowReading, scope: Scope) -> list[Place]:
    """The places of a scope in which `ANY` stands for every tenant, app or user."""
    names = [_wanted(value) for value in (scope.tenant_id, scope.app_id, scope.user_id)]
    return [_place(space, scope) for space in reading.spaces(*names)]


def inhabited(reading: Reading, scope: Scope) -> list[Scope]:
    """The spaces of a scope that hold current memories, by name."""
    places = many_spaces(reading, scope)
    names = sorted(reading.name_of(place.space) for place in places if reading.state(place.space).segments)
    return [Scope(*(part or None for part in name)) for name in names]


def _wanted(value: ScopeId) -> str | None:
    return None if isinstance(value, Anyone) else value or ""


def _place(space: int, scope: Scope) -> Place:
    assert not isinstance(scope.namespace, tuple)  # scope_from() made a path of it
    return Place(space, scope.agent_id, scope.session_id, scope.namespace)


def view(
    reading: Reading, spaces: Spaces, places: Sequence[Place], where: Filter | None, *, when: When
) -> list[SpaceView]:
    """What the places show as of a moment, as masks over their segments."""
    return [_space_view(reading, spaces, place, where, when) for place in places]


def _space_view(reading: Reading, spaces: Spaces, place: Place, where: Filter | None, when: When) -> SpaceView:
    cache = spaces.at(reading, place.space)
    state = reading.state(place.space)
    if when.past:
        allowed = _members(reading.allowed_rows(place, where, when=when), cache)
        words = int(cache.words[allowed].sum())
        return SpaceView(
            place.space, replace(state, segments=int(allowed.sum()), words=words), cache, allowed, allowed, when, place,
            where,
        )  # fmt: skip
    live = cache.live
    if place.narrowed or where is not None:
        allowed = live & _members(reading.allowed_rows(place, where, when=when), cache)
    else:
        lapsed = reading.lapsed(place.space, now=when.now)
        allowed = live & ~_members(lapsed, cache) if len(lapsed) else live
    return SpaceView(place.space, state, cache, _kept(allowed), live, when, place, where)


def _kept(allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask that cannot be written to: retrievers of others get it, and what is behind it belongs to every reader."""
    kept = allowed.view()
    kept.flags.writeable = False
    return kept


def _members(rows: NDArray[np.int64], cache: SpaceImage) -> NDArray[np.bool_]:
    owned = np.zeros(cache.size, np.bool_)
    owned[rows[rows < cache.size]] = True
    members: NDArray[np.bool_] = owned[cache.owners]
    return members


def within(stored: Stored, place: Place, when: When) -> bool:
    """Whether a memory lies in a place, was not deleted and has not expired."""
    memory = stored.memory
    expired = memory.expires_at is not None and micros(memory.expires_at) <= when.now
    if expired or memory.state == "deleted" or space_of(stored.row) != place.space:
        return False
    return visible(memory, Scope(agent_id=place.agent, session_id=place.session, namespace=place.namespace))


def visible(memory: Memory, scope: Scope) -> bool:
    """Whether a memory, asked for by its id, lies in a scope; what the scope leaves out does not matter."""
    for name in ("tenant_id", "app_id", "user_id", "agent_id", "session_id"):
        wanted = getattr(scope, name)
        if wanted is not None and wanted is not ANY and getattr(memory.scope, name) != wanted:
            return False
    if scope.namespace is None:
        return True
    own = memory.scope.namespace
    return isinstance(own, str) and (own == scope.namespace or own.startswith(f"{scope.namespace}/"))
