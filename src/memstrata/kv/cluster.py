"""Turn points into clusters, the same ones each time."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

ROUNDS: Final = 4  # of moving the middles


def middles(points: Tensor, count: int) -> Tensor:
    """The middles (..., cluster, dim) of `count` clusters of points (..., point, dim) of unit length.

    The first are the first point and then always the one furthest from all before: no lots are drawn.
    """
    found = points[..., :1, :]
    for _ in range(1, count):
        furthest = (points @ found.transpose(-1, -2)).amax(-1).argmin(-1)[..., None, None]
        found = torch.cat([found, points.take_along_dim(furthest, dim=-2)], dim=-2)
    for _ in range(ROUNDS):
        member = torch.nn.functional.one_hot(nearest(points, found), count).float()
        found = torch.nn.functional.normalize(member.transpose(-1, -2) @ points, dim=-1)
    return found


def nearest(points: Tensor, middles: Tensor) -> Tensor:
    """Which middle each point (..., point, dim) is nearest to (..., point)."""
    return (points @ middles.transpose(-1, -2)).argmax(-1)
