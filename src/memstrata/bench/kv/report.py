"""Draw recall against bytes, and print the same as a table with the promises it can be held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from memstrata.bench.kv.score import Row
from memstrata.bench.report import Verdict, check_plots

TASKS: Final = ("recall", "multiturn", "dialogue")
FAMILIES: Final = {"memstrata": "-", "memstrata-bounded": "--", "kvpress": ":"}  # and how its lines are drawn
AXES: Final = {"bytes": "KB kept of a text", "peak_bytes": "KB at the peak"}
NAMED: Final = 4  # of a family, the best; the others are drawn in grey


def plot(rows: Sequence[Row], path: Path) -> None:
    """One picture: the tasks side by side, above by the bytes that are kept and below by the most ever held.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    check_plots()
    from matplotlib.figure import Figure  # late: an optional package

    figure: Any = Figure(figsize=(13, 8), layout="constrained")  # Any: matplotlib is optional
    grid = figure.subplots(len(AXES), len(TASKS), sharey=True, squeeze=False)
    colours = _colours(rows)
    shown: dict[str, Any] = {}  # Any: as above
    for line, (column, what) in zip(grid, AXES.items(), strict=True):
        line[0].set_ylabel("recall")
        for axes, task in zip(line, TASKS, strict=True):
            _panel(axes, [row for row in rows if row["name"] == task and row["accuracy"] is not None], column, colours)
            axes.set(title=task, xlabel=what, ylim=(-0.02, 1.02), xlim=(0, None))
            axes.grid(visible=True, alpha=0.3)
            lines, names = axes.get_legend_handles_labels()
            shown |= dict(zip(names, lines, strict=True))
    names = sorted(shown)
    figure.legend([shown[name] for name in names], names, loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=80)


def _panel(axes: Any, rows: Sequence[Row], column: str, colours: dict[str, str]) -> None:  # Any: as above
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        points = sorted((row[column] / 1e3, row["accuracy"]) for row in own)  # type: ignore[literal-required]  # one of two columns
        family = method.partition("/")[0]
        if family not in FAMILIES:
            axes.plot(*zip(*points, strict=True), "k*" if method == "full" else "kx", label=method)
        elif method in colours:
            axes.plot(*zip(*points, strict=True), FAMILIES[family], marker=".", color=colours[method], label=method)
        else:
            axes.plot(*zip(*points, strict=True), FAMILIES[family], color="0.8", zorder=0)


def _colours(rows: Sequence[Row]) -> dict[str, str]:
    """A colour for each of the best methods of a family; a policy keeps its colour when its peak is bounded."""
    named = [method for family in FAMILIES for method in best_of(rows, family)[:NAMED]]
    parts = list(dict.fromkeys(method.partition("/")[2] for method in named))
    return {method: f"C{parts.index(method.partition('/')[2]) % 10}" for method in named}


def best_of(rows: Sequence[Row], family: str) -> list[str]:
    """The methods of a family, those first that recall most in single questions over all ratios."""
    sums: dict[str, float] = {}
    for row in rows:
        if row["name"] == "recall" and row["method"].startswith(f"{family}/") and row["accuracy"] is not None:
            sums[row["method"]] = sums.get(row["method"], 0.0) + row["accuracy"]
    return sorted(sums, key=lambda method: -sums[method])


def show(rows: Sequence[Row], console: Console) -> None:
    """Print what a person compares, and the promises; the JSON file has more."""
    console.print(table([row for row in rows if row["name"] in TASKS]))
    console.print(costs([row for row in rows if row["name"] not in TASKS]))
    for row in rows:
        if "note" in row:
            told = f"{row['name']}, {row['method']} {row['ratio']:g}: {row['note']}"
            console.print(told, markup=False, soft_wrap=True)
    for verdict in verdicts(rows):
        console.print(f"{'met   ' if verdict.met else 'missed'}  {verdict.promise}: {verdict.figure}", markup=False)


def table(rows: Sequence[Row]) -> Table:
    """What is recalled: a line for each task, method and ratio."""
    said = "ratio is the share of tokens that goes; bytes and milliseconds are of one text, or answer"
    drawn = _table("task method", "ratio", "recall", "95 %", "KB", "peak", "of full", "read", "answer", caption=said)
    for row in rows:
        if row["accuracy"] is None or row["ci"] is None:
            continue
        share = row["peak_bytes"] / row["full_bytes"] if row["peak_bytes"] and row["full_bytes"] else None
        drawn.add_row(
            row["name"], row["method"], f"{row['ratio']:g}", f"{row['accuracy']:.3f}",
            "–".join(f"{end:.2f}" for end in row["ci"]), _number(row["bytes"], 1e-3), _number(row["peak_bytes"], 1e-3),
            _number(share, 1, digits=2), _number(row["prefill_s"], 1e3), _number(row["decode_s"], 1e3, digits=1),
        )  # fmt: skip
    return drawn


