"""Join what several retrievers found in a space into one pool, with all that is known of each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.read.features import NAMES, features
from memstrata.read.query import Query
from memstrata.read.retrieve import Candidates, no_matches
from memstrata.store import Reading, row_of
from memstrata.types import Signal

DESCRIBED: Final = frozenset({"lexical", "vector", "time"})  # retrievers whose evidence the features hold already


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates of one space.

    `ids` and `rows` (n,) are the rows of the segments and of their memories, `features` (n, features) describe them,
    `bonus` (n,) is what retrievers that the features do not know add; `signals` say what each retriever said.
    """

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    bonus: NDArray[np.float32]
    signals: Sequence[Mapping[str, Signal]]


def fuse(
    query: Query, view: SpaceView, reading: Reading, found: Mapping[str, Candidates], weights: Mapping[str, float]
) -> Pool:
    """Every candidate that any retriever found, described alike."""
    numbers = np.unique(np.concatenate([candidates.numbers for candidates in found.values()]))
    base = row_of(view.space, 0)
    lexical = found.get("lexical")
    matches = lexical.matches if lexical is not None and lexical.matches is not None else no_matches(view.cache.size)
    cosines = _cosines(query, numbers, found.get("vector"), base, reading)
    during = found["time"].during if "time" in found else None
    described = features(query, view, matches, numbers, cosines, during) if len(numbers) else np.empty((0, len(NAMES)))
    return Pool(
        numbers + base,
        view.cache.owners[numbers] + base,
        described.astype(np.float32),
        _bonus(numbers, found, weights),
        _signals(numbers, found),
    )


def _cosines(
    query: Query, numbers: NDArray[np.int64], nearest: Candidates | None, base: int, reading: Reading
) -> NDArray[np.float32]:
    """Exact cosines of all candidates (n,): those of the nearest are known already."""
    cosines = np.zeros(len(numbers), np.float32)
    if query.vector is None:
        return cosines
    unknown = np.ones(len(numbers), np.bool_)
    if nearest is not None:
        places = np.searchsorted(numbers, nearest.numbers)
        cosines[places] = nearest.scores
        unknown[places] = False
    vectors = reading.vectors((numbers[unknown] + base).tolist(), dimensions=len(query.vector))
    cosines[unknown] = vectors.astype(np.float32) @ query.vector
    return cosines


def _bonus(
    numbers: NDArray[np.int64], found: Mapping[str, Candidates], weights: Mapping[str, float]
) -> NDArray[np.float32]:
    """Reciprocal ranks of the other retrievers (Cormack, Clarke and Büttcher, SIGIR 2009), weighed by the route."""
    bonus = np.zeros(len(numbers), np.float32)
    for name, candidates in found.items():
        if name not in DESCRIBED:
            ranks = np.arange(1, len(candidates.numbers) + 1, dtype=np.float32)
            bonus[np.searchsorted(numbers, candidates.numbers)] += np.float32(weights[name]) * 10 / (10 + ranks)
    return bonus


def _signals(numbers: NDArray[np.int64], found: Mapping[str, Candidates]) -> list[dict[str, Signal]]:
    signals: list[dict[str, Signal]] = [{} for _ in range(len(numbers))]
    for name, candidates in found.items():
        places = np.searchsorted(numbers, candidates.numbers).tolist()
        for rank, (place, score) in enumerate(zip(places, candidates.scores.tolist(), strict=True), start=1):
            signals[place][name] = Signal(score, rank)
    return signals
