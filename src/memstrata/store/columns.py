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
    "born": np.int64,
    "named": np.int64,
    "speakers": np.uint32,
    "sessions": np.int64,
    "previous": np.int64,
    "following": np.int64,
}
ROW_BYTES: Final = sum(np.dtype(kind).itemsize for kind in DTYPES.values())
SMALLEST: Final = 16  # rows a space starts with; most spaces stay small, and there may be thousands
PAUSE: Final = 1_800_000_000  # microseconds without a word that end a run of turns which name no session

Array = NDArray[Any]  # Any: each column has its own type, see DTYPES


class Columns:
    """Growing arrays indexed by segment number; number 0 is nobody's.

    `named` is the code of the session that a turn names, 0 for none. `sessions`, `previous` and `following` are
    derived from the live turns alone, so that every process has the same: in a session turns follow each other by
    event time, then by when their memories were first added (`born`); turns that name none form runs, which a pause
    ends, and a run's code is minus the number of its first turn. What is not live has 0 in all three.
    """

    def __init__(self, arrays: dict[str, Array] | None = None) -> None:
        self.size = 1 if arrays is None else len(arrays["owners"])
        self._whole = arrays is None  # whether `_last` knows every session
        self._arrays = arrays or {name: np.zeros(SMALLEST, kind) for name, kind in DTYPES.items()}
        self._last: dict[int, int] = {}  # the last turn of each session
        self._stale: set[int] = set()  # sessions to be linked anew

    def __getitem__(self, name: str) -> Array:
        """A column (size,), up to date."""
        if self._stale:
            self._relink()
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
        self._take(run)
        start, self.size = self.size, size
        columns = (run.numbers, run.sessions, run.at, run.born, run.live)
        for number, code, at, born, live in zip(*(column.tolist() for column in columns), strict=True):
            if live and code not in self._stale:
                self._follow(number, code, at, born, start)

    def patch(self, gone: NDArray[np.int64], run: SegmentColumns) -> None:
        """Set what changed of known segments, those that are gone included.

        The column `live` becomes a new array: a reader of an earlier moment may be using the old one.
        """
        self._arrays["live"] = self._arrays["live"].copy()
        known = self._arrays["named"]
        self._stale |= set(known[gone].tolist()) | set(known[run.numbers].tolist()) | set(run.sessions.tolist())
        self._arrays["live"][gone] = False
        self._take(run)
        for name in ("sessions", "previous", "following"):
            self._arrays[name][gone] = 0
            self._arrays[name][run.numbers] = 0

    def of(self, owners: Iterable[int]) -> NDArray[np.int64]:
        """Numbers of all segments of the memories whose first segments these are."""
        held = self._arrays["owners"][: self.size]
        found: list[int] = []
        for owner in owners:
            number = owner
            while number < self.size and held[number] == owner:
                found.append(number)
                number += 1
        return np.array(found, np.int64)

    def _take(self, run: SegmentColumns) -> None:
        for name in ("owners", "live", "words", "traits", "at", "born", "speakers"):
            self._arrays[name][run.numbers] = getattr(run, name)
        self._arrays["named"][run.numbers] = run.sessions

    def _grow(self, size: int) -> None:
        wanted = max(size, 2 * len(self._arrays["owners"]))
        for name, array in self._arrays.items():
            grown = np.zeros(wanted, array.dtype)
            grown[: self.size] = array[: self.size]
            self._arrays[name] = grown

    def _follow(self, number: int, code: int, at: int, born: int, start: int) -> None:
        """Link a new turn behind the last of its session; one that comes late has its session linked anew."""
        last = self._newest(code, start)
        if last and (at, born) < (int(self._arrays["at"][last]), int(self._arrays["born"][last])):
            self._stale.add(code)
            return
        self._last[code] = number
        joined = bool(last) and (bool(code) or at - int(self._arrays["at"][last]) <= PAUSE)
        self._arrays["sessions"][number] = code or (self._arrays["sessions"][last] if joined else -number)
        if joined:
            self._arrays["previous"][number] = last
            self._arrays["following"][last] = number

    def _newest(self, code: int, start: int) -> int:
        if code not in self._last and not self._whole:
            members = self._members(code, start)
            self._last[code] = int(members[-1]) if len(members) else 0
        return self._last.get(code, 0)

    def _members(self, code: int, size: int) -> NDArray[np.int64]:
        """The live turns that name a session, or none, in order."""
        found = np.flatnonzero((self._arrays["named"][:size] == code) & self._arrays["live"][:size])
        found = found[found > 0]
        ordered: NDArray[np.int64] = found[np.lexsort((found, self._arrays["born"][found], self._arrays["at"][found]))]
        return ordered

    def _relink(self) -> None:
        stale, self._stale = self._stale, set()
        for code in stale:
            members = self._members(code, self.size)
            at = self._arrays["at"][members]
            starts = np.ones(len(members), np.bool_)
            starts[1:] = (np.diff(at) > PAUSE) & (code == 0)
            before = np.concatenate([[0], members[:-1]])[: len(members)]
            after = np.concatenate([members[1:], [0]])[: len(members)]
            self._arrays["previous"][members] = np.where(starts, 0, before)
            self._arrays["following"][members] = np.where(np.append(starts[1:], True)[: len(members)], 0, after)
            runs = -members[starts][np.cumsum(starts) - 1] if len(members) else members
            self._arrays["sessions"][members] = code if code else runs
            self._last[code] = int(members[-1]) if len(members) else 0
