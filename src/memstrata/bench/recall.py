"""Measure how much of what should be found is found, by the product and by simple methods over the same units.

python -m memstrata.bench.recall --data DIRECTORY --sets locomo,realmem --json recall.json

No language model takes part: what is scored is the ranking, never an answer. The sets do not ship; the directory
holds the files as their authors publish them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from memstrata import config
from memstrata.bench import report
from memstrata.bench.baselines import (
    Bm25,
    Fused,
    Lines,
    Method,
    Product,
    Rankings,
    Remembering,
    Vectors,
    reached,
    words,
)
from memstrata.bench.datasets import Corpus, Dataset, Question, Unit, chosen
from memstrata.bench.datasets.scoring import SCORES, Score, collapsed, recall
from memstrata.bench.measure import OURS
from memstrata.engine import MAX_LIMIT, Memstrata
from memstrata.errors import InvalidInput
from memstrata.plan.counters import Counter, WordPieceCounter
from memstrata.types import Context
from memstrata.wiring import _embedder as named_embedder  # the choice that opening a store makes
from memstrata.wiring import open_memory

KS: Final = (5, 10, 25, 50)
HEADLINE_K: Final = 10
BUDGETS: Final = (250, 500, 1_000, 2_000, 4_000)  # tokens
SHARES: Final = (30, 10)  # of the whole history: a thirtieth, a tenth
WIDER: Final = (60, 125, 250, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000, 8_000, 12_000, 16_000, 24_000)
RESAMPLES: Final = 1_000
SEED: Final = 1
PACKED: Final = 500  # how far the product's own ranking is read to fill a context with whole turns
BUILTIN: Final = "builtin"
RIVAL: Final = "bm25"  # what the others are held against

CONTEXTS: Final = {
    "evidence": "Evidence in a context",
    "answer-in-context": "Words of the answer that the evidence in a context says",
    "tokens-ratio": "Tokens, of those that whole turns need for as much evidence",
}

Tick = Callable[[], None]


class Lead(TypedDict):
    """How far a method is ahead of another on the same questions, with the interval of the difference."""

    over: str
    value: float
    ci: list[float]


class Row(TypedDict):
    """One figure: `metric` at `k` of a method on a set, over `n` questions, with its 95 % interval [low, high].

    Rows of one category name it. Rows of contexts of so many `tokens` have no k; where the budget is a share of the
    history, `share` says which and `tokens` is the mean. Of these, `evidence` is the share of what should be found
    that is there, `answer-in-context` the share of the answer's words that it still has, and `tokens-ratio` what the
    product's context costs of what the method needs to hold as much evidence; `bound` marks a ratio that is at most
    this, as the method never holds as much. `seen` marks figures that something had a part in which was fitted on
    this set.
    """

    set: str
    method: str
    metric: str
    k: int | None
    value: float
    ci: list[float]
    n: int
    headline: bool
    category: NotRequired[str]
    lead: NotRequired[Lead]
    tokens: NotRequired[int]
    share: NotRequired[str]
    bound: NotRequired[bool]
    seen: NotRequired[bool]


class About(TypedDict):
    """What a set's figures are of."""

    set: str
    ranked: str
    corpora: int
    units: int
    questions: int
    skipped: dict[str, int]
    intervals_over: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The scored questions of a set in the order all methods rank them, with what the intervals are drawn over."""

    categories: tuple[str, ...]  # (question,)
    clusters: NDArray[np.int64]  # (question,) the number of its corpus, or its own


def run(
    *,
    data: Path,
    sets: list[str] | None = None,
    embedder: str | None = None,
    json_path: Path | None = None,
    plots: Path | None = None,
    ks: Sequence[int] = KS,
    context: bool = False,
) -> list[Row]:
    """Rank, score and show each set, with progress on stderr.

    Args:
        data: the directory with the sets' files.
        sets: names of sets; all that are there when left out.
        embedder: for the product and for `vectors`, by the name `memstrata.open` takes; the built-in one when left
            out, whatever the environment says.
        json_path: where to write `{"rows": […], "sets": […]}`, after each set.
        plots: a directory to draw the curves into.
        ks: how many of the ranking count; 10 is always among them.
        context: measure also what contexts of several token budgets hold; takes minutes more.

    Raises:
        InvalidInput: a set is unknown, missing or damaged, or a k is out of range.
        MissingExtra: plots are wanted and matplotlib is not there.
    """
    if any(not 1 <= k <= MAX_LIMIT for k in ks):
        raise InvalidInput(f"k takes numbers from 1 to {MAX_LIMIT}, not {', '.join(map(str, ks))}")
    if plots is not None:
        report.check_plots()
    loaders = chosen(data, sets)
    name = embedder or BUILTIN
    embedding = Remembering(named_embedder(config.read(embedder=name)))
    rows: list[Row] = []
    about: list[About] = []
    with _progress() as progress:
        for loader in loaders:
            dataset = loader.load(data)
            about.append(described(dataset))
            of_set = _of_set(dataset, embedding, ks, progress, context=context)
            rows += _marked(of_set) if dataset.seen and name == BUILTIN else of_set
            _save(rows, about, json_path)
    if plots is not None:
        plot(rows, plots)
    return rows


def methods(memory: Memstrata, embedder: Remembering) -> list[Method]:
    """What is compared, in the order it is run and reported."""
    return [Product(memory), Bm25(), Vectors(embedder), Fused()]


def described(dataset: Dataset) -> About:
    """What a set's figures are of, and which questions are left out of them."""
    skipped: dict[str, int] = {}
    for corpus in dataset.corpora:
        for question in corpus.questions:
            if question.skipped is not None:
                skipped[question.skipped] = skipped.get(question.skipped, 0) + 1
    return About(
        set=dataset.name,
        ranked=dataset.ranked,
        corpora=len(dataset.corpora),
        units=sum(len(corpus.units) for corpus in dataset.corpora),
        questions=sum(len(corpus.asked) for corpus in dataset.corpora),
        skipped=skipped,
        intervals_over=dataset.resampled,
    )


