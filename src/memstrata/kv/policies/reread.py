"""Keep entries that the text would look at if it were read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from memstrata.kv.policies import Queries, Seen, Statistics
from memstrata.kv.weigh import BLOCK, weighed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Reread:
    """An entry that one query would look at hard is needed to tell the text again, however few others look at it.

    score = max over queries of their attention, each turned to where its token would stand if what came with it were
    read a second time; so it sees what followed it as well. Source: the maximum over a second reading is that of Kim
    et al., "KVzip: Query-Agnostic KV Cache Compression with Context Reconstruction", NeurIPS 2025, arXiv 2505.23416,
    which does read twice; attention to what follows is used by Chari et al., "Compactor", 2025, arXiv 2507.08143.
    """

    name: str = "reread"

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Raise each entry's mark to the most attention that one of the queries gives it."""
        tokens = queries.columns.shape[-1]
        most = seen.by_entry.get("most", torch.zeros(seen.columns.shape, device=seen.keys.device))
        for start in range(0, tokens, BLOCK):
            block = slice(start, start + BLOCK)
            again = self._again(seen, queries, block, tokens)
            columns = torch.where(queries.real[:, block], seen.length, -1)
            most = torch.maximum(most, weighed(seen, again, columns).amax(dim=(2, 3)))
        return Statistics(by_entry={"most": most})

    def keep_score(self, seen: Seen) -> Tensor:
        """The most attention it got from any query."""
        return seen.by_entry["most"]

    def _again(self, seen: Seen, queries: Queries, block: slice, tokens: int) -> Tensor:
        vectors = queries.vectors[:, :, block]
        if seen.turned is None:
            return vectors
        return seen.turned(vectors.float(), torch.full_like(queries.positions[:, block], tokens))
