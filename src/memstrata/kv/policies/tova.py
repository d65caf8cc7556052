"""Keep entries that the newest token looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from memstrata.kv.policies import Queries, Seen, Statistics
from memstrata.kv.weigh import latest, weighed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tova:
    """What the newest token does not look at goes first; all heads of a layer let go of the same.

    score = attention of the last query, mean of all heads. Source: Oren et al., "Transformers are Multi-State RNNs",
    EMNLP 2024, arXiv 2401.06104.
    """

    name: str = "tova"

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Remember the last query."""
        return Statistics(by_sequence=latest(queries, seen.by_sequence, 1))

    def keep_score(self, seen: Seen) -> Tensor:
        """The attention of the last query."""
        weights = weighed(seen, seen.by_sequence["queries"], seen.by_sequence["query_columns"])
        got, columns = weights.mean(dim=(2, 3)).flatten(1), seen.columns.clamp(min=0).long().flatten(1)
        by_column = torch.zeros(len(got), seen.length, device=got.device).scatter_add_(1, columns, got)
        return by_column.gather(1, columns).view(seen.columns.shape)
