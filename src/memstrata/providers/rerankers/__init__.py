"""Say how well passages answer a query: the one shape that every reranker has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import RerankerUnavailable


class Reranker(Protocol):
    """Reads a query and a passage together, and scores how well the one answers the other.

    Too slow for every candidate, and so asked about the best ones only.
    """

    @property
    def name(self) -> str:
        """The name it is explained under."""
        ...

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """One finite score for each passage (n,), the higher the better; always the same for the same two texts.

        Their scale does not matter. No passages give no scores. What it raises is logged without its message, and the
        search answers in the order it had; RerankerUnavailable is the class to raise. Threads may call it at once.
        """
        ...


def scored(query: str, passages: Sequence[str], reranker: Reranker) -> NDArray[np.float32]:
    """What a reranker says of passages (n,), once it has been seen to be usable.

    Raises:
        RerankerUnavailable: it raised, or did not give one finite score for each passage.
    """
    try:
        scores = np.asarray(reranker.scores(query, passages))
    except Exception as exc:
        raise RerankerUnavailable(f"{reranker.name} failed on {len(passages)} passages: {type(exc).__name__}") from exc
    if scores.shape != (len(passages),) or scores.dtype.kind not in "iuf" or not np.isfinite(scores).all():
        raise RerankerUnavailable(
            f"{reranker.name} gave {scores.dtype} of shape {scores.shape} for {len(passages)} passages, or some that "
            "are no numbers"
        )
    return scores.astype(np.float32, copy=False)


def relevance(answers: NDArray[np.floating]) -> NDArray[np.float32]:
    """One score a pair (n,) from what a classifier says of pairs: (n,), (n, 1), or (n, 2) for "no" and "yes".

    Raises:
        RerankerUnavailable: it says something else.

    >>> relevance(np.array([[1.0, 3.0], [2.0, 0.5]])).tolist()
    [2.0, -1.5]
    """
    if answers.ndim == 1:
        return answers.astype(np.float32)
    if answers.ndim == 2 and answers.shape[1] == 1:
        return answers[:, 0].astype(np.float32)
    if answers.ndim == 2 and answers.shape[1] == 2:
        return (answers[:, 1] - answers[:, 0]).astype(np.float32)
    raise RerankerUnavailable(
        f"the model gives an array of shape {answers.shape} for {len(answers)} pairs, and not one score for each; a "
        "cross-encoder for reranking is needed"
    )
