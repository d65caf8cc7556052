"""Open a store in a process of its own, ask one question, and print what each step took, as JSON.

python -m memstrata.bench.fresh DIRECTORY USER QUESTION
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Measure and print; imports come late because they are what is measured first."""
    directory, user, question = sys.argv[1:]
    laps = [_now()]
    from memstrata.wiring import open_memory

    laps.append(_now())
    memory = open_memory(Path(directory), embedder="builtin", retrievers=(), ranker="linear", reranker="none")
    laps.append(_now())
    hits = memory.search(question, user_id=user)
    laps.append(_now())
    from memstrata.bench.measure import resident_mb

    rss_mb = resident_mb()
    memory.close()
    steps = zip(("import", "open", "first_search"), laps, laps[1:], strict=False)
    found = {name: {"wall_ms": b[0] - a[0], "cpu_ms": b[1] - a[1]} for name, a, b in steps}
    print(json.dumps({**found, "rss_mb": rss_mb, "hits": len(hits)}))


def _now() -> tuple[float, float]:
    return time.perf_counter_ns() / 1e6, time.process_time_ns() / 1e6


if __name__ == "__main__":
    main()
