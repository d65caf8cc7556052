"""Turn what arrives into requests that are worth dealing with, or refuse it: the door before everything else.

What is let in, `entrance` decides. Whatever fails behind the door leaves it as an answer, a figure, and a line in the
log that quotes nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, propagate
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from memstrata.faces.entrance.visitors import UNREAD, Answering, Entrance, replayed
from memstrata.faces.http.desk import CALLER, Service
from memstrata.faces.http.faults import answer

FREE: Final = frozenset({"/v1/health", "/v1/openapi.json"})  # paths that ask for no key
STREAMED: Final = frozenset({"/v1/import"})  # paths that read their bodies themselves


class Door:
    """Everything that is refused is refused here, before it costs anything."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._entrance = Entrance(
            service.admission, service.settings, lambda known: service.run("admission", known)
        )  # fmt: skip

    @property
    def header_s(self) -> float:
        """How long a connection may be open without a whole request."""
        return self._service.settings.header_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        answering = Answering(send, self._service.settings.write_s)
        try:
            await self._let_in(scope)
            if scope["path"] not in STREAMED:
                receive = replayed(await self._entrance.body(HTTPConnection(scope), receive), receive)
            with _traced(scope):
                await self._app(scope, receive, answering.send)
        except Exception as exc:  # noqa: BLE001 - the outermost place: what failed is answered, and logged without words
            if not answering.begun:  # otherwise it was logged within, and uvicorn closes what is not whole
                await self._refuse(exc, scope, receive, answering)
        finally:
            self._count(scope, answering.status, time.perf_counter() - started)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._let_in(scope)
        except Exception as exc:  # noqa: BLE001 - as above
            self._service.metrics.refused.labels(type(exc).__name__).inc()
            socket = WebSocket(scope, receive, send)
            await socket.send_denial_response(answer(exc))
            return
        await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope) -> None:
        """Leave who asks in the scope."""
        scope[CALLER] = await self._entrance.caller(HTTPConnection(scope), free=scope["path"] in FREE)

    async def _refuse(self, exc: Exception, scope: Scope, receive: Receive, answering: Answering) -> None:
        response = answer(exc)
        if isinstance(exc, UNREAD):
            response.headers["Connection"] = "close"
        await response(scope, receive, answering.send)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        metrics, route = self._service.metrics, _route(scope)
        metrics.requests.labels(route, scope["method"] if route != "other" else "any", str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if status >= 400:
            metrics.refused.labels(str(status)).inc()


@contextmanager
def _traced(scope: Scope) -> Iterator[None]:
    """The trace that a request says it belongs to, for as long as it is dealt with."""
    token = context.attach(propagate.extract(HTTPConnection(scope).headers))
    try:
        yield
    finally:
        context.detach(token)


def _route(scope: Scope) -> str:
    """What answered, such as `memories.get`; never the path, which holds ids."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return "other"
    return f"{endpoint.__module__.rpartition('.')[2]}.{endpoint.__name__.rstrip('_')}"
