"""Join what several retrievers found into one list.

Reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009. Ranks and not scores, because the scores of
different retrievers do not compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from memstrata.types import Signal

K: Final = 60


@dataclass(frozen=True, slots=True)
class Fused:
    """A segment that at least one retriever found; 1.0 would be first with all of them."""

    id: int
    score: float
    signals: Mapping[str, Signal]


def fuse(found: Mapping[str, list[tuple[int, float]]], weights: Mapping[str, float]) -> list[Fused]:
    """Segments (id, score) by retriever, each list best first, as one list best first."""
    signals: dict[int, dict[str, Signal]] = {}
    totals: dict[int, float] = {}
    for name, candidates in found.items():
        weight = weights[name]
        for rank, (id, score) in enumerate(candidates, start=1):
            signals.setdefault(id, {})[name] = Signal(score, rank)
            totals[id] = totals.get(id, 0.0) + weight / (K + rank)
    most = sum(weights[name] for name in found) / (K + 1) or 1.0
    fused = [Fused(id, total / most, signals[id]) for id, total in totals.items()]
    return sorted(fused, key=lambda segment: (-segment.score, -segment.id))
