"""Measure what the lookaside saves, and that it gives away nothing: a stream of questions, many asked before.

python -m memstrata.bench.lookaside --json lookaside.json [--data DIRECTORY]

The questions are the shipped sample's, the popular ones far more often than the others (Zipf), each in one of four
forms: as it stands, with other case and marks, with courtesies around it, or reworded by hand. Changes of the space
come in between. Every answer is held against a search that knows no lookaside, made at the same moment.

With a directory of published sets it also takes each of their questions, changes its form, and compares what the first
form finds with what the changed one would find.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from memstrata import sample
from memstrata.bench.baselines import reached
from memstrata.bench.datasets import Corpus, Dataset, Question, chosen
from memstrata.bench.datasets.scoring import SCORES, collapsed
from memstrata.bench.datasets.shipped import shipped
from memstrata.bench.generate import conversation
from memstrata.bench.measure import middle
from memstrata.bench.rewordings import COURTESIES, MARKS, REWORDED
from memstrata.engine import Memstrata
from memstrata.read.gist import gist
from memstrata.read.rankers import Ranker
from memstrata.wiring import open_memory

USER: Final = "lookaside"
SEARCHES: Final = 600
RATES: Final = (0.0, 0.01, 0.1)  # changes for each search
ZIPF: Final = 1.0
K: Final = 10
TOKENS: Final = 1_000
UPKEEP_S: Final = 60.0
SEED: Final = 1
FORMS: Final = ("verbatim", "marks", "courtesy", "reworded")
CHANGED: Final = 4  # forms of each question of a published set

STREAM: Final = {  # what is shown of a stream, and its headings
    "verb": "verb", "form": "form", "changes": "changes", "n": "n", "answered": "answered", "cpu_ms_mean": "CPU ms",
    "without_cpu_ms_mean": "without", "stale": "stale", "overlap": "overlap",
}  # fmt: skip
FORM: Final = {
    "set": "set", "form": "form", "n": "n", "answered": "same", "overlap": "overlap", "identical": "identical",
    "score": "score", "own_score": "own score",
}  # fmt: skip

Keys = list[str]


class Row(TypedDict):
    """One figure of a stream, or of a published set.

    Of a stream: what was asked for (`search` or `context`), at how many `changes` a search, in which form ("all" for
    the whole stream); the share of the `n` that was `answered` from the lookaside; the median and mean CPU
    milliseconds with it and without; the answers that were `stale`, which must be none; and of those answered, the
    mean `overlap` of the ten best (or of the passages) with those found afresh for the same words, and the share that
    is `identical`.
    Of a set: the same for pairs of a question and its changed form, with no times, but with the set's first metric
    over the ten best that the lookaside gives (`score`) and that the changed form finds by itself (`own_score`).
    """

    set: str
    verb: str
    form: str
    n: int
    answered: float
    overlap: float | None
    identical: float | None
    changes: NotRequired[float]
    cpu_ms_p50: NotRequired[float]
    cpu_ms_mean: NotRequired[float]
    without_cpu_ms_p50: NotRequired[float]
    without_cpu_ms_mean: NotRequired[float]
    stale: NotRequired[int]
    score: NotRequired[float]
    own_score: NotRequired[float]


@dataclass(slots=True)
class Counted:
    """A ranker that counts how often it was asked: not at all for an answer that was known."""

    ranker: Ranker
    name: str = "counted"
    times: int = 0

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The ranker's scores (n,)."""
        self.times += 1
        return self.ranker.scores(features)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question of the stream."""

    form: str
    answered: bool
    cpu_ms: float
    without_cpu_ms: float
    stale: bool
    overlap: float
    identical: bool


class Asking:
    """A memory with a lookaside beside the same one without, and the wordings in which each question was asked."""

    def __init__(self, memory: Memstrata, verb: str) -> None:
        self.memory = memory
        self.verb = verb
        self.worded: dict[str, set[str]] = {}
        self.counted = Counted(memory._parts.ranker)
        self.known = Memstrata(replace(memory._parts, ranker=self.counted))

    def outcome(self, question: str, form: str, words: str) -> Outcome:
        """Ask in these words, with and without."""
        before = self.counted.times
        given, cpu_ms = self._asked(self.known, words)
        answered = self.counted.times == before
        fresh, without_cpu_ms = self._asked(Memstrata(self.memory._parts), words)
        wordings = self.worded.setdefault(question, set())
        wordings.add(words)
        stale = answered and given != fresh and not any(given == self._fresh(other) for other in wordings)
        shared = len(set(given) & set(fresh)) / max(1, len(fresh))
        return Outcome(form, answered, cpu_ms, without_cpu_ms, stale, shared, given == fresh)

    def _fresh(self, words: str) -> Keys:
        return self._asked(Memstrata(self.memory._parts), words)[0]

    def _asked(self, memory: Memstrata, words: str) -> tuple[Keys, float]:
        started = time.process_time_ns()
        if self.verb == "search":
            found = [hit.memory for hit in memory.search(words, limit=K, user_id=USER)]
        else:
            found = [one.memory for one in memory.context(words, budget=TOKENS, user_id=USER).passages]
        cpu_ms = (time.process_time_ns() - started) / 1e6
        return [f"{one.id} {one.version}" for one in found], cpu_ms


def run(
    *,
    searches: int = SEARCHES,
    data: Path | None = None,
    sets: list[str] | None = None,
    json_path: Path | None = None,
) -> list[Row]:
    """Measure streams over the shipped sample, and changed forms of its questions and of those of published sets.

    Args:
        searches: how many questions each stream has.
        data: a directory with published sets.
        sets: names of sets in it; all that are there when left out.
        json_path: where to write `{"rows": […]}`.
    """
    datasets = [] if data is None else [(loader, data) for loader in chosen(data, sets)]
    rows = [row for verb in ("search", "context") for rate in RATES for row in _stream(verb, rate, searches)]
    rows += likeness(shipped())
    for loader, directory in datasets:
        rows += likeness(loader.load(directory))
    if json_path is not None:
        json_path.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    return rows


# ── a stream ──


def _stream(verb: str, rate: float, searches: int) -> list[Row]:
    rng = np.random.default_rng(SEED)
    with TemporaryDirectory(prefix="memstrata-bench-") as folder, open_memory(folder, embedder="builtin") as memory:
        memory.add_many(sample.conversation(), user_id=USER)
        memory.upkeep(UPKEEP_S)  # what is found out of texts later is a change too
        asking = Asking(memory, verb)
        change = _changes(memory, rng)
        outcomes = []
        for question, form, words in islice(asked_again(rng), searches):
            if rng.random() < rate:
                next(change)
            outcomes.append(asking.outcome(question, form, words))
    by_form = {form: [one for one in outcomes if form in ("all", one.form)] for form in ("all", *FORMS)}
    return [_of_stream(verb, form, rate, some) for form, some in by_form.items() if some]


def asked_again(rng: np.random.Generator) -> Iterator[tuple[str, str, str]]:
    """Questions without end: the question itself, the form it is asked in, and the words."""
    questions = [one.question for one in sample.questions()]
    order = rng.permutation(len(questions))
    shares = 1 / np.arange(1, len(questions) + 1) ** ZIPF
    while True:
        question = questions[order[rng.choice(len(questions), p=shares / shares.sum())]]
        form = FORMS[rng.integers(len(FORMS))]
        yield question, form, worded(question, form, rng)


def worded(question: str, form: str, rng: np.random.Generator) -> str:
    """A question in another form; one that nobody has reworded stays as it is."""
    match form:
        case "marks":
            return MARKS[rng.integers(len(MARKS))](question)
        case "courtesy":
            return COURTESIES[rng.integers(len(COURTESIES))](question)
        case "reworded":
            known = REWORDED.get(question, (question,))
            return known[rng.integers(len(known))]
        case _:
            return question


def _changes(memory: Memstrata, rng: np.random.Generator) -> Iterator[None]:
    """Make one change of the space at each step: something is added, something told anew, something deleted."""
    told = conversation(seed=SEED)
    ids = [one.id for one in memory.list(user_id=USER)]
    while True:
        added = memory.add(next(told), user_id=USER).id
        yield
        changed = ids[rng.integers(len(ids))]
        memory.update(changed, text=f"{memory.get(changed).text} That is all.")
        yield
        memory.delete(added)
        yield


def _of_stream(verb: str, form: str, rate: float, outcomes: Sequence[Outcome]) -> Row:
    found = [one for one in outcomes if one.answered]
    row = _row("sample", verb, form, len(outcomes), [(one.overlap, one.identical) for one in found])
    row["changes"] = rate
    row["cpu_ms_p50"], row["cpu_ms_mean"] = _middle_and_mean([one.cpu_ms for one in outcomes])
    row["without_cpu_ms_p50"], row["without_cpu_ms_mean"] = _middle_and_mean([one.without_cpu_ms for one in outcomes])
    row["stale"] = sum(one.stale for one in outcomes)
    return row


def _middle_and_mean(ms: Sequence[float]) -> tuple[float, float]:
    return round(middle(ms), 4), round(float(np.mean(ms)), 4)


def _row(name: str, verb: str, form: str, n: int, found: Sequence[tuple[float, bool]]) -> Row:
    return Row(
        set=name, verb=verb, form=form, n=n, answered=round(len(found) / max(1, n), 4),
        overlap=round(float(np.mean([overlap for overlap, _ in found])), 4) if found else None,
        identical=round(float(np.mean([identical for _, identical in found])), 4) if found else None,
    )  # fmt: skip


# ── changed forms ──


@dataclass(frozen=True, slots=True)
class Pair:
    """What a question finds, and what a changed form of it would find by itself: hits in common, and scores."""

    overlap: float
    identical: bool
    score: float
    own_score: float


def likeness(dataset: Dataset) -> list[Row]:
    """How alike the ten best are for the questions of a set and for their changed forms that count as the same."""
    rng = np.random.default_rng(SEED)
    pairs: dict[str, list[Pair | None]] = {"marks": [], "courtesy": []}
    with TemporaryDirectory(prefix="memstrata-bench-") as folder, open_memory(folder, embedder="builtin") as memory:
        for corpus in dataset.corpora:
            score = _scoring(dataset, corpus)
            for question in reached(memory, corpus, user_id=corpus.name):
                given = _first(memory, question.text, corpus.name)
                for form in islice(cycle(pairs), CHANGED):
                    words = worded(question.text, form, rng)
                    alike = form == "marks" or _same(question.text, words)
                    pairs[form].append(
                        _pair(given, _first(memory, words, corpus.name), question, score) if alike else None
                    )
    return [_of_set(dataset.name, form, found) for form, found in pairs.items()]


def _scoring(dataset: Dataset, corpus: Corpus) -> Callable[[Keys, Question], float]:
    metric = SCORES[dataset.metrics[0]]
    counts_as = corpus.counts_as
    return lambda keys, question: metric(collapsed(keys, counts_as), question.gold, K)


def _first(memory: Memstrata, words: str, user_id: str) -> Keys:
    fresh = Memstrata(memory._parts)  # with nothing known
    return [str(hit.memory.key) for hit in fresh.search(words, limit=K, user_id=user_id)]


def _same(one: str, two: str) -> bool:
    first, second = gist(one), gist(two)
    return first is not None and second is not None and first.same(second)


def _pair(given: Keys, own: Keys, question: Question, score: Callable[[Keys, Question], float]) -> Pair:
    shared = len(set(given) & set(own)) / max(1, len(own))
    return Pair(shared, given == own, score(given, question), score(own, question))


def _of_set(name: str, form: str, pairs: Sequence[Pair | None]) -> Row:
    found = [pair for pair in pairs if pair is not None]
    row = _row(name, "search", form, len(pairs), [(pair.overlap, pair.identical) for pair in found])
    if found:
        row["score"] = round(float(np.mean([pair.score for pair in found])), 4)
        row["own_score"] = round(float(np.mean([pair.own_score for pair in found])), 4)
    return row


# ── for people ──


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the figures of the streams, and of changed forms."""
    streams = [row for row in rows if "changes" in row]
    console.print(_table("Questions asked before", streams, STREAM))
    console.print(_table("Questions in another form", [row for row in rows if "changes" not in row], FORM))


def _table(title: str, rows: Sequence[Row], figures: Mapping[str, str]) -> Table:
    drawn = Table(title=title)
    for name, heading in figures.items():
        drawn.add_column(heading, justify="left" if name in ("set", "verb", "form") else "right", no_wrap=True)
    for row in rows:
        values: Mapping[str, object] = {**row}
        drawn.add_row(*(_figure(values.get(name)) for name in figures))
    return drawn


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=SEARCHES, help="questions in each stream")
    parser.add_argument("--data", type=Path, help="a directory with published sets")
    parser.add_argument("--sets", help="names with commas between; all that are there when left out")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    asked = parser.parse_args()
    sets = asked.sets.split(",") if asked.sets else None
    show(run(searches=asked.searches, data=asked.data, sets=sets, json_path=asked.json), Console())


if __name__ == "__main__":
    main()
