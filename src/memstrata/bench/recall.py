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
from memstrata.bench import ablation, report
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
from memstrata.bench.datasets.scoring import SCORES, Score, collapsed, recall, scores
from memstrata.bench.measure import OURS, opened
from memstrata.bench.slips import slipped
from memstrata.engine import MAX_LIMIT, Memstrata
from memstrata.errors import InvalidInput
from memstrata.plan.counters import Counter, WordPieceCounter
from memstrata.types import Context
from memstrata.wiring import _embedder as named_embedder  # the choice that opening a store makes

KS: Final = (5, 10, 25, 50)
HEADLINE_K: Final = 10
BUDGETS: Final = (250, 500, 1_000, 2_000, 4_000)  # tokens
SHARES: Final = (30, 10)  # of the whole history: a thirtieth, a tenth
WIDER: Final = (60, 125, 250, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000, 8_000, 12_000, 16_000, 24_000)
RESAMPLES: Final = 1_000
SEED: Final = 1
LESS_BUDGET: Final = 1_000  # tokens of a context for which some hits may not be used
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
    this, as the method never holds as much. Rows of `evidence-left` are of contexts for which the memories named by
    `without` could not be used. `lead` holds a method against bm25, the product without a part against the whole, and
    a context without some memories against the one with all. `seen` marks figures that something had a part in which
    was fitted on this set.
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
    without: NotRequired[str]
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
class Wanted:
    """What is measured besides how much is found.

    `context`: what contexts of several token budgets hold. `features`: the product without one group of features
    or one retriever. `ablate`: what a context holds when the best hits, or others, may not be used. `slips`: the
    product asked every question again with one word misspelt; these rows name the set `NAME+slips`.
    """

    context: bool = False
    features: bool = False
    ablate: bool = False
    slips: bool = False


PLAIN: Final = Wanted()


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
    reranker: str | None = None,
    json_path: Path | None = None,
    plots: Path | None = None,
    ks: Sequence[int] = KS,
    wanted: Wanted = PLAIN,
) -> list[Row]:
    """Rank, score and show each set, with progress on stderr.

    Args:
        data: the directory with the sets' files.
        sets: names of sets; all that are there when left out.
        embedder: for the product and for `vectors`, by the name `memstrata.open` takes; the built-in one when left
            out, whatever the environment says.
        reranker: for the product, by the name `memstrata.open` takes; none when left out, as above.
        json_path: where to write `{"rows": […], "sets": […]}`, after each set.
        plots: a directory to draw the curves into.
        ks: how many of the ranking count; 10 is always among them.
        wanted: what to measure besides; each takes minutes more.

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
            of_set = _of_set(dataset, embedding, reranker, ks, progress, wanted)
            if wanted.slips:
                of_set += _of_slips(slipped(dataset), embedding, reranker, ks, progress)
            rows += _marked(of_set) if dataset.seen and name == BUILTIN else of_set
            _save(rows, about, json_path)
    if plots is not None:
        plot(rows, plots)
    return rows


def methods(memory: Memstrata, embedder: Remembering, *, features: bool = False) -> list[Method]:
    """What is compared, in the order it is run and reported; with `features` also the product without a part."""
    return [Product(memory, ablation.versions(memory) if features else {}), Bm25(), Vectors(embedder), Fused()]


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
    dataset: Dataset,
    embedder: Remembering,
    reranker: str | None,
    ks: Sequence[int],
    progress: Progress,
    wanted: Wanted,
) -> list[Row]:
    deep = max(dataset.deep, *ks)
    with (
        TemporaryDirectory(prefix="memstrata-bench-") as directory,
        opened(directory, embedder=embedder, reranker=reranker) as memory,
    ):
        compared = methods(memory, embedder, features=wanted.features)
        tick = _bar(progress, dataset.name, len(compared) * len(dataset.corpora))
        found = [ranked(corpus, compared, deep=deep, tick=tick) for corpus in dataset.corpora]
        rows = scored(dataset, found, ks)
        if wanted.context and dataset.history:
            tick = _bar(progress, f"{dataset.name}, contexts", len(dataset.corpora))
            rows += curves(dataset, found, memory, tick=tick)
        if wanted.ablate and dataset.history:
            tick = _bar(progress, f"{dataset.name}, less hits", len(dataset.corpora))
            rows += evidence_left(dataset, memory, tick=tick)
    return rows


def _of_slips(
    dataset: Dataset, embedder: Remembering, reranker: str | None, ks: Sequence[int], progress: Progress
) -> list[Row]:
    """What the product finds for a set's misspelt questions."""
    with (
        TemporaryDirectory(prefix="memstrata-bench-") as directory,
        opened(directory, embedder=embedder, reranker=reranker) as memory,
    ):
        tick = _bar(progress, dataset.name, len(dataset.corpora))
        deep = max(dataset.deep, *ks)
        found = [ranked(corpus, [Product(memory)], deep=deep, tick=tick) for corpus in dataset.corpora]
    return scored(dataset, found, ks)


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
        found |= method.rankings(corpus, deep=deep, earlier=found)
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
    of_corpora = zip(dataset.corpora, found, strict=True)
    return np.array([one for corpus, by_method in of_corpora for one in scores(corpus, by_method[method], score, k)])


def _rows(
    name: str, metric: str, k: int, values: Mapping[str, NDArray[np.float64]], asked: Asked, *, headline: bool
) -> Iterator[Row]:
    for method, own in values.items():
        part = ablation.is_version(method)
        row = _row(name, method, metric, k, own, asked.clusters, headline=headline and not part)
        if part:
            row["lead"] = _lead(OURS, own - values[OURS], asked.clusters)
        elif headline and method != RIVAL and RIVAL in values:
            row["lead"] = _lead(RIVAL, own - values[RIVAL], asked.clusters)
        yield row


