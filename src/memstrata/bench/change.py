"""Measure what time, change and what callers say do: with all of it, with each part off, and with none.

python -m memstrata.bench.change --data DIRECTORY --json change.json

A part is off when the memory is put together with another reader of texts: what it does not read is not there to be
followed. `off` reads nothing, `-statements` no statements, `-times` no times, `-succession` statements that close
nothing; `-hops` searches in one step, and for `-wishes` a request finds no wishes by those that it found. No language
model takes part.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypedDict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from memstrata import config, sample
from memstrata.bench.baselines import Bm25, Rankings, Remembering, reached
from memstrata.bench.datasets import Corpus, Dataset, Loader, Metric, Question, precisionmembench
from memstrata.bench.datasets import found as sets_found
from memstrata.bench.datasets.scoring import SCORES, recall, scores
from memstrata.bench.datasets.vehiclemembench import NEAR
from memstrata.clock import micros
from memstrata.engine import Memstrata
from memstrata.errors import InvalidInput
from memstrata.store import Resolved, Stored
from memstrata.types import Event, Hit, Memory
from memstrata.upkeep.resolve import Before, Reads, resolved
from memstrata.wiring import _embedder as named_embedder  # the choice that opening a store makes
from memstrata.wiring import open_memory

OURS: Final = "memstrata"
OFF: Final = "off"
WORDS: Final = "bm25"
K: Final = 10
BABI_K: Final = 5
BABI_HOPS: Final = {"qa2": 2, "qa3": 3}
MULTI_HOPS: Final = 3
DEEP: Final = 50  # how far down both preferences are looked for
CURRENT: Final = "current preference above the superseded one"
USUAL: Final = "usual preference above a passing one"
ALL_OF_IT: Final = 50  # beliefs, where a case names no limit
MOMENTS: Final = 5  # at which an as-of answer is held against a replay
ASKED_AT_ONCE: Final = 40  # subjects and questions at each of them
FOREVER_S: Final = 3_600.0
NAMES: Final = ("factconsolidation", "locomo", "vehiclemembench", "babi", "precisionmembench", "sample")

Tick = Callable[[str], None]


class Row(TypedDict):
    """One figure: `metric` at `k` of a method on a set, over `n` questions, cases or comparisons."""

    set: str
    method: str
    metric: str
    k: int | None
    value: float
    n: int


# ── with parts off ──


def _nothing(stored: Stored, before: Before) -> Resolved:  # noqa: ARG001  # the shape of a reader of texts
    return Resolved(stored.row, (), ())


def _without_times(stored: Stored, before: Before) -> Resolved:
    return replace(resolved(stored, before), spoken=())


def _without_statements(stored: Stored, before: Before) -> Resolved:
    return replace(resolved(stored, before), statements=())


def _without_succession(stored: Stored, before: Before) -> Resolved:
    """Statements that close nothing: each attribute may have any number of values, and nothing ends."""
    found = resolved(stored, before)
    return replace(found, statements=tuple(replace(one, single=False, ends=False) for one in found.statements))


@dataclass(frozen=True, slots=True)
class Following:
    """How a memory follows change: what it reads of a text, and whether a request finds wishes like those found."""

    reads: Reads = resolved
    wishes: bool = True


WHOLE: Final = Following()
METHODS: Final[Mapping[str, Following]] = {
    OURS: WHOLE,
    "-succession": Following(_without_succession),
    "-statements": Following(_without_statements),
    "-times": Following(_without_times),
    "-wishes": Following(wishes=False),
    OFF: Following(_nothing, wishes=False),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement uses: one embedder that works each text out once, and a bar."""

    embedder: Remembering
    tick: Tick

    @contextmanager
    def memory(self, how: Following = WHOLE) -> Iterator[Memstrata]:
        """An empty memory that follows change in its own way."""
        with (
            TemporaryDirectory(prefix="memstrata-bench-") as directory,
            open_memory(directory, embedder=self.embedder) as memory,
        ):
            yield Memstrata(replace(memory._parts, reads=how.reads, follow_wishes=how.wishes))


