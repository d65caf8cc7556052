"""Give more to layers and heads whose scores are spread over many entries."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memstrata.kv.allocations import Load


@dataclass(frozen=True, slots=True)
class Entropy:
    """A head that looks at a few entries needs to keep a few; one that looks at many needs many.

    weight = entropy of the scores over that of equal scores, as they were when last scored; alike before that.
    Source: Qin et al., "CAKE: Cascading and Adaptive KV Cache Eviction with Layer Preferences", ICLR 2025,
    arXiv 2503.12491, whose preference is this entropy with one over time.
    """

    name: str = "entropy"
    least: float = 0.25  # of the largest

    def weights(self, load: Load) -> torch.Tensor:
        """The entropies, none of them under a part of the largest."""
        if load.spread is None:
            return torch.ones(load.layers, load.heads)
        return load.spread.clamp(min=self.least * float(load.spread.max()), max=1.0).clamp(min=1e-3)
