"""Turn repeated calls into one row of figures: CPU and wall time, middle and tail.

CPU time (of all threads of this process) is the figure to compare: unlike wall time it hardly moves when the
machine is busy with something else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NotRequired, TypedDict, TypeVar

import numpy as np

from memstrata.engine import Memstrata
from memstrata.providers.embedders import Embedder
from memstrata.wiring import open_memory

OURS: Final = "memstrata"

Input = TypeVar("Input")
Item = TypeVar("Item")


class Row(TypedDict):
    """One figure: what was done, by which engine, to a store of how many memories.

    `cpu_ms_p50`, `wall_ms_p50` and `wall_ms_p95` are for one repetition, of which there were `n`. The two rates are
    of the whole: by the clock, and by CPU time.
    """

    name: str
    engine: str
    size: int
    n: int
    cpu_ms_p50: float | None
    wall_ms_p50: float | None
    wall_ms_p95: float | None
    per_second: float | None
    per_cpu_second: float | None
    rss_mb: float | None
    bytes_per_memory: float | None
    note: NotRequired[str]
    import_ms_p50: NotRequired[float]
    first_search_wall_ms_p50: NotRequired[float]
    first_search_cpu_ms_p50: NotRequired[float]
    process_wall_ms_p50: NotRequired[float]
    of: NotRequired[str]
    exponent: NotRequired[float]


def opened(directory: str | Path, *, embedder: Embedder | str = "builtin", reranker: str | None = None) -> Memstrata:
    """A memory that searches with what ships, or with what is named here, whatever the environment says."""
    return open_memory(
        directory, embedder=embedder, counter="wordpiece", retrievers=(), ranker="linear",
        reranker=reranker or "none",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """What each repetition took."""

    cpu_ms: tuple[float, ...]
    wall_ms: tuple[float, ...]


def cost(call: Callable[[Input], object], inputs: Iterable[Input], *, warm: int = 0) -> Cost:
    """Call once for each input, and note what it took; the first `warm` are called and not counted."""
    cpu: list[float] = []
    wall: list[float] = []
    for one in inputs:
        started, spent = time.perf_counter_ns(), time.process_time_ns()
        call(one)
        cpu.append((time.process_time_ns() - spent) / 1e6)
        wall.append((time.perf_counter_ns() - started) / 1e6)
    return Cost(tuple(cpu[warm:]), tuple(wall[warm:]))


class Apart:
    """Hands through what a generator makes, and keeps count of the time the making took."""

    def __init__(self) -> None:
        self.cpu_ms = 0.0
        self.wall_ms = 0.0

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items themselves."""
        made = iter(items)
        while True:
            started, spent = time.perf_counter_ns(), time.process_time_ns()
            try:
                item = next(made)
            except StopIteration:
                return
            finally:
                self.cpu_ms += (time.process_time_ns() - spent) / 1e6
                self.wall_ms += (time.perf_counter_ns() - started) / 1e6
            yield item


def row(
    name: str,
    engine: str,
    size: int,
    found: Cost,
    *,
    rss_mb: float | None = None,
    bytes_per_memory: float | None = None,
) -> Row:
    """The figures of one operation."""
    n = len(found.cpu_ms)
    return Row(
        name=name,
        engine=engine,
        size=size,
        n=n,
        cpu_ms_p50=round(middle(found.cpu_ms), 4),
        wall_ms_p50=round(middle(found.wall_ms), 4),
        wall_ms_p95=round(float(np.percentile(found.wall_ms, 95)), 4),
        per_second=round(n / (sum(found.wall_ms) or 1e-6) * 1e3, 1),
        per_cpu_second=round(n / (sum(found.cpu_ms) or 1e-6) * 1e3, 1),
        rss_mb=rss_mb,
        bytes_per_memory=bytes_per_memory,
    )


def unmeasured(name: str, engine: str, size: int, note: str) -> Row:
    """A row that says why there are no figures."""
    return Row(
        name=name, engine=engine, size=size, n=0, cpu_ms_p50=None, wall_ms_p50=None, wall_ms_p95=None,
        per_second=None, per_cpu_second=None, rss_mb=None, bytes_per_memory=None, note=note,
    )  # fmt: skip


def middle(values: Iterable[float]) -> float:
    """The median."""
    return float(np.median(list(values)))


def resident_mb() -> float | None:
    """Memory of this process in MB; None where psutil is not installed."""
    try:
        import psutil
    except ImportError:
        return None
    return round(float(psutil.Process().memory_info().rss) / 1e6, 1)


def directory_bytes(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
