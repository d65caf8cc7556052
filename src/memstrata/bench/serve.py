"""Measure the server as its clients have it: requests a second, how soon a change is heard, and what it grows by.

python -m memstrata.bench.serve --json serve.json [--sizes 1000,100000] [--seconds 10] [--requests 50000]

The server runs in a process of its own, and the clients in threads of this one: on a machine with few cores they take
part of what they measure. Times are by the wall clock.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypedDict

import numpy as np
import psutil
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from memstrata.bench.generate import conversation, questions
from memstrata.bench.measure import opened
from memstrata.bench.servers import TIMEOUT_S, Client, serving
from memstrata.clock import SystemClock, micros
from memstrata.types import Event

USER: Final = "bench"
CLIENTS: Final = (1, 8, 32)
SUBSCRIBERS: Final = 10
WRITES_A_SECOND: Final = 200
WRITERS: Final = 4  # who write so often together
REQUESTS: Final = 2_000  # over which growth is looked at, where nothing else is said
ROUND: Final = 10  # requests, of which one adds and one asks what was never asked, while growth is looked at
USUAL: Final = 100  # questions that the others ask again and again
BEFORE_KILL: Final = 500  # additions that are acknowledged before the server is killed, with others under way
QUESTIONS: Final = 500
SEED: Final = 7
HEADINGS: Final = (
    "what", "memories", "clients", "n", "a second", "cpu ms", "p50 ms", "p99 ms", "MB before", "MB after", "lost"
)  # fmt: skip


class Row(TypedDict):
    """One figure: of `n` requests, changes heard or requests served, with so many clients, at so many memories.

    `add` and `search` have requests a second and milliseconds; `notice` milliseconds from the moment that the server
    stamps on a change to a subscriber that has it; `cpu_ms` is what the server computed for each, which other programs
    on the machine change little; `growth` megabytes of the server before and after; `killed` how many of the `n`
    additions that were acknowledged are gone after the server was killed and started again.
    """

    name: str
    size: int
    clients: int
    n: int
    per_second: float | None
    cpu_ms: float | None
    ms_p50: float | None
    ms_p99: float | None
    before_mb: float | None
    after_mb: float | None
    lost: int | None


def run(*, sizes: Sequence[int], seconds: float, requests: int = REQUESTS, json_path: Path | None = None) -> list[Row]:
    """All figures, each bounded by so many seconds, and that of growth by so many requests."""
    rows: list[Row] = []
    for size in sizes:
        with TemporaryDirectory(prefix="memstrata-bench-") as folder:
            asked = _filled(Path(folder), size)
            with serving(Path(folder)) as (url, running):
                process = psutil.Process(running.pid)
                rows += _requests(url, size, asked, process, seconds)
                rows.append(_notices(url, size, process, seconds))
                rows.append(_growth(url, size, asked, process, requests))
            rows.append(_killed(Path(folder), size))
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the figures."""
    drawn = Table(box=SIMPLE, caption="wall time; clients run beside the server")
    for heading in HEADINGS:
        drawn.add_column(heading, justify="left" if heading == "what" else "right")
    for row in rows:
        figures = (row["per_second"], row["cpu_ms"], row["ms_p50"], row["ms_p99"], row["before_mb"], row["after_mb"])
        shown = ["" if one is None else f"{one:,.1f}" for one in figures]
        lost = "" if row["lost"] is None else str(row["lost"])
        drawn.add_row(row["name"], f"{row['size']:,}", str(row["clients"]), f"{row['n']:,}", *shown, lost)
    console.print(drawn)


# ── the server ──


def _filled(home: Path, size: int) -> list[str]:
    """Fill a store, and return questions about what is in it."""
    texts: list[str] = []

    def events() -> Iterator[Event]:
        for _, event in zip(range(size), conversation(seed=SEED), strict=False):
            if len(texts) < 10 * QUESTIONS:
                texts.append(event.text)
            yield event

    with opened(home) as memory:
        memory.add_many(events(), user_id=USER)
        memory.upkeep(60.0)
    return questions(texts, QUESTIONS, seed=SEED)


# ── figures ──


def _requests(url: str, size: int, asked: Sequence[str], process: psutil.Process, seconds: float) -> Iterator[Row]:
    for clients in CLIENTS:
        works: dict[str, Callable[[Client, int], object]] = {
            "search": lambda one, n: one.post("/v1/search", {"query": f"{asked[n % len(asked)]} {n}", "user_id": USER}),
            "add": lambda one, n: one.post("/v1/memories", {"content": f"note {n} of the bench", "user_id": "writer"}),
        }
        for name, work in works.items():
            before = _computed(process)
            took, wall = _hammered(url, clients, work, seconds)
            cpu_ms = (_computed(process) - before) / len(took)
            low, high = np.percentile(took, [50, 99])
            yield _row(
                name, size, clients, len(took), per_second=len(took) / wall, cpu_ms=cpu_ms, ms_p50=low, ms_p99=high
            )  # fmt: skip


def _computed(process: psutil.Process) -> float:
    """Milliseconds of CPU that a process has had."""
    times = process.cpu_times()
    return float(times.user + times.system) * 1e3


