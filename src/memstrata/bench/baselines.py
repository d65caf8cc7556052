"""Turn a corpus and its questions into rankings, by the product and by the simple methods it has to beat.

The simple ones are written for this comparison and share nothing with the product's retrievers but the embedder.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import accumulate, pairwise
from operator import add
from typing import Final, Protocol

import numpy as np
import Stemmer
from numpy.typing import NDArray

from memstrata.bench.datasets import Corpus, Question, Unit
from memstrata.bench.measure import OURS
from memstrata.clock import as_datetime, moment
from memstrata.engine import Memstrata
from memstrata.plan.counters import Counter as TokenCounter
from memstrata.providers.embedders import Embedder, Role
from memstrata.types import Event

Rankings = list[list[str]]  # of unit keys, best first; one for each of the corpus's `asked`

K1: Final = 1.5
B: Final = 0.75
RRF: Final = 60
DEPTH: Final = 1_000  # how far the simple methods rank
WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_STOP_WORDS: Final = """
i me my mine we us our you your yours he him his she her hers it its they them their theirs this that these those
a an the and or but if so as of at by for with about to from in on into over up out off than then
am is are was were be been being do does did doing done have has had having will would can could should might
must shall not no nor what which who whom whose when where why how there here just also too very
"""
STOP_WORDS: Final = frozenset(_STOP_WORDS.split())

_stemmer = Stemmer.Stemmer("english")


class Method(Protocol):
    """A way to rank the units of a corpus for each of its questions, in one version or in several."""

    def rankings(self, corpus: Corpus, *, deep: int, earlier: Mapping[str, Rankings]) -> Mapping[str, Rankings]:
        """Unit keys best first, `deep` of them or more, for each of `corpus.asked`, by what the rows are called.

        `earlier` holds what the methods before this one found.
        """
        ...


# ── the product ──


@dataclass(frozen=True, slots=True)
class Product:
    """A real store: units go in as they are reached, and each question is one search of every version of it."""

    memory: Memstrata
    versions: Mapping[str, Memstrata] = field(default_factory=dict)  # over the same store

    def rankings(self, corpus: Corpus, *, deep: int, earlier: Mapping[str, Rankings]) -> Mapping[str, Rankings]:  # noqa: ARG002  # its own work only
        """What `search` answers."""
        user = f"{OURS}/{corpus.name}"
        searched = {OURS: self.memory, **self.versions}
        found: dict[str, Rankings] = {name: [] for name in searched}
        for question in reached(self.memory, corpus, user_id=user):
            for name, memory in searched.items():
                hits = memory.search(question.text, limit=deep, user_id=user)
                found[name].append([str(hit.memory.key) for hit in hits])
        return found


def reached(memory: Memstrata, corpus: Corpus, *, user_id: str) -> Iterator[Question]:
    """The corpus's questions, each when exactly what it may see has been added to the memory."""
    added = 0
    for question in corpus.asked:
        if question.visible > added:
            units = corpus.units[added : question.visible]
            memory.add_many((unit.keyed for unit in units), user_id=user_id)
            added = question.visible
        yield question


# ── words ──


@dataclass(frozen=True, slots=True)
class Bm25:
    """Okapi BM25 (k1 1.5, b .75) over stemmed words, with the date and speaker in front of each text.

    Robertson et al., TREC-3, 1994; the weight of a word is ln(1 + (n - df + .5) / (df + .5)), never negative. Counts
    and lengths are of what a question may see. Of two that score the same the later comes first.
    """

    name: str = "bm25"

    def rankings(self, corpus: Corpus, *, deep: int, earlier: Mapping[str, Rankings]) -> Mapping[str, Rankings]:  # noqa: ARG002  # its own work only
        """Those that share a word with the question."""
        index = _index(corpus.units)
        found: Rankings = []
        for question in corpus.asked:
            scores = index.scores(words(question.text), question.visible)
            found.append([corpus.units[place].key for place in best(scores, max(deep, DEPTH)) if scores[place] > 0])
        return {self.name: found}


