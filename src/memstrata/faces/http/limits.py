"""Turn what arrives into requests that are worth dealing with, or refuse it: the door before everything else.

In this order: the address and origin, who asks, how often, how large and how slow. Bodies are held back until they are
whole, so that a slow client occupies neither a thread nor the engine; and whatever fails behind the door leaves it as
an answer and a line in the log that quotes nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import context, propagate
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from memstrata.access.reach import Caller
from memstrata.errors import Forbidden, InvalidInput, TooLarge, TooMany, TooSlow, Unauthenticated
from memstrata.faces.http.desk import CALLER, Service
from memstrata.faces.http.faults import answer

FREE: Final = frozenset({"/v1/health", "/v1/openapi.json"})  # paths that ask for no key
STREAMED: Final = frozenset({"/v1/import"})  # paths that read their bodies themselves
LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
BODIED: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ONCE: Final = ("authorization", "x-api-key", "host", "content-type", "content-length", "origin")
MAX_HEADERS_BYTES: Final = 32 << 10
SCHEMES: Final = ("bearer ", "token ")
WRONG_RATE: Final = 5.0  # wrong keys a second from one address
WRONG_BURST: Final = 20.0
BUCKETS: Final = 10_000
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class Buckets:
    """Token buckets: each name may do so much at once, and so much a second from then on."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens left, and when that was

    def take(self, name: str, now: float) -> float:
        """Take a token; returns 0, or in how many seconds there will be one."""
        if self._rate <= 0:
            return 0.0
        level, then = self._levels.pop(name, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        short = max(0.0, 1.0 - level)
        self._levels[name] = (level if short else level - 1.0, now)
        if len(self._levels) > BUCKETS:
            self._levels.popitem(last=False)
        return short / self._rate


class Door:
    """Everything that is refused is refused here, before it costs anything."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._rates = Buckets(service.settings.rate, service.settings.burst)
        self._wrong = Buckets(WRONG_RATE, WRONG_BURST)

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

    # ── one request ──

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        answering = _Answering(send, self._service.settings.write_s)
        try:
            await self._let_in(scope)
            if scope["path"] not in STREAMED:
                receive = _replayed(await self._body(scope, receive), receive)
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

    async def _refuse(self, exc: Exception, scope: Scope, receive: Receive, answering: _Answering) -> None:
        response = answer(exc)
        if isinstance(exc, TooLarge | TooSlow):
            response.headers["Connection"] = "close"  # the rest of the body is not read
        await response(scope, receive, answering.send)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        metrics, route = self._service.metrics, _route(scope)
        metrics.requests.labels(route, scope["method"] if route != "other" else "any", str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if status >= 400:
            metrics.refused.labels(str(status)).inc()

    # ── whom, and how often ──

    async def _let_in(self, scope: Scope) -> None:
        """Leave who asks in the scope.

        Raises:
            Forbidden: the request comes from a page of another origin, or to another name than ours.
            Unauthenticated: nobody who is known here.
            TooMany: too often.
        """
        connection = HTTPConnection(scope)
        _check_headers(connection)
        self._check_origin(connection)
        if scope["path"] in FREE:
            scope[CALLER] = Caller(credential=f"address:{_address(scope)}")
        else:
            scope[CALLER] = await self._caller(connection)
        wait = self._rates.take(scope[CALLER].credential, time.monotonic())
        if wait:
            raise TooMany("more requests came with this key than may in a second", seconds=wait)

    async def _caller(self, connection: HTTPConnection) -> Caller:
        admission, credential = self._service.admission, _credential(connection)
        if (known := admission.quick(credential)) is not None:
            return known
        if credential is None:
            return admission.caller(None)
        try:
            return await self._service.run("admission", lambda: admission.caller(credential))
        except Unauthenticated as exc:  # only what was wrong counts: a right key gets in, whoever else guesses
            if wait := self._wrong.take(_address(connection.scope), time.monotonic()):
                raise TooMany("too many keys that are not known here came from this address", seconds=wait) from exc
            raise

    def _check_origin(self, connection: HTTPConnection) -> None:
        """Keep pages that a browser shows out: they could ask in its user's name, and by a name that they chose."""
        host = connection.headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self._service.settings.loopback and name.lower() not in {*LOCAL_HOSTS, self._service.settings.host}:
            raise Forbidden("this server answers to the name of this machine alone")
        origin = connection.headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise Forbidden("this server answers no page of another origin")

    # ── how large, and how slow ──

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            TooLarge, TooSlow: it is more, or takes longer, than is taken.
            InvalidInput: it is no JSON by its own account.
        """
        settings = self._service.settings
        most = settings.max_body_bytes
        connection = HTTPConnection(scope)
        length = connection.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            raise TooLarge(f"a body may have {most:,} bytes; send less at once, or use /v1/import")
        pieces, size = [], 0
        try:
            async with asyncio.timeout(settings.body_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise TooSlow("the client went before its request was whole")
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    if size > most:
                        raise TooLarge(f"a body may have {most:,} bytes; send less at once, or use /v1/import")
                    if not message.get("more_body", False):
                        break
        except TimeoutError as exc:
            raise TooSlow(f"the body took longer than {settings.body_s:g} s") from exc
        if size and scope["method"] in BODIED:
            _check_json(connection)
        return b"".join(pieces)


class _Answering:
    """Sends an answer on, with our headers, to a client that has to read it."""

    def __init__(self, send: Send, write_s: float) -> None:
        self._send = send
        self._write_s = write_s
        self.begun = False
        self.status = 500

    async def send(self, message: Message) -> None:
        """Send one piece.

        Raises:
            ConnectionAbortedError: the client does not read, so that there is nobody to tell.
        """
        if message["type"] == "http.response.start":
            self.begun = True
            self.status = message["status"]
            own = {name for name, _ in message.get("headers", ())}
            message["headers"] = [*message.get("headers", ()), *(one for one in HEADERS if one[0] not in own)]
        try:
            async with asyncio.timeout(self._write_s):
                await self._send(message)
        except TimeoutError as exc:
            self.status = 408
            raise ConnectionAbortedError("the client does not read what it asked for") from exc


@contextmanager
def _traced(scope: Scope) -> Iterator[None]:
    """The trace that a request says it belongs to, for as long as it is dealt with."""
    token = context.attach(propagate.extract(HTTPConnection(scope).headers))
    try:
        yield
    finally:
        context.detach(token)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, and then whatever the client does."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _check_headers(connection: HTTPConnection) -> None:
    """See that no header that decides something comes twice, or in a form that two readers read differently."""
    headers = connection.scope["headers"]
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEADERS_BYTES:
        raise InvalidInput(f"the headers may have {MAX_HEADERS_BYTES:,} bytes together")
    names = [name for name, _ in headers]
    for name in ONCE:
        if names.count(name.encode()) > 1:
            raise InvalidInput(f"the header {name} came more than once")
    if "content-encoding" in connection.headers:
        raise InvalidInput("bodies are taken as they are, without content-encoding")


def _check_json(connection: HTTPConnection) -> None:
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidInput("the body is taken as JSON; send it with the header Content-Type: application/json")


def _credential(connection: HTTPConnection) -> str | None:
    """The key or token of a request.

    Raises:
        Unauthenticated: it carries two that differ, or one in a form that is not known.
    """
    header = connection.headers.get("authorization")
    found = connection.headers.get("x-api-key")
    if header is None:
        return found
    scheme = next((scheme for scheme in SCHEMES if header.lower().startswith(scheme)), None)
    if scheme is None:
        raise Unauthenticated("send a key as 'Authorization: Bearer KEY'")
    token = header[len(scheme) :].strip()
    if found is not None and found != token:
        raise Unauthenticated("the request carries two keys; send one")
    return token


def _address(scope: MutableMapping[str, Any]) -> str:  # Any: as ASGI has it
    client = scope.get("client")
    return client[0] if client else "unknown"


def _route(scope: Scope) -> str:
    """What answered, such as `memories.get`; never the path, which holds ids."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return "other"
    return f"{endpoint.__module__.rpartition('.')[2]}.{endpoint.__name__.rstrip('_')}"