def costs(rows: Sequence[Row]) -> Table:
    """What it takes to be ready to go on: a line for each way, with how many of what was tried came out."""
    drawn = _table("what method", "ratio", "KB", "peak", "ready ms", "token ms", "tried", "accepted")
    for row in rows:
        drawn.add_row(
            row["name"], row["method"], f"{row['ratio']:g}", _number(row["bytes"], 1e-3),
            _number(row["peak_bytes"], 1e-3), _number(row["prefill_s"], 1e3), _number(row["decode_s"], 1e3, digits=1),
            f"{row['tried']:,}", f"{row['accepted']:,}",
        )  # fmt: skip
    return drawn


def _table(names: str, *numbers: str, caption: str | None = None) -> Table:
    drawn = Table(box=SIMPLE, caption=caption)
    for heading in names.split():
        drawn.add_column(heading, no_wrap=True)
    for heading in numbers:
        drawn.add_column(heading, justify="right", no_wrap=True)
    return drawn


def _number(value: float | None, times: float, *, digits: int = 0) -> str:
    return "" if value is None else f"{value * times:,.{digits}f}"


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """The promises that these rows can be held against; those on presses only where presses were run."""
    return [*_beside_presses(rows), *_bounded(rows), *_later(rows), *_resumed(rows), *_refused(rows)]


def _beside_presses(rows: Sequence[Row]) -> Iterator[Verdict]:
    for family, below, ratios in (("memstrata", 0.02, (0.5, 0.75, 0.9)), ("memstrata-bounded", 0.05, (0.5, 0.75))):
        for ratio in ratios:
            ours, theirs = (_most(rows, "recall", one, ratio) for one in (family, "kvpress"))
            if ours is not None and theirs is not None:
                told = f"{ours['method']} {ours['accuracy']}, {theirs['method']} {theirs['accuracy']}"
                met = _accuracy(ours) >= _accuracy(theirs) - below
                yield Verdict(f"{family} at {ratio:g} within {below:g} of the best press", told, met)


def _bounded(rows: Sequence[Row]) -> Iterator[Verdict]:
    own = [row for row in rows if row["name"] in TASKS and row["method"].startswith("memstrata-bounded/")]
    peaks = [row["peak_bytes"] / row["full_bytes"] for row in own if row["peak_bytes"] and row["full_bytes"]]
    if peaks:
        yield Verdict("a bounded peak within .4 of the full prompt", f"{max(peaks):.3f} at most", max(peaks) <= 0.4)


def _later(rows: Sequence[Row]) -> Iterator[Verdict]:
    ours, full = _most(rows, "multiturn", "memstrata", 0.75), _most(rows, "multiturn", "full", 0.0)
    if ours is not None and full is not None:
        share = _accuracy(ours) / max(_accuracy(full), 1e-9)
        told = f"{ours['method']} {share:.3f}"
        yield Verdict("a later question at .75 at least .9 of the full cache", told, share >= 0.9)


def _resumed(rows: Sequence[Row]) -> Iterator[Verdict]:
    own = [row for row in rows if row["name"] == "resume"]
    anew = next((row["prefill_s"] for row in own if row["method"] == "full"), None)
    brought = [row["prefill_s"] for row in own if row["method"] != "full" and row["ratio"] == 0 and row["prefill_s"]]
    if anew is not None and brought:
        times = anew / max(brought)
        yield Verdict("a cache brought back 20 times faster than computed", f"{times:.1f} times", times >= 20)
        same = min(row["accepted"] / row["tried"] for row in own)
        yield Verdict("another process goes on to the bit", f"{same:.3f} of the tokens", same == 1)


def _refused(rows: Sequence[Row]) -> Iterator[Verdict]:
    own = [row for row in rows if row["name"] == "container"]
    if own:
        tried, accepted = sum(row["tried"] for row in own), sum(row["accepted"] for row in own)
        yield Verdict("no container that is not the one asked for is taken", f"{accepted} of {tried:,}", accepted == 0)


def _accuracy(row: Row) -> float:
    return 0.0 if row["accuracy"] is None else row["accuracy"]


def _most(rows: Sequence[Row], name: str, family: str, ratio: float) -> Row | None:
    """The best row of a family in one task at one ratio."""
    own = [
        row
        for row in rows
        if (row["name"], row["ratio"]) == (name, ratio) and row["method"].partition("/")[0] == family
    ]
    return max((row for row in own if row["accuracy"] is not None), key=_accuracy, default=None)