@dataclass(frozen=True, slots=True)
class _Index:
    """Where each word stands: `places[starts[w]:starts[w + 1]]`, ascending, with how often in `counts`."""

    vocabulary: Mapping[str, int]
    starts: NDArray[np.int64]
    places: NDArray[np.int64]
    counts: NDArray[np.float64]
    lengths: NDArray[np.float64]  # (unit,) in words

    def scores(self, asked: Sequence[str], visible: int) -> NDArray[np.float64]:
        """BM25 of the first `visible` units, (visible,)."""
        scores = np.zeros(visible)
        lengths = self.lengths[:visible]
        norms = K1 * (1 - B + B * lengths / (lengths.mean() or 1.0)) if visible else lengths
        for word, times in Counter(asked).items():
            number = self.vocabulary.get(word)
            if number is None:
                continue
            start, stop = self.starts[number], self.starts[number + 1]
            df = int(np.searchsorted(self.places[start:stop], visible))
            places, counts = self.places[start : start + df], self.counts[start : start + df]
            weight = times * math.log1p((visible - df + 0.5) / (df + 0.5))
            scores[places] += weight * counts * (K1 + 1) / (counts + norms[places])
        return scores


def _index(units: Sequence[Unit]) -> _Index:
    vocabulary: dict[str, int] = {}
    postings: list[tuple[int, int, int]] = []
    lengths = np.zeros(len(units))
    for place, unit in enumerate(units):
        found = words(described(unit.event))
        lengths[place] = len(found)
        for word, count in Counter(found).items():
            postings.append((vocabulary.setdefault(word, len(vocabulary)), place, count))
    table = np.array(sorted(postings), dtype=np.int64).reshape(-1, 3)
    starts = np.searchsorted(table[:, 0], np.arange(len(vocabulary) + 1))
    return _Index(vocabulary, starts, table[:, 1].copy(), table[:, 2].astype(np.float64), lengths)


def words(text: str) -> list[str]:
    """The words of a text in lower case, without the commonest, less their endings (Porter's second stemmer).

    >>> words("The ponies were running to Ana's houses")
    ['poni', 'run', 'ana', 'hous']
    """
    found = (word.lower().replace("’", "'").partition("'")[0] for word in WORD.findall(text))
    stems: list[str] = _stemmer.stemWords([word for word in found if word not in STOP_WORDS])
    return stems


# ── meaning ──


@dataclass(frozen=True, slots=True)
class Vectors:
    """The nearest by cosine, every unit compared, with the date and speaker in front of each text."""

    embedder: Embedder
    name: str = "vectors"

    def rankings(self, corpus: Corpus, *, deep: int, earlier: Mapping[str, Rankings]) -> Mapping[str, Rankings]:  # noqa: ARG002  # its own work only
        """All units, nearest first."""
        rows = self.embedder.embed([described(unit.event) for unit in corpus.units])
        asked = corpus.asked
        queries = self.embedder.embed([question.text for question in asked], role="query")
        found = [
            [corpus.units[place].key for place in best(rows[: question.visible] @ query, max(deep, DEPTH))]
            for question, query in zip(asked, queries, strict=True)
        ]
        return {self.name: found}


