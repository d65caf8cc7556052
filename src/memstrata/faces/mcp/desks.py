"""Give each caller a desk of its own: the tools that it may use, the resources within its reach, and news of them."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from anyio import CapacityLimiter, to_thread
from anyio.abc import TaskGroup
from mcp import types
from mcp.server.subscriptions import ListenHandler

from memstrata.access.reach import Caller
from memstrata.engine import Memstrata
from memstrata.errors import InvalidConfig
from memstrata.faces.mcp.calling import Tool, failure
from memstrata.faces.mcp.connector import ConnectorTools
from memstrata.faces.mcp.graph import GraphShelf, GraphTools
from memstrata.faces.mcp.news import Follower, Listeners
from memstrata.faces.mcp.resources import MemoryShelf, Shelf
from memstrata.faces.mcp.tools import MemoryTools
from memstrata.faces.mcp.whose import Whose

WAITING: Final = 16  # calls that wait, of one caller; more of them wait for these
DESKS: Final = 256  # that are kept for callers who may come again

Mode = Literal["memory", "connector", "server-memory"]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offers: a set of tools, with those of a `team`; or the tools named; or those that only read."""

    mode: Mode = "memory"
    tools: tuple[str, ...] = ()
    team: bool = False
    read_only: bool = False


def chosen(memory: Memstrata, whose: Whose, offer: Offer) -> list[Tool]:
    """The tools that an offer means.

    Raises:
        InvalidConfig: a tool that was named does not exist.
    """
    memories = MemoryTools(memory, whose)
    sets: Mapping[Mode, Callable[[], list[Tool]]] = {
        "memory": memories.tools,
        "connector": ConnectorTools(memory, whose).tools,
        "server-memory": GraphTools(memory, whose).tools,
    }
    if offer.tools:
        found = _named(offer.tools, [*sets.values(), memories.of_teams])
    else:
        found = sets[offer.mode]() + (memories.of_teams() if offer.team else [])
    return [tool for tool in found if tool.reads or not offer.read_only]


def _named(names: Collection[str], sets: Iterable[Callable[[], list[Tool]]]) -> list[Tool]:
    every = {tool.name: tool for tools in sets for tool in tools()}
    _check_names(names, every)
    return [every[name] for name in names]


def _check_names(names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            raise InvalidConfig(f"there is no tool {name!r:.80}; {hint}")


Who = Callable[[object], Caller]
"""Who sent a request, which over HTTP is one of starlette's, and otherwise nothing."""


def anybody(_request: object) -> Caller:
    """Who asks over a pipe: the user who started the process, and may read its files."""
    return Caller()


class Desk:
    """What one caller has before it: tools, resources, and news of them."""

    def __init__(self, memory: Memstrata, whose: Whose, offer: Offer, tasks: TaskGroup) -> None:
        self.whose = whose
        self._waiting = CapacityLimiter(WAITING)
        self.shelf: Shelf = GraphShelf(memory, whose) if offer.mode == "server-memory" else MemoryShelf(memory, whose)
        self.listeners = Listeners(lambda: self.follower.start(tasks))
        self.follower = Follower(memory, whose.followed, self.shelf, self.listeners)
        self.listening = ListenHandler(self.listeners)
        self._tools = {tool.name: tool for tool in chosen(memory, whose, offer)}

    @property
    def tools(self) -> list[Tool]:
        """The tools that the caller may use."""
        return [tool for tool in self._tools.values() if tool.reads or not self.whose.caller.read_only]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:  # Any: JSON, checked there
        """What a call of a tool brings, called in a thread; those that only wait keep nobody else from one."""
        tool = self._tools.get(name)
        if tool is None:
            return failure(f"there is no tool {name!r:.80}; there are {', '.join(tool.name for tool in self.tools)}")
        if not tool.reads and self.whose.caller.read_only:
            return failure("this key or token may read, and change nothing; ask for one that may write")
        return await to_thread.run_sync(tool.called, arguments, limiter=self._waiting if tool.waits else None)


class Desks:
    """A desk for each caller, made when it first comes."""

    def __init__(self, memory: Memstrata, whose: Whose, offer: Offer, who: Who, tasks: TaskGroup) -> None:
        self._memory = memory
        self._whose = whose
        self._offer = offer
        self._tasks = tasks
        self._who = who
        self._desks: OrderedDict[Caller, Desk] = OrderedDict()

    def of(self, request: object) -> Desk:
        """The desk of whoever sent a request.

        Raises:
            Forbidden: the server is not for them.
        """
        caller = replace(self._who(request), ends_at=None)  # the next token of the same holder has the same desk
        desk = self._desks.pop(caller, None)
        if desk is None:
            desk = Desk(self._memory, self._whose.of(caller), self._offer, self._tasks)
        self._desks[caller] = desk
        if len(self._desks) > DESKS:
            idle = next((one for one, other in self._desks.items() if not other.listeners.any), caller)
            del self._desks[idle]
        return desk
