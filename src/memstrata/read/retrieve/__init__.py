"""Find candidates for a query in one space.

A retriever sees one reader's view of one space and returns segment numbers that the view allows. Its scores
mean something only against its own: fusing them is the next stage's work. What a retriever of others returns is
compared with the view before anything else happens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np

from memstrata.errors import RetrieverFailed, StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memstrata.access import SpaceView
    from memstrata.read.query import Query
    from memstrata.store import Reading
    from memstrata.types import TermUse

WEIGHT: Final = 3.0  # of a retriever that names none; see docs/log.md
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

    A retriever that goes by words also tells which words of the query lie where, one that goes by time which segments
    (size,) lie in a time that the query names.
    """

    numbers: NDArray[np.int64]
    scores: NDArray[np.float32]
    terms: tuple[TermUse, ...] = ()
    matches: Matches | None = None
    during: NDArray[np.bool_] | None = None


class Retriever(Protocol):
    """One way of finding."""

    @property
    def name(self) -> str:
        """The name it is registered, routed and explained under."""
        ...

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:
        """Up to `limit` segments that `view.allowed` lets through, best first; the same for the same moment."""
        ...


@runtime_checkable
class Weighed(Protocol):
    """A retriever that says how much it counts beside those that ship; others count `WEIGHT`."""

    @property
    def weight(self) -> float:
        """Above 0. What it finds first gets 10/11 of it on top of the ranker's score, the second 10/12, and so on."""
        ...


def retrieved(
    retriever: Retriever, query: Query, view: SpaceView, reading: Reading, *, name: str, limit: int
) -> Candidates:
    """What a retriever finds, once it has been seen to be what the reader may see.

    Raises:
        RetrieverFailed: it raised, or returned something else; names it.
        StoreError: the store failed under it.
    """
    try:
        found = retriever.retrieve(query, view, reading, limit=limit)
    except StoreError:  # not the retriever's fault, and says what to do
        raise
    except Exception as exc:
        raise RetrieverFailed(f"the retriever {name!r} failed: {type(exc).__name__}") from exc
    if not isinstance(found, Candidates):
        raise RetrieverFailed(f"the retriever {name!r} returned {type(found).__name__}; it should return Candidates")
    numbers, scores = np.asarray(found.numbers), np.asarray(found.scores)
    problem = _problem(numbers, scores, view, limit)
    if problem:
        raise RetrieverFailed(f"the retriever {name!r} returned {problem}")
    return replace(found, numbers=numbers.astype(np.int64, copy=False), scores=scores.astype(np.float32, copy=False))


def _problem(numbers: NDArray[Any], scores: NDArray[Any], view: SpaceView, limit: int) -> str | None:
    """What is wrong with candidates; None where nothing is. Any: arrays of whatever somebody else returned."""
    if numbers.ndim != 1 or numbers.shape != scores.shape:
        return f"numbers and scores of shapes {numbers.shape} and {scores.shape}; both are (n,)"
    if not len(numbers):
        return None
    if numbers.dtype.kind not in "iu" or scores.dtype.kind not in "iuf":
        return f"numbers of type {numbers.dtype} and scores of type {scores.dtype}; they are integers and floats"
    if len(numbers) > limit:
        return f"{len(numbers):,} candidates, and was asked for {limit:,} at most"
    if not np.isfinite(scores).all():
        return "scores that are NaN or infinite"
    if numbers.min() < 0 or numbers.max() >= len(view.allowed):
        return f"the segment {_outside(numbers, view)}, and the space has those from 1 to {len(view.allowed) - 1:,}"
    if not view.allowed[numbers].all():
        hidden = int(np.count_nonzero(~view.allowed[numbers]))
        return f"{hidden:,} segments that this reader may not see; take only those for which view.allowed is true"
    if len(np.unique(numbers)) < len(numbers):
        return "some segment more than once"
    return None


def _outside(numbers: NDArray[Any], view: SpaceView) -> int:  # Any: as above
    return int(numbers[(numbers < 0) | (numbers >= len(view.allowed))][0])
