"""Run the server: open the door where it may be opened, and close it when all who are inside are done."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from memstrata.access.admission import Claims, Issuer
from memstrata.engine import Memstrata
from memstrata.faces.entrance.listening import Patient, address, admitted, bound
from memstrata.faces.entrance.visitors import MAX_HEADERS_BYTES
from memstrata.faces.http.app import application
from memstrata.faces.http.desk import Service
from memstrata.faces.http.settings import Settings

KEEP_ALIVE_S = 20


def serve(
    memory: Memstrata,
    home: Path,
    settings: Settings,
    *,
    issuer: Issuer | None = None,
    claims: Claims | None = None,
    now: Callable[[], int],
    ready: Callable[[str, bool], None],
) -> None:
    """Serve a memory until the process is told to stop, and close it; `ready` hears the address, and whether guarded.

    Raises:
        InvalidConfig: others than this machine could ask, and nothing says who may.
        StoreUnavailable: the address is taken, or not ours.
    """
    try:
        admission = admitted(home, settings, issuer=issuer, claims=claims, now=now)
        listening = bound(settings)
    except BaseException:
        memory.close()
        raise
    server = Server(Service(memory, admission, settings))
    ready(address(listening, settings), admission.guarded)
    server.run(sockets=[listening])


class Server(uvicorn.Server):
    """Uvicorn, which sends subscribers home before it waits for who is inside, and lets go of the store after."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        self._service = service
        super().__init__(
            uvicorn.Config(
                application(service), http=Patient, ws="websockets-sansio", ws_max_size=16_384, loop="asyncio",
                lifespan="off", log_config=None, log_level="warning", access_log=False, server_header=False,
                proxy_headers=False, limit_concurrency=settings.max_connections, timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=round(settings.grace_s), h11_max_incomplete_event_size=MAX_HEADERS_BYTES,
            )
        )  # fmt: skip

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send subscribers home, wait for requests, let go of the store."""
        await asyncio.to_thread(self._service.feed.close)
        await super().shutdown(sockets)
        await asyncio.to_thread(self._service.close)
