"""Answer a query: route → retrieve → fuse → rank → rerank, and for a context → pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from memstrata import access
from memstrata.clock import Stopwatch
from memstrata.plan.counters import Counter
from memstrata.providers.embedders import Embedder
from memstrata.read import answers, current, given, hops, pack, rank, rerank, wishes
from memstrata.read.extract import extractor
from memstrata.read.features import turn_before
from memstrata.read.fuse import Pool, fuse
from memstrata.read.lessons import Lessons
from memstrata.read.query import Query
from memstrata.read.rankers import Ranker
from memstrata.read.retrieve import Candidates, Retriever, retrieved
from memstrata.read.route import Route, route
from memstrata.store import Reading, When, row_of, space_of
from memstrata.store.filters import Filter
from memstrata.store.spaces import Spaces
from memstrata.text.traits import Trait
from memstrata.types import Context, Hit, Ledger, LeftOut, Memory, Reranking, Scope, TermUse


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked: where, under which filter, how much of it, by when; `offset` is that of the moment asked about."""

    scope: Scope
    where: Filter | None
    limit: int
    shared: bool
    now: int
    latency_ms: float | None = None
    as_of: int | None = None
    known_at: int | None = None
    hops: int = 1
    precise: bool = False
    offset: int = 0

    @property
    def when(self) -> When:
        """The moment that is asked about."""
        return When(self.now, self.as_of, self.known_at)


@dataclass(frozen=True, slots=True)
class Machinery:
    """What a search works with.

    `also` are retrievers that every query goes to, with what each counts; `second` is None where nothing is reranked.
    """

    spaces: Spaces
    retrievers: Mapping[str, Retriever]
    also: Mapping[str, float]
    ranker: Ranker
    lessons: Lessons
    second: rerank.Second | None
    embedder: Embedder
    follow_wishes: bool = True  # measurements switch it off


