"""What a server gives to those who call it, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from memstrata.faces.entrance.limits import Limits

MAX_PAGE: Final = 1_000
MAX_OFFSET: Final = 100_000
MAX_FILTER: Final = 65_536  # characters of a filter in a query
MAX_MESSAGE: Final = 16_384  # bytes of a message from a subscriber, who has nothing to say


@dataclass(frozen=True, slots=True)
class Settings(Limits):
    """The limits of one server; `grace_s` is how long requests may still run when the server stops."""

    threads: int = 8
    queue: int = 512
    max_import_bytes: int = 1 << 30
    max_imports: int = 2
    grace_s: float = 15.0
    max_subscribers: int = 256
    heartbeat_s: float = 15.0
