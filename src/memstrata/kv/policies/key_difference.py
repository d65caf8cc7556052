"""Keep entries whose keys are unlike the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from memstrata.kv.policies import Seen


@dataclass(frozen=True, slots=True)
class KeyDifference:
    """What resembles the mean key can be spared; needs no queries.

    score = -cos(k, mean of all k/‖k‖). Source: Park et al., "KeyDiff: Key Similarity-Based KV Cache Eviction for
    Long-Context LLM Inference in Resource-Constrained Environments", 2025, arXiv 2504.15364.
    """

    name: str = "key-difference"

    def keep_score(self, seen: Seen) -> torch.Tensor:
        """The cosine to the mean direction, negative."""
        alive = (seen.columns >= 0)[..., None]
        directions = torch.nn.functional.normalize(seen.keys.float(), dim=-1) * alive
        mean = directions.sum(2, keepdim=True) / alive.sum(2, keepdim=True).clamp(min=1)
        return -torch.nn.functional.cosine_similarity(directions, mean, dim=-1)
