"""Hold what a space knows of each of its segments as arrays, and link each to the turns around it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memstrata.store import SegmentColumns

DTYPES: Final = {
    "owners": np.int64,
    "live": np.bool_,
    "words": np.int32,
    "traits": np.uint8,
    "at": np.int64,
    "sessions": np.int64,
    "speakers": np.uint32,
    "previous": np.int64,
    "following": np.int64,
}
FROM_ROWS: Final = ("owners", "live", "words", "traits", "at", "sessions", "speakers")
ROW_BYTES: Final = sum(np.dtype(kind).itemsize for kind in DTYPES.values())
SMALLEST: Final = 16  # rows a space starts with; most spaces stay small, and there may be thousands
PAUSE: Final = 1_800_000_000  # microseconds without a word that end a run of turns which name no session

Array = NDArray[Any]  # Any: each column has its own type, see DTYPES


class Columns:
    """Growing arrays indexed by segment number; number 0 is nobody's.

    `previous` and `following` lead to the turns around one in its session, 0 where there is none. Turns without a
    session form runs, which a pause ends; a run's code is minus the number of its first turn.
    """

    def __init__(self, arrays: dict[str, Array] | None = None) -> None:
        self.size = 1 if arrays is None else len(arrays["owners"])
        self._arrays = arrays or {name: np.zeros(SMALLEST, kind) for name, kind in DTYPES.items()}
        self._last: dict[int, int] = {}  # the newest turn of each session met since this was made

    def __getitem__(self, name: str) -> Array:
        """A column (size,)."""
        return self._arrays[name][: self.size]

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(array.nbytes for array in self._arrays.values())

    def append(self, run: SegmentColumns) -> None:
        """Add segments with higher numbers than all before."""
        size = int(run.numbers[-1]) + 1
        if size > len(self._arrays["owners"]):
            self._grow(size)
        for name in FROM_ROWS:
            self._arrays[name][run.numbers] = getattr(run, name)
        start, self.size = self.size, size
        self._link(run, start)

    def patch(self, gone: NDArray[np.int64], run: SegmentColumns) -> None:
        """Set what changed of known segments, and take those that are gone out of their sessions.

        The column `live` becomes a new array: a reader of an earlier moment may be using the old one.
        """
        live = self._arrays["live"].copy()
        live[gone] = False
        live[run.numbers] = run.live
        self._arrays["live"] = live
        for name in ("words", "traits"):
            self._arrays[name][run.numbers] = getattr(run, name)
        for number in gone.tolist():
            self._unlink(number)

    def of(self, owners: Iterable[int]) -> NDArray[np.int64]:
        """Numbers of all segments of the memories whose first segments these are."""
        held = self["owners"]
        found: list[int] = []
        for owner in owners:
            number = owner
            while number < self.size and held[number] == owner:
                found.append(number)
                number += 1
        return np.array(found, np.int64)

    def _grow(self, size: int) -> None:
        wanted = max(size, 2 * len(self._arrays["owners"]))
        for name, array in self._arrays.items():
            grown = np.zeros(wanted, array.dtype)
            grown[: self.size] = array[: self.size]
            self._arrays[name] = grown

    def _link(self, run: SegmentColumns, start: int) -> None:
        sessions, previous, following = (self._arrays[name] for name in ("sessions", "previous", "following"))
        for number, code, at in zip(run.numbers.tolist(), run.sessions.tolist(), run.at.tolist(), strict=True):
            own = code or self._run_of(number, at, start)
            sessions[number] = own
            before = self._newest(own, start)
            previous[number] = before
            if before:
                following[before] = number
            self._last[own] = number
            if not code:
                self._last[0] = number

    def _run_of(self, number: int, at: int, start: int) -> int:
        """The run of turns that one without a session belongs to."""
        last = self._newest_without_session(start)
        if last and abs(at - int(self._arrays["at"][last])) <= PAUSE:
            return int(self._arrays["sessions"][last])
        return -number

    def _newest(self, code: int, start: int) -> int:
        if code not in self._last:
            found = np.flatnonzero(self._arrays["sessions"][:start] == code)
            self._last[code] = int(found[-1]) if len(found) else 0
        return self._last[code]

    def _newest_without_session(self, start: int) -> int:
        if 0 not in self._last:
            found = np.flatnonzero(self._arrays["sessions"][:start] < 0)
            self._last[0] = int(found[-1]) if len(found) else 0
        return self._last[0]

    def _unlink(self, number: int) -> None:
        sessions, previous, following = (self._arrays[name] for name in ("sessions", "previous", "following"))
        code, before, after = int(sessions[number]), int(previous[number]), int(following[number])
        if before:
            following[before] = after
        if after:
            previous[after] = before
        sessions[number] = previous[number] = following[number] = 0
        for key in (code, 0):  # looked up again when it is next needed
            if self._last.get(key) == number:
                del self._last[key]
