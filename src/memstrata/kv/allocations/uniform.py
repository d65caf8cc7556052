"""Give every layer and head the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memstrata.kv.allocations import Load


@dataclass(frozen=True, slots=True)
class Uniform:
    """The same for all, which is what most papers compare with."""

    name: str = "uniform"

    def weights(self, load: Load) -> torch.Tensor:
        """Ones (layer, head)."""
        return torch.ones(load.layers, load.heads)
