"""Turn a key into the right to do what it stands for, for one holder at a time: a gate before the work, not after it.

A key is claimed for a while. Whoever has it does the work and adds what came of it under the key; that settles it for
good, and everybody else is given the memory. A holder who is not heard of again loses the claim when its time is over.
"""

from __future__ import annotations

from typing import Final

from memstrata.access import space_name
from memstrata.clock import as_datetime, id_bytes, micros
from memstrata.errors import InvalidInput
from memstrata.store import Held, Reading, Store, Stored
from memstrata.types import Claim, Scope
from memstrata.write.event import MAX_KEY, MAX_NAME, check_name

LONGEST_S: Final = 86_400.0

SpaceName = tuple[str, str, str]


def claimed(key: str, scope: Scope, *, holder: str, seconds: float, store: Store, now: int) -> Claim:
    """The state of a key, which is the holder's from now on unless it is done, or somebody else has it.

    Raises:
        InvalidInput: the key, the holder or the time cannot be used.
    """
    _check(key, holder)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_S:
        raise InvalidInput(f"seconds={seconds!r:.40}; a claim lasts more than 0 seconds and up to {LONGEST_S:,.0f}")
    name = space_name(scope)
    with store.reading() as reading:  # most who ask find it done or taken, and need not wait for the writer
        found = _settled(key, name, holder, reading, now=now)
    if found is not None:
        return found
    with store.writing() as writing:
        found = _settled(key, name, holder, writing, now=now)
        if found is not None:
            return found
        space, until = writing.space(*name), now + round(seconds * 1e6)
        for lapsed in _standing(key, space, writing):
            writing.bury(writing.lineage(id_bytes(lapsed.memory.id) or b""))
        writing.hold(space, key, Held(holder, until))
        return Claim(key, "yours", holder, as_datetime(until), None, writing.position())


def released(key: str, scope: Scope, *, holder: str, store: Store, now: int) -> bool:
    """Give a key up before its time; whether it was still the holder's."""
    _check(key, holder)
    with store.writing() as writing:
        for space in writing.spaces(*space_name(scope)):
            held = writing.held(space, key)
            if held is not None and held.holder == holder and held.until > now:
                writing.let_go(space, key)
                return True
    return False


def _check(key: str, holder: str) -> None:
    for name, value, most in (("key", key, MAX_KEY), ("holder", holder, MAX_NAME)):
        if value is None:
            raise InvalidInput(f"a claim needs a {name}; pass a text that is not empty")
        check_name(name, value, most)


def _settled(key: str, name: SpaceName, holder: str, reading: Reading, *, now: int) -> Claim | None:
    """What there is to say of a key that cannot be had; None when it can."""
    for space in reading.spaces(*name):
        for stored in _standing(key, space, reading):
            expires = stored.memory.expires_at
            if expires is None or micros(expires) > now:
                return Claim(key, "done", None, None, stored.memory, reading.position())
        held = reading.held(space, key)
        if held is not None and held.until > now and held.holder != holder:
            return Claim(key, "taken", held.holder, as_datetime(held.until), None, reading.position())
    return None


def _standing(key: str, space: int, reading: Reading) -> list[Stored]:
    """The memory that was added under a key, the first one where it was a list of messages."""
    found = reading.named(space, key) or reading.named(space, f"{key}/0")
    return [] if found is None else [found]