def run(*, data: Path, sets: Sequence[str] | None = None, json_path: Path | None = None) -> list[Row]:
    """Measure each set that is there, with progress on stderr; those that are not are named in the file.

    Raises:
        InvalidInput: a set is unknown, or a file is damaged.
    """
    unknown = sorted(set(sets or ()) - set(NAMES))
    if unknown:
        raise InvalidInput(f"no set is named {unknown[0]!r:.80}; known are {', '.join(NAMES)}")
    wanted = list(sets or NAMES)
    loaders = {loader.name: loader for loader in sets_found(data)}
    rows: list[Row] = []
    skipped: list[str] = []
    with _progress() as (progress, err):
        for name in wanted:
            task = progress.add_task(name, total=None)
            bench = Bench(
                Remembering(named_embedder(config.read(embedder="builtin"))),
                lambda what, task=task: progress.update(task, advance=1, description=what),  # type: ignore[misc]  # bound now
            )
            measured = _of_set(name, data, loaders, bench)
            if measured is None:
                skipped.append(name)
                err.print(f"{name}: no files of it lie in {data}; skipped", style="yellow", markup=False)
            rows += measured or ()
            progress.update(task, total=1, completed=1, description=name)
            if json_path is not None:
                found = {"rows": rows, "skipped": skipped}
                json_path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return rows


def _of_set(name: str, data: Path, loaders: Mapping[str, Loader], bench: Bench) -> list[Row] | None:
    """The rows of a set; None when its files are not there."""
    if name == "sample":
        return sample_replayed(bench)
    if name == "precisionmembench":
        return beliefs(data, bench) if precisionmembench.found(data) else None
    if name not in loaders:
        return None
    dataset = loaders[name].load(data)
    match name:
        case "factconsolidation":
            return facts(dataset, bench)
        case "locomo":
            return temporal(dataset, bench)
        case "vehiclemembench":
            return preferences(dataset, bench)
        case _:
            return stories(dataset, bench)


def _row(name: str, method: str, metric: str, k: int | None, values: Sequence[float]) -> Row:
    return Row(
        set=name, method=method, metric=metric, k=k, value=round(sum(values) / max(1, len(values)), 4), n=len(values)
    )


# ── facts of which later ones replace earlier ones ──


def facts(dataset: Dataset, bench: Bench) -> list[Row]:
    """Exact answers to questions of one hop, answers among ten hits for those of several, and as-of answers."""
    rows: list[Row] = []
    for corpus in dataset.corpora:
        hops, _, size = corpus.name.partition("_")
        name = f"{dataset.name}-{size}"
        rows += _single(name, corpus, bench) if hops == "sh" else _several(name, corpus, bench)
        if hops == "sh":
            rows += replayed(name, [unit.keyed for unit in corpus.units], bench, corpus.asked)
    return rows


def _single(name: str, corpus: Corpus, bench: Bench) -> Iterator[Row]:
    for method, how in METHODS.items():
        bench.tick(f"{name}, exact answers, {method}")
        with bench.memory(how) as memory:
            _filled(memory, corpus)
            answers = [_answer(memory.search(one.text, limit=K, user_id="u")) for one in corpus.asked]
        right = [_is(answer, question) for answer, question in zip(answers, corpus.asked, strict=True)]
        yield _row(name, method, "exact single-hop", None, right)


def _several(name: str, corpus: Corpus, bench: Bench) -> Iterator[Row]:
    for method, how in (*METHODS.items(), ("-hops", WHOLE)):
        bench.tick(f"{name}, several hops, {method}")
        hops = 1 if method in ("-hops", OFF) else MULTI_HOPS
        with bench.memory(how) as memory:
            _filled(memory, corpus)
            found = [memory.search(one.text, limit=K, hops=hops, user_id="u") for one in corpus.asked]
        texts = [[hit.memory.text for hit in hits] for hits in found]
        held = [_holds(some, question) for some, question in zip(texts, corpus.asked, strict=True)]
        yield _row(name, method, "gold-in-10 multi-hop", K, held)
    by_key = {unit.key: unit.event.text for unit in corpus.units}
    rankings = _by_words(corpus, K)
    texts = [[by_key[key] for key in ranking[:K]] for ranking in rankings]
    held = [_holds(some, question) for some, question in zip(texts, corpus.asked, strict=True)]
    yield _row(name, WORDS, "gold-in-10 multi-hop", K, held)


