"""Find passages by their words: candidates from the text index, scored by BM25 within the space.

The index only says which passages hold a word. Everything a score is made of (how many passages there are,
how many hold the word, how long they are) is counted inside the space, so nothing that another space holds can
move a score. A word in very many passages is read only up to a limit, and how common it is estimated from how
far that reached.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.read.query import Query
from memstrata.read.retrieve import Candidates
from memstrata.store import Reading, SegmentText, row_of
from memstrata.text.terms import described, terms
from memstrata.types import TermUse

K1: Final = 1.2
B: Final = 0.75
POSTINGS: Final = 20_000  # passages read for one word: 1.5 ms
RESCORED: Final = 200  # candidates whose texts are read


@dataclass(frozen=True, slots=True)
class _Word:
    use: TermUse
    numbers: NDArray[np.int64]


class Lexical:
    """BM25 over the words of the query."""

    name = "lexical"

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:
        """Passages that hold words of the query."""
        words = [_looked_up(term, view, reading) for term in query.terms]
        uses = tuple(word.use for word in words)
        numbers = _promising(words, view, max(limit, RESCORED))
        texts = reading.segment_texts([row_of(view.space, int(number)) for number in numbers])
        weights = {use.term: use.weight for use in uses}
        average = max(1.0, view.state.words / max(1, view.state.segments))
        scored = [
            (number, _bm25(texts[row], weights, average))
            for number in numbers.tolist()
            if (row := row_of(view.space, number)) in texts
        ]
        scored.sort(key=lambda found: (-found[1], -found[0]))
        best = scored[:limit]
        return Candidates(
            np.array([number for number, _ in best], np.int64), np.array([score for _, score in best], np.float32), uses
        )


def _looked_up(term: str, view: SpaceView, reading: Reading) -> _Word:
    numbers = reading.postings(view.space, term, limit=POSTINGS)
    capped = len(numbers) == POSTINGS
    numbers = numbers[numbers < view.cache.size]
    found = int(np.count_nonzero(view.cache.live[numbers]))
    if capped:
        found = min(view.state.segments, int(found * view.state.last / max(1, int(numbers[-1]))))
    held = view.state.segments
    weight = math.log(1 + (held - min(found, held) + 0.5) / (found + 0.5))
    return _Word(TermUse(term, found, weight, capped), numbers[view.allowed[numbers]])


def _promising(words: list[_Word], view: SpaceView, limit: int) -> NDArray[np.int64]:
    """The passages whose words of the query weigh most together; the newest of equals."""
    weights = np.zeros(view.cache.size, np.float32)
    for word in words:
        weights[word.numbers] += np.float32(word.use.weight)
    touched = np.flatnonzero(weights)
    if len(touched) <= limit:
        return touched
    found = weights[touched]
    least = np.partition(found, len(found) - limit)[len(found) - limit]
    best: NDArray[np.int64] = touched[found >= least]  # sorting all of them takes ten times as long in a large space
    return best[np.lexsort((-best, -weights[best]))[:limit]]


def _bm25(segment: SegmentText, weights: dict[str, float], average: float) -> float:
    words = terms(described(segment.text, segment.told))
    counts = Counter(filter(weights.__contains__, words))
    length = K1 * (1 - B + B * len(words) / average)
    return sum(weights[word] * count * (K1 + 1) / (count + length) for word, count in counts.items())
