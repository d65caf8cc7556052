"""What a server takes from one caller, and from where it is called."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken from those who call.

    `rate` is requests a second for each key, `burst` how many may come at once; 0 for no limit. `body_s` is how long
    a whole body may take, `header_s` how long a connection may be open without a whole request, `write_s` how long a
    client may take to read a piece of an answer.
    """

    host: str = "127.0.0.1"
    port: int = 8420
    rate: float = 1_000.0
    burst: float = 2_000.0
    max_body_bytes: int = 4 << 20
    body_s: float = 30.0
    header_s: float = 15.0
    write_s: float = 60.0
    max_connections: int = 1_024

    @property
    def loopback(self) -> bool:
        """Whether only this machine can ask."""
        return on_loopback(self.host)


def on_loopback(host: str) -> bool:
    """Whether an address is one that only this machine reaches; a name other than localhost might stand for anything.

    >>> on_loopback("127.0.0.1"), on_loopback("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