def _filled(memory: Memstrata, corpus: Corpus) -> None:
    """All of a corpus, with everything read that is owed."""
    memory.add_many((unit.keyed for unit in corpus.units), user_id="u")
    memory.upkeep(FOREVER_S)


def _answer(hits: Sequence[Hit]) -> str:
    return hits[0].facts[0].value if hits and hits[0].facts else ""


def _is(answer: str, question: Question) -> float:
    return float(answer.casefold().strip() in {one.casefold().strip() for one in question.answers})


def _holds(texts: Sequence[str], question: Question) -> float:
    wanted = re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in question.answers), re.I)
    return float(any(wanted.search(text) for text in texts))


# ── rankings ──

Found = list[tuple[Corpus, Rankings]]  # keys of units best first, for each question of each corpus


def temporal(dataset: Dataset, bench: Bench) -> list[Row]:
    """Recall of the questions about times, with each part off."""
    narrowed = replace(dataset, corpora=tuple(_of_category(corpus, "temporal") for corpus in dataset.corpora))
    return [
        _recall(dataset.name, method, "recall, temporal questions", "recall", found)
        for method, found in _by_method(narrowed, bench)
    ]


def _of_category(corpus: Corpus, category: str) -> Corpus:
    return replace(corpus, questions=tuple(one for one in corpus.questions if one.category == category))


def preferences(dataset: Dataset, bench: Bench) -> list[Row]:
    """Recall of events, and how often the preference that a request follows comes before another, where both come.

    The other is one that it superseded; or a later one that held for a while, in requests for what is usual.
    """
    rows = []
    for method, found in _by_method(dataset, bench):
        rows.append(_recall(dataset.name, method, "event-recall", "event-recall", found))
        above = [one for corpus, rankings in found for one in _above(corpus, rankings)]
        for metric, later in ((CURRENT, True), (USUAL, False)):
            rows.append(_row(dataset.name, method, metric, DEEP, [first for first, last in above if last == later]))
    return rows


def _above(corpus: Corpus, rankings: Sequence[Sequence[str]]) -> Iterator[tuple[float, bool]]:
    """Whether the preference that is followed comes before the other, and whether it was stated later."""
    times = {unit.key: _at(unit.event.at) for unit in corpus.units}
    for question, ranking in zip(corpus.asked, rankings, strict=True):
        if question.rivals is None:
            continue
        said = [times[key] for key in ranking[:DEEP]]
        followed, other = (_first_near(said, event) for event in question.rivals)
        if followed is not None and other is not None:
            yield float(followed < other), question.rivals[0] > question.rivals[1]


def _first_near(said: Sequence[int], event: int) -> int | None:
    """The place of the first line that was said close to an event."""
    return next((place for place, at in enumerate(said) if abs(at - event) <= NEAR), None)


def _at(at: object) -> int:
    assert isinstance(at, datetime), "every unit has a time"
    return micros(at)


def _by_method(dataset: Dataset, bench: Bench) -> Iterator[tuple[str, Found]]:
    """What each method finds in a set, method by method."""
    for method in (*METHODS, WORDS):
        found: Found = []
        for number, corpus in enumerate(dataset.corpora, start=1):
            bench.tick(f"{dataset.name}, {method}, {number}/{len(dataset.corpora)}")
            found.append((corpus, _rankings(method, corpus, bench)))
        yield method, found


def _rankings(method: str, corpus: Corpus, bench: Bench) -> Rankings:
    if method == WORDS:
        return _by_words(corpus, DEEP)
    found = []
    with bench.memory(METHODS[method]) as memory:
        for question in reached(memory, corpus, user_id="u"):
            memory.upkeep(FOREVER_S)
            found.append([str(hit.memory.key) for hit in memory.search(question.text, limit=DEEP, user_id="u")])
    return found


