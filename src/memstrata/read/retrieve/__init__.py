"""Find candidates for a query in one space.

A retriever sees one reader's view of one space and returns segment numbers that the view allows. Its scores
mean something only against its own: fusing them is the next stage's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memstrata.access import SpaceView
    from memstrata.read.query import Query
    from memstrata.store import Reading
    from memstrata.types import TermUse


@dataclass(frozen=True, slots=True)
class Candidates:
    """Segments found, best first: `numbers` (n,) int64 in their space, `scores` (n,) float32."""

    numbers: NDArray[np.int64]
    scores: NDArray[np.float32]
    terms: tuple[TermUse, ...] = ()


class Retriever(Protocol):
    """One way of finding."""

    @property
    def name(self) -> str:
        """The name it is registered, routed and explained under."""
        ...

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:
        """Up to `limit` segments that `view.allowed` lets through, best first; the same for the same moment."""
        ...
