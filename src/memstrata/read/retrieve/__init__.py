"""Find candidates for a query in one space.

A retriever sees one reader's view of one space and returns segment numbers that the view allows. Its scores
mean something only against its own: fusing them is the next stage's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memstrata.access import SpaceView
    from memstrata.read.query import Query
    from memstrata.store import Reading
    from memstrata.types import TermUse

MOST_WORDS = 64  # of a query: one bit each


@dataclass(frozen=True, slots=True)
class Matches:
    """Which words of the query each segment of a space holds.

    `scores` (size,) are BM25 by segment number, `words` (size,) a bit for each word of the query, `weights` (64,)
    what each of these words weighs. `terms` are all that was searched for, what stood in for a word included.
    """

    scores: NDArray[np.float32]
    words: NDArray[np.uint64]
    weights: NDArray[np.float32]
    terms: tuple[str, ...] = ()

    def coverage(self, words: NDArray[np.uint64]) -> NDArray[np.float32]:
        """The share of the query's weight (n,) that sets of its words (n,) carry."""
        total = max(float(self.weights.sum()), 1e-9)
        bits = np.unpackbits(words.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        found: NDArray[np.float32] = bits @ (self.weights / np.float32(total))
        return found


def no_matches(size: int) -> Matches:
    """Nothing, for a space of so many segments."""
    return Matches(np.zeros(size, np.float32), np.zeros(size, np.uint64), np.zeros(MOST_WORDS, np.float32))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Segments found, best first: `numbers` (n,) int64 in their space, `scores` (n,) float32.

    A retriever that goes by words also tells which words of the query lie where.
    """

    numbers: NDArray[np.int64]
    scores: NDArray[np.float32]
    terms: tuple[TermUse, ...] = ()
    matches: Matches | None = None


class Retriever(Protocol):
    """One way of finding."""

    @property
    def name(self) -> str:
        """The name it is registered, routed and explained under."""
        ...

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:
        """Up to `limit` segments that `view.allowed` lets through, best first; the same for the same moment."""
        ...
