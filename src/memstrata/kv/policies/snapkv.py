"""Keep entries that the last tokens look at, with their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from memstrata.kv.policies import Queries, Seen, Statistics
from memstrata.kv.weigh import latest, weighed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class SnapKV:
    """The last tokens of a prompt, a question for one, show what the answer will need.

    score = attention of the last `window` queries, averaged over `pooled` neighbours. Source: Li et al., "SnapKV: LLM
    Knows What You are Looking for Before Generation", NeurIPS 2024, arXiv 2404.14469.
    """

    name: str = "snapkv"
    window: int = 32
    pooled: int = 5

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Remember the last queries."""
        return Statistics(by_sequence=latest(queries, seen.by_sequence, self.window))

    def keep_score(self, seen: Seen) -> Tensor:
        """The attention of the last queries, smoothed."""
        columns = seen.by_sequence["query_columns"]
        weights = weighed(seen, seen.by_sequence["queries"], columns)
        got = weights.sum(3).mean(2)
        smooth = torch.nn.functional.avg_pool1d(got.flatten(0, 1), self.pooled, stride=1, padding=self.pooled // 2)
        return smooth.view_as(got)