def _by_words(corpus: Corpus, deep: int) -> Rankings:
    return Bm25().rankings(corpus, deep=deep, earlier={})[WORDS]


def _recall(name: str, method: str, title: str, metric: Metric, found: Found) -> Row:
    values = [value for corpus, rankings in found for value in scores(corpus, rankings, SCORES[metric], K)]
    return _row(name, method, title, K, values)


def stories(dataset: Dataset, bench: Bench) -> list[Row]:
    """Supporting facts among five hits, for the tasks that need two and three of them."""
    rows = []
    for task, hops in BABI_HOPS.items():
        corpora = [corpus for corpus in dataset.corpora if corpus.name.startswith(f"{task}-")]
        for method in (OURS, "-succession", "-statements", "-hops", OFF, WORDS) if corpora else ():
            bench.tick(f"{dataset.name} {task}, {method}")
            values: list[float] = []
            steps = 1 if method in ("-hops", OFF) else hops
            with bench.memory(METHODS.get(method, WHOLE)) as memory:
                for corpus in corpora:
                    found = _by_words(corpus, BABI_K) if method == WORDS else _told(memory, corpus, hops=steps)
                    values += scores(corpus, found, recall, BABI_K)
            rows.append(_row(f"{dataset.name}-{task}", method, "supporting-fact recall", BABI_K, values))
    return rows


def _told(memory: Memstrata, corpus: Corpus, *, hops: int) -> Rankings:
    """Rankings for the questions of a story, each asked when it is reached and everything owed is read."""
    found = []
    for one in reached(memory, corpus, user_id=corpus.name):
        memory.upkeep(FOREVER_S)  # a search would read what it can in 20 ms, which is less on a busy machine
        hits = memory.search(one.text, limit=BABI_K, hops=hops, user_id=corpus.name)
        found.append([str(hit.memory.key) for hit in hits])
    return found


# ── beliefs ──


def beliefs(data: Path, bench: Bench) -> list[Row]:
    """Cases passed by a precise search among what applies, and by plain searches over the texts alone."""
    kept, cases = precisionmembench.load(data)
    of_user = {(belief.user, str(belief.event.key)): belief.event for belief in kept}
    rows = []
    for method, answer in ((OURS, _applying), (OFF, _plain)):
        bench.tick(f"precisionmembench, {method}")
        with bench.memory() as memory:
            for belief in kept:
                said = belief.event if method == OURS else replace(belief.event, attributes={})
                memory.add_many([said], user_id=belief.user)
            memory.upkeep(FOREVER_S)
            came = [[of_user[case.user, str(one.key)] for one in answer(case, memory)] for case in cases]
        for metric, active in (("active cases passed", True), ("trivial cases passed", False)):
            right = [
                float(precisionmembench.passed(case, some))
                for case, some in zip(cases, came, strict=True)
                if case.active is active
            ]
            rows.append(_row("precisionmembench", method, metric, None, right))
    return rows


def _applying(case: precisionmembench.Case, memory: Memstrata) -> list[Memory]:
    """What comes for a case: what is pinned, where nothing is asked."""
    applies = {"scope": {"overlaps": [*case.scope, precisionmembench.EVERYTHING]}}
    limit = ALL_OF_IT if case.limit is None else case.limit
    if not limit:
        return []
    if not case.query.strip():
        return list(memory.list(filters={**applies, "pinned": True}, limit=limit, user_id=case.user))
    hits = memory.search(case.query, filters=applies, precise=True, limit=limit, user_id=case.user)
    return [hit.memory for hit in hits]


def _plain(case: precisionmembench.Case, memory: Memstrata) -> list[Memory]:
    """Ten hits for the question."""
    if not case.query.strip():
        return []
    return [hit.memory for hit in memory.search(case.query, limit=K, user_id=case.user)]


