"""Turn a ranking, and what should have been found, into one figure between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from memstrata.bench.datasets import Corpus, Gold, Metric

Score = Callable[[Sequence[str], Sequence[Gold], int], float]


def collapsed(ranking: Iterable[str], counts_as: Mapping[str, str]) -> list[str]:
    """A ranking of units as one of what they count as, each at the place of its first unit.

    >>> collapsed(["a1", "b1", "a2"], {"a1": "a", "a2": "a", "b1": "b"})
    ['a', 'b']
    """
    return list(dict.fromkeys(counts_as[key] for key in ranking))


def scores(corpus: Corpus, rankings: Iterable[Sequence[str]], score: Score, k: int) -> list[float]:
    """A figure for each question of a corpus, from the units that were found for it, best first."""
    counts_as = corpus.counts_as
    return [
        score(collapsed(ranking, counts_as), question.gold, k)
        for question, ranking in zip(corpus.asked, rankings, strict=True)
    ]


def recall(ranking: Sequence[str], gold: Sequence[Gold], k: int) -> float:
    """The share of what should be found that the first k find."""
    top = set(ranking[:k])
    return sum(not top.isdisjoint(one.found_by) for one in gold) / len(gold)


def any_found(ranking: Sequence[str], gold: Sequence[Gold], k: int) -> float:
    """1 where the first k find one thing at least."""
    return float(recall(ranking, gold, k) > 0)


def all_found(ranking: Sequence[str], gold: Sequence[Gold], k: int) -> float:
    """1 where the first k find everything."""
    return float(recall(ranking, gold, k) == 1)


def ndcg(ranking: Sequence[str], gold: Sequence[Gold], k: int) -> float:
    """Gains discounted by log2(rank + 1), over those of the best ranking there could be.

    Järvelin and Kekäläinen, ACM TOIS 2002, with the gain taken as it is and not as a power of two.
    """
    gains = [sum(one.gain for one in new) for new in _newly_found(ranking[:k], gold)]
    best = sorted((one.gain for one in gold), reverse=True)[:k]
    ideal = _discounted(best)
    return _discounted(gains) / ideal if ideal else 0.0


def average_precision(ranking: Sequence[str], gold: Sequence[Gold], k: int) -> float:
    """The mean of the precision at each place where something is found, over all that should be."""
    hits = 0
    total = 0.0
    for rank, new in enumerate(_newly_found(ranking[:k], gold), start=1):
        hits += len(new)
        total += len(new) * hits / rank
    return total / len(gold)


def _newly_found(ranking: Sequence[str], gold: Sequence[Gold]) -> Iterable[list[Gold]]:
    """What each place of a ranking finds that none before it did."""
    missing = list(gold)
    for key in ranking:
        new = [one for one in missing if key in one.found_by]
        if new:
            missing = [one for one in missing if key not in one.found_by]
        yield new


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


SCORES: Final[Mapping[Metric, Score]] = {
    "recall": recall,
    "event-recall": recall,
    "any": any_found,
    "all": all_found,
    "ndcg": ndcg,
    "map": average_precision,
}
