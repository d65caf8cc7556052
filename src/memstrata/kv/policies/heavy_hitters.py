"""Keep entries that drew the most attention so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memstrata.kv.policies import Queries, Seen, Statistics
from memstrata.kv.weigh import summed

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class HeavyHitters:
    """What was looked at often will be looked at again; entries that are older had more time for it.

    score = Σ attention of all queries so far. Source: Zhang et al., "H2O: Heavy-Hitter Oracle for Efficient Generative
    Inference of Large Language Models", NeurIPS 2023, arXiv 2306.14048.
    """

    name: str = "heavy-hitters"

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Add up what each entry received."""
        return summed(seen, queries)

    def keep_score(self, seen: Seen) -> torch.Tensor:
        """The attention received."""
        return seen.by_entry["received"]
