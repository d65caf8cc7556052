"""Order candidates by what their features say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ranker(Protocol):
    """Gives each candidate one score; the order is all that counts."""

    @property
    def name(self) -> str:
        """The name it is registered and explained under."""
        ...

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (n,) of candidates described by features (n, len(features.NAMES))."""
        ...
