"""Find passages by their words, scored by BM25 within the space.

The text index only says which passages hold a word, and marks where one comes often. Everything a score is made of
(how many passages there are, how many hold the word, how long they are) is counted inside the space, so nothing
that another space holds can move a score. No text is read. Of a word in very many passages only the newest are read,
and how common it is estimated from how far back they reach.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.read.query import Query
from memstrata.read.retrieve import MOST_WORDS, Candidates, Matches
from memstrata.read.vocabulary import Vocabularies
from memstrata.store import Reading
from memstrata.text.forms import Asked
from memstrata.text.terms import OFTEN
from memstrata.types import TermUse

K1: Final = 1.2
B: Final = 0.75
POSTINGS: Final = 20_000  # passages read for one word: 1.5 ms
GLANCE: Final = 200  # passages looked at to see how common a word is that may stand in
MOST_FORMS: Final = 16  # of one word
STAND_INS: Final = 3  # words that stand in for one, the commonest
WORTH: Final = (0.7, 0.5, 0.4)  # of a stand-in: one slip away, with another ending, two slips away
COUNTS: Final = dict(zip(OFTEN, (2.4, 5.0), strict=True))  # what a mark stands for, on average


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where a word of the query is: what it was found as, `numbers` (n,) of segments, `counts` (n,) how often there."""

    use: TermUse
    terms: tuple[str, ...]
    numbers: NDArray[np.int64]
    counts: NDArray[np.float32]


class Lexical:
    """BM25 over the words of the query."""

    name = "lexical"

    def __init__(self) -> None:
        self._vocabularies = Vocabularies()

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:
        """Passages that hold words of the query."""
        size = view.cache.size
        scores = np.zeros(size, np.float32)
        words = np.zeros(size, np.uint64)
        weights = np.zeros(MOST_WORDS, np.float32)
        average = max(1.0, view.state.words / max(1, view.state.segments))
        lookups = [self._looked_up(word, view, reading) for word in query.words[:MOST_WORDS]]
        for place, found in enumerate(lookups):
            weights[place] = found.use.weight
            words[found.numbers] |= np.uint64(1 << place)
            scores[found.numbers] += _bm25(found, view, average)
        numbers = _best(np.where(view.allowed, scores, 0), limit)
        terms = tuple(term for found in lookups for term in found.terms)
        uses = tuple(found.use for found in lookups)
        return Candidates(numbers, scores[numbers], uses, Matches(scores, words, weights, terms))

    def _looked_up(self, word: Asked, view: SpaceView, reading: Reading) -> Lookup:
        """A word under its forms; where the reader may see none of them, under what it may stand for."""
        found = _found_as(word, (word.term, *word.forms), view, reading)
        if found.use.capped or view.allowed[found.numbers].any():
            return found
        return _spare(word, view, reading) or _parted(word, view, reading) or self._near(word, view, reading) or found

    def _near(self, word: Asked, view: SpaceView, reading: Reading) -> Lookup | None:
        """The nearest words that the reader may see, the commonest of them."""
        groups = self._vocabularies.near(word.said, view.space, view.state.position, reading)
        for place, group in enumerate(groups):
            seen = [(count, term) for term in group if (count := _seen(term, view, reading))]
            if seen:
                instead = tuple([term for _, term in sorted(seen, key=lambda one: (-one[0], one[1]))[:STAND_INS]])
                return _found_as(word, instead, view, reading, instead=instead, worth=WORTH[place])
        return None


def _spare(word: Asked, view: SpaceView, reading: Reading) -> Lookup | None:
    """The word written in another way, or longer ones that it is the beginning of."""
    longer = reading.words(view.space, word.said) if word.opening else ()
    seen = [term for term in (*word.spare(), *longer) if _seen(term, view, reading)][:MOST_FORMS]
    return _found_as(word, tuple(seen), view, reading, instead=tuple(seen)) if seen else None


