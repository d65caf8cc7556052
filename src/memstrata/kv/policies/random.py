"""Keep entries by lot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from memstrata.kv.policies import Seen


@dataclass(frozen=True, slots=True)
class Random:
    """Every entry draws a lot once and for all: the baseline that a policy has to beat.

    score = a hash of the place in the text, the head and the layer. An entry's lot never changes, so that what is read
    in chunks is thinned out evenly.
    """

    name: str = "random"
    seed: int = 0

    def keep_score(self, seen: Seen) -> torch.Tensor:
        """A number from 0 to 1 for each entry."""
        heads = torch.arange(seen.columns.shape[1], device=seen.columns.device)[:, None]
        drawn = seen.numbers.long() + (heads << 20) + (seen.layer << 28) + (self.seed << 36)
        for shift in (30, 27, 31):  # the steps of the splitmix64 generator, each an exclusive or and a product
            drawn = (drawn ^ ((drawn >> shift) & ((1 << (64 - shift)) - 1))) * -4658895280553007687
        return ((drawn >> 40) & 0xFFFFFF).float() / 0x1000000