class Remembering:
    """An embedder that works each text out once, so that several methods may embed the same corpus."""

    inline = True  # so that a store embeds in `add`, and nothing is owed when it is asked

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[tuple[Role, str], NDArray[np.float32]] = {}

    @property
    def identity(self) -> str:
        """The embedder's."""
        return self._embedder.identity

    @property
    def dimensions(self) -> int:
        """The embedder's."""
        return self._embedder.dimensions

    def embed(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows, (len(texts), dimensions)."""
        new = [text for text in dict.fromkeys(texts) if (role, text) not in self._known]
        for text, row in zip(new, self._embedder.embed(new, role=role), strict=True):
            self._known[role, text] = row
        rows = [self._known[role, text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), np.float32)


# ── both ──


@dataclass(frozen=True, slots=True)
class Fused:
    """Reciprocal ranks of earlier methods, added up: 1 / (60 + rank) each.

    Cormack, Clarke and Büttcher, SIGIR 2009.
    """

    of: tuple[str, ...] = ("bm25", "vectors")
    name: str = "rrf"

    def rankings(self, corpus: Corpus, *, deep: int, earlier: Mapping[str, Rankings]) -> Mapping[str, Rankings]:
        """What any of them found; of two that score the same, the later one first."""
        places = {unit.key: place for place, unit in enumerate(corpus.units)}
        found = [
            _fused([earlier[name][number] for name in self.of], places)[: max(deep, DEPTH)]
            for number in range(len(corpus.asked))
        ]
        return {self.name: found}


def _fused(rankings: Sequence[Sequence[str]], places: Mapping[str, int]) -> list[str]:
    scores: Counter[str] = Counter()
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] += 1 / (RRF + rank)  # type: ignore[assignment]  # a Counter of floats, as the docs allow
    return sorted(scores, key=lambda key: (-scores[key], -places[key]))


# ── contexts ──


class Lines:
    """What the units of a corpus cost when each is given whole, on lines like those that the product writes.

    A line for each day, with the year where it is new; each turn with a number and who said it.
    """

    def __init__(self, units: Sequence[Unit], counter: TokenCounter) -> None:
        self._days = {unit.key: _day(unit.event) for unit in units}
        self._costs = {unit.key: counter.count(_line(unit.event)) for unit in units}
        self._day_costs = {day: counter.count(_heading(day, named=True)) for day in self._days.values()}
        self._year_costs = {
            day.year: counter.count(_heading(day, named=False)) - counter.count(_heading(day, named=True))
            for day in self._days.values()
            if day is not None
        }
        changes = [
            self._heading_cost(day, set() if before is None else {before, before.year})
            for before, day in pairwise([None, *self._days.values()])
        ]  # fmt: skip
        self._upto = [0, *accumulate(map(add, self._costs.values(), changes))]

    def total(self, visible: int) -> int:
        """Tokens of the first `visible` units."""
        return int(self._upto[visible])

    def packed(self, ranking: Sequence[str], budget: int) -> list[str]:
        """The units that fit into so many tokens, the best first; one that no longer fits is left out."""
        taken: list[str] = []
        headed: set[date | int] = set()
        for key in ranking:
            day = self._days[key]
            cost = self._costs[key] + self._heading_cost(day, headed)
            if cost <= budget:
                budget -= cost
                headed |= set() if day is None else {day, day.year}
                taken.append(key)
        return taken

    def _heading_cost(self, day: date | None, headed: Set[date | int]) -> int:
        if day is None or day in headed:
            return 0
        return self._day_costs[day] + (0 if day.year in headed else self._year_costs[day.year])


def _line(event: Event) -> str:
    who = event.speaker or event.role
    return f"100 {who}: {event.text}" if who else f"100: {event.text}"


def _heading(day: date | None, *, named: bool) -> str:
    if day is None:
        return ""
    return f"{day:%B} {day.day}" if named else f"{day:%B} {day.day}, {day.year}"


def _day(event: Event) -> date | None:
    when = moment(event.at)
    return None if when is None else as_datetime(*when).date()


# ── shared by them ──


def described(event: Event) -> str:
    """A text with its day and speaker in front.

    >>> described(Event("Rain again.", speaker="Ines", at="2024-02-03T18:05"))
    '3 February 2024 Ines: Rain again.'
    """
    when = moment(event.at)
    day = "" if when is None else f"{_date(as_datetime(*when))} "
    return f"{day}{event.speaker}: {event.text}" if event.speaker else f"{day}{event.text}"


def _date(when: datetime) -> str:
    return f"{when.day} {when:%B %Y}"


def best(scores: NDArray[np.float64] | NDArray[np.float32], count: int) -> list[int]:
    """The places of the highest scores, best first; of two that are equal, the later one first."""
    places: list[int] = np.lexsort((-np.arange(len(scores)), -scores))[:count].tolist()
    return places
