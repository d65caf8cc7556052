"""Order what was found and make hits of it: one for each memory, at its best passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memstrata.read.fuse import Fused
from memstrata.store import Reading
from memstrata.types import Hit


def best_of_each(fused: Sequence[Fused], owners: Mapping[int, int]) -> list[tuple[int, Fused]]:
    """(row, segment) of each memory at its best passage, best first."""
    best: dict[int, Fused] = {}
    for segment in fused:
        best.setdefault(owners[segment.id], segment)
    return list(best.items())


def hits(ranked: Sequence[tuple[int, Fused]], reading: Reading) -> list[Hit]:
    """The memories themselves; one that is gone by this reader's moment is left out."""
    stored = reading.memories(row for row, _ in ranked)
    spans = reading.segment_texts(segment.id for _, segment in ranked)
    return [
        Hit(stored[row].memory, segment.score, spans[segment.id].start, spans[segment.id].stop, segment.signals)
        for row, segment in ranked
        if row in stored and stored[row].memory.state == "active" and segment.id in spans
    ]
