"""Order the candidates, and make hits of them: one for each memory at its best passage, or one for each passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.read.fuse import Pool
from memstrata.read.lessons import Lesson
from memstrata.read.rankers import Ranker, scored
from memstrata.store import Reading
from memstrata.types import Hit, Signal

COMPARED: Final = 10  # the best candidates, beside whose mean a hit is described for feedback


@dataclass(frozen=True, slots=True)
class Ranked:
    """A memory at one of its passages: rows of both, what retrievers said, and a score.

    The score is 1 for the best found, and 1 / (1 + how far the ranker puts it behind) for the others; `level` is what
    the ranker gives the best.
    """

    row: int
    id: int
    score: float
    signals: Mapping[str, Signal]
    evidence: NDArray[np.float32]
    level: float = 0.0

    def giving_way(self, row: int) -> Ranked:
        """Another memory in this one's place, which no retriever found."""
        return replace(self, row=row, id=row, signals={})


def ranked(pools: Sequence[Pool], lessons: Sequence[Lesson | None], ranker: Ranker) -> list[Ranked]:
    """Every passage that was found, best first; of equals the one added last.

    `lessons` holds for each pool what its space has learnt from feedback.
    """
    taught = [(pool, lesson) for pool, lesson in zip(pools, lessons, strict=True) if len(pool.ids)]
    if not taught:
        return []
    scores = np.concatenate(
        [
            scored(pool.features, ranker) + pool.bonus + (0 if lesson is None else lesson.apply(pool))
            for pool, lesson in taught
        ]
    )
    found = [pool for pool, _ in taught]
    features = np.concatenate([pool.features for pool in found])
    ids = np.concatenate([pool.ids for pool in found])
    rows = np.concatenate([pool.rows for pool in found]).tolist()
    signals = [said for pool in found for said in pool.signals]
    level = float(scores.max())
    shown = 1 / (1 + (level - scores))
    order = np.lexsort((-ids, -scores))
    beside = features - features[order[:COMPARED]].mean(axis=0)
    return [
        Ranked(rows[place], int(ids[place]), float(shown[place]), signals[place], beside[place], level)
        for place in order.tolist()
    ]


def firsts(passages: Sequence[Ranked]) -> list[Ranked]:
    """Each memory at its best passage."""
    best: dict[int, Ranked] = {}
    for one in passages:
        best.setdefault(one.row, one)
    return list(best.values())


def with_passages(best: Sequence[Ranked], passages: Sequence[Ranked]) -> list[Ranked]:
    """The memories in their order, with the other passages of each in between, where their scores put them."""
    rows, known = {one.row for one in best}, {one.id for one in best}
    others = [one for one in passages if one.row in rows and one.id not in known]
    return list(merge(best, others, key=lambda one: -one.score))


def hits(best: Sequence[Ranked], reading: Reading, *, retired: bool = False) -> dict[int, Hit]:
    """What was found by the rows of the passages, in order; what is gone by this reader's moment is left out.

    With `retired` versions that are no longer current come too.
    """
    stored = reading.memories(one.row for one in best)
    spans = reading.segment_texts(one.id for one in best)
    return {
        one.id: Hit(
            stored[one.row].memory,
            one.score,
            spans[one.id].start,
            spans[one.id].stop,
            one.signals,
            one.evidence.astype("<f4").tobytes(),
            level=one.level,
        )
        for one in best
        if one.row in stored and (retired or stored[one.row].memory.state == "active") and one.id in spans
    }
