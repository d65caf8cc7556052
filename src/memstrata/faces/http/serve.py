"""Run the server: open the door where it may be opened, and close it when all who are inside are done."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from memstrata.access.admission import Admission, Claims, Issuer
from memstrata.access.keys import Keys
from memstrata.engine import Memstrata
from memstrata.errors import InvalidConfig, StoreUnavailable
from memstrata.faces.http.app import application
from memstrata.faces.http.desk import Service
from memstrata.faces.http.settings import Settings

MAX_HEADERS_BYTES = 32 << 10
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
    port = listening.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    ready(f"http://{host}:{port}", admission.guarded)
    server.run(sockets=[listening])


def admitted(
    home: Path, settings: Settings, *, issuer: Issuer | None, claims: Claims | None, now: Callable[[], int]
) -> Admission:
    """Who may come in.

    Raises:
        InvalidConfig: others than this machine could ask, and nothing says who may.
    """
    admission = Admission(Keys(home), issuer=issuer, claims=claims, open=settings.loopback, now=now)
    if not settings.loopback and not admission.guarded:
        raise InvalidConfig(
            f"{settings.host} can be reached from other machines, and this memory has no keys: make one with "
            "`memstrata keys add NAME`, name an issuer with --oidc-issuer and --oidc-audience, or stay on "
            "--host 127.0.0.1"
        )
    return admission


def bound(settings: Settings) -> socket.socket:
    """The socket that requests come to.

    Raises:
        StoreUnavailable: the address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # by name, for only where it is TCP's by name does asyncio turn Nagle's waiting off, 40 ms for an answer
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(settings.max_connections)
    except OSError as exc:
        listening.close()
        raise StoreUnavailable(
            f"cannot listen at {settings.host}:{settings.port}: {exc.strerror}; choose another --port"
        ) from exc
    return listening


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


class Patient(H11Protocol):
    """A connection that is closed when no whole request has come on it for a while."""

    _tick: asyncio.TimerHandle | None = None
    _idle = False
    _seen: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to watch."""
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._stop()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Stop watching: another protocol takes over."""
        self._stop()
        super().handle_websocket_upgrade(event)

    def _look_later(self) -> None:
        self._tick = self.loop.call_later(self._patience_s, self._look)

    @property
    def _patience_s(self) -> float:
        door = self.config.app
        return float(getattr(door, "header_s", 15.0)) / 2

    def _look(self) -> None:
        """Close when nothing was asked, and nothing answered, from one look to the second after it."""
        busy = self.cycle is not None and not self.cycle.response_complete
        idle = not busy and self.cycle is self._seen
        if idle and self._idle:
            self.transport.close()
            return
        self._idle, self._seen = idle, self.cycle
        self._look_later()

    def _stop(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
