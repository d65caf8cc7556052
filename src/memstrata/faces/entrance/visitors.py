"""Turn a request into who asks and a whole body, or refuse it, before it costs anything.

In this order: the headers, the address and origin, who asks, how often, how large and how slow. Bodies are held back
until they are whole, so that a slow client occupies neither a thread nor the engine.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Send

from memstrata.access.admission import Admission
from memstrata.access.reach import Caller
from memstrata.errors import Forbidden, InvalidInput, TooLarge, TooMany, TooSlow, Unauthenticated
from memstrata.faces.entrance.limits import Limits

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
BODIED: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ONCE: Final = (
    "authorization", "x-api-key", "host", "content-type", "content-length", "origin", "idempotency-key",
    "last-event-id", "mcp-session-id",
)  # fmt: skip
UNREAD: Final = (TooLarge, TooSlow, InvalidInput)  # after these refusals nothing more of the connection is read
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

Aside = Callable[[Callable[[], Caller]], Awaitable[Caller]]
"""Does what takes a while in a thread: finding a key for the first time."""


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


class Entrance:
    """Finds out who comes in with what."""

    def __init__(self, admission: Admission, limits: Limits, aside: Aside) -> None:
        self._admission = admission
        self._limits = limits
        self._aside = aside
        self._rates = Buckets(limits.rate, limits.burst)
        self._wrong = Buckets(WRONG_RATE, WRONG_BURST)

    # ── whom, and how often ──

    async def caller(self, connection: HTTPConnection, *, free: bool = False) -> Caller:
        """Who asks; where no key is asked for (`free`) it is an address.

        Raises:
            InvalidInput: a header that decides something comes twice, or they are too large.
            Forbidden: the request comes from a page of another origin, or to another name than ours.
            Unauthenticated: nobody who is known here.
            TooMany: too often.
        """
        _check_headers(connection)
        self._check_origin(connection)
        address = _address(connection.scope)
        caller = Caller(credential=f"address:{address}") if free else await self._known(connection, address)
        wait = self._rates.take(caller.credential, time.monotonic())
        if wait:
            raise TooMany("more requests came with this key than may in a second", seconds=wait)
        return caller

    async def _known(self, connection: HTTPConnection, address: str) -> Caller:
        admission, credential = self._admission, _credential(connection)
        if (known := admission.quick(credential)) is not None:
            return known
        if credential is None:
            return admission.caller(None)
        try:
            return await self._aside(lambda: admission.caller(credential))
        except Unauthenticated as exc:  # only what was wrong counts: a right key gets in, whoever else guesses
            if wait := self._wrong.take(address, time.monotonic()):
                raise TooMany("too many keys that are not known here came from this address", seconds=wait) from exc
            raise

    def _check_origin(self, connection: HTTPConnection) -> None:
        """Keep pages that a browser shows out: they could ask in its user's name, and by a name that they chose."""
        host = connection.headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self._limits.loopback and name.lower() not in {*LOCAL_HOSTS, self._limits.host}:
            raise Forbidden("this server answers to the name of this machine alone")
        origin = connection.headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise Forbidden("this server answers no page of another origin")

    # ── how large, and how slow ──

    async def body(self, connection: HTTPConnection, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            TooLarge, TooSlow: it is more, or takes longer, than is taken.
            InvalidInput: it is no JSON by its own account.
        """
        most, seconds = self._limits.max_body_bytes, self._limits.body_s
        length = connection.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            raise TooLarge(f"a body may have {most:,} bytes; send less at once")
        pieces, size = [], 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise TooSlow("the client went before its request was whole")
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    if size > most:
                        raise TooLarge(f"a body may have {most:,} bytes; send less at once")
                    if not message.get("more_body", False):
                        break
        except TimeoutError as exc:
            raise TooSlow(f"the body took longer than {seconds:g} s") from exc
        if size and connection.scope["method"] in BODIED:
            _check_json(connection)
        return b"".join(pieces)


def replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, and then whatever the client does."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class Answering:
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


def _check_headers(connection: HTTPConnection) -> None:
    """See that no header that decides something comes twice, or in a form that two readers read differently."""
    headers = connection.scope["headers"]
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEADERS_BYTES:
        raise InvalidInput(f"the headers may have {MAX_HEADERS_BYTES:,} bytes together")
    names = [name for name, _ in headers]
    for name in ONCE:
        if names.count(name.encode()) > 1:
            raise InvalidInput(f"the header {name} came more than once")
    if b"content-length" in names and b"transfer-encoding" in names:  # a proxy before us may go by the other one
        raise InvalidInput("the length of the body is said in two ways; send content-length or transfer-encoding")
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