@dataclass(frozen=True, slots=True)
class Gathered:
    """Candidates from every space that was searched, before they are put in order."""

    pools: list[Pool]
    route: Route
    terms: tuple[TermUse, ...]
    views: list[access.SpaceView]
    skipped: tuple[str, ...]

    @property
    def asked(self) -> dict[str, float]:
        """What each retriever counts that was asked in every space."""
        return {name: weight for name, weight in self.route.weights.items() if name not in self.skipped}


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, by the rows of the passages, with what it takes to explain it."""

    by_row: dict[int, Hit]
    ranked: list[rank.Ranked]
    gathered: Gathered
    reranking: Reranking | None

    @property
    def whole(self) -> bool:
        """Whether everything that was to be asked was asked, and answered."""
        return not self.gathered.skipped and (self.reranking is None or self.reranking.stopped is None)

    @property
    def hits(self) -> list[Hit]:
        """Best first."""
        return list(self.by_row.values())


def search(
    query: Query, asked: Search, reading: Reading, machinery: Machinery, watch: Stopwatch, *, several: bool = False
) -> Found:
    """The memories that answer a query, best first, each at its best passage or, where asked for, at several."""
    gathered = gather(query, asked, reading, machinery, watch)
    lessons = [machinery.lessons.of(view.space, reading) for view in gathered.views]
    passages = rank.ranked(gathered.pools, lessons, machinery.ranker)
    best = rank.firsts(passages)
    if machinery.follow_wishes:
        best = wishes.followed(query, best, gathered.views, reading, machinery.embedder)
    watch.lap("rank")
    reranking = None
    if machinery.second is not None and best:
        best, reranking = rerank.reranked(
            query.text, best, reading, machinery.second, watch, latency_ms=asked.latency_ms
        )
        watch.lap("rerank")
    pinned = current.holding(given.pinned(best, gathered.views), gathered.views, reading, asked.when)
    if asked.precise:
        best = given.meant(best, gathered.pools, query, gathered.views, reading)
    best = current.current(best, gathered.views, reading, asked.when, precise=asked.precise)
    if best or not asked.precise:
        best = answers.first(query, best, gathered.views, reading, asked.when)
    via: dict[int, tuple[int, ...]] = {}
    if asked.hops > 1:
        best, via = hops.reached(query, best, gathered.views, reading, machinery.embedder, asked.hops, asked.limit)
        watch.lap("hops")
    best = given.with_pinned(best, pinned, asked.limit, first=asked.precise)
    best = rank.with_passages(best, passages) if several else best
    rows = {one.id: one.row for one in best[: asked.limit]}
    hits = rank.hits(best[: asked.limit], reading, retired=asked.when.retired)
    hits = current.described(hits, rows, query, gathered.views, reading, asked.when)
    if pinned:
        hits = {id: replace(hit, pinned=rows[id] in pinned) for id, hit in hits.items()}
    watch.lap("current")
    return Found(hops.shown(hits, rows, via, reading) if via else hits, best, gathered, reranking)


def gather(query: Query, asked: Search, reading: Reading, machinery: Machinery, watch: Stopwatch) -> Gathered:
    """The candidates for a query, each described by what speaks for it."""
    if reading.meta("embedder") != machinery.spaces.embedder:
        query = replace(query, vector=None)  # changed since this memory was opened: only words compare
    places = access.one_space(reading, asked.scope, shared=asked.shared)
    views = access.view(reading, machinery.spaces, places, asked.where, when=asked.when)
    watch.lap("access")
    chosen = route(query, limit=asked.limit, also=machinery.also)
    pools: list[Pool] = []
    terms: tuple[TermUse, ...] = ()
    skipped: set[str] = set()
    for view in views:
        found = _retrieved(query, asked, reading, view, chosen, machinery, watch)
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
    machinery: Machinery,
    watch: Stopwatch,
) -> dict[str, Candidates]:
    """What each retriever found; those for which no time is left are not asked.

    What others brought is not taken at its word; those that ship are held to the same by their contract tests.
    """
    found: dict[str, Candidates] = {}
    for name in chosen.weights:
        if found and asked.latency_ms is not None and watch.total_ms > asked.latency_ms:
            break
        retriever = machinery.retrievers[name]
        found[name] = (
            retrieved(retriever, query, view, reading, name=name, limit=chosen.candidates)
            if name in machinery.also
            else retriever.retrieve(query, view, reading, limit=chosen.candidates)
        )
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
    everything = None if asked.precise else _everything(asked, reading, tokens=tokens)
    if everything is not None:
        passages = pack.numbered(pack.whole(everything))
        text = pack.render(passages)
        spent = counter.count(text)
        if spent <= tokens:
            watch.lap("pack")
            ledger = Ledger(spent, tokens, counter.name, watch.ms, len(everything))
            return Context(text, passages, (), ledger, whole=True)
    found = search(query, asked, reading, machinery, watch, several=True)
    questions = _questions(found, reading)
    wanted = given.in_turn(found.hits)
    parts = extractor(query, found.gathered.terms, counter.count, machinery.embedder)
    pieces, left_out = pack.chosen(wanted, questions, parts, budget=tokens)
    passages = pack.numbered(pieces)
    text = pack.render(passages)
    watch.lap("pack")
    read = len({hit.memory.id for hit in found.hits})
    ledger = Ledger(counter.count(text), tokens, counter.name, watch.ms, read, found.reranking)
    late = tuple(LeftOut(name, "time") for name in found.gathered.skipped)
    return Context(text, passages, (*left_out, *late), ledger, whole=False)


def _everything(asked: Search, reading: Reading, *, tokens: int) -> list[tuple[Memory, bool]] | None:
    """All that is in scope and holds now, where it may fit, each with whether it was replaced.

    None where it cannot fit, since a passage costs two tokens at least, and for another moment than now.
    """
    if asked.when.past:
        return None
    places = access.one_space(reading, asked.scope, shared=asked.shared)
    narrowed = asked.where is not None or any(place.narrowed for place in places)
    if not narrowed and sum(reading.state(place.space).words for place in places) > tokens:
        return None
    most = tokens // 2
    stored = reading.select(places, asked.where, limit=most + 1, now=asked.now)
    if len(stored) > most:
        return None
    lapsed = {row_of(place.space, int(n)) for place in places for n in reading.lapsed(place.space, now=asked.now)}
    # who sees a part is not told what the rest of it has replaced
    known = current.standing([] if narrowed else [one.row for one in stored], reading, asked.when)
    return [(one.memory, known.successor(one.row) is not None) for one in stored if one.row not in lapsed]


def _questions(found: Found, reading: Reading) -> dict[str, Memory]:
    """The question before each hit that is too short to be understood without it, by the hit's id."""
    asking: dict[str, int] = {}
    for view in found.gathered.views:
        base = row_of(view.space, 0)
        short = [row for row, hit in found.by_row.items() if space_of(row) == view.space and pack.wants_question(hit)]
        before = turn_before(view, np.array(short, np.int64) - base)
        for row, number in zip(short, before.tolist(), strict=True):
            if view.cache.traits[number] & Trait.QUESTION:
                asking[found.by_row[row].memory.id] = int(view.cache.owners[number]) + base
    stored = reading.memories(set(asking.values()))
    return {
        id: stored[row].memory for id, row in asking.items() if row in stored and stored[row].memory.state == "active"
    }