# ── as-of answers ──


def sample_replayed(bench: Bench) -> list[Row]:
    """As-of answers over the conversation that ships."""
    turns = [
        Event(
            str(turn["text"]), speaker=str(turn["speaker"]), at=datetime.fromisoformat(str(turn["at"])),
            key=str(turn["key"]), session_id=str(turn["session_id"]),
        )
        for turn in sample.conversation()
    ]  # fmt: skip
    asked = [Question(one.question, (), len(turns)) for one in sample.questions()]
    return replayed("sample", sorted(turns, key=lambda turn: _at(turn.at)), bench, asked)


def replayed(name: str, events: Sequence[Event], bench: Bench, asked: Sequence[Question]) -> list[Row]:
    """How often an answer as of a moment is that of a memory which was told only what came before it."""
    states: list[float] = []
    searches: list[float] = []
    with bench.memory() as whole:
        whole.add_many(events, user_id="u")
        whole.upkeep(FOREVER_S)
        for part in range(1, MOMENTS + 1):
            bench.tick(f"{name}, as of {part}/{MOMENTS}")
            told = events[: len(events) * part // (MOMENTS + 1)]
            at = _at_most(told)
            with bench.memory() as replay:
                replay.add_many(told, user_id="u")
                replay.upkeep(FOREVER_S)
                subjects = [subject for subject in replay.profile(user_id="u").subjects if subject]
                for subject in subjects[:: max(1, len(subjects) // ASKED_AT_ONCE)]:
                    states.append(float(_state(whole, subject, at) == _state(replay, subject, None)))
                for question in asked[:: max(1, len(asked) // ASKED_AT_ONCE)]:
                    # asked of both as of then: the times that a question names are read against the moment
                    searches.append(float(_keys(whole, question.text, at) == _keys(replay, question.text, at)))
    return [
        _row(name, OURS, "as-of state equals a replay", None, states),
        _row(name, OURS, "as-of search equals a replay", K, searches),
    ]


def _at_most(events: Sequence[Event]) -> datetime:
    times = [event.at for event in events if isinstance(event.at, datetime)]
    return max(times, default=datetime(1970, 1, 1, tzinfo=UTC)) + timedelta(microseconds=1)


def _state(memory: Memstrata, subject: str, at: datetime | None) -> list[tuple[str, str, str]]:
    found = memory.state(subject, as_of=at, user_id="u")
    return sorted((one.attribute, one.value, one.since.isoformat()) for one in found)


def _keys(memory: Memstrata, query: str, at: datetime) -> list[str]:
    return [str(hit.memory.key) for hit in memory.search(query, limit=K, as_of=at, user_id="u")]


# ── for people ──


def show(rows: Sequence[Row], console: Console) -> None:
    """Print a table for each set: a line for each metric, a column for each method."""
    for name in dict.fromkeys(row["set"] for row in rows):
        console.print(_table(name, [row for row in rows if row["set"] == name]))


def _table(name: str, rows: Sequence[Row]) -> Table:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    shown = Table("metric", "n", *methods, title=name, title_justify="left")
    for metric, k in dict.fromkeys((row["metric"], row["k"]) for row in rows):
        own = {row["method"]: row for row in rows if (row["metric"], row["k"]) == (metric, k)}
        counts = {row["n"] for row in own.values()}
        n = f"{min(counts):,}" if len(counts) == 1 else f"{min(counts):,}-{max(counts):,}"
        figures = [f"{own[method]['value']:.3f}" if method in own else "" for method in methods]
        shown.add_row(metric if k is None else f"{metric} @{k}", n, *figures)
    return shown


@contextmanager
def _progress() -> Iterator[tuple[Progress, Console]]:
    err = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        yield progress, err


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the directory with the sets' files")
    parser.add_argument("--sets", help="names with commas between; all that are there when left out")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    asked = parser.parse_args()
    rows = run(data=asked.data, sets=asked.sets.split(",") if asked.sets else None, json_path=asked.json)
    show(rows, Console())


if __name__ == "__main__":
    main()