def _of_set(
    dataset: Dataset, embedder: Remembering, ks: Sequence[int], progress: Progress, *, context: bool
) -> list[Row]:
    deep = max(dataset.deep, *ks)
    with (
        TemporaryDirectory(prefix="memstrata-bench-") as directory,
        open_memory(directory, embedder=embedder, counter="wordpiece") as memory,
    ):
        compared = methods(memory, embedder)
        tick = _bar(progress, dataset.name, len(compared) * len(dataset.corpora))
        found = [ranked(corpus, compared, deep=deep, tick=tick) for corpus in dataset.corpora]
        rows = scored(dataset, found, ks)
        if context and dataset.history:
            tick = _bar(progress, f"{dataset.name}, contexts", len(dataset.corpora))
            rows += curves(dataset, found, memory, tick=tick)
    return rows


def _marked(rows: Sequence[Row]) -> list[Row]:
    """The rows of a set that the embedder has seen; words alone have learned nothing."""
    for row in rows:
        if row["method"] != RIVAL:
            row["seen"] = True
    return list(rows)


def ranked(
    corpus: Corpus, compared: Iterable[Method], *, deep: int, tick: Tick = lambda: None
) -> Mapping[str, Rankings]:
    """What each method finds in a corpus, by its name."""
    found: dict[str, Rankings] = {}
    for method in compared:
        found[method.name] = method.rankings(corpus, deep=deep, earlier=found)
        tick()
    return found


# ── scores ──


def scored(dataset: Dataset, found: Sequence[Mapping[str, Rankings]], ks: Sequence[int]) -> list[Row]:
    """The rows of a set: each metric at each k, and the first metric again for each category."""
    asked = _asked(dataset)
    cutoffs = sorted({*ks, *dataset.cutoffs, HEADLINE_K})
    rows: list[Row] = []
    for metric in dataset.metrics:
        for k in [max(dataset.deep, *ks)] if metric == "map" else cutoffs:
            values = {name: _values(dataset, found, name, SCORES[metric], k) for name in (found[0] if found else ())}
            headline = dataset.headline and metric == dataset.metrics[0] and k == HEADLINE_K
            rows += _rows(dataset.name, metric, k, values, asked, headline=headline)
            if metric == dataset.metrics[0]:
                rows += _by_category(dataset.name, metric, k, values, asked)
    return rows


