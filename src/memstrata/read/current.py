"""Put what holds before what it replaced, and say of each hit what it states.

A superseded statement is never dropped: its successor takes its place, and it comes right behind, marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from memstrata.access import SpaceView
from memstrata.clock import LATEST, as_datetime
from memstrata.read import given
from memstrata.read.query import Query
from memstrata.read.rank import Ranked
from memstrata.store import Reading, Stored, StoredStatement, Succession, When, space_of
from memstrata.store.chains import chain, taken_back
from memstrata.types import Fact, Hit, Memory

LOOKED_AT: Final = 60  # of the best: further down, which of two comes first no longer matters
LEAST_SURE: Final = 0.5  # of a succession that may move a hit
MOST_STEPS: Final = 16  # from a statement to the one that holds today

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """What some memories state, by row, and which of these statements were closed by which, as of a moment.

    `given` are the memories that hold instead of some by the word of their caller.
    """

    rows: frozenset[int]
    stated: Mapping[int, Sequence[StoredStatement]]
    closed: Mapping[Key, Succession]
    given: Mapping[int, int]

    def successor(self, row: int) -> int | None:
        """The memory that holds instead of one of which nothing holds any more; None while something does."""
        if row in self.given:
            return self.given[row]
        stated = self.stated.get(row, ())
        links = [self.closed.get(one.key) for one in stated]
        if not stated or any(link is None or link.confidence < LEAST_SURE for link in links):
            return None
        return max(link.new for link in links if link is not None)[0]


def standing(
    rows: Iterable[int], reading: Reading, when: When, views: Sequence[SpaceView] = (), *, whole: bool = False
) -> Standing:
    """What the memories at these rows state, and what became of it; with views also what callers said of them.

    Unless the whole is wanted, what is stated is read only of memories of which something was closed: that is few.
    """
    rows = frozenset(rows)
    replayed = when.past or any(view.narrowed for view in views)
    links: Iterable[Succession] = () if replayed else reading.successions(rows)
    closed = {one.old: one for one in links if not one.undone}
    stated: dict[int, list[StoredStatement]] = {}
    for one in reading.statements_of(rows if whole or replayed else rows & {row for row, _ in closed}):
        stated.setdefault(one.row, []).append(one)
    if replayed:
        closed = {one.old: one for one in _replayed(stated, reading, when, views)}
    return Standing(rows, stated, closed, given.successors(rows, views, reading, when))


def _replayed(
    stated: Mapping[int, Sequence[StoredStatement]], reading: Reading, when: When, views: Sequence[SpaceView]
) -> Iterable[Succession]:
    """What closed what as of another moment, or for a reader who sees a part: every chain followed anew."""
    undone = taken_back(reading.successions(stated))
    keys = {(space_of(one.row), one.subject, one.attribute) for some in stated.values() for one in some}
    for space, subject, attribute in keys:
        about: Sequence[StoredStatement] = reading.statements_about(space, subject, attribute)
        if not when.retired:
            about = [one for one in about if one.retired is None]
        about = _shown(about, reading, [view for view in views if view.space == space and view.narrowed])
        yield from chain(
            about,
            at=when.moment if when.past else LATEST,
            known=when.known,
            undone=undone,
        ).successions


def _shown(
    stated: Sequence[StoredStatement], reading: Reading, views: Sequence[SpaceView]
) -> Sequence[StoredStatement]:
    """Those statements that a reader of narrowed views may know of: what closes what is said by what she may see."""
    if not views:
        return stated
    stored = reading.memories({one.row for one in stated})
    return [one for one in stated if one.row in stored and any(view.shows(stored[one.row]) for view in views)]


def holding(rows: Sequence[int], views: Sequence[SpaceView], reading: Reading, when: When) -> list[int]:
    """Those of some memories that nothing has replaced."""
    known = standing(rows, reading, when, views)
    return [row for row in rows if known.successor(row) is None]


def current(
    best: Sequence[Ranked], views: Sequence[SpaceView], reading: Reading, when: When, *, precise: bool = False
) -> list[Ranked]:
    """The same hits, with what holds before what it replaced; a successor that was not found is brought in.

    With `precise` what was replaced is left out.
    """
    top = best[:LOOKED_AT]
    known = standing([one.row for one in top], reading, when, views)
    if not known.closed and not known.given:
        return list(best)
    found = {one.row: one for one in best}
    ordered: dict[int, Ranked] = {}
    for one in top:
        successor = _final(one.row, known, views, reading, when)
        if successor is not None and successor not in ordered and any(view.allows(successor) for view in views):
            ordered[successor] = replace(found.get(successor) or one.giving_way(successor), score=one.score)
        if successor is None or not precise:
            ordered.setdefault(one.row, one)
    return [*ordered.values(), *(one for one in best[LOOKED_AT:] if one.row not in ordered)]


def _final(row: int, known: Standing, views: Sequence[SpaceView], reading: Reading, when: When) -> int | None:
    """The memory at the end of the chain of those that replaced one another."""
    found = known.successor(row)
    for _ in range(MOST_STEPS):
        if found is None:
            return None
        if found not in known.rows:
            known = standing([found], reading, when, views)
        after = known.successor(found)
        if after is None:
            return found
        found = after
    return found


def described(
    hits: Mapping[int, Hit],
    rows: Mapping[int, int],
    query: Query,
    views: Sequence[SpaceView],
    reading: Reading,
    when: When,
) -> dict[int, Hit]:
    """The hits with what each states, marked where nothing of it holds any more.

    `hits` and `rows` hold passages by their ids, and the rows of their memories.
    """
    memories = {rows[id]: hit.memory for id, hit in hits.items()}
    stated = facts(memories, [word.term for word in query.words], views, reading, when)
    instead = given.replaced((Stored(row, memory) for row, memory in memories.items()), views, reading, when)
    ids = {row: one.memory.id for row, one in reading.memories(instead.values()).items()} if instead else {}
    return {id: _marked(hit, stated.get(rows[id], ()), ids.get(instead.get(rows[id], 0))) for id, hit in hits.items()}


def _marked(hit: Hit, stated: tuple[Fact, ...], instead: str | None) -> Hit:
    closed = bool(stated) and all(one.replaced_by is not None for one in stated)
    return replace(hit, facts=stated, replaced_by=instead or (stated[0].replaced_by if closed else None))


def facts(
    memories: Mapping[int, Memory], query: Iterable[str], views: Sequence[SpaceView], reading: Reading, when: When
) -> dict[int, tuple[Fact, ...]]:
    """What memories state, by row; what shares most words with a query first."""
    known = standing(memories, reading, when, views, whole=True)
    ids = {row: memory.id for row, memory in memories.items()}
    linked = {link.new[0] for link in known.closed.values()} - memories.keys()
    if linked:
        ids |= {row: stored.memory.id for row, stored in reading.memories(linked).items()}
    words = set(query)
    found = {}
    for row, stated in known.stated.items():
        nearest = sorted(stated, key=lambda one: -len(words & _words(one)))
        found[row] = tuple(fact(one, known.closed.get(one.key), ids) for one in nearest if row in ids)
    return found


def _words(one: StoredStatement) -> set[str]:
    return {*one.subject.split(), *one.attribute.split(), *one.condition.split()}


def fact(one: StoredStatement, closed: Succession | None, ids: Mapping[int, str]) -> Fact:
    """A statement as callers see it."""
    subject, attribute, value, condition = one.said
    until = one.until if closed is None else closed.closed_at
    if one.ends:
        until = one.since  # "we no longer use it" says until when it held
    return Fact(
        subject=subject, attribute=attribute, value=value, condition=condition or None, memory_id=ids[one.row],
        start=one.start, stop=one.stop, since=as_datetime(one.since),
        until=None if until is None else as_datetime(until), confidence=one.confidence,
        replaced_by=None if closed is None else ids.get(closed.new[0]),
        reason=None if closed is None else closed.reason,
    )  # fmt: skip
