"""Order the best hits again by what a model says of each passage next to the query, as far as there is time.

The model reads more closely than the ranker, and sees less: nothing of the turns around a passage, nor of what was
learnt from feedback. So neither has the last word. Among the hits that were scored, both scores are brought to mean 0
and deviation 1, and count alike. The weight is the neutral one and was not fitted: no set that we measure on is ours to
choose it by. What was not scored comes after them, in the order it had.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.clock import Stopwatch
from memstrata.errors import RerankerUnavailable
from memstrata.providers.rerankers import Reranker, scored
from memstrata.read.rank import Ranked
from memstrata.store import Reading
from memstrata.text.terms import described
from memstrata.types import Reranking, Signal

BATCH: Final = 8  # passages between two looks at the watch, at most
FIRST: Final = 2  # passages of the first batch ever, which shows how long one takes
NEWEST: Final = 0.5  # what the newest batch counts in the estimate
EASED: Final = 0.9  # an estimate that let nothing through shrinks by it, so that it is tried again some day
SHARE: Final = 0.5  # of the reranker's score; the ranker's has the rest

log = logging.getLogger("memstrata")


class Pace:
    """How long a passage takes, from the batches seen; threads may share it."""

    def __init__(self) -> None:
        self._ms: float | None = None
        self._lock = Lock()

    def fitting(self, left_ms: float) -> int:
        """How many passages the next batch may have, in the time that is left."""
        each = self._ms
        if left_ms <= 0:
            return 0
        if each is None:
            return FIRST
        return BATCH if each * BATCH <= left_ms else int(left_ms / each)

    def saw(self, passages: int, ms: float) -> None:
        """Take note of a batch."""
        with self._lock:
            each = ms / max(1, passages)
            self._ms = each if self._ms is None else NEWEST * each + (1 - NEWEST) * self._ms

    def ease(self) -> None:
        """Believe a little less in an estimate that let nothing through."""
        with self._lock:
            self._ms = None if self._ms is None else EASED * self._ms


@dataclass(frozen=True, slots=True)
class Second:
    """The second look: a reranker, how many of the best it sees, and how long it takes."""

    reranker: Reranker
    best: int
    pace: Pace = field(default_factory=Pace)


def reranked(
    query: str,
    ranked: Sequence[Ranked],
    reading: Reading,
    second: Second,
    watch: Stopwatch,
    *,
    latency_ms: float | None,
) -> tuple[list[Ranked], Reranking]:
    """The same memories in the order that both scores give, and the account of it.

    A reranker that fails leaves the order as it was; the account and the log say so.
    """
    best = ranked[: second.best]
    texts = reading.segment_texts(one.id for one in best)
    passages = [described(texts[one.id].text, texts[one.id].told) if one.id in texts else "" for one in best]
    began = watch.total_ms
    name = second.reranker.name
    try:
        scores = _scores(query, passages, second, watch, latency_ms)
    except RerankerUnavailable as exc:
        log.warning("answering without reranking: %s", type(exc.__cause__ or exc).__name__)  # a message may hold texts
        return list(ranked), Reranking(name, 0, len(best), watch.total_ms - began, "failure")
    again = _combined(best[: len(scores)], scores, name)
    last = again[-1].score if again else 1.0
    rest = [replace(one, score=min(one.score, last)) for one in ranked[len(scores) :]]
    account = Reranking(name, len(scores), len(best), watch.total_ms - began)
    return [*again, *rest], account if len(scores) == len(best) else replace(account, stopped="time")


def _scores(
    query: str, passages: Sequence[str], second: Second, watch: Stopwatch, latency_ms: float | None
) -> NDArray[np.float32]:
    """Scores of the first passages (n,): all of them, or as many as there is time for."""
    found = [np.empty(0, np.float32)]
    done = 0
    while done < len(passages):
        before = watch.total_ms
        size = len(passages) if latency_ms is None else second.pace.fitting(latency_ms - before)
        if not size:
            if not done:
                second.pace.ease()
            break
        batch = passages[done : done + size]
        found.append(scored(query, batch, second.reranker))
        second.pace.saw(len(batch), watch.total_ms - before)
        done += len(batch)
    return np.concatenate(found)


def _combined(best: Sequence[Ranked], scores: NDArray[np.float32], name: str) -> list[Ranked]:
    """The memories by the sum of both scores, best first; of equals the one that came first before."""
    behind = np.array([1 - 1 / one.score for one in best], np.float64)  # the ranker's scores, the best at 0
    together = SHARE * _standard(scores.astype(np.float64)) + (1 - SHARE) * _standard(behind)
    ranks = np.empty(len(best), np.int64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(best) + 1)
    shown = 1 / (1 + (together.max(initial=-np.inf) - together))
    return [
        replace(
            best[place],
            score=float(shown[place]),
            signals={**best[place].signals, name: Signal(float(scores[place]), int(ranks[place]))},
        )
        for place in np.argsort(-together, kind="stable").tolist()
    ]


def _standard(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores with mean 0 and deviation 1; all 0 where they are all the same."""
    spread = scores.std() if len(scores) else 0.0
    return np.zeros(len(scores)) if spread < 1e-9 else (scores - scores.mean()) / spread
