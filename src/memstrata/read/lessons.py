"""Learn, for one space, from what callers found useful there.

Feedback keeps what the ranker saw of a hit beside the others, never the query. From it a space gets a correction to the
weights (logistic regression with a strong pull towards no correction, so that a little feedback changes little), and
each memory a small bonus of its own. Nothing learnt in one space is used in another.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.read.features import NAMES
from memstrata.read.fuse import Pool
from memstrata.read.rankers import Ranker, scored
from memstrata.store import Feedback, Reading

KEPT: Final = 1_000  # of a space, the newest
PULL: Final = 200.0  # chosen among 4, 30, 200 and 600 with `memstrata bench feedback`; see docs/log.md
STEPS: Final = 12
A_MEMORY: Final = 0.05  # what one more "useful" than "not" adds to a memory
AT_MOST: Final = 3  # of those that count
SPACES: Final = 1_024  # remembered at a time


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a space has learnt: a correction for each feature, and a bonus for some memories (row, bonus)."""

    weights: NDArray[np.float32]
    rows: NDArray[np.int64]
    bonus: NDArray[np.float32]

    def apply(self, pool: Pool) -> NDArray[np.float32]:
        """What it adds to each candidate (n,)."""
        added: NDArray[np.float32] = pool.features @ self.weights
        places = np.clip(np.searchsorted(self.rows, pool.rows), 0, max(0, len(self.rows) - 1))
        if len(self.rows):
            added += np.where(self.rows[places] == pool.rows, self.bonus[places], 0).astype(np.float32)
        return added


class Lessons:
    """What each space has learnt, learnt again when there is new feedback."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker
        self._known: OrderedDict[int, tuple[int, Lesson | None]] = OrderedDict()
        self._lock = Lock()

    def of(self, space: int, reading: Reading) -> Lesson | None:
        """What a space has learnt by a reader's moment; None where nobody has said anything."""
        last = reading.last_feedback(space)
        if not last:
            return None
        with self._lock:
            known = self._known.get(space)
        if known is not None and known[0] == last:
            return known[1]
        lesson = learnt(reading.feedback(space, features=len(NAMES), limit=KEPT), self._ranker)
        with self._lock:
            self._known[space] = (last, lesson)
            self._known.move_to_end(space)
            while len(self._known) > SPACES:
                self._known.popitem(last=False)
        return lesson


def learnt(feedback: Feedback, ranker: Ranker) -> Lesson | None:
    """The correction that feedback calls for; None for no feedback.

    Minimises the logistic loss of `useful` given the ranker's score and the correction, by Newton's method.
    """
    if not len(feedback.rows):
        return None
    evidence = feedback.evidence.astype(np.float64)
    spread = evidence.std(axis=0) + 1e-3
    scaled = evidence / spread
    base = scored(feedback.evidence, ranker).astype(np.float64)
    useful = feedback.useful.astype(np.float64)
    weights = np.zeros(scaled.shape[1])
    offset = 0.0
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(base + offset + scaled @ weights, -30, 30)))
        sure = chance * (1 - chance) + 1e-6
        slope = scaled.T @ (chance - useful) + PULL * weights
        curve = (scaled * sure[:, None]).T @ scaled + PULL * np.eye(len(weights))
        weights -= np.linalg.solve(curve, slope)
        offset -= (chance - useful).sum() / sure.sum() * 0.5
    rows, place = np.unique(feedback.rows, return_inverse=True)
    said = np.zeros(len(rows))
    np.add.at(said, place, np.where(feedback.useful, 1, -1))
    bonus = A_MEMORY * np.clip(said, -AT_MOST, AT_MOST)
    return Lesson((weights / spread).astype(np.float32), rows, bonus.astype(np.float32))
