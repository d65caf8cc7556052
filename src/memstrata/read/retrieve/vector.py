"""Find passages by their meaning: nearest vectors in the space's cache, scored again by the exact ones."""

from __future__ import annotations

from typing import Final

import numpy as np

from memstrata.access import SpaceView
from memstrata.read.query import Query
from memstrata.read.retrieve import Candidates
from memstrata.store import Reading, row_of

FLOOR: Final = 0.15  # a cosine that unrelated texts reach; below it nothing has been found
NOTHING: Final = Candidates(np.empty(0, np.int64), np.empty(0, np.float32))


class Vector:
    """Cosine between the query and each passage."""

    name = "vector"

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:
        """Passages that mean something near to the query."""
        if query.vector is None:
            return NOTHING
        numbers, _ = view.cache.vectors.nearest(query.vector, k=limit, allowed=view.allowed)
        ids = [row_of(view.space, number) for number in numbers.tolist()]
        exact = reading.vectors(ids, dimensions=len(query.vector)).astype(np.float32) @ query.vector
        kept = exact > FLOOR
        numbers, exact = numbers[kept], exact[kept]
        order = np.lexsort((-numbers, -exact))
        return Candidates(numbers[order], exact[order].astype(np.float32))