def _parted(word: Asked, view: SpaceView, reading: Reading) -> Lookup | None:
    """The word as two that some passage holds both of."""
    most: Lookup | None = None
    for one, two in word.parts():
        if not (_seen(one, view, reading) and _seen(two, view, reading)):
            continue
        first, second = _postings(one, view, reading)[0], _postings(two, view, reading)[0]
        numbers = np.intersect1d(first, second, assume_unique=True)[::-1]
        if view.allowed[numbers].any() and (most is None or len(numbers) > len(most.numbers)):
            counts = np.ones(len(numbers), np.float32)
            most = _lookup(word, (one, two), numbers, counts, view, instead=(f"{one} {two}",), worth=WORTH[0])
    return most


def _seen(term: str, view: SpaceView, reading: Reading) -> int:
    """How many of the newest passages with a word the reader may see; of another moment, how many of all."""
    numbers = reading.postings(view.space, term, limit=POSTINGS if view.when.past else GLANCE)
    return int(np.count_nonzero(view.allowed[numbers[numbers < view.cache.size]]))


def _found_as(
    word: Asked,
    terms: tuple[str, ...],
    view: SpaceView,
    reading: Reading,
    *,
    instead: tuple[str, ...] = (),
    worth: float = 1.0,
) -> Lookup:
    """Where any of some terms is, as one word of the query."""
    numbers, counts, capped = _postings(terms[0], view, reading)
    for term in terms[1:]:
        more, often, also = _postings(term, view, reading)
        numbers, counts = _united(numbers, counts, more, often)
        capped = capped or also
    return _lookup(word, terms, numbers, counts, view, instead=instead, worth=worth, capped=capped)


def _lookup(
    word: Asked,
    terms: tuple[str, ...],
    numbers: NDArray[np.int64],
    counts: NDArray[np.float32],
    view: SpaceView,
    *,
    instead: tuple[str, ...],
    worth: float,
    capped: bool = False,
) -> Lookup:
    """A word with the passages that count as holding it, and its weight by how many they are."""
    found = int(np.count_nonzero(view.counted[numbers]))
    held = view.state.segments
    if capped:
        reached = view.state.last - int(numbers[-1]) + 1
        found = min(held, int(found * view.state.last / max(1, reached)))
    weight = worth * math.log(1 + (held - min(found, held) + 0.5) / (found + 0.5))
    return Lookup(TermUse(word.term, found, weight, capped, word.said, instead), terms, numbers, counts)


def _postings(term: str, view: SpaceView, reading: Reading) -> tuple[NDArray[np.int64], NDArray[np.float32], bool]:
    """The passages with a term, newest first, how often it comes in each, and whether there are more."""
    numbers = reading.postings(view.space, term, limit=POSTINGS)
    capped = len(numbers) == POSTINGS
    numbers = numbers[numbers < view.cache.size]
    counts = np.ones(len(numbers), np.float32)
    for often in OFTEN:
        marked = reading.postings(view.space, f"{term}_{often}", limit=POSTINGS) if len(numbers) else numbers
        if not len(marked):
            break
        counts[np.isin(numbers, marked, assume_unique=True)] = COUNTS[often]
    return numbers, counts, capped


def _united(
    numbers: NDArray[np.int64], counts: NDArray[np.float32], more: NDArray[np.int64], often: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Two lists of passages as one, newest first; where both have one, with the larger count."""
    if not len(more):
        return numbers, counts
    together, place = np.unique(np.concatenate([numbers, more]), return_inverse=True)
    largest = np.zeros(len(together), np.float32)
    np.maximum.at(largest, place, np.concatenate([counts, often]))
    return together[::-1], largest[::-1]


def _bm25(found: Lookup, view: SpaceView, average: float) -> NDArray[np.float32]:
    """What a word adds to each passage that holds it."""
    length = K1 * (1 - B + B * view.cache.words[found.numbers] / average)
    added: NDArray[np.float32] = (found.use.weight * (K1 + 1) * found.counts / (found.counts + length)).astype(
        np.float32
    )
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
