"""Answer a query: route → retrieve → fuse → rank, and for a context → pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from memstrata import access
from memstrata.clock import Stopwatch, id_bytes, micros
from memstrata.plan.counters import Counter
from memstrata.read import fuse, pack, rank
from memstrata.read.query import Query
from memstrata.read.retrieve import Retriever
from memstrata.read.route import Route, route
from memstrata.store import Place, Reading, Stored, row_of, space_of
from memstrata.store.filters import Filter
from memstrata.store.spaces import Spaces
from memstrata.types import Context, Hit, Ledger, LeftOut, Memory, Scope, TermUse


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked: where, under which filter, how much of it, by when."""

    scope: Scope
    where: Filter | None
    limit: int
    shared: bool
    now: int
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, with what it takes to explain it."""

    hits: list[Hit]
    route: Route
    terms: tuple[TermUse, ...]
    ranked: list[tuple[int, fuse.Fused]]
    views: list[access.SpaceView]
    skipped: tuple[str, ...]


def search(
    query: Query,
    asked: Search,
    reading: Reading,
    *,
    spaces: Spaces,
    retrievers: Mapping[str, Retriever],
    watch: Stopwatch,
) -> Found:
    """The memories that answer a query, best first."""
    if reading.meta("embedder") != spaces.embedder:  # changed since this memory was opened: only words compare
        query = replace(query, vector=None)
    places = access.one_space(reading, asked.scope, shared=asked.shared)
    views = access.view(reading, spaces, places, asked.where, now=asked.now)
    watch.lap("access")
    chosen = route(query, limit=asked.limit)
    found, terms, skipped = _retrieved(query, asked, reading, views, chosen, retrievers, watch)
    fused = fuse.fuse(found, chosen.weights)
    ranked = rank.best_of_each(fused, _owners(fused, views))
    hits = rank.hits(ranked[: asked.limit], reading)
    watch.lap("rank")
    return Found(hits, chosen, terms, ranked, views, skipped)


def _retrieved(
    query: Query,
    asked: Search,
    reading: Reading,
    views: Sequence[access.SpaceView],
    chosen: Route,
    retrievers: Mapping[str, Retriever],
    watch: Stopwatch,
) -> tuple[dict[str, list[tuple[int, float]]], tuple[TermUse, ...], tuple[str, ...]]:
    found: dict[str, list[tuple[int, float]]] = {}
    terms: tuple[TermUse, ...] = ()
    skipped: list[str] = []
    for name in chosen.weights:
        if found and asked.latency_ms is not None and watch.total_ms > asked.latency_ms:
            skipped.append(name)
            continue
        candidates: list[tuple[int, float]] = []
        for view in views:
            some = retrievers[name].retrieve(query, view, reading, limit=chosen.candidates)
            terms += some.terms
            ids = [row_of(view.space, number) for number in some.numbers.tolist()]
            candidates += zip(ids, some.scores.tolist(), strict=True)
        found[name] = candidates if len(views) == 1 else sorted(candidates, key=lambda pair: (-pair[1], -pair[0]))
        watch.lap(name)
    return found, terms, tuple(skipped)


def context(
    query: Query,
    asked: Search,
    reading: Reading,
    *,
    tokens: int,
    counter: Counter,
    spaces: Spaces,
    retrievers: Mapping[str, Retriever],
    watch: Stopwatch,
) -> Context:
    """The passages that answer a query, within a budget of tokens; everything, where everything fits."""
    everything = _everything(asked, reading, tokens=tokens)
    if everything:
        passages = pack.numbered(pack.whole(everything))
        text = pack.render(passages)
        spent = counter.count(text)
        if spent <= tokens:
            watch.lap("pack")
            ledger = Ledger(spent, tokens, counter.name, watch.ms, len(everything))
            return Context(text, passages, (), ledger, whole=True)
    found = search(query, asked, reading, spaces=spaces, retrievers=retrievers, watch=watch)
    questions = _questions(found.hits, asked, reading)
    pieces, left_out = pack.chosen(found.hits, questions, budget=tokens, count=counter.count)
    passages = pack.numbered(pieces)
    text = pack.render(passages)
    watch.lap("pack")
    ledger = Ledger(counter.count(text), tokens, counter.name, watch.ms, len(found.hits))
    late = tuple(LeftOut(name, "time") for name in found.skipped)
    return Context(text, passages, (*left_out, *late), ledger, whole=False)


def _everything(asked: Search, reading: Reading, *, tokens: int) -> list[Memory]:
    """All that is in scope, where it may fit: every word costs a token at least."""
    places = access.one_space(reading, asked.scope, shared=asked.shared)
    if asked.where is not None or sum(reading.state(place.space).words for place in places) > tokens:
        return []
    stored = reading.select(places, None, limit=tokens, now=asked.now)
    return [one.memory for one in stored]


def _questions(hits: Sequence[Hit], asked: Search, reading: Reading) -> dict[str, Memory]:
    """The turn before each hit that needs one, by the hit's id."""
    needing = [hit for hit in hits if pack.wants_question(hit)]
    places = access.one_space(reading, asked.scope, shared=asked.shared) if needing else []
    rows = {hit.memory.id: _before(hit.memory, places, asked, reading) for hit in needing}
    return {id: stored.memory for id, stored in rows.items() if stored is not None}


def _before(memory: Memory, places: Sequence[Place], asked: Search, reading: Reading) -> Stored | None:
    """The turn before one in its session, when it asks something and may be seen by who asks."""
    own = reading.current(id_bytes(memory.id) or b"")
    if own is None:
        return None
    session = [replace(place, session=memory.scope.session_id) for place in places if place.space == space_of(own.row)]
    after = (micros(memory.at), own.row)
    found = reading.select(session, asked.where, newest_first=True, after=after, limit=1, now=asked.now)
    return found[0] if found and "?" in found[0].memory.text else None


def _owners(fused: Sequence[fuse.Fused], views: Sequence[access.SpaceView]) -> dict[int, int]:
    """The row of the memory that each segment belongs to."""
    owners: dict[int, int] = {}
    for view in views:
        base = row_of(view.space, 0)
        own = [segment.id for segment in fused if base < segment.id < row_of(view.space + 1, 0)]
        rows = view.cache.owners[[id - base for id in own]] + base if own else ()
        owners.update(zip(own, (int(row) for row in rows), strict=True))
    return owners
