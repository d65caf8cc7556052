"""Run a server over standard input and output, or over HTTP on this machine."""

from __future__ import annotations

import ipaddress
import json
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from memstrata.errors import InvalidConfig

PATH: Final = "/mcp"
CLOSING_S: Final = 3  # that open streams get to end before the service does

Verify = Callable[[str], bool]
"""Whether the bearer of a token may use the server. Whoever keeps keys passes one; without it there is no network."""

Message = MutableMapping[str, Any]  # Any: as ASGI has it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Discreet(logging.Formatter):
    """Says what happened and where in the code, and nothing that came from outside.

    Records of the libraries below us may hold whole requests, and so what is remembered; only ours are shown as they
    are, and they name ids, counts and types of errors.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        if record.name.startswith("memstrata"):
            return f"{record.levelname} {record.name}: {record.getMessage()}"
        fault = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "no exception"
        return f"{record.levelname} {record.name}: at {record.filename}:{record.lineno}, {fault}"


def log_to_stderr() -> None:
    """Send all logs of this process to standard error, without anything that came from outside."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


async def stdio(server: Server[None]) -> None:
    """Speak over standard input and output until the client closes them, or an interrupt ends the process.

    It ends at once, since the thread that waits for input could not be told to; what was acknowledged is on disk.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def http(
    server: Server[None],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    verify: Verify | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Speak streamable HTTP until interrupted; `ready` gets the address.

    Raises:
        InvalidConfig: the host can be reached from outside, and nothing verifies who comes; or the port is taken.
    """
    import uvicorn  # late: most servers speak stdio, and start faster without

    listening = _bound(host, port, open_to_all=verify is None)
    address: tuple[str, int] = listening.getsockname()[:2]
    config = uvicorn.Config(
        app(server, host=host, port=address[1], verify=verify), log_config=None, access_log=False,
        timeout_graceful_shutdown=CLOSING_S, lifespan="on",
    )  # fmt: skip
    if ready is not None:
        ready(f"http://{_bracketed(host)}:{address[1]}{PATH}")
    with listening:
        await uvicorn.Server(config).serve(sockets=[listening])


def _bound(host: str, port: int, *, open_to_all: bool) -> socket.socket:
    if open_to_all and not is_loopback(host):
        raise InvalidConfig(
            f"host={host!r:.80} can be reached from other machines, and no keys are set up that would say who may "
            "come in; use 127.0.0.1, with a tunnel such as `ssh -L` in front of it"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except (OSError, OverflowError) as exc:
        listening.close()
        raise InvalidConfig(f"cannot listen on {host!r:.80} port {port}: {exc}; try another --port") from exc
    return listening


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host; a name other than localhost might stand for anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def app(server: Server[None], *, host: str, port: int, verify: Verify | None = None) -> App:
    """The service as an ASGI application: only requests meant for this host, and only with a token if one is wanted.

    The first keeps web pages from reaching it under a name of their own (DNS rebinding).
    """
    names = dict.fromkeys([_bracketed(host), "127.0.0.1", "localhost", "[::1]"])
    hosts = [f"{name}:{port}" for name in names]
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        host=host,
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{name}" for name in hosts]
        ),
    )
    return inner if verify is None else _with_token(inner, verify)


def _with_token(inner: App, verify: Verify) -> App:
    async def guarded(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or verify(_token(scope)):
            await inner(scope, receive, send)
            return
        body = json.dumps({"error": "send the header Authorization: Bearer KEY with a key of this service"}).encode()
        headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return guarded


def _token(scope: Message) -> str:
    """The bearer token of a request; empty when there is none."""
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    kind, _, token = given.decode("latin-1").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
