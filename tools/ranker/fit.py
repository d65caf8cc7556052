"""Fit the weights of the linear ranker to questions whose answers are known.

    python tools/ranker/fit.py --data DIR [--leave-out NAME] [--write]

It trains on the shipped sample, the histories of `tools/corpus`, RealMem and VehicleMemBench only, and prints what
every set found below DIR gets with the weights, so that a set that was not trained on shows what a stranger would get.
The built-in embedder has learnt from some of these questions and finds their answers nearer than a stranger's: what the
weights are fitted to is described with an older table that has not (`--table`, see the README). The loss is the mean
negative log of the share that the right candidates have in a softmax over all, each set counting alike; weights are
drawn towards a plain weighted sum of words and meaning, which no corpus is known to punish.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "corpus"))
import corpus  # the format's only reader lies beside the histories
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

import memstrata
from memstrata.bench.baselines import reached
from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit, found
from memstrata.bench.datasets.scoring import SCORES
from memstrata.bench.datasets.shipped import shipped
from memstrata.clock import Stopwatch
from memstrata.engine import Memstrata
from memstrata.providers.embedders import Role
from memstrata.read import features, pipeline
from memstrata.read.query import MAX_QUERY, analysed
from memstrata.read.rankers import linear
from memstrata.text.wordpiece import WordPiece
from memstrata.types import Event, Scope

CORPUS = Path(__file__).parent.parent / "corpus"
HISTORIES = {  # files of tools/corpus that make one set
    "friends": ("friends_1", "friends_2", "friends_3", "friends_4"),
    "assistant": ("assistant_1", "assistant_2", "assistant_3"),
    "settings": ("house_1", "office_1"),
    "agent": ("agent_1",),
    "languages": ("langs_1", "langs_2"),
}
TRAINED_ON = ("sample", *HISTORIES, "realmem", "vehiclemembench")
REPORTED = frozenset({"realmem", "vehiclemembench", "locomo", "beam-100k", "cranfield"})
PRIOR = {"lexical": 8.0, "cosine": 16.0}
SET = {"when": 1.5}  # about a strong match of words; hardly any question of the training sets names a time
PULL = 1.0
UPKEEP_S = 60.0
FREE = frozenset({"length", "question", "answer", "assistant"})  # may count against a candidate


@dataclass(frozen=True, slots=True)
class Case:
    """One question: its candidates' features (n, features), which of them are right, and how to score an order."""

    features: NDArray[np.float32]
    right: NDArray[np.bool_]
    keys: tuple[str, ...]
    gold: tuple[Gold, ...]


def written(name: str) -> Dataset:
    """Histories written for training as a set."""
    return Dataset(name, "turn", ("recall",), tuple(_history(CORPUS / f"{file}.txt") for file in HISTORIES[name]))


def _history(path: Path) -> Corpus:
    history = corpus.load(path)
    units = tuple(
        Unit(
            f"{history.name}:{turn.key}",
            Event(turn.text, speaker=turn.speaker, role=turn.role, at=turn.at, session_id=str(turn.session)),
        )
        for turn in history.turns
    )
    questions = tuple(
        Question(
            one.text,
            tuple(Gold(frozenset({f"{history.name}:{key}"})) for key in one.evidence),
            len(units),
            one.category,
        )
        for one in history.questions
    )
    return Corpus(history.name, units, questions)


