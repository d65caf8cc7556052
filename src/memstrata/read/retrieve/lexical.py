"""Find passages by their words, scored by BM25 within the space.

The text index only says which passages hold a word, and marks where one comes often. Everything a score is made of
(how many passages there are, how many hold the word, how long they are) is counted inside the space, so nothing
that another space holds can move a score. No text is read. Of a word in very many passages only the newest are read,
and how common it is estimated from how far back they reach.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.read.query import Query
from memstrata.read.retrieve import MOST_WORDS, Candidates, Matches
from memstrata.store import Reading
from memstrata.text.terms import OFTEN
from memstrata.types import TermUse

K1: Final = 1.2
B: Final = 0.75
POSTINGS: Final = 20_000  # passages read for one word: 1.5 ms
COUNTS: Final = dict(zip(OFTEN, (2.4, 5.0), strict=True))  # what a mark stands for, on average


class Lexical:
    """BM25 over the words of the query."""

    name = "lexical"

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:
        """Passages that hold words of the query."""
        size = view.cache.size
        scores = np.zeros(size, np.float32)
        words = np.zeros(size, np.uint64)
        weights = np.zeros(MOST_WORDS, np.float32)
        average = max(1.0, view.state.words / max(1, view.state.segments))
        uses = []
        for place, term in enumerate(query.terms[:MOST_WORDS]):
            use, numbers = _looked_up(term, view, reading)
            uses.append(use)
            weights[place] = use.weight
            words[numbers] |= np.uint64(1 << place)
            scores[numbers] += _bm25(term, use, numbers, view, reading, average)
        numbers = _best(np.where(view.allowed, scores, 0), limit)
        return Candidates(numbers, scores[numbers], tuple(uses), Matches(scores, words, weights))


def _looked_up(term: str, view: SpaceView, reading: Reading) -> tuple[TermUse, NDArray[np.int64]]:
    numbers = reading.postings(view.space, term, limit=POSTINGS)
    capped = len(numbers) == POSTINGS
    numbers = numbers[numbers < view.cache.size]
    found = int(np.count_nonzero(view.counted[numbers]))
    held = view.state.segments
    if capped:
        reached = view.state.last - int(numbers[-1]) + 1
        found = min(held, int(found * view.state.last / max(1, reached)))
    weight = math.log(1 + (held - min(found, held) + 0.5) / (found + 0.5))
    return TermUse(term, found, weight, capped), numbers


def _bm25(
    term: str,
    use: TermUse,
    numbers: NDArray[np.int64],
    view: SpaceView,
    reading: Reading,
    average: float,
) -> NDArray[np.float32]:
    """What a word adds to each passage that holds it."""
    counts = np.ones(len(numbers), np.float32)
    for often in OFTEN:
        marked = reading.postings(view.space, f"{term}_{often}", limit=POSTINGS) if len(numbers) else numbers
        if not len(marked):
            break
        counts[np.isin(numbers, marked, assume_unique=True)] = COUNTS[often]
    length = K1 * (1 - B + B * view.cache.words[numbers] / average)
    added: NDArray[np.float32] = (use.weight * (K1 + 1) * counts / (counts + length)).astype(np.float32)
    return added


def _best(scores: NDArray[np.float32], limit: int) -> NDArray[np.int64]:
    """Numbers of the highest scores above zero; the newest of equals first."""
    touched = np.flatnonzero(scores > 0)
    if len(touched) > limit:
        found = scores[touched]
        least = np.partition(found, len(found) - limit)[len(found) - limit]
        touched = touched[found >= least]  # sorting all of them takes ten times as long in a large space
    best: NDArray[np.int64] = touched[np.lexsort((-touched, -scores[touched]))[:limit]]
    return best