def _hammered(
    url: str, clients: int, work: Callable[[Client, int], object], seconds: float, *, most: int | None = None
) -> tuple[list[float], float]:
    """Milliseconds of each request that so many clients make one after the other, and how long it all took."""
    until = time.perf_counter() + seconds
    share = None if most is None else most // clients

    def worked(place: int) -> list[float]:
        client, took = Client(url), list[float]()
        try:
            while time.perf_counter() < until and (share is None or len(took) < share):
                before = time.perf_counter()
                work(client, place * 1_000_003 + len(took))
                took.append((time.perf_counter() - before) * 1e3)
        finally:
            client.close()
        return took

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        took = [one for each in pool.map(worked, range(clients)) for one in each]
    return took, time.perf_counter() - started


def _notices(url: str, size: int, process: psutil.Process, seconds: float) -> Row:
    """How soon subscribers have a change, while some write at a steady pace; CPU is for each change, told to all."""
    clock = SystemClock()
    heard: list[float] = []
    ready = threading.Barrier(SUBSCRIBERS + 1)
    count = max(1, round(seconds * WRITES_A_SECOND))

    def listened() -> list[float]:
        client, late = Client(url), list[float]()
        for line in client.stream(f"/v1/stream?user_id={USER}-notices"):
            if line == "event: position":
                ready.wait(TIMEOUT_S)
            elif line.startswith("data: ") and '"memory_id"' in line:
                stamped = micros(datetime.fromisoformat(json.loads(line[6:])["at"]))
                late.append((clock.now() - stamped) / 1e3)
                if len(late) == count:
                    break
        client.close()
        return late

    with ThreadPoolExecutor(SUBSCRIBERS) as pool:
        waiting = [pool.submit(listened) for _ in range(SUBSCRIBERS)]
        ready.wait(TIMEOUT_S)
        before = _computed(process)
        wall = _written(url, count)
        for one in waiting:
            heard += one.result(TIMEOUT_S)
    cpu_ms = (_computed(process) - before) / count
    low, high = np.percentile(heard, [50, 99])
    return _row(
        "notice", size, SUBSCRIBERS, len(heard), per_second=count / wall, cpu_ms=cpu_ms, ms_p50=low, ms_p99=high
    )  # fmt: skip


def _written(url: str, count: int) -> float:
    """Write so often at the pace that is asked for, or as fast as it goes; returns the seconds that took."""
    started = time.perf_counter()

    def wrote(place: int) -> None:
        client = Client(url)
        for number in range(place, count, WRITERS):
            early = started + number / WRITES_A_SECOND - time.perf_counter()
            if early > 0:
                time.sleep(early)
            client.post("/v1/memories", {"content": f"change {number}", "user_id": f"{USER}-notices"})
        client.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(wrote, range(WRITERS)))
    return time.perf_counter() - started


def _growth(url: str, size: int, asked: Sequence[str], process: psutil.Process, requests: int) -> Row:
    """What the server's memory does over many requests, after a first tenth that warms it.

    One in ten adds, one asks what was never asked before, and the others what has been asked often.
    """

    def work(one: Client, n: int) -> object:
        if n % ROUND == 0:
            return one.post("/v1/memories", {"content": f"note {n} of growth", "user_id": "growth"})
        query = f"{asked[n % len(asked)]} {n}" if n % ROUND == 1 else asked[n % USUAL]
        return one.post("/v1/search", {"query": query, "user_id": USER})

    _hammered(url, 8, work, math.inf, most=requests // 10)
    before = process.memory_info().rss
    took, wall = _hammered(url, 8, work, math.inf, most=requests)
    after = process.memory_info().rss
    return _row(
        "growth", size, 8, len(took), per_second=len(took) / wall, before_mb=before / 1e6, after_mb=after / 1e6
    )  # fmt: skip


def _killed(home: Path, size: int) -> Row:
    """How many additions are gone that had been acknowledged when the server was killed, and was started again."""
    acknowledged: list[str] = []

    with serving(home) as (url, process):

        def work(one: Client, n: int) -> None:
            kept = one.asked("/v1/memories", {"content": f"note {n} before the end", "user_id": "kill"})
            acknowledged.extend(kept["ids"])
            if len(acknowledged) >= BEFORE_KILL:
                process.kill()

        with suppress(OSError, http.client.HTTPException):  # the clients' lines break
            _hammered(url, 8, work, math.inf)
    with opened(home) as memory:
        there = {kept.id for kept in memory.list(user_id="kill")}
    return _row("killed", size, 8, len(acknowledged), lost=len(set(acknowledged) - there))


def _row(
    name: str,
    size: int,
    clients: int,
    n: int,
    *,
    per_second: float | None = None,
    cpu_ms: float | None = None,
    ms_p50: float | None = None,
    ms_p99: float | None = None,
    before_mb: float | None = None,
    after_mb: float | None = None,
    lost: int | None = None,
) -> Row:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(float(value), 2)

    return Row(
        name=name, size=size, clients=clients, n=n, per_second=rounded(per_second), cpu_ms=rounded(cpu_ms),
        ms_p50=rounded(ms_p50), ms_p99=rounded(ms_p99), before_mb=rounded(before_mb), after_mb=rounded(after_mb),
        lost=lost,
    )  # fmt: skip


def main() -> None:
    """Run it by itself."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1000")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    rows = run(sizes=sizes, seconds=options.seconds, requests=options.requests, json_path=options.json)
    show(rows, Console())


if __name__ == "__main__":
    main()
