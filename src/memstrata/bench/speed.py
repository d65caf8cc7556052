"""Measure what each operation costs in stores of several sizes.

python -m memstrata.bench.speed --sizes 1000,10000 --json speed.json
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import memstrata
from memstrata.bench import report
from memstrata.bench.generate import conversation, language, questions
from memstrata.bench.measure import (
    OURS,
    Apart,
    Cost,
    Row,
    cost,
    directory_bytes,
    middle,
    opened,
    resident_mb,
    row,
    unmeasured,
)
from memstrata.bench.peers import PEERS, Peer
from memstrata.engine import Memstrata
from memstrata.types import Event, Receipt

SIZES: Final = (1_000, 10_000, 100_000)
USER: Final = "bench"
OTHER_USER: Final = "small"
OTHER_SIZE: Final = 1_000
PEER_BATCH: Final = 1_000
PEERS_UPTO: Final = 100_000  # memories; beyond it they take hours
SEARCHES: Final = 200
CONTEXTS: Final = 50
REPEATED: Final = 100  # of the queries just asked: what the lookaside still holds
ADDS: Final = 200
OPENINGS: Final = 5
WARM: Final = 10  # first calls that are not counted
TOKENS: Final = 2_000
SAMPLED: Final = 1_000  # texts that questions are made from
UPKEEP_S: Final = 3_600.0  # for all that adding left to be resolved
SEED: Final = 1
GROWING: Final = ("search", "context", "add")

Item = TypeVar("Item")
Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Fill:
    """A store filled: what it took, and texts that are in it."""

    cost: Cost
    total_cpu_ms: float
    total_wall_ms: float
    texts: Sequence[str]


def run(
    *, sizes: Sequence[int] = SIZES, peers: bool = False, json_path: Path | None = None, plots: Path | None = None
) -> list[Row]:
    """Measure stores of these sizes, one after the other, with progress on stderr.

    Args:
        sizes: memories of one user.
        peers: measure other stores too, where they are installed and the size is at most `PEERS_UPTO`.
        json_path: where to write `{"rows": […]}`, after each size and at the end.
        plots: a directory to draw the costs into.

    Raises:
        MissingExtra: plots are wanted and matplotlib is not there.
    """
    if plots is not None:
        report.check_plots()
    rows = [_reference()]
    with _progress() as progress, TemporaryDirectory(prefix="memstrata-bench-") as scratch:
        for size in sorted(set(sizes)):
            rows += _ours(size, Path(scratch) / str(size), progress)
            rows += _peers(size, Path(scratch) / f"{size}-peers", progress) if peers else []
            _save(rows, json_path)
    rows += _growth(rows)
    _save(rows, json_path)
    if plots is not None:
        report.plot(rows, plots)
    return rows


# ── ours ──


def _ours(size: int, directory: Path, progress: Progress) -> list[Row]:
    stream = conversation(seed=SEED)
    with opened(directory) as memory:
        fill = _filled(memory, islice(stream, size), size, _bar(progress, f"bulk_add {size:,}", size))
        bytes_per_memory = round(directory_bytes(directory) / size, 1)
        memory.add_many(islice(conversation(seed=SEED + 1), OTHER_SIZE), user_id=OTHER_USER)
        settled = cost(memory.upkeep, [UPKEEP_S])
    asked = questions(fill.texts, SEARCHES + WARM, seed=SEED)
    resolved = row("upkeep_of_one", OURS, size, _each(settled, [size + OTHER_SIZE]))
    rows = [_bulk_row(size, fill, bytes_per_memory), resolved, _open_row(size, directory, asked[:OPENINGS], progress)]
    rss_mb = None
    with opened(directory) as memory:
        for name, call, inputs in _operations(memory, asked, stream):
            found = cost(call, _ticked(inputs, _bar(progress, f"{name} {size:,}", len(inputs))), warm=WARM)
            rss_mb = resident_mb()
            rows.append(row(name, OURS, size, found, rss_mb=rss_mb, bytes_per_memory=bytes_per_memory))
    return rows


def _operations(
    memory: Memstrata, asked: Sequence[str], stream: Iterator[Event]
) -> list[tuple[str, Callable[[Any], object], Sequence[object]]]:  # Any: a question or an event
    """What is measured in an open store, in the order it is done."""
    small = [event.text for event in islice(conversation(seed=SEED + 1), OTHER_SIZE)]
    turns = list(islice(stream, 2 * (ADDS + WARM)))
    search = partial(memory.search, user_id=USER)
    return [
        ("search", search, asked),
        ("search_again", search, asked[-REPEATED:]),
        ("context", partial(memory.context, budget=TOKENS, user_id=USER), asked[: CONTEXTS + WARM]),
        ("search_small_space", partial(memory.search, user_id=OTHER_USER), questions(small, len(asked), seed=SEED)),
        ("add", partial(memory.add, user_id=USER), turns[: ADDS + WARM]),
        ("add_then_search", lambda turn: (memory.add(turn, user_id=USER), search(turn.text[:80])), turns[-ADDS:]),
    ]


def _filled(memory: Memstrata, events: Iterable[Event], size: int, tick: Tick) -> Fill:
    """Put the events in by `add_many`, and leave out of the account what making them up took."""
    language()  # made once, before the clock runs
    apart = Apart()
    laps: list[tuple[float, float]] = []
    batch: list[int] = []
    kept: list[str] = []
    step = max(1, size // SAMPLED)

    def sampled() -> Iterator[Event]:
        for place, event in enumerate(events):
            if place % step == 0:
                kept.append(event.text)
            yield event

    def lap(receipt: Receipt | None = None) -> None:
        if receipt is not None:
            batch.append(len(receipt.ids))
            tick(len(receipt.ids))
        spent = _spent()
        laps.append((spent[0] - apart.cpu_ms, spent[1] - apart.wall_ms))

    lap()
    memory.add_many(apart.of(sampled()), user_id=USER, on_batch=lap)
    lap()
    steps = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(laps)]
    batches = Cost(tuple(cpu for cpu, _ in steps[:-1]), tuple(wall for _, wall in steps[:-1]))
    return Fill(_each(batches, batch), laps[-1][0] - laps[0][0], laps[-1][1] - laps[0][1], kept)


def _each(batches: Cost, counts: Sequence[int]) -> Cost:
    """What each turn of a batch took."""
    cpu = tuple(ms / count for ms, count in zip(batches.cpu_ms, counts, strict=True))
    return Cost(cpu, tuple(ms / count for ms, count in zip(batches.wall_ms, counts, strict=True)))


def _spent() -> tuple[float, float]:
    return time.process_time_ns() / 1e6, time.perf_counter_ns() / 1e6


def _bulk_row(size: int, fill: Fill, bytes_per_memory: float) -> Row:
    """Per turn; the rates include the last step, laying out the vectors for later searches."""
    found = row("bulk_add", OURS, size, fill.cost, rss_mb=resident_mb(), bytes_per_memory=bytes_per_memory)
    found["per_second"] = round(size / fill.total_wall_ms * 1e3, 1)
    found["per_cpu_second"] = round(size / fill.total_cpu_ms * 1e3, 1)
    return found


def _open_row(size: int, directory: Path, asked: Sequence[str], progress: Progress) -> Row:
    """Open and search once in processes of their own; the files are in the page cache."""
    tick = _bar(progress, f"open {size:,}", len(asked))
    runs: list[dict[str, Any]] = []  # Any: JSON
    walls: list[float] = []
    for question in asked:
        started = _spent()[1]
        command = [sys.executable, "-m", "memstrata.bench.fresh", str(directory), USER, question]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
        walls.append(_spent()[1] - started)
        runs.append(json.loads(done.stdout))
        tick(1)
    opened = Cost(tuple(one["open"]["cpu_ms"] for one in runs), tuple(one["open"]["wall_ms"] for one in runs))
    found = row("open", OURS, size, opened, rss_mb=runs[-1]["rss_mb"])
    found["import_ms_p50"] = round(middle(one["import"]["wall_ms"] for one in runs), 2)
    found["first_search_wall_ms_p50"] = round(middle(one["first_search"]["wall_ms"] for one in runs), 2)
    found["first_search_cpu_ms_p50"] = round(middle(one["first_search"]["cpu_ms"] for one in runs), 2)
    found["process_wall_ms_p50"] = round(middle(walls), 2)
    return found


# ── others ──


def _peers(size: int, directory: Path, progress: Progress) -> list[Row]:
    rows: list[Row] = []
    for engine, (package, make) in PEERS.items():
        if size > PEERS_UPTO:
            rows.append(unmeasured("search", engine, size, f"measured up to {PEERS_UPTO:,} memories only"))
            continue
        try:
            peer = make(directory / engine)
        except ImportError:
            rows.append(unmeasured("search", engine, size, f"not installed: pip install {package}"))
            continue
        try:
            rows += _peer_rows(engine, size, peer, directory / engine, progress)
        finally:
            peer.close()
    return rows


def _peer_rows(engine: str, size: int, peer: Peer, directory: Path, progress: Progress) -> list[Row]:
    stream = conversation(seed=SEED)
    events = list(islice(stream, size))
    asked = questions([event.text for event in events[:: max(1, size // SAMPLED)]], SEARCHES + WARM, seed=SEED)
    batches = [events[start : start + PEER_BATCH] for start in range(0, size, PEER_BATCH)]
    tick = _bar(progress, f"{engine} bulk_add {size:,}", len(batches))
    filled = cost(peer.add_many, _ticked(batches, tick))
    each = _each(filled, [len(batch) for batch in batches])
    bulk = row("bulk_add", engine, size, each)
    bulk["bytes_per_memory"] = round(directory_bytes(directory) / size, 1)
    rows = [bulk]
    for name, search in peer.searches.items():
        ticked = _ticked(asked, _bar(progress, f"{engine} {name} {size:,}", len(asked)))
        rows.append(row(name, engine, size, cost(search, ticked, warm=WARM)))
    turns = list(islice(stream, CONTEXTS + WARM))
    rows.append(row("add", engine, size, cost(peer.add, turns, warm=WARM)))
    for one in rows:
        one["note"] = peer.note
    return rows


# ── the machine, and what the rows say together ──


def _reference() -> Row:
    """A fixed piece of work, by which the figures of two machines compare."""
    matrix = np.random.default_rng(0).standard_normal((512, 512)).astype(np.float32)
    found = row("reference", "numpy", 512, cost(lambda _: matrix @ matrix, range(60), warm=WARM))
    versions = f"memstrata {memstrata.__version__}, Python {platform.python_version()}, numpy {np.__version__}"
    found["note"] = f"512x512 float32 product; {versions}, {platform.machine()}"
    return found


def _growth(rows: Sequence[Row]) -> list[Row]:
    """The slope of cost over size, both as logarithms: 0 is constant, 1 is linear."""
    found: list[Row] = []
    for name in GROWING:
        points = [(one["size"], one["cpu_ms_p50"]) for one in rows if (one["name"], one["engine"]) == (name, OURS)]
        costs = [(size, ms) for size, ms in points if ms]
        if len(costs) < 2:
            continue
        slope = float(np.polyfit(np.log([size for size, _ in costs]), np.log([ms for _, ms in costs]), 1)[0])
        grown = unmeasured("growth", OURS, costs[-1][0], f"CPU time of {name} grows as size to this power")
        grown["of"] = name
        grown["exponent"] = round(slope, 3)
        found.append(grown)
    return found


def _save(rows: Sequence[Row], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


# ── progress ──


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _bar(progress: Progress, what: str, total: int) -> Tick:
    """A bar for one piece of work; what comes back moves it on."""
    task = progress.add_task(what, total=total)
    return lambda count: progress.advance(task, count)


def _ticked(items: Iterable[Item], tick: Tick) -> Iterator[Item]:
    for item in items:
        yield item
        tick(1)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="memories of one user, such as 1000,10000")
    parser.add_argument("--peers", action="store_true", help="measure other installed stores too")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--plots", type=Path, help="draw the costs into this directory")
    asked = parser.parse_args()
    sizes = [int(size) for size in asked.sizes.split(",")]
    rows = run(sizes=sizes, peers=asked.peers, json_path=asked.json, plots=asked.plots)
    report.show(rows, Console())


if __name__ == "__main__":
    main()
