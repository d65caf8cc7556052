"""Find the vectors nearest to a query among those of one space.

A cache is derived from the rows and may be approximate: the reading path scores what it returns again
with the exact vectors. Vectors are addressed by the number of their segment in the space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class VectorCache(Protocol):
    """The vectors of one space, ready to be searched."""

    def put(self, numbers: NDArray[np.int64], vectors: NDArray[np.float16]) -> None:
        """Add or replace vectors (n, dimensions) under their numbers (n,); an all-zero row is no vector."""
        ...

    def drop(self, numbers: NDArray[np.int64]) -> None:
        """Forget the vectors with these numbers; unknown ones are passed over."""
        ...

    def nearest(
        self, query: NDArray[np.float32], *, k: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers and approximate cosines of up to k vectors, best first.

        `query` (dimensions,) has unit length; `allowed` (highest number + 1,) is indexed by number.
        """
        ...

    def similarities(self, query: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Approximate cosines (n,) of the query with the vectors of these numbers (n,); 0 where there is none."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of memory this process holds for it alone."""
        ...
