"""Turn the engine's list of changes into notifications, whichever process made the changes.

Clients of the protocol of 2026 open a stream of what they want to hear of. Earlier ones subscribe to single
resources, and are told unasked when the list of resources has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from mcp.server.connection import Connection
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourcesListChanged, ResourceUpdated, ServerEvent

from memstrata.engine import Memstrata
from memstrata.errors import MemstrataError, PositionExpired
from memstrata.faces.mcp.resources import Shelf
from memstrata.types import Change, Scope

LOG: Final = logging.getLogger("memstrata.mcp")

LOOK_S: Final = 0.25  # between two looks at the list of changes, 0.05 ms each, while anybody listens
AT_ONCE: Final = 1_000  # changes of one look
STALLED_S: Final = 5.0  # that a client may take to read a notification before the next one gets its turn


class Listeners:
    """Who hears of changes: open streams, and connections of the earlier protocol with what they subscribed to.

    `began` is called whenever somebody begins to listen.
    """

    def __init__(self, began: Callable[[], None]) -> None:
        self._began = began
        self._bus = InMemorySubscriptionBus()
        self._streams = 0
        self._connections: dict[Connection, set[str]] = {}

    @property
    def any(self) -> bool:
        """Whether anybody listens."""
        return bool(self._streams or self._connections)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Let an open stream hear of everything; call what comes back when it ends."""
        unsubscribe = self._bus.subscribe(listener)
        self._streams += 1
        self._began()

        def ended() -> None:
            self._streams -= 1
            unsubscribe()

        return ended

    def joined(self, connection: Connection) -> set[str]:
        """What a connection of the earlier protocol has subscribed to; from now on it is told of lists."""
        if connection not in self._connections:
            connection.exit_stack.callback(self._connections.pop, connection, None)
        uris = self._connections.setdefault(connection, set())
        self._began()
        return uris

    async def publish(self, event: ServerEvent) -> None:
        """Tell everyone who wants to hear of it."""
        await self._bus.publish(event)
        for connection, uris in list(self._connections.items()):
            with anyio.move_on_after(STALLED_S):
                if isinstance(event, ResourcesListChanged):
                    await connection.send_resource_list_changed()
                elif isinstance(event, ResourceUpdated) and event.uri in uris:
                    await connection.send_resource_updated(event.uri)


class Follower:
    """Follows the list of changes for as long as anybody listens, from where the first of them began."""

    def __init__(self, memory: Memstrata, scope: Scope, shelf: Shelf, listeners: Listeners) -> None:
        self._memory = memory
        self._scope = scope
        self._shelf = shelf
        self._listeners = listeners
        self._position = 0
        self._running = False

    def start(self, tasks: TaskGroup) -> None:
        """Follow for as long as anybody listens."""
        if not self._running:
            self._running = True
            tasks.start_soon(self._run)

    async def begin(self) -> None:
        """Take note of the present position for somebody who is about to listen; await it before they do."""
        if not self._listeners.any:
            await self._skip()

    async def _skip(self) -> None:
        self._position = (await to_thread.run_sync(self._memory.changes)).position

    async def _run(self) -> None:
        """Look, tell, wait."""
        while self._listeners.any:
            for event in await self._events():
                await self._listeners.publish(event)
            await anyio.sleep(LOOK_S)
        self._running = False

    async def _events(self) -> Sequence[ServerEvent]:
        try:
            return self._shelf.told(await self._changes())
        except PositionExpired:
            await self._skip()
            return [ResourcesListChanged()]
        except MemstrataError as exc:  # a full disk or a closed store: the next look may find it well again
            LOG.warning("cannot follow changes: %s", type(exc).__name__)
            return []

    async def _changes(self) -> Sequence[Change]:
        asked = partial(self._memory.changes, self._position, limit=AT_ONCE, scope=self._scope)
        found = await to_thread.run_sync(asked)
        self._position = found.position
        return found.changes
