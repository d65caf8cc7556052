"""Run a server over standard input and output, or over HTTP."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from typing import Final

from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from memstrata.access.admission import Admission
from memstrata.faces.entrance.limits import Limits
from memstrata.faces.entrance.visitors import MAX_HEADERS_BYTES
from memstrata.faces.mcp.desks import Desks
from memstrata.faces.mcp.door import Authority, Door

PATH: Final = "/mcp"
CLOSING_S: Final = 3  # that open streams get to end before the service does


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


async def stdio(server: Server[Desks]) -> None:
    """Speak over standard input and output until the client closes them, or an interrupt ends the process.

    It ends at once, since the thread that waits for input could not be told to; what was acknowledged is on disk.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def http(
    server: Server[Desks],
    admission: Admission,
    limits: Limits,
    *,
    authority: Authority | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Speak streamable HTTP until interrupted; `ready` gets the address. The server was built with `door.caller`.

    Raises:
        StoreUnavailable: the address is taken, or not ours.
    """
    import uvicorn  # late: most servers speak stdio, and start faster without

    from memstrata.faces.entrance.listening import Patient, address, bound

    listening = bound(limits)
    config = uvicorn.Config(
        app(server, admission, limits, authority=authority), http=Patient, lifespan="on", log_config=None,
        access_log=False, server_header=False, proxy_headers=False, limit_concurrency=limits.max_connections,
        h11_max_incomplete_event_size=MAX_HEADERS_BYTES, timeout_graceful_shutdown=CLOSING_S,
    )  # fmt: skip
    if ready is not None:
        ready(f"{address(listening, limits)}{PATH}")
    with listening:
        await uvicorn.Server(config).serve(sockets=[listening])


def app(server: Server[Desks], admission: Admission, limits: Limits, *, authority: Authority | None = None) -> Door:
    """The service as an ASGI application, behind its door, which also looks at names and origins."""
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    inner = server.streamable_http_app(streamable_http_path=PATH, host=limits.host, transport_security=unchecked)
    return Door(inner, admission, limits, authority)
