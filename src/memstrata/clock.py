"""Tell the time and make ids, in a form that tests can replace."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

from memstrata.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class SystemClock:
    """The machine's clock, in microseconds since 1970 UTC."""

    def now(self) -> int:
        """The present moment in microseconds since 1970 UTC."""
        return time.time_ns() // 1000


class RandomIds:
    """Ids that sort by time and cannot be guessed: UUID version 7 (RFC 9562, section 5.7).

    The twelve bits after the milliseconds hold their fraction, and count on where two ids would share it, so that ids
    made one after the other sort in that order.
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self, now: int) -> bytes:
        """Sixteen bytes: 48 bits of milliseconds, 12 of their fraction, 62 random ones."""
        with self._lock:
            self._last = ticks = max(self._last + 1, (now << 12) // 1000)
        raw = bytearray((ticks >> 12).to_bytes(6, "big") + (ticks & 0xFFF).to_bytes(2, "big") + os.urandom(8))
        raw[6] |= 0x70
        raw[8] = 0x80 | raw[8] & 0x3F
        return bytes(raw)


def moment(value: datetime | str | float | None, *, name: str = "at") -> tuple[int, int] | None:
    """Read a time in any form as (microseconds since 1970 UTC, minutes of UTC offset).

    A datetime or ISO 8601 string without a zone is taken as UTC; a number is seconds since 1970.

    >>> moment("2024-02-03T18:05:00+01:00")
    (1706979900000000, 60)

    Raises:
        InvalidInput: the value is no time, or lies outside the years 1 to 9999.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = EPOCH + timedelta(seconds=value)
        if not isinstance(value, datetime):
            raise TypeError(type(value).__name__)
        offset = value.utcoffset() or timedelta(0)
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        found = (aware - EPOCH) // MICROSECOND, int(offset.total_seconds() // 60)
        as_datetime(*found)  # a time at the edge of the calendar may lie beyond it in UTC
        return found
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidInput(
            f"{name}={value!r} is not a time: pass a datetime, an ISO 8601 string "
            'such as "2024-02-03T18:05:00+01:00", or seconds since 1970'
        ) from exc


def micros(value: datetime) -> int:
    """An aware datetime in microseconds since 1970 UTC."""
    return (value - EPOCH) // MICROSECOND


EARLIEST = micros(datetime.min.replace(tzinfo=UTC))
LATEST = micros(datetime.max.replace(tzinfo=UTC))


def as_datetime(micros: int, offset_minutes: int = 0) -> datetime:
    """The moment as a datetime that carries its UTC offset."""
    zone = timezone(timedelta(minutes=offset_minutes)) if offset_minutes else UTC
    return (EPOCH + timedelta(microseconds=micros)).astimezone(zone)


def id_text(raw: bytes) -> str:
    """Sixteen bytes in the form of a UUID, as callers see an id."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def id_bytes(text: str) -> bytes | None:
    """The sixteen bytes of an id; None when the text is no id, and so nobody's."""
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except (ValueError, AttributeError, TypeError):
        return None
    return raw if len(raw) == 16 else None


class Stopwatch:
    """Measures stages in wall milliseconds, for the account of an answer."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._start = self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap to a stage."""
        now = time.perf_counter()
        self.ms[stage] = self.ms.get(stage, 0.0) + (now - self._last) * 1e3
        self._last = now

    @property
    def total_ms(self) -> float:
        """Milliseconds since the watch was made."""
        return (time.perf_counter() - self._start) * 1e3
