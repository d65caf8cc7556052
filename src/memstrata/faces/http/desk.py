"""Turn a request into calls of the engine in threads, under the name and within the reach of who asks."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.requests import HTTPConnection

from memstrata.access.admission import Admission
from memstrata.access.reach import Caller, everyone
from memstrata.engine import Memstrata
from memstrata.errors import InvalidFilter, TooMany
from memstrata.faces.http.feed import Feed
from memstrata.faces.http.metrics import Metrics
from memstrata.faces.http.settings import MAX_FILTER, Settings
from memstrata.types import Scope

Found = TypeVar("Found")
CALLER: Final = "memstrata.caller"  # where the door leaves who asks, in the request's scope
TRACER: Final = trace.get_tracer("memstrata")


@dataclass(frozen=True, slots=True)
class Counters:
    """How many engine calls wait or run, and how many imports; the only state that requests share."""

    calls: asyncio.Semaphore
    imports: asyncio.Semaphore


class Service:
    """One engine behind one server: its threads, its feed of changes, its figures."""

    def __init__(self, memory: Memstrata, admission: Admission, settings: Settings) -> None:
        self.memory = memory
        self.admission = admission
        self.settings = settings
        self.metrics = Metrics()
        self.pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="memstrata-http")
        self.places = Counters(asyncio.Semaphore(settings.queue), asyncio.Semaphore(settings.max_imports))
        self.feed = Feed(memory, self.run, most=settings.max_subscribers, metrics=self.metrics)

    async def run(self, verb: str, work: Callable[[], Found]) -> Found:
        """What a piece of work for the engine gives, done in a thread, within a span that names the verb.

        Raises:
            TooMany: as much waits already as may.
        """
        calls = self.places.calls
        if calls.locked():
            raise TooMany("the server has as much to do as it takes on; try again in a moment")
        async with calls:
            self.metrics.running.inc()
            try:
                with TRACER.start_as_current_span(
                    f"memstrata.{verb}", kind=SpanKind.INTERNAL, record_exception=False, set_status_on_exception=False
                ) as span:
                    span.set_attribute("memstrata.verb", verb)
                    return await self._in_thread(work, span)
            finally:
                self.metrics.running.dec()

    async def _in_thread(self, work: Callable[[], Found], span: trace.Span) -> Found:
        context = contextvars.copy_context()
        try:
            found = await asyncio.get_running_loop().run_in_executor(self.pool, context.run, work)
        except Exception as exc:
            span.set_status(Status(StatusCode.ERROR, type(exc).__name__))
            raise
        if isinstance(found, Sequence) and not isinstance(found, str | bytes):
            span.set_attribute("memstrata.count", len(found))
        return found

    def close(self) -> None:
        """Let what runs finish, and let go of the store."""
        self.feed.close()
        self.pool.shutdown(wait=True)
        self.memory.close()


class Desk:
    """Where one request is dealt with."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self.service = service
        self.caller = caller

    @property
    def memory(self) -> Memstrata:
        """The engine."""
        return self.service.memory

    async def run(self, verb: str, work: Callable[[], Found]) -> Found:
        """What the engine gives."""
        return await self.service.run(verb, work)

    def scope(self, asked: Scope, *, all_users: bool = False) -> Scope:
        """The scope that is meant, within the caller's reach."""
        return self.caller.scope(everyone(asked) if all_users else asked)

    def own(self, id: str, scope: Scope) -> None:
        """See that a memory, past or present, lies within reach; in a thread, before anything is done by its id.

        Raises:
            NotFound: it is not there, or not within reach.
        """
        if not self.caller.everywhere:
            self.caller.check(self.memory.history(id, scope=scope))


async def _desk(connection: HTTPConnection) -> Desk:
    return Desk(connection.app.state.service, connection.scope[CALLER])


At = Annotated[Desk, Depends(_desk)]


def filters_in(text: str | None) -> dict[str, Any] | None:  # Any: JSON, checked by the engine
    """The filter that a query carries as JSON.

    Raises:
        InvalidFilter: it is none.
    """
    if text is None:
        return None
    if len(text) > MAX_FILTER:
        raise InvalidFilter(f"a filter in a query may have {MAX_FILTER:,} characters")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidFilter('filters takes JSON such as {"kind": "fact"}, and this is none') from exc
    if not isinstance(found, dict):
        raise InvalidFilter('filters takes a JSON object such as {"kind": "fact"}')
    return found
