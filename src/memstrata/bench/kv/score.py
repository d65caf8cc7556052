"""Turn answers into rows of figures, with intervals that keep the questions on one text together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from memstrata.bench.kv.tasks import Ids, Task

RESAMPLED: Final = 2_000
BANDS: Final = 5  # of depth, from the start of a text to its end
Right = NDArray[np.bool_]  # (text, question)
Difference = tuple[float, float, float]  # and the ends of its interval


class Row(TypedDict):
    """One figure. `bytes`, `peak_bytes`, `full_bytes` and `prefill_s` are for one text, `decode_s` for one answer."""

    name: str
    method: str
    ratio: float
    accuracy: float | None
    ci: tuple[float, float] | None
    bytes: int | None
    peak_bytes: int | None
    full_bytes: int | None
    prefill_s: float | None
    decode_s: float | None
    tried: int
    accepted: int
    first: NotRequired[float]  # of the questions that the texts ended in, which whoever thinned them out had seen
    by_depth: NotRequired[list[float | None]]  # accuracy where the fact stood, from the start of the text to its end
    against: NotRequired[dict[str, Difference]]  # by method, on the same questions
    note: NotRequired[str]


def right(task: Task, answers: Ids) -> Right:
    """Which questions were answered to the token."""
    found: Right = (answers == task.answers).all(axis=-1)
    return found


def interval(values: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """95 % of the means (of rows, each a text's mean) that texts drawn anew would give."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (RESAMPLED, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return round(float(low), 4), round(float(high), 4)


def difference(ours: Right, theirs: Right) -> Difference:
    """How much more is right, and its interval: both answered the same questions."""
    paired = ours.mean(axis=1) - theirs.mean(axis=1)
    return (round(float(paired.mean()), 4), *interval(paired))


def by_depth(task: Task, found: Right) -> list[float | None]:
    """The share right in each fifth of the text; None where nothing was asked."""
    bands = np.minimum((task.depths * BANDS).astype(int), BANDS - 1)
    parts = [found[bands == band] for band in range(BANDS)]
    return [round(float(part.mean()), 4) if part.size else None for part in parts]


def best(rights: Mapping[str, Right]) -> str | None:
    """The method with the most right answers."""
    return max(rights, key=lambda name: float(rights[name].mean()), default=None)


def compared(rows: Sequence[Row], rights: Mapping[tuple[str, str, float], Right]) -> list[Row]:
    """The same rows, each with its difference to the full cache and to the best of others at its ratio."""
    return [{**row, "against": _against(row, rights)} if row["accuracy"] is not None else row for row in rows]


def _against(row: Row, rights: Mapping[tuple[str, str, float], Right]) -> dict[str, Difference]:
    mine = rights.get((row["name"], row["method"], row["ratio"]))
    if mine is None:
        return {}
    found = {"full": rights[row["name"], "full", 0.0]} if (row["name"], "full", 0.0) in rights else {}
    presses = {
        method: other
        for (name, method, ratio), other in rights.items()
        if (name, ratio) == (row["name"], row["ratio"]) and method.startswith("kvpress/")
    }
    strongest = best(presses)
    if strongest is not None and not row["method"].startswith("kvpress/"):
        found[strongest] = presses[strongest]
    return {method: difference(mine, other) for method, other in found.items() if method != row["method"]}
