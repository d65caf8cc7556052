"""Score candidates by a weighted sum of their features: small enough to read, the same on every machine.

The weights lie beside this file, with how they were fitted; `tools/ranker` fits them. What must not count against
a candidate (its words, its nearness, what its neighbours add) has no negative weight.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import InvalidConfig
from memstrata.read.features import NAMES

WEIGHTS: Final = "linear.json"


class Linear:
    """The ranker that ships."""

    name = "linear"

    def __init__(self, weights: NDArray[np.float32] | None = None) -> None:
        self.weights = shipped() if weights is None else weights
        if self.weights.shape != (len(NAMES),):
            raise InvalidConfig(f"the linear ranker takes {len(NAMES)} weights, not an array of {self.weights.shape}")

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weighted sums (n,)."""
        found: NDArray[np.float32] = features @ self.weights
        return found


@cache
def shipped() -> NDArray[np.float32]:
    """The fitted weights, in the order of `features.NAMES`."""
    about: dict[str, Any] = json.loads(  # Any: values of a JSON file
        (files("memstrata.read.rankers") / WEIGHTS).read_text(encoding="utf-8")
    )
    return np.array([about["weights"][name] for name in NAMES], np.float32)
