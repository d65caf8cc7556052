"""Measure what feedback does: a simulated user says which hits were of use, and is then asked something else.

Of each corpus every other question is used for feedback: of the first ten hits, those that are right are called useful,
and the best three of the others are not. Figures are over the other half, which the user has said nothing about, before
and after; and over a neighbour who stored the same and said nothing, which must not move.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypedDict

from memstrata.bench.datasets import Corpus, Dataset, Question, chosen
from memstrata.bench.datasets.scoring import SCORES, scores
from memstrata.bench.measure import opened
from memstrata.engine import Memstrata
from memstrata.read.query import MAX_QUERY

K: Final = 10
WRONG: Final = 3  # hits called useless for each question
SETS: Final = ("locomo", "vehiclemembench", "beam-100k")  # those whose questions come when all is said


class Row(TypedDict):
    """One figure: the set's first metric at 10 over the `n` questions that no feedback was given on."""

    set: str
    method: str
    metric: str
    k: int
    value: float
    n: int


def run(*, data: Path, sets: list[str] | None = None, json_path: Path | None = None) -> list[Row]:
    """Figures before, after, and of the neighbour; written to a file when one is named."""
    rows: list[Row] = []
    for loader in chosen(data, sets or list(SETS)):
        rows += _of_set(loader.load(data))
    if json_path is not None:
        json_path.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    return rows


def _of_set(dataset: Dataset) -> list[Row]:
    found: dict[str, list[float]] = {"before": [], "after": [], "neighbour": []}
    with tempfile.TemporaryDirectory() as folder, opened(folder) as memory:
        for number, corpus in enumerate(dataset.corpora):
            users = (f"user{number}", f"neighbour{number}")
            for user_id in users:
                memory.add_many((unit.keyed for unit in corpus.units), user_id=user_id)
            kept = replace(corpus, questions=tuple(corpus.asked[1::2]))
            found["before"] += _scores(memory, dataset, kept, users[0])
            for question in corpus.asked[::2]:
                _tell(memory, corpus, question, users[0])
            found["after"] += _scores(memory, dataset, kept, users[0])
            found["neighbour"] += _scores(memory, dataset, kept, users[1])
    return [
        Row(
            set=dataset.name,
            method=method,
            metric=dataset.metrics[0],
            k=K,
            value=sum(values) / len(values),
            n=len(values),
        )
        for method, values in found.items()
    ]


def _tell(memory: Memstrata, corpus: Corpus, question: Question, user_id: str) -> None:
    """What the simulated user says of the first hits for a question."""
    counts_as, evidence = corpus.counts_as, question.evidence
    hits = memory.search(question.text[:MAX_QUERY], limit=K, user_id=user_id)
    right = [hit for hit in hits if counts_as[str(hit.memory.key)] in evidence]
    wrong = [hit for hit in hits if hit not in right][:WRONG]
    for hit in (*right, *wrong):
        memory.feedback(hit, useful=hit in right, user_id=user_id)


def _scores(memory: Memstrata, dataset: Dataset, corpus: Corpus, user_id: str) -> list[float]:
    found = [memory.search(question.text[:MAX_QUERY], limit=dataset.deep, user_id=user_id) for question in corpus.asked]
    rankings = [[str(hit.memory.key) for hit in hits] for hits in found]
    return scores(corpus, rankings, SCORES[dataset.metrics[0]], K)


def table(rows: Sequence[Row]) -> str:
    """The figures for people, a line each."""
    return "\n".join(
        f"{row['set']:16} {row['method']:10} {row['metric']}@{row['k']} {row['value']:.3f}  (n = {row['n']})"
        for row in rows
    )