def _asked(dataset: Dataset) -> Asked:
    counts = [len(corpus.asked) for corpus in dataset.corpora]
    of_corpus = np.repeat(np.arange(len(counts)), counts)
    clusters = of_corpus if dataset.resampled == "corpus" else np.arange(sum(counts))
    return Asked(tuple(question.category for corpus in dataset.corpora for question in corpus.asked), clusters)


def _values(
    dataset: Dataset, found: Sequence[Mapping[str, Rankings]], method: str, score: Score, k: int
) -> NDArray[np.float64]:
    """A method's score of every question of the set, (question,)."""
    values: list[float] = []
    for corpus, by_method in zip(dataset.corpora, found, strict=True):
        counts_as = {unit.key: unit.counts_as for unit in corpus.units}
        for question, ranking in zip(corpus.asked, by_method[method], strict=True):
            values.append(score(collapsed(ranking, counts_as), question.gold, k))
    return np.array(values)


def _rows(
    name: str, metric: str, k: int, values: Mapping[str, NDArray[np.float64]], asked: Asked, *, headline: bool
) -> Iterator[Row]:
    for method, own in values.items():
        row = _row(name, method, metric, k, own, asked.clusters, headline=headline)
        if headline and method != RIVAL and RIVAL in values:
            ahead = own - values[RIVAL]
            row["lead"] = Lead(over=RIVAL, value=_short(ahead.mean()), ci=interval(ahead, asked.clusters))
        yield row


def _by_category(
    name: str, metric: str, k: int, values: Mapping[str, NDArray[np.float64]], asked: Asked
) -> Iterator[Row]:
    for category in sorted({one for one in asked.categories if one}):
        mask = np.array([one == category for one in asked.categories])
        for method, own in values.items():
            row = _row(name, method, metric, k, own[mask], asked.clusters[mask], headline=False)
            row["category"] = category
            yield row


def _row(
    name: str,
    method: str,
    metric: str,
    k: int | None,
    values: NDArray[np.float64],
    clusters: NDArray[np.int64],
    *,
    headline: bool,
) -> Row:
    ci = interval(values, clusters)
    return Row(
        set=name, method=method, metric=metric, k=k, value=_short(values.mean()), ci=ci, n=len(values),
        headline=headline,
    )  # fmt: skip


def interval(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> list[float]:
    """The 95 % interval [low, high] of a mean, by drawing whole clusters again with replacement; always the same.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile method.
    """
    _, numbers = np.unique(clusters, return_inverse=True)
    sums, counts = np.bincount(numbers, values), np.bincount(numbers)
    draws = _draws(len(counts))
    low, high = np.percentile((draws @ sums) / (draws @ counts), (2.5, 97.5))
    return [_short(low), _short(high)]


@cache
def _draws(clusters: int) -> NDArray[np.float64]:
    """How often each cluster is in each resample, (resample, cluster); the same for every method compared."""
    rng = np.random.default_rng(SEED)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), RESAMPLES).astype(np.float64)


def _short(value: float) -> float:
    return round(float(value), 4)


# ── contexts ──


@dataclass(frozen=True, slots=True)
class Given:
    """What a context gave: the keys of its units, and what it said of each."""

    keys: tuple[str, ...]
    texts: tuple[str, ...]


class Held:
    """What the contexts of a set held, question by question: evidence and answers by method and budget."""

    def __init__(self) -> None:
        self.shares: dict[tuple[str, str, str], list[float]] = {}  # by metric, method and budget
        self.wide: dict[tuple[str, int], list[float]] = {}  # evidence of the other methods, by method and budget
        self.tokens: dict[str, list[int]] = {}  # by budget
        self.answered: list[bool] = []  # which questions have an answer whose words can be looked for


