"""Keep entries that drew the most attention for the time they were there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memstrata.kv.policies import Queries, Seen, Statistics
from memstrata.kv.weigh import summed

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class HeavyHittersByAge:
    """Heavy hitters without the head start of older entries, which matters most where a prompt comes in chunks.

    score = Σ attention of all queries so far / number of queries since it was read. Source: as heavy hitters (arXiv
    2306.14048); the mean in place of the sum as in Oren et al. and others, by our own measurements.
    """

    name: str = "heavy-hitters-by-age"

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Add up what each entry received."""
        return summed(seen, queries)

    def keep_score(self, seen: Seen) -> torch.Tensor:
        """The attention received for each token since."""
        return seen.by_entry["received"] / (seen.length - seen.columns).clamp(min=1)
