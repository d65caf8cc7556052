"""Turn rows of figures into tables and plots, and hold them against what we promise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from memstrata.bench.measure import OURS, Row
from memstrata.errors import MissingExtra

PLOTTED: Final = ("search", "context", "add", "bulk_add")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One promise, the figure, and whether it is kept."""

    promise: str
    figure: str
    met: bool


def show(rows: Sequence[Row], console: Console) -> None:
    """Print everything that a person compares; the JSON file has more."""
    console.print(table(rows))
    for row in rows:
        if row["n"] == 0 and row["name"] != "growth":
            console.print(f"{row['engine']} at {row['size']:,}: {row.get('note', 'not measured')}")
        if row["name"] == "bulk_add" and row["bytes_per_memory"] is not None:
            console.print(f"{row['engine']} at {row['size']:,}: {row['bytes_per_memory']:,.0f} bytes on disk a memory")
        if row["name"] == "growth":
            console.print(f"CPU time of {row['of']} grows as size^{row['exponent']}")
    for verdict in verdicts(rows):
        console.print(f"{'met   ' if verdict.met else 'missed'}  {verdict.promise}: {verdict.figure}")


def table(rows: Sequence[Row]) -> Table:
    """The figures by operation; CPU time is the one to compare."""
    drawn = Table(box=SIMPLE, caption="CPU time of all threads; wall time depends on what else the machine does")
    for heading in ("operation", "engine"):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("memories", "CPU ms", "wall ms", "p95", "per CPU s"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if row["n"] == 0:
            continue
        figures = [_number(value, 2) for value in (row["cpu_ms_p50"], row["wall_ms_p50"], row["wall_ms_p95"])]
        drawn.add_row(row["name"], row["engine"], f"{row['size']:,}", *figures, _number(row["per_cpu_second"], 0))
        if row["name"] == "open":
            drawn.add_row(*_first_search(row))
    return drawn


def _first_search(row: Row) -> list[str]:
    """The second half of an opening as a line of its own."""
    figures = [_number(row["first_search_cpu_ms_p50"], 2), _number(row["first_search_wall_ms_p50"], 2)]
    return ["  first search", row["engine"], f"{row['size']:,}", *figures]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """The promises that these rows can be held against."""
    by_name = {(row["name"], row["engine"], row["size"]): row for row in rows}
    return list(_verdicts(by_name))


def _verdicts(rows: dict[tuple[str, str, int], Row]) -> Iterator[Verdict]:
    for size, limit in ((100_000, 15.0), (1_000_000, 50.0)):
        cpu = _cpu(rows, "search", OURS, size)
        if cpu is not None:
            yield Verdict(f"search among {size:,} under {limit:g} ms CPU", f"{cpu:.2f} ms", cpu < limit)
    for (name, engine, size), row in rows.items():
        if engine == OURS and name == "add" and row["cpu_ms_p50"] is not None:
            cpu = row["cpu_ms_p50"]
            yield Verdict(f"durable add at {size:,} under 1.5 ms CPU", f"{cpu:.2f} ms", cpu < 1.5)
        if engine == OURS and name == "bulk_add" and row["per_cpu_second"] is not None:
            rate = row["per_cpu_second"]
            yield Verdict(f"bulk add to {size:,} at 3,000 turns/s of CPU", f"{rate:,.0f}", rate >= 3_000)
    opened = rows.get(("open", OURS, 100_000))
    if opened is not None:
        wall = (opened["wall_ms_p50"] or 0.0) + opened["first_search_wall_ms_p50"]
        yield Verdict("open and first search at 100,000 within 100 ms", f"{wall:.1f} ms", wall <= 100)
    ours = _cpu(rows, "search", OURS, 100_000)
    for name, told in (("search_filtered", "chromadb filtered by user"), ("search", "chromadb, one user a collection")):
        theirs = _cpu(rows, name, "chromadb", 100_000)
        if ours and theirs:
            times = theirs / ours
            yield Verdict(f"search at 100,000 ten times faster than {told}", f"{times:.1f} times", times >= 10)


def _cpu(rows: dict[tuple[str, str, int], Row], name: str, engine: str, size: int) -> float | None:
    row = rows.get((name, engine, size))
    return None if row is None else row["cpu_ms_p50"]


def check_plots() -> None:
    """See that plots can be drawn, before hours are spent on the figures.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import_module("matplotlib")
    except ImportError as exc:
        raise MissingExtra("plots", "bench") from exc


def plot(rows: Sequence[Row], directory: Path) -> list[Path]:
    """Draw CPU time over size, one SVG for each operation, a line for each engine."""
    check_plots()
    from matplotlib.figure import Figure

    directory.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name in PLOTTED:
        figure: Any = Figure(figsize=(6, 4), layout="constrained")  # Any: matplotlib is optional
        axes = figure.add_subplot(xscale="log", yscale="log", xlabel="memories", ylabel="CPU ms, median", title=name)
        for engine in dict.fromkeys(row["engine"] for row in rows):
            points = [
                (row["size"], row["cpu_ms_p50"]) for row in rows if (row["name"], row["engine"]) == (name, engine)
            ]
            points = [(size, ms) for size, ms in points if ms is not None]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", label=engine)
        axes.grid(visible=True, which="both", alpha=0.3)
        if axes.lines:
            axes.legend()
        drawn.append(directory / f"{name}.svg")
        figure.savefig(drawn[-1])
    return drawn