def curves(
    dataset: Dataset, found: Sequence[Mapping[str, Rankings]], memory: Memstrata, *, tick: Tick = lambda: None
) -> list[Row]:
    """What contexts of several budgets hold of the evidence and of the answer, and what others need for as much.

    The row `memstrata` is what `context` gives. The other methods, and `memstrata-turns` with the product's own
    ranking, fill the budget with whole turns on lines of the same form, the best first, leaving out what no longer
    fits. A passage that is part of a turn counts as the turn; how much of the answer it still says is a figure of
    its own.
    """
    counter = _counter()
    held = Held()
    for corpus, by_method in zip(dataset.corpora, found, strict=True):
        _hold(held, corpus, by_method, memory, counter)
        tick()
    clusters = _asked(dataset).clusters
    of_metric = {"evidence": clusters, "answer-in-context": clusters[np.array(held.answered, np.bool_)]}
    means = {label: round(float(np.mean(budgets))) for label, budgets in held.tokens.items()}
    rows = [
        _of_context(dataset.name, metric, method, label, np.array(values), of_metric[metric], means[label])
        for (metric, method, label), values in held.shares.items()
    ]
    own = {budget: np.array(held.shares["evidence", OURS, str(budget)]) for budget in BUDGETS}
    return [*rows, *_ratios(dataset.name, own, held.wide, clusters)]


def _hold(held: Held, corpus: Corpus, by_method: Mapping[str, Rankings], memory: Memstrata, counter: Counter) -> None:
    """Pack contexts for every question of a corpus, by every method, and keep what they held."""
    lines = Lines(corpus.units, counter)
    texts = {unit.key: unit.event.text for unit in corpus.units}
    counts_as = {unit.key: unit.counts_as for unit in corpus.units}
    user = f"context/{corpus.name}"
    for place, question in enumerate(reached(memory, corpus, user_id=user)):
        rankings = {name: ranking[place] for name, ranking in by_method.items() if name != OURS}
        hits = memory.search(question.text, limit=PACKED, user_id=user)
        rankings[f"{OURS}-turns"] = [str(hit.memory.key) for hit in hits]
        wanted = answer_words(question, corpus.units)
        held.answered.append(bool(wanted))
        for label, budget in _budgets(lines.total(question.visible)).items():
            held.tokens.setdefault(label, []).append(budget)
            given = {OURS: _given(memory.context(question.text, budget=budget, user_id=user))}
            for name, ranking in rankings.items():
                keys = lines.packed(ranking, budget)
                given[name] = Given(tuple(keys), tuple(texts[key] for key in keys))
            for name, one in given.items():
                share = _share(one.keys, question, counts_as)
                held.shares.setdefault(("evidence", name, label), []).append(share)
                if wanted:
                    said = _said(wanted, one, question, counts_as)
                    held.shares.setdefault(("answer-in-context", name, label), []).append(said)
        for name, ranking in rankings.items():
            for budget in WIDER:
                share = _share(lines.packed(ranking, budget), question, counts_as)
                held.wide.setdefault((name, budget), []).append(share)


def _share(keys: Sequence[str], question: Question, counts_as: Mapping[str, str]) -> float:
    """The share of a question's evidence among some units."""
    return recall(collapsed(keys, counts_as), question.gold, len(keys))


def answer_words(question: Question, units: Iterable[Unit]) -> frozenset[str]:
    """The words of the answer that its evidence has and the question has not: those that a context should bring."""
    if not question.answer:
        return frozenset()
    wanted = {key for gold in question.gold for key in gold.found_by}
    evidence = {word for unit in units if unit.counts_as in wanted for word in words(unit.event.text)}
    return frozenset(evidence & set(words(question.answer)) - set(words(question.text)))


def _given(context: Context) -> Given:
    return Given(
        tuple(str(passage.memory.key) for passage in context.passages),
        tuple(passage.text for passage in context.passages),
    )


def _said(wanted: frozenset[str], given: Given, question: Question, counts_as: Mapping[str, str]) -> float:
    """The share of the answer's words that the evidence in a context says; by chance elsewhere does not count."""
    gold = {key for one in question.gold for key in one.found_by}
    texts = [text for key, text in zip(given.keys, given.texts, strict=True) if counts_as[key] in gold]
    return len(wanted & {word for text in texts for word in words(text)}) / len(wanted)


