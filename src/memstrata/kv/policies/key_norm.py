"""Keep entries whose keys are short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from memstrata.kv.policies import Seen


@dataclass(frozen=True, slots=True)
class KeyNorm:
    """In many models short keys draw much attention; it depends on the model, and needs no queries.

    score = -‖k‖. Source: Devoto et al., "A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression",
    EMNLP 2024, arXiv 2406.11430.
    """

    name: str = "key-norm"

    def keep_score(self, seen: Seen) -> torch.Tensor:
        """The length of each key, negative."""
        return -torch.linalg.vector_norm(seen.keys.float(), dim=-1)
