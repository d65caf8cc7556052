"""Give lower layers more than higher ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memstrata.kv.allocations import Load


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Lower layers look everywhere, higher ones at little: shares fall in even steps from the first layer to the last.

    The last layer gets 1/`steepness` of the mean. Source: Cai et al., "PyramidKV: Dynamic KV Cache Compression based on
    Pyramidal Information Funneling", COLM 2025, arXiv 2406.02069, where it is 1/20.
    """

    name: str = "pyramid"
    steepness: float = 20.0

    def weights(self, load: Load) -> torch.Tensor:
        """From 2 - 1/steepness down to 1/steepness, the same for all heads of a layer."""
        least = 1 / self.steepness
        steps = torch.linspace(2 - least, least, load.layers) if load.layers > 1 else torch.ones(1)
        return steps[:, None].expand(-1, load.heads)
