"""Find what happened in a time that the question names, or speaks of it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.read.query import Query
from memstrata.read.retrieve import Candidates
from memstrata.store import Reading

MOST: Final = 20_000  # memories that speak of one interval: more say that it tells nothing apart


class Time:
    """Passages of memories whose event, or a time they speak of, lies in an interval of the question."""

    name = "time"

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:
        """Of those in an interval the nearest in meaning, or the newest where no vector is known."""
        during = _during(query, view, reading)
        allowed = during & view.allowed
        if query.vector is not None:
            numbers, scores = view.cache.vectors.nearest(query.vector, k=limit, allowed=allowed)
            order = np.lexsort((-numbers, -scores))
            numbers, scores = numbers[order].astype(np.int64), scores[order].astype(np.float32)
        else:
            numbers = np.flatnonzero(allowed)[::-1][:limit].astype(np.int64)
            scores = np.ones(len(numbers), np.float32)
        return Candidates(numbers, scores, during=during)


def _during(query: Query, view: SpaceView, reading: Reading) -> NDArray[np.bool_]:
    """Which segments (size,) lie in an interval of the question, by their event or by what they speak of."""
    image = view.cache
    owners = np.zeros(image.size, np.bool_)
    within = np.zeros(image.size, np.bool_)
    for time in query.times:
        within |= (image.at >= time.since) & (image.at < time.until)
        rows = reading.spoken_in(view.space, time.since, time.until, limit=MOST, retired=view.when.retired)
        owners[rows[rows < image.size]] = True
    speaking: NDArray[np.bool_] = owners[image.owners]
    return within | speaking
