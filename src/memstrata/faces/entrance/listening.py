"""Open the place that requests come to, where it may be opened, and close connections on which none comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from memstrata.access.admission import Admission, Claims, Issuer
from memstrata.access.keys import Keys
from memstrata.errors import InvalidConfig, StoreUnavailable
from memstrata.faces.entrance.limits import Limits


def admitted(
    home: Path, limits: Limits, *, issuer: Issuer | None, claims: Claims | None, now: Callable[[], int]
) -> Admission:
    """Who may come in.

    Raises:
        InvalidConfig: others than this machine could ask, and nothing says who may.
    """
    admission = Admission(Keys(home), issuer=issuer, claims=claims, open=limits.loopback, now=now)
    if not limits.loopback and not admission.guarded:
        raise InvalidConfig(
            f"{limits.host!r:.80} can be reached from other machines, and this memory has no keys: make one with "
            "`memstrata keys add NAME`, name an issuer with --oidc-issuer and --oidc-audience, or stay on "
            "--host 127.0.0.1"
        )
    return admission


def bound(limits: Limits) -> socket.socket:
    """The socket that requests come to.

    Raises:
        StoreUnavailable: the address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in limits.host else socket.AF_INET
    # by name, for only where it is TCP's by name does asyncio turn Nagle's waiting off, 40 ms for an answer
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((limits.host, limits.port))
        listening.listen(limits.max_connections)
    except OSError as exc:
        listening.close()
        raise StoreUnavailable(
            f"cannot listen at {limits.host:.80}:{limits.port}: {exc.strerror}; choose another --port"
        ) from exc
    return listening


def address(listening: socket.socket, limits: Limits) -> str:
    """Where clients find it."""
    host = f"[{limits.host}]" if ":" in limits.host else limits.host
    return f"http://{host}:{listening.getsockname()[1]}"


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
