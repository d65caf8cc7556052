"""Answer what holds of a subject, and what is known of everybody, from what memories state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from memstrata.access import within
from memstrata.clock import micros
from memstrata.read.current import fact
from memstrata.read.given import replaced, subjects_called
from memstrata.store import Place, Reading, Stored, StoredStatement, Succession, When
from memstrata.store.chains import Chain, chain, taken_back
from memstrata.text.facts.grammar import canonical
from memstrata.text.facts.statements import key_of
from memstrata.types import Fact, Profile

MOST_SUBJECTS: Final = 200


def state(subject: str, attribute: str | None, places: Sequence[Place], reading: Reading, when: When) -> list[Fact]:
    """What holds of a subject, or of one of its attributes: the surest first, each with what it was before."""
    found: list[Fact] = []
    for place in places:
        for name in _named(subject, place, reading, when):
            found += _of_subject(name, attribute, place, reading, when)
    return sorted(found, key=lambda one: (-one.confidence, -one.since.timestamp()))


def profile(places: Sequence[Place], reading: Reading, when: When) -> Profile:
    """What holds in some places, by subject."""
    found: dict[str, list[Fact]] = {}
    for place in places:
        for name in reading.subjects(place.space, retired=when.retired)[:MOST_SUBJECTS]:
            for one in _of_subject(name, None, place, reading, when):
                found.setdefault(one.subject, []).append(one)
    owed = sum(reading.owed_in(place.space, "resolve") for place in places)
    return Profile({name: tuple(facts) for name, facts in sorted(found.items())}, owed)


def _named(subject: str, place: Place, reading: Reading, when: When) -> list[str]:
    """The subjects that a name means: the one of just this name, or else those that a caller called by it, or else
    those with all of its words."""
    wanted = key_of(subject) if subject else ""
    known = reading.subjects(place.space, retired=when.retired)
    if wanted in known:
        return [wanted]
    called = subjects_called(subject, place.space, reading, lambda one: _told(one, place, when))
    if called:
        return called
    words = set(wanted.split())
    return [name for name in known if words and words <= set(name.split())]


def _of_subject(subject: str, attribute: str | None, place: Place, reading: Reading, when: When) -> list[Fact]:
    stated = reading.statements_about(place.space, subject, None)
    if not when.retired:
        stated = [one for one in stated if one.retired is None]
    stored = reading.memories({one.row for one in stated})
    seen = {row for row, one in stored.items() if within(one, place, when)}
    instead = replaced([stored[row] for row in seen], (), reading, when)
    known = reading.memories(instead.values()) if instead else {}
    gone = {row for row, after in instead.items() if within(known[after], place, when)}
    by_key: dict[tuple[str, str], list[StoredStatement]] = defaultdict(list)
    for one in stated:
        if one.row in seen:
            by_key[one.attribute, one.condition].append(one)
    chosen = [
        some for (name, _), some in by_key.items() if attribute is None or _same(name, key_of(canonical(attribute)))
    ]
    undone = taken_back(reading.successions({each.row for each in stated}))
    ids = {row: one.memory.id for row, one in stored.items()}
    found = []
    for some in chosen:
        told = chain(some, at=when.moment, known=when.known, undone=undone)
        told = replace(told, holding=tuple(one for one in told.holding if one.row not in gone))
        found += _facts(told, some, ids)
    return found


def _told(stored: Stored, place: Place, when: When) -> bool:
    """Whether a place shows a version of a memory, and it was current then."""
    memory = stored.memory
    known = memory.state == "active" if when.known_at is None else micros(memory.updated_at) <= when.known_at
    return known and within(stored, place, when)


def _same(attribute: str, wanted: str) -> bool:
    """Whether an attribute is the one that is meant: it has all of its words, or the other way round."""
    own, asked = set(attribute.split()), set(wanted.split())
    return bool(own and asked) and (asked <= own or own <= asked)


def _facts(told: Chain, stated: Sequence[StoredStatement], ids: Mapping[int, str]) -> list[Fact]:
    """What holds, said once however often it was said, each with the values that came before it."""
    by_key = {one.key: one for one in stated}
    closed: dict[tuple[int, int], Succession] = {one.old: one for one in told.successions}
    past = [fact(by_key[key], link, ids) for key, link in closed.items()]
    newest = {one.object: one for one in told.holding}
    first = {one.object: one for one in reversed(told.holding)}
    return [
        replace(
            fact(replace(one, since=first[value].since), None, ids),
            history=tuple(each for each in past if each.since <= fact(one, None, ids).since),
        )
        for value, one in newest.items()
    ]
