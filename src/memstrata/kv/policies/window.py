"""Keep the first entries and the most recent ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from memstrata.kv.policies import Seen


@dataclass(frozen=True, slots=True)
class Window:
    """The later it was read, the better: with the protected first entries these are attention sinks and a window.

    score = column. Source: Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024,
    arXiv 2309.17453.
    """

    name: str = "window"

    def keep_score(self, seen: Seen) -> torch.Tensor:
        """The column of each entry."""
        return seen.columns.float()