class Plain:
    """A static table as it lies in a folder: the sum of the rows of a text's tokens, the same for both roles."""

    identity = "plain"
    inline = True

    def __init__(self, folder: Path) -> None:
        self._rows = np.load(folder / "table.npy") * np.load(folder / "scale.npy")[:, None]
        self._pieces = WordPiece((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
        self.dimensions = int(self._rows.shape[1])

    def embed(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows (len(texts), dimensions)."""
        del role
        sums = np.stack([self._rows[self._pieces.ids(text)].sum(axis=0) for text in texts])
        found: NDArray[np.float32] = (sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-9)[:, None]).astype(np.float32)
        return found


def cases(dataset: Dataset, embedder: Plain | None) -> list[Case]:
    """Every question of a set, with its candidates as the product finds and describes them."""
    found: list[Case] = []
    with tempfile.TemporaryDirectory() as folder, memstrata.open(folder, embedder=embedder or "builtin") as memory:
        for number, corpus in enumerate(dataset.corpora):
            found += _of_corpus(memory, corpus, user_id=f"user{number}")
    return found


def _of_corpus(memory: Memstrata, corpus: Corpus, *, user_id: str) -> Iterator[Case]:
    counts_as = corpus.counts_as
    for question in reached(memory, corpus, user_id=user_id):
        memory.upkeep(UPKEEP_S)  # so that the times a text speaks of are known
        rows, keys = _candidates(memory, question.text, user_id)
        units = tuple(counts_as[key] for key in keys)
        evidence = question.evidence
        right = np.array([unit in evidence for unit in units], np.bool_)
        yield Case(rows, right, units, question.gold)


def _candidates(memory: Memstrata, text: str, user_id: str) -> tuple[NDArray[np.float32], list[str]]:
    """Features of the candidates for a query, and the keys they were added under."""
    parts = memory._parts
    asked = pipeline.Search(Scope(user_id=user_id), None, 100, shared=False, now=parts.clock.now())
    with parts.store.reading() as reading:
        machinery = memory._machinery
        query = analysed(text[:MAX_QUERY], parts.embedder, at=asked.when.moment)
        (pool,) = pipeline.gather(query, asked, reading, machinery, Stopwatch()).pools or (None,)
        if pool is None:
            return np.empty((0, len(features.NAMES)), np.float32), []
        stored = reading.memories(pool.rows.tolist())
        return pool.features, [str(stored[row].memory.key) for row in pool.rows.tolist()]


def fitted(sets: Sequence[Sequence[Case]]) -> NDArray[np.float64]:
    """Weights for the features, from sets that count alike."""
    usable = [[case for case in some if case.right.any()] for some in sets]
    rows = np.concatenate([case.features for some in usable for case in some]).astype(np.float64)
    right = np.concatenate([case.right for some in usable for case in some]).astype(np.float64)
    weight = np.array([1 / len(some) for some in usable for _ in some])
    ends = np.cumsum([len(case.right) for some in usable for case in some])
    starts = np.concatenate([[0], ends[:-1]])
    of = np.repeat(np.arange(len(starts)), np.diff([0, *ends]))
    spread = rows.std(axis=0) + 1e-6
    scaled = rows / spread
    prior = np.array([PRIOR.get(name, 0.0) for name in features.NAMES]) * spread
    target = right / np.add.reduceat(right, starts)[of]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = scaled @ weights
        shifted = scores - np.maximum.reduceat(scores, starts)[of]
        shares = np.exp(shifted)
        totals = np.add.reduceat(shares, starts)
        missed = -(weight * np.add.reduceat(target * (shifted - np.log(totals)[of]), starts)).sum()
        slope = scaled.T @ ((shares / totals[of] - target) * weight[of])
        away = weights - prior
        return float(missed + PULL * away @ away), slope + 2 * PULL * away

    bounds = [(None, None) if name in FREE else (0, None) for name in features.NAMES]
    found = np.asarray(minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x / spread)
    for name, weight in SET.items():
        found[features.NAMES.index(name)] = weight
    return found


def score(dataset: Dataset, some: Sequence[Case], weights: NDArray[np.float64]) -> float:
    """The set's first metric at 10."""
    metric = SCORES[dataset.metrics[0]]
    found = []
    for case in some:
        order = np.argsort(-(case.features @ weights), kind="stable")
        found.append(metric(list(dict.fromkeys(case.keys[place] for place in order)), case.gold, 10))
    return float(np.mean(found))


def main() -> None:
    """Fit, report and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the directory that holds the sets")
    parser.add_argument("--table", type=Path, required=True, help="the folder of a table that has seen no question")
    parser.add_argument("--leave-out", action="append", default=[], help="a set not to train on")
    parser.add_argument("--write", action="store_true", help="put the weights where the ranker reads them")
    options = parser.parse_args()
    sets = [
        shipped(),
        *map(written, HISTORIES),
        *(loader.load(options.data) for loader in found(options.data) if loader.name in REPORTED),
    ]
    ready = {one.name: cases(one, None) for one in sets}
    plain = Plain(options.table)
    taught = {one.name: cases(one, plain) for one in sets if one.name in TRAINED_ON}
    for left_out in [*([] if options.leave_out else [(), *((name,) for name in TRAINED_ON)]), tuple(options.leave_out)]:
        names = [name for name in TRAINED_ON if name not in left_out]
        weights = fitted([taught[name] for name in names])
        figures = {one.name: round(score(one, ready[one.name], weights), 3) for one in sets}
        print(f"trained on {', '.join(names)}: {figures}", file=sys.stderr)
    shown = {name: round(float(weight), 3) for name, weight in zip(features.NAMES, weights, strict=True)}
    about = {"fitted": f"tools/ranker/fit.py on {', '.join(names)}", "recall_at_10": figures, "weights": shown}
    print(json.dumps(about, indent=1))
    if options.write:
        (Path(linear.__file__).parent / linear.WEIGHTS).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
