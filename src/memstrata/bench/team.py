"""Count how many calls of a model teams need for work that overlaps: without a memory, with a shared one, with claims.

python -m memstrata.bench.team [--teams 3] [--agents 4] [--seconds 0.05] [--json team.json]

Each team writes a report that needs steps, such as the climate of a city, and most steps are needed by several teams.
The agents of a team share out its steps, and all teams work at the same time. Every agent is a script with a connection
of its own to one of several server processes on one directory: two speak HTTP, and one MCP where that is installed. The
model is a fake one that takes a while for an answer, never says the same twice, and counts.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypedDict

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from memstrata.bench.measure import opened
from memstrata.bench.servers import Client, serving, speaking_mcp
from memstrata.clock import Stopwatch
from memstrata.errors import StoreUnavailable
from memstrata.testing import FakeModel

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

CITIES: Final = ("Porto", "Oslo", "Kyoto", "Quito", "Cairo", "Perth")
TOPICS: Final = ("the climate", "the trams", "the rents", "the schools")
STEPS: Final = tuple(f"{topic} of {city}" for city in CITIES for topic in TOPICS)
NEEDED: Final = 16  # steps that a report needs
WAIT_S: Final = 20.0
SEED: Final = 7

Mode = Literal["stateless", "shared", "claims"]
MODES: Final[tuple[Mode, ...]] = ("stateless", "shared", "claims")


class Row(TypedDict):
    """What one way of working took: `needed` results in all, `distinct` ones among them, `calls` of the model.

    `stored` results are in the memory afterwards, `twice` of them of a step that was there already.
    """

    mode: Mode
    servers: int
    agents: int
    needed: int
    distinct: int
    calls: int
    stored: int
    twice: int
    seconds: float


class TeamMemory(Protocol):
    """The shared memory as an agent has it, over whatever protocol."""

    def find(self, step: str) -> str | None:
        """The result of a step, if somebody has stored one."""
        ...

    def keep(self, step: str, result: str, *, keyed: bool) -> None:
        """Store a result, under a key or without."""
        ...

    def claim(self, step: str) -> str | None:
        """Claim a step; None when it is ours to do, and otherwise its result, waited for."""
        ...


class OverHttp:
    """Over `memstrata serve`."""

    def __init__(self, url: str) -> None:
        self._client = Client(url)

    def find(self, step: str) -> str | None:
        """Ask, and see whether the best hit is of this step."""
        hits = self._client.asked("/v1/search", {"query": step, "limit": 1})
        return _result(step, [hit["memory"]["text"] for hit in hits])

    def keep(self, step: str, result: str, *, keyed: bool) -> None:
        """Add it."""
        self._client.asked("/v1/memories", {"content": f"{step}: {result}"} | ({"key": step} if keyed else {}))

    def claim(self, step: str) -> str | None:
        """Claim it, waiting on the server."""
        found = self._client.asked("/v1/claims", {"key": step, "wait": WAIT_S})
        return _claimed(step, found)


class OverMcp:
    """Over `memstrata mcp --http`, through the official client."""

    def __init__(self, url: str, portal: BlockingPortal, stack: ExitStack) -> None:
        from mcp import Client as McpClient

        self._portal = portal
        self._client = stack.enter_context(portal.wrap_async_context_manager(McpClient(url)))

    def find(self, step: str) -> str | None:
        """Ask, and see whether the best hit is of this step."""
        return _result(step, [hit["text"] for hit in self._called("search_memories", query=step, limit=1)["hits"]])

    def keep(self, step: str, result: str, *, keyed: bool) -> None:
        """Add it."""
        self._called("add_memory", content=f"{step}: {result}", key=step if keyed else None)

    def claim(self, step: str) -> str | None:
        """Claim it, waiting on the server."""
        return _claimed(step, self._called("claim_step", step=step, wait=WAIT_S))

    def _called(self, name: str, **arguments: object) -> Any:  # Any: JSON
        found = self._portal.call(self._client.call_tool, name, arguments)
        if found.is_error:
            raise StoreUnavailable(f"the server refused {name}")
        return found.structured_content


def _result(step: str, texts: Sequence[str]) -> str | None:
    return next((text for text in texts if text.startswith(f"{step}: ")), None)


def _claimed(step: str, found: Any) -> str | None:  # Any: JSON
    if found["state"] == "taken":
        raise StoreUnavailable(f"somebody held {step!r} for longer than {WAIT_S:g} seconds")
    return None if found["memory"] is None else str(found["memory"]["text"])


# ── the workflow ──


def run(*, teams: int = 3, agents: int = 4, seconds: float = 0.05, json_path: Path | None = None) -> list[Row]:
    """Each way of working in a directory of its own; the model takes so many seconds for an answer."""
    rows = [_worked(mode, _needs(teams), agents, seconds) for mode in MODES]
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


def _needs(teams: int) -> list[list[str]]:
    """The steps that each team needs, in an order of its own."""
    chance = random.Random(SEED)
    return [chance.sample(STEPS, NEEDED) for _ in range(teams)]


def _worked(mode: Mode, needs: Sequence[Sequence[str]], agents: int, seconds: float) -> Row:
    """Let all teams work at once in one way, and count."""
    model = FakeModel(seconds=seconds)
    scripts = [steps[place::agents] for steps in needs for place in range(agents)]
    with TemporaryDirectory(prefix="memstrata-bench-") as folder:
        with _memories(Path(folder), len(scripts)) as (memories, servers), ThreadPoolExecutor(len(scripts)) as pool:
            watch = Stopwatch()
            done = pool.map(lambda script, memory: _script(mode, script, memory, model), scripts, memories)
            results = {step for steps in done for step in steps}
            took = watch.total_ms / 1e3
        with opened(Path(folder)) as memory:
            stored = [kept.text.partition(": ")[0] for kept in memory.list()]
    needed = sum(len(steps) for steps in needs)
    return Row(
        mode=mode, servers=servers, agents=len(scripts), needed=needed, distinct=len(results), calls=model.calls,
        stored=len(stored), twice=len(stored) - len(set(stored)), seconds=round(took, 2),
    )  # fmt: skip


@contextmanager
def _memories(home: Path, count: int) -> Iterator[tuple[list[TeamMemory], int]]:
    """A connection for each agent, by turns to each of the servers, and how many servers there are."""
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(home))[0] for _ in range(2)]
        ways: list[Callable[[], TeamMemory]] = [partial(OverHttp, url) for url in urls]
        if find_spec("mcp") is not None:
            from anyio.from_thread import start_blocking_portal

            url, portal = stack.enter_context(speaking_mcp(home)), stack.enter_context(start_blocking_portal())
            ways.append(partial(OverMcp, url, portal, stack))
        yield [ways[place % len(ways)]() for place in range(count)], len(ways)


def _script(mode: Mode, steps: Sequence[str], memory: TeamMemory, model: FakeModel) -> list[str]:
    """What one agent does: each of its steps, asking the model where nothing spares it that."""
    for step in steps:
        if mode == "stateless":
            model(step)
        elif mode == "shared":
            if memory.find(step) is None:
                memory.keep(step, model(step), keyed=False)
        elif memory.claim(step) is None:
            memory.keep(step, model(step), keyed=True)
    return list(steps)


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the figures."""
    drawn = Table(box=SIMPLE, caption="results needed by all teams together, and what it took to have them")
    for heading in ("mode", "servers", "agents", "needed", "distinct", "calls", "stored", "twice", "seconds"):
        drawn.add_column(heading, justify="left" if heading == "mode" else "right")
    for row in rows:
        drawn.add_row(*(str(value) for value in row.values()))
    console.print(drawn)


def main() -> None:
    """Run it by itself."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teams", type=int, default=3)
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    show(run(teams=options.teams, agents=options.agents, seconds=options.seconds, json_path=options.json), Console())


if __name__ == "__main__":
    main()
