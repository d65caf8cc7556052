"""Keep entries that the text would look at if it were read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from memstrata.kv.policies import Queries, Seen, Statistics
from memstrata.kv.weigh import asked_again

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Reread:
    """An entry that one query would look at hard is needed to tell the text again, however few others look at it.

    score = max over all queries so far of their attention, each asked again from behind what came with it. Source: the
    maximum over a second reading is that of Kim et al., "KVzip: Query-Agnostic KV Cache Compression with Context
    Reconstruction", NeurIPS 2025, arXiv 2505.23416, which does read everything twice; here the queries are turned to
    their new positions instead. Attention to what follows is also used by Chari and Van Durme, "Compactor", 2025,
    arXiv 2507.08143.
    """

    name: str = "reread"

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Raise each entry's mark to the most attention that one of the queries gives it."""
        now = asked_again(seen, queries)
        return Statistics(by_entry={"most": torch.maximum(now, seen.by_entry.get("most", now))})

    def keep_score(self, seen: Seen) -> Tensor:
        """The most attention it got from any query."""
        return seen.by_entry["most"]
