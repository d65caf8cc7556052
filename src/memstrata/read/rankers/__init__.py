"""Order candidates by what their features say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from memstrata.errors import RankerFailed

if TYPE_CHECKING:
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


def scored(features: NDArray[np.float32], ranker: Ranker) -> NDArray[np.float32]:
    """A ranker's scores (n,), once they have been seen to be usable.

    Raises:
        RankerFailed: it raised, or did not give one finite score for each candidate; names it.
    """
    try:
        scores = np.asarray(ranker.scores(features))
    except Exception as exc:
        raise RankerFailed(f"the ranker {ranker.name!r} failed: {type(exc).__name__}") from exc
    if scores.shape != (len(features),) or scores.dtype.kind not in "iuf" or not np.isfinite(scores).all():
        raise RankerFailed(
            f"the ranker {ranker.name!r} gave {scores.dtype} of shape {scores.shape} for {len(features)} candidates, "
            "or some that are no numbers; it should give one finite score for each"
        )
    return scores.astype(np.float32, copy=False)
