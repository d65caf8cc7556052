"""Turn the store's changes into what any number of subscribers hear, at the cost of about one.

One thread looks whether anything changed, whoever wrote it. Subscribers to the same scope and filter share what is
then read, once, out of a window of the last changes; whoever is further behind reads on alone. Nothing waits in a
queue for a slow subscriber: it has a position and nothing else, so nothing is missed and nothing piles up.
"""

from __future__ import annotations

import asyncio
import json
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, Protocol

from memstrata.engine import Filters, Memstrata
from memstrata.errors import MemstrataError, PositionExpired, StoreClosed, TooMany
from memstrata.faces.entrance.refusals import noted
from memstrata.faces.http.metrics import Metrics
from memstrata.faces.plain import plain
from memstrata.types import Change, Changes, Scope

PAGE: Final = 500
WINDOW: Final = 2_000  # changes kept for all subscribers to the same
LOOK_S: Final = 0.5  # how long the thread looks before it sees whether it is still wanted
TROUBLE_S: Final = 1.0


class Runs(Protocol):
    """Does work in a thread."""

    def __call__(self, verb: str, work: Callable[[], Changes]) -> Awaitable[Changes]:
        """What the work gives."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """A change as subscribers get it."""

    position: int
    operation: str
    json: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is subscribed to."""

    scope: Scope
    filters: str

    @property
    def tree(self) -> Filters | None:
        """The filter, as the engine takes it."""
        found: Filters | None = json.loads(self.filters)
        return found


@dataclass(slots=True)
class Topic:
    """The last changes of one subject: `told` are all of them in (since, until]."""

    since: int
    until: int
    told: list[Told] = field(default_factory=list)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def extend(self, found: list[Told], until: int) -> None:
        """Take in what came next."""
        self.told += found
        self.until = until
        if len(self.told) > WINDOW:
            self.since = self.told[-WINDOW - 1].position
            del self.told[:-WINDOW]

    def after(self, position: int) -> list[Told]:
        """What came after a position of the window."""
        return self.told[bisect_right(self.told, position, key=attrgetter("position")) :]


class Feed:
    """All subscriptions of one server."""

    def __init__(self, memory: Memstrata, run: Runs, *, most: int, metrics: Metrics) -> None:
        self._memory = memory
        self._run = run
        self._most = most
        self._metrics = metrics
        self._topics: dict[Subject, Topic] = {}
        self._subscribed: Counter[Subject] = Counter()
        self._position = 0
        self._moved = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def closing(self) -> bool:
        """Whether subscribers should go."""
        return self._closed.is_set()

    @contextmanager
    def subscribed(self, scope: Scope, filters: dict[str, Any] | None) -> Iterator[Subject]:  # Any: JSON
        """A subscription, for as long as the block lasts.

        Raises:
            TooMany: there are as many as there may be.
        """
        if self._subscribed.total() >= self._most or self.closing:
            raise TooMany(f"{self._most} subscriptions are open, and no more are taken", seconds=30.0)
        subject = Subject(scope, json.dumps(filters, sort_keys=True))
        self._subscribed[subject] += 1
        self._metrics.subscribers.inc()
        self._start()
        try:
            yield subject
        finally:
            self._subscribed[subject] -= 1
            self._metrics.subscribers.dec()
            self._tidy(subject)

    async def after(self, subject: Subject, position: int | None) -> tuple[list[Told], int]:
        """What changed after a position, and the position to go on from; without one, only where to begin.

        Raises:
            PositionExpired: the list of changes no longer reaches back that far, or never came that far.
        """
        topic = self._topics.get(subject)
        if topic is None or position is None:
            here = (await self._read(subject, None)).position
            topic = self._topics.setdefault(subject, Topic(here, here))
            if position is None:
                return [], here
        if topic.since <= position:
            async with topic.reading:
                await self._catch_up(subject, topic)
                if position > max(topic.until, self._position):
                    await self._check_ahead(subject, position)
                if topic.since <= position:
                    return self._count_told(topic.after(position)), max(position, topic.until)
        found = await self._read(subject, position)
        return self._count_told([_told(one) for one in found.changes]), found.position

    async def moved(self, position: int, *, seconds: float) -> bool:
        """Wait until anything in the store came after a position, or the server stops, or the time is over."""
        moved = self._moved
        if self._position > position or self.closing:
            return True
        try:
            await asyncio.wait_for(moved.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Send every subscriber home; from any thread."""
        self._closed.set()
        self._wanted.set()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5 * LOOK_S)

    # ── inside ──

    def _tidy(self, subject: Subject) -> None:
        """Forget what nobody subscribes to any more, and stop looking when nobody subscribes to anything."""
        if not self._subscribed[subject]:
            del self._subscribed[subject]
            self._topics.pop(subject, None)
        if not self._subscribed:
            self._wanted.clear()

    async def _catch_up(self, subject: Subject, topic: Topic) -> None:
        """Read what the window has not seen yet."""
        while topic.until < self._position:
            try:
                found = await self._read(subject, topic.until)
            except PositionExpired:  # nobody had asked for days: begin anew, and whoever is behind will hear it
                here = (await self._read(subject, None)).position
                topic.told.clear()
                topic.since = topic.until = here
                return
            topic.extend([_told(one) for one in found.changes], found.position)

    async def _check_ahead(self, subject: Subject, position: int) -> None:
        here = (await self._read(subject, None)).position
        if position > here:
            raise PositionExpired(
                f"position {position} was never reached here, the last is {here}; is this a store restored from a "
                "backup? Read everything, and go on from now"
            )

    async def _read(self, subject: Subject, after: int | None) -> Changes:
        memory, scope, tree = self._memory, subject.scope, subject.tree
        return await self._run("changes", lambda: memory.changes(after, limit=PAGE, filters=tree, scope=scope))

    def _count_told(self, told: list[Told]) -> list[Told]:
        self._metrics.told.inc(len(told))
        return told

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="memstrata-feed", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        """Say each time that the store has moved on, for as long as somebody wants to know."""
        position = -1
        while not self._closed.is_set():
            if not self._wanted.wait(LOOK_S):
                continue
            try:
                if self._memory.wait(position, seconds=LOOK_S):
                    position = self._memory.changes().position
                    self._say(position)
            except StoreClosed:
                return
            except MemstrataError as exc:
                noted(exc)
                self._closed.wait(TROUBLE_S)

    def _say(self, position: int) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._advance, position)

    def _advance(self, position: int) -> None:
        self._position = max(self._position, position)
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def _told(change: Change) -> Told:
    return Told(change.position, change.operation, json.dumps(plain(change), separators=(",", ":")))
