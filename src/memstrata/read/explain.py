"""Say why a memory came, or did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from memstrata import access
from memstrata.clock import as_datetime, id_bytes, micros
from memstrata.read.pipeline import Found, Search
from memstrata.read.query import Query
from memstrata.read.retrieve.time import MOST
from memstrata.store import Reading, Stored, row_of, space_of
from memstrata.store.filters import matches
from memstrata.text.terms import words
from memstrata.text.when.times import Spoken
from memstrata.types import Hit, NamedTime, TermUse


def as_written(uses: Iterable[TermUse], hits: Sequence[Hit]) -> tuple[TermUse, ...]:
    """The words of a query, those that stood in for one as the hits have them: "restaurant" for what is indexed
    as "restaur"; a word that no hit has stays as it is indexed."""
    wanted = {term for use in uses for term in use.instead}
    found: dict[str, str] = {}
    for word in words(" ".join([f"{hit.memory.speaker or ''} {hit.memory.text}" for hit in hits])) if wanted else ():
        if word.term in wanted:
            found.setdefault(word.term, word.said)
    return tuple([replace(use, instead=tuple([found.get(term, term) for term in use.instead])) for use in uses])


def verdict(id: str, asked: Search, found: Found, reading: Reading) -> str:
    """One sentence on what became of a memory in a search."""
    raw = id_bytes(id)
    stored = None if raw is None else reading.current(raw)
    if stored is None or not access.visible(stored.memory, asked.scope):
        return _not_current(raw, asked, reading)
    hidden = _hidden(stored, asked, found)
    if hidden:
        return hidden
    for place, one in enumerate(found.ranked, start=1):
        if one.row == stored.row:
            if one.id in found.by_row and found.by_row[one.id].pinned and not one.signals:
                return f"it is pinned, and came {_nth(place)} without being found"
            said = ", ".join(f"{name} put it {_nth(signal.rank)}" for name, signal in one.signals.items())
            if place <= asked.limit:
                return f"it came {_nth(place)}: {said}"
            return f"it was found and came {_nth(place)}, after the limit of {asked.limit}: {said}"
    if asked.precise:
        return "the question does not name it, nor mean it clearly enough for precise=True, or something replaced it"
    gathered = found.gathered
    return f"no retriever put it among its first {gathered.route.candidates} ({', '.join(gathered.asked)} were asked)"


def times(query: Query, asked: Search, found: Found, reading: Reading) -> tuple[NamedTime, ...]:
    """How each time that a question names was read, and which hits happened in it or speak of it."""
    return tuple(
        NamedTime(
            query.text[time.start : time.stop],
            as_datetime(time.since, asked.offset),
            as_datetime(time.until, asked.offset),
            tuple(_during(time, found, reading)),
        )
        for time in query.times
    )


def _during(time: Spoken, found: Found, reading: Reading) -> Iterator[str]:
    speaking = {
        row_of(view.space, number)
        for view in found.gathered.views
        for number in reading.spoken_in(
            view.space, time.since, time.until, limit=MOST, retired=view.when.retired
        ).tolist()
    }
    rows = {one.id: one.row for one in found.ranked}
    for id, hit in found.by_row.items():
        if time.since <= micros(hit.memory.at) < time.until or rows[id] in speaking:
            yield hit.memory.id


def _not_current(raw: bytes | None, asked: Search, reading: Reading) -> str:
    versions = [] if raw is None else [version for _, version in reading.history(raw)]
    seen = [
        version for version in versions if version.memory is not None and access.visible(version.memory, asked.scope)
    ]
    if seen and seen[-1].state == "merged":
        return "it was merged into another memory, which is searched in its place"
    return "there is no such memory in this scope: it was deleted, or lies in another one"


def _hidden(stored: Stored, asked: Search, found: Found) -> str | None:
    memory = stored.memory
    if memory.expires_at is not None and micros(memory.expires_at) <= asked.now:
        return f"it expired at {memory.expires_at.isoformat()}"
    if space_of(stored.row) not in [view.space for view in found.gathered.views]:
        return "it lies in another space than the one searched; name its user, or pass shared=True"
    if not matches(asked.where, memory):
        return "the filter does not pass it"
    return None


def _nth(number: int) -> str:
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number // 10 % 10 != 1 else 0, "th")
    return f"{number}{suffix}"