def _lead(over: str, ahead: NDArray[np.float64], clusters: NDArray[np.int64]) -> Lead:
    return Lead(over=over, value=_short(ahead.mean()), ci=interval(ahead, clusters))


def _by_category(
    name: str, metric: str, k: int, values: Mapping[str, NDArray[np.float64]], asked: Asked
) -> Iterator[Row]:
    for category in sorted({one for one in asked.categories if one}):
        mask = np.array([one == category for one in asked.categories])
        for method, own in values.items():
            if ablation.is_version(method):
                continue
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
    counts_as = corpus.counts_as
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
    if not question.answers:
        return frozenset()
    wanted = question.evidence
    evidence = {word for unit in units if unit.counts_as in wanted for word in words(unit.event.text)}
    return frozenset(evidence & set(words(" ".join(question.answers))) - set(words(question.text)))


def _given(context: Context) -> Given:
    return Given(
        tuple(str(passage.memory.key) for passage in context.passages),
        tuple(passage.text for passage in context.passages),
    )


def _said(wanted: frozenset[str], given: Given, question: Question, counts_as: Mapping[str, str]) -> float:
    """The share of the answer's words that the evidence in a context says; by chance elsewhere does not count."""
    gold = question.evidence
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


def evidence_left(dataset: Dataset, memory: Memstrata, *, tick: Tick = lambda: None) -> list[Row]:
    """The share of the evidence that a context holds when ten of the memories found may not be used.

    Where ranking is right, the first ten are missed most, those after them less, and ten of the first hundred drawn
    by lot hardly.
    """
    rng = np.random.default_rng(SEED)
    held: dict[str, list[float]] = {}
    for corpus in dataset.corpora:
        counts_as = corpus.counts_as
        user = f"less/{corpus.name}"
        for question in reached(memory, corpus, user_id=user):
            given = ablation.next_contexts(memory, question.text, budget=LESS_BUDGET, user_id=user, rng=rng)
            for without, keys in given.items():
                held.setdefault(without, []).append(_share(keys, question, counts_as))
        tick()
    clusters = _asked(dataset).clusters
    return [
        _left(dataset.name, without, np.array(shares), np.array(held["nothing"]), clusters)
        for without, shares in held.items()
    ]


def _left(
    name: str, without: str, shares: NDArray[np.float64], all_there: NDArray[np.float64], clusters: NDArray[np.int64]
) -> Row:
    row = _row(name, OURS, "evidence-left", None, shares, clusters, headline=False)
    row["tokens"] = LESS_BUDGET
    row["without"] = without
    if without != "nothing":
        row["lead"] = _lead(OURS, shares - all_there, clusters)
    return row


def _counter() -> Counter:
    from memstrata.providers.embedders.builtin import pieces  # late: it opens the vocabulary

    return WordPieceCounter(pieces())


# ── for people ──


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the figures of each set, of each category, and whatever else was measured."""
    compared = [row for row in rows if not ablation.is_version(row["method"])]
    for title, chosen_rows, lead in (
        ("Found", [row for row in compared if "category" not in row and _main(row)], False),
        (f"Ahead of {RIVAL}, on the same questions", [row for row in compared if _over(row) == RIVAL], True),
        ("By category", [row for row in compared if row.get("category") and row["k"] == HEADLINE_K], False),
        *((title, [row for row in rows if row["metric"] == metric], False) for metric, title in CONTEXTS.items()),
    ):
        if chosen_rows:
            console.print(_table(title, chosen_rows, lead=lead))
    parts = [row for row in rows if ablation.is_version(row["method"]) and _main(row)]
    if parts:
        console.print(_differences("What the product loses without a part", parts, "without"))
    left = [row for row in rows if row["metric"] == "evidence-left"]
    if left:
        console.print(_differences("Evidence in a context without some of the hits", left, "without hits"))


def _over(row: Row) -> str | None:
    return row["lead"]["over"] if "lead" in row else None


def _differences(title: str, rows: Sequence[Row], of: str) -> Table:
    """Lines of what is missing, with what is left of each figure and how far that is from the whole."""
    drawn = Table(title=title, caption="differences on the same questions, with 95 % intervals by bootstrap")
    for heading in ("set", "what", of):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("n", "left", "difference"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        missing = row["without"] if "without" in row else row["method"].removeprefix(ablation.version_name(""))
        shown = f"{_signed(row['lead'])}{'*' if 'seen' in row else ''}" if "lead" in row else ""
        drawn.add_row(row["set"], _what(row), missing, f"{row['n']:,}", f"{row['value']:.3f}", shown)
    return drawn


def _signed(lead: Lead) -> str:
    return f"{lead['value']:+.3f} [{lead['ci'][0]:+.3f}, {lead['ci'][1]:+.3f}]"


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
    parser.add_argument("--reranker", help="such as onnx:FOLDER; none when left out")
    parser.add_argument("--context", action="store_true", help="measure contexts of several token budgets too")
    parser.add_argument("--features", action="store_true", help="measure the product without each of its parts too")
    parser.add_argument("--ablate", action="store_true", help="measure contexts without the best hits too")
    parser.add_argument("--slips", action="store_true", help="ask again with one word of each question misspelt")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--plots", type=Path, help="draw the curves into this directory")
    asked = parser.parse_args()
    rows = run(
        data=asked.data,
        sets=asked.sets.split(",") if asked.sets else None,
        embedder=asked.embedder,
        reranker=asked.reranker,
        json_path=asked.json,
        plots=asked.plots,
        wanted=Wanted(context=asked.context, features=asked.features, ablate=asked.ablate, slips=asked.slips),
    )
    show(rows, Console())


if __name__ == "__main__":
    main()
