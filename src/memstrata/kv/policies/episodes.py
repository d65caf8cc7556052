"""Keep as much of each episode of a dialogue as of any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from memstrata.kv.cluster import middles, nearest
from memstrata.kv.policies import Queries, Seen, Statistics
from memstrata.kv.weigh import asked_again

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Episodes:
    """A long dialogue is about several things; none of them should crowd out the others.

    Stretches of `size` tokens are clustered into `episodes` by the mean of their values, and within each episode
    entries are ranked by the most attention that they would get in a second reading. score = -rank, so that every
    episode keeps as many as any other. Source: Kim et al., "EpiCache: Episodic KV Cache Management for Long
    Conversational Question Answering", 2025, arXiv 2509.17396, which gives every episode a cache of its own:
    `kv.EpisodeCaches` does that.
    """

    name: str = "episodes"
    episodes: int = 5
    size: int = 32

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Raise each entry's mark to the most attention that one of the queries gives it."""
        now = asked_again(seen, queries)
        return Statistics(by_entry={"most": torch.maximum(now, seen.by_entry.get("most", now))})

    def keep_score(self, seen: Seen) -> Tensor:
        """Minus the rank among the entries of its episode."""
        episodes = self.clustered(seen)
        marks = seen.by_entry["most"].masked_fill(seen.columns < 0, -1)
        order = marks.argsort(dim=-1, descending=True, stable=True)
        sorted_episodes = episodes.gather(-1, order)
        member = torch.nn.functional.one_hot(sorted_episodes, self.episodes)  # (sequence, head, entry, episode)
        rank = (member.cumsum(2) * member).sum(-1)
        ranks = torch.zeros_like(rank).scatter_(-1, order, rank)
        return marks / 2 - ranks

    def clustered(self, seen: Seen) -> Tensor:
        """The episode of each entry (sequence, head, entry), from 0."""
        stretches = seen.numbers.clamp(min=0).long() // self.size
        alive = (seen.columns >= 0)[..., None]
        count = (seen.length - 1) // self.size + 1
        shape = (*stretches.shape[:2], count, seen.values.shape[-1])
        index = stretches[..., None].expand_as(seen.values)
        sums = torch.zeros(shape, device=seen.values.device).scatter_add_(2, index, seen.values.float() * alive)
        sums = sums - sums.mean(2, keepdim=True)
        points = torch.nn.functional.normalize(sums, dim=-1)
        return nearest(points, middles(points, self.episodes)).gather(-1, stretches)
