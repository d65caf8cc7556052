"""Keep entries that queries still to come can be expected to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from memstrata.kv.policies import Queries, Seen, Statistics

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class ExpectedAttention:
    """Queries so far say how queries are spread, and what such ones would look at from the next `future` positions.

    score = softmax(μ·k/√d + kᵀΣk/2d) · ‖v‖, with μ and Σ the mean and covariance of the queries before they were
    turned by position, turned to the mean of the future positions. Where a model does not say how it turns, queries are
    taken as they were. Source: Devoto et al., "Expected Attention: KV Cache Compression by Estimating Attention from
    Future Queries Distribution", 2025, arXiv 2510.00636.
    """

    name: str = "expected-attention"
    future: int = 512  # positions ahead
    samples: int = 64  # of them
    skipped: int = 4  # first tokens, whose queries are unlike all others

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Add up the queries and their products."""
        counted = queries.real & (queries.columns >= self.skipped)  # (sequence, token)
        vectors = queries.vectors.float()
        if seen.turned is not None:
            vectors = seen.turned(vectors, -queries.positions)
        vectors = vectors * counted[:, None, :, None]
        now = {
            "queries": vectors.sum(2),
            "products": vectors.transpose(-1, -2) @ vectors,
            "counted": counted.sum(-1).float(),
        }
        added = {name: sums + seen.by_sequence.get(name, 0) for name, sums in now.items()}
        return Statistics(by_sequence={**added, "reached": queries.positions.amax(-1)})

    def keep_score(self, seen: Seen) -> Tensor:
        """The attention expected of the next queries, by the length of what it would bring."""
        sums = seen.by_sequence
        count = sums["counted"].clamp(min=1)[:, None, None]
        mean = sums["queries"] / count
        spread = sums["products"] / count[..., None] - mean[..., :, None] * mean[..., None, :]
        ahead = self._ahead(seen, mean)  # (sequence, 1, dim, dim)
        mean = (mean[..., None, :] @ ahead)[..., 0, :]
        spread = ahead.transpose(-1, -2) @ spread @ ahead
        sequences, heads, _, dim = seen.keys.shape
        keys = seen.keys.float()[:, :, None]  # (sequence, head, 1, entry, dim)
        mean = mean.view(sequences, heads, -1, dim, 1) * seen.scaling
        spread = spread.view(sequences, heads, -1, dim, dim) * seen.scaling**2
        expected = (keys @ mean)[..., 0] + ((keys @ spread) * keys).sum(-1) / 2
        expected = expected.masked_fill((seen.columns < 0)[:, :, None], -torch.inf).softmax(-1).mean(2)
        return (expected * torch.linalg.vector_norm(seen.values.float(), dim=-1)).nan_to_num()

    def _ahead(self, seen: Seen, mean: Tensor) -> Tensor:
        """What turns a row vector by the mean of the positions ahead (sequence, 1, dim, dim)."""
        dim = mean.shape[-1]
        eye = torch.eye(dim, device=mean.device)
        if seen.turned is None:
            return eye[None, None]
        steps = torch.arange(1, self.samples + 1, device=mean.device) * (self.future // self.samples)
        positions = seen.by_sequence["reached"][:, None] + steps
        units = eye[None, :, None].expand(len(positions), dim, self.samples, dim)
        return seen.turned(units, positions).mean(2)[:, None]