def _budgets(whole: int) -> dict[str, int]:
    """Budgets in tokens by what they are called, for a history of so many."""
    return {str(tokens): tokens for tokens in BUDGETS} | {f"1/{part}": max(1, whole // part) for part in SHARES}


def _of_context(
    name: str,
    metric: str,
    method: str,
    label: str,
    values: NDArray[np.float64],
    clusters: NDArray[np.int64],
    tokens: int,
) -> Row:
    row = _row(name, method, metric, None, values, clusters, headline=False)
    row["tokens"] = tokens
    if "/" in label:
        row["share"] = label
    return row


def _ratios(
    name: str,
    own: Mapping[int, NDArray[np.float64]],
    wide: Mapping[tuple[str, int], Sequence[float]],
    clusters: NDArray[np.int64],
) -> Iterator[Row]:
    """For each other method and budget, the product's tokens over those that the method needs for as much evidence."""
    _, numbers = np.unique(clusters, return_inverse=True)
    counts = np.bincount(numbers)
    draws = np.concatenate([np.ones((1, len(counts))), _draws(len(counts))])  # the first is of everything as it is

    def means(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of each draw, (draw,)."""
        of_draws: NDArray[np.float64] = (draws @ np.bincount(numbers, values)) / (draws @ counts)
        return of_draws

    for method in dict.fromkeys(method for method, _ in wide):
        curve = np.stack([means(np.array(wide[method, budget])) for budget in WIDER], axis=1)  # (draw, budget)
        for budget, values in own.items():
            wanted = means(values)
            ratios = [budget / tokens_for(share, held) for share, held in zip(wanted, curve, strict=True)]
            low, high = np.percentile(ratios[1:], (2.5, 97.5))
            row = Row(
                set=name, method=method, metric="tokens-ratio", k=None, value=_short(ratios[0]),
                ci=[_short(low), _short(high)], n=len(values), headline=False, tokens=budget,
            )  # fmt: skip
            if wanted[0] > curve[0].max():
                row["bound"] = True
            yield row


def tokens_for(share: float, held: NDArray[np.float64]) -> float:
    """The fewest tokens at which a method holds a share of the evidence, from what it holds at each of `WIDER`.

    Between two budgets the share is taken to grow evenly with the logarithm of the tokens. Of a share that is never
    reached the answer is the largest budget, and of one that the smallest reaches the smallest.
    """
    rising = np.maximum.accumulate(held)
    place = int(np.searchsorted(rising, share))
    if place == 0 or place == len(WIDER):
        return float(WIDER[min(place, len(WIDER) - 1)])
    part = (share - rising[place - 1]) / (rising[place] - rising[place - 1])
    return float(WIDER[place - 1] * (WIDER[place] / WIDER[place - 1]) ** part)


def _counter() -> Counter:
    from memstrata.providers.embedders.builtin import pieces  # late: it opens the vocabulary

    return WordPieceCounter(pieces())


# ── for people ──


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the figures of each set, of each category, and of contexts where they were measured."""
    whole = [row for row in rows if "category" not in row and row["k"] is not None]
    console.print(_table("Found", [row for row in whole if _main(row)]))
    leads = [row for row in rows if "lead" in row]
    if leads:
        console.print(_table(f"Ahead of {RIVAL}, on the same questions", leads, lead=True))
    of_categories = [row for row in rows if row.get("category") and row["k"] == HEADLINE_K]
    if of_categories:
        console.print(_table("By category", of_categories))
    for metric, title in CONTEXTS.items():
        contexts = [row for row in rows if row["metric"] == metric]
        if contexts:
            console.print(_table(title, contexts))


def _main(row: Row) -> bool:
    """Whether a row belongs in the short table: k = 10, and what has one k of its own."""
    return row["k"] == HEADLINE_K or row["metric"] == "map"


def _table(title: str, rows: Sequence[Row], *, lead: bool = False) -> Table:
    fitted = any("seen" in row for row in rows)
    seen = "\n* the built-in embedder, and the ranker where it counts, were fitted on this set" if fitted else ""
    drawn = Table(title=title, caption=f"95 % intervals by bootstrap over whole conversations, or questions{seen}")
    drawn.add_column("set", no_wrap=True)
    drawn.add_column("what", overflow="fold")
    drawn.add_column("n", justify="right")
    names = list(dict.fromkeys(row["method"] for row in rows))
    for name in names:
        drawn.add_column(name, justify="right")
    lines: dict[tuple[str, str, int], dict[str, str]] = {}
    for row in rows:
        figure: Row | Lead = row["lead"] if lead else row
        shown = f"{figure['value']:{'+' if lead else ''}.3f} [{figure['ci'][0]:.3f}, {figure['ci'][1]:.3f}]"
        shown = f"< {shown}" if "bound" in row else shown
        marked = f"{shown}*" if "seen" in row else shown
        lines.setdefault((row["set"], _what(row), row["n"]), {})[row["method"]] = marked
    for (set_name, what, n), cells in lines.items():
        drawn.add_row(set_name, what, f"{n:,}", *(cells.get(name, "") for name in names))
    return drawn


def _what(row: Row) -> str:
    if row["k"] is None:
        share = f" ({row['share']} of all)" if "share" in row else ""
        return f"{row['tokens']:,} tokens{share}"
    return f"{row.get('category') or ''} {row['metric']}@{row['k']}".strip()


def plot(rows: Sequence[Row], directory: Path) -> list[Path]:
    """Draw each set's first metric over k, and its evidence over tokens where measured, as SVG."""
    report.check_plots()
    directory.mkdir(parents=True, exist_ok=True)
    drawn: list[Path] = []
    for name in dict.fromkeys(row["set"] for row in rows):
        whole = [row for row in rows if row["set"] == name and "category" not in row]
        first = whole[0]["metric"]
        drawn.append(directory / f"{name}.svg")
        _draw(drawn[-1], f"{name}: {first}", "k", [(row, row["k"]) for row in whole if row["metric"] == first])
        contexts = [(row, row["tokens"]) for row in whole if row["metric"] == "evidence" and "share" not in row]
        if contexts:
            drawn.append(directory / f"{name}-context.svg")
            _draw(drawn[-1], f"{name}: evidence in a context", "tokens", contexts)
    return drawn


def _draw(path: Path, title: str, along: str, points: Sequence[tuple[Row, int | None]]) -> None:
    from matplotlib.figure import Figure  # late: an optional package

    figure: Any = Figure(figsize=(6, 4), layout="constrained")  # Any: matplotlib is optional
    axes = figure.add_subplot(xscale="log", xlabel=along, ylim=(0, 1), title=title)
    for method in dict.fromkeys(row["method"] for row, _ in points):
        own = [(row, place) for row, place in points if row["method"] == method]
        line = axes.plot([place for _, place in own], [row["value"] for row, _ in own], marker="o", label=method)
        low, high = ([row["ci"][end] for row, _ in own] for end in (0, 1))
        axes.fill_between([place for _, place in own], low, high, alpha=0.12, color=line[0].get_color())
    places = sorted({place for _, place in points if place is not None})
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.minorticks_off()
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path)


def _save(rows: Sequence[Row], about: Sequence[About], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps({"rows": rows, "sets": about}, indent=1) + "\n", encoding="utf-8")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _bar(progress: Progress, what: str, total: int) -> Tick:
    task = progress.add_task(what, total=total)
    return lambda: progress.advance(task)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the directory with the sets' files")
    parser.add_argument("--sets", help="names with commas between; all that are there when left out")
    parser.add_argument("--embedder", help="such as builtin or sentence-transformers:MODEL")
    parser.add_argument("--context", action="store_true", help="measure contexts of several token budgets too")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--plots", type=Path, help="draw the curves into this directory")
    asked = parser.parse_args()
    rows = run(
        data=asked.data,
        sets=asked.sets.split(",") if asked.sets else None,
        embedder=asked.embedder,
        json_path=asked.json,
        plots=asked.plots,
        context=asked.context,
    )
    show(rows, Console())


if __name__ == "__main__":
    main()
