"""Answer a query: route → retrieve → fuse → rank, and for a context → pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from memstrata import access
from memstrata.clock import Stopwatch, id_bytes, micros
from memstrata.plan.counters import Counter
from memstrata.read import pack, rank
from memstrata.read.fuse import Pool, fuse
from memstrata.read.query import Query
from memstrata.read.rankers import Ranker
from memstrata.read.retrieve import Candidates, Retriever
from memstrata.read.route import Route, route
from memstrata.store import Place, Reading, Stored, space_of
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
class Machinery:
    """What a search works with."""

    spaces: Spaces
    retrievers: Mapping[str, Retriever]
    ranker: Ranker


@dataclass(frozen=True, slots=True)
class Gathered:
    """Candidates from every space that was searched, before they are put in order."""

    pools: list[Pool]
    route: Route
    terms: tuple[TermUse, ...]
    views: list[access.SpaceView]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, with what it takes to explain it."""

    hits: list[Hit]
    ranked: list[rank.Ranked]
    gathered: Gathered


def search(query: Query, asked: Search, reading: Reading, machinery: Machinery, watch: Stopwatch) -> Found:
    """The memories that answer a query, best first."""
    gathered = gather(query, asked, reading, machinery, watch)
    best = rank.ranked(gathered.pools, machinery.ranker)
    hits = rank.hits(best[: asked.limit], reading)
    watch.lap("rank")
    return Found(hits, best, gathered)


def gather(query: Query, asked: Search, reading: Reading, machinery: Machinery, watch: Stopwatch) -> Gathered:
    """The candidates for a query, each described by what speaks for it."""
    if (
        reading.meta("embedder") != machinery.spaces.embedder
    ):  # changed since this memory was opened: only words compare
        query = replace(query, vector=None)
    places = access.one_space(reading, asked.scope, shared=asked.shared)
    views = access.view(reading, machinery.spaces, places, asked.where, now=asked.now)
    watch.lap("access")
    chosen = route(query, limit=asked.limit)
    pools: list[Pool] = []
    terms: tuple[TermUse, ...] = ()
    skipped: set[str] = set()
    for view in views:
        found = _retrieved(query, asked, reading, view, chosen, machinery.retrievers, watch)
        skipped |= chosen.weights.keys() - found.keys()
        terms += tuple(use for candidates in found.values() for use in candidates.terms)
        pools.append(fuse(query, view, reading, found, chosen.weights))
        watch.lap("fuse")
    return Gathered(pools, chosen, terms, views, tuple(sorted(skipped)))


def _retrieved(
    query: Query,
    asked: Search,
    reading: Reading,
    view: access.SpaceView,
    chosen: Route,
    retrievers: Mapping[str, Retriever],
    watch: Stopwatch,
) -> dict[str, Candidates]:
    """What each retriever found; those for which no time is left are not asked."""
    found: dict[str, Candidates] = {}
    for name in chosen.weights:
        if found and asked.latency_ms is not None and watch.total_ms > asked.latency_ms:
            break
        found[name] = retrievers[name].retrieve(query, view, reading, limit=chosen.candidates)
        watch.lap(name)
    return found


def context(
    query: Query,
    asked: Search,
    reading: Reading,
    *,
    tokens: int,
    counter: Counter,
    machinery: Machinery,
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
    found = search(query, asked, reading, machinery, watch)
    questions = _questions(found.hits, asked, reading)
    pieces, left_out = pack.chosen(found.hits, questions, budget=tokens, count=counter.count)
    passages = pack.numbered(pieces)
    text = pack.render(passages)
    watch.lap("pack")
    ledger = Ledger(counter.count(text), tokens, counter.name, watch.ms, len(found.hits))
    late = tuple(LeftOut(name, "time") for name in found.gathered.skipped)
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
