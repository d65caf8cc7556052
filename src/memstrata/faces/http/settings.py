"""What a server gives to those who call it, and no more."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

MAX_PAGE: Final = 1_000
MAX_OFFSET: Final = 100_000
MAX_FILTER: Final = 65_536  # characters of a filter in a query
MAX_MESSAGE: Final = 16_384  # bytes of a message from a subscriber, who has nothing to say


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of one server.

    `rate` is requests a second for each key, `burst` how many may come at once; 0 for no limit. `body_s` is how long
    a whole body may take, `write_s` how long a client may take to read a piece of an answer, `grace_s` how long
    requests may still run when the server stops.
    """

    host: str = "127.0.0.1"
    port: int = 8420
    threads: int = 8
    queue: int = 512
    rate: float = 1_000.0
    burst: float = 2_000.0
    max_body_bytes: int = 4 << 20
    max_import_bytes: int = 1 << 30
    max_imports: int = 2
    body_s: float = 30.0
    header_s: float = 15.0
    write_s: float = 60.0
    grace_s: float = 15.0
    max_connections: int = 1_024
    max_subscribers: int = 256
    heartbeat_s: float = 15.0

    @property
    def loopback(self) -> bool:
        """Whether only this machine can ask."""
        return on_loopback(self.host)


def on_loopback(host: str) -> bool:
    """Whether an address is one that only this machine reaches.

    >>> on_loopback("127.0.0.1"), on_loopback("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
