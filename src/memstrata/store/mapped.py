"""Lay the vectors of a large space into one file that every process maps.

The file is derived and can be thrown away: a head that names what it holds, then the columns. It is
written aside, flushed and renamed, so that a reader finds a whole one or none.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memstrata.store.columns import DTYPES, ROW_BYTES, Columns

MAGIC: Final = b"memstrata vectors 3\n"
HEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """What a file holds: vectors of which embedder for which space, as of which change."""

    store: str
    space: int
    embedder: str
    dimensions: int
    position: int
    moment: int  # when that change was made: in another history of the same store it was another time
    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """A file's columns and vectors, indexed by segment number; changes to them stay in this process."""

    head: Head
    arrays: dict[str, NDArray[Any]]  # Any: each column has its own type, see columns.DTYPES
    codes: NDArray[np.int8]


def save(path: Path, head: Head, columns: Columns, codes: NDArray[np.int8]) -> None:
    """Write columns and vectors, whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb", opener=_private) as file:
            file.write((MAGIC + json.dumps(asdict(head)).encode()).ljust(HEAD_BYTES, b" "))
            for array in _arrays({name: columns[name] for name in DTYPES}, codes):
                file.write(array.data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _arrays(columns: Mapping[str, NDArray[Any]], codes: NDArray[np.int8]) -> list[NDArray[Any]]:  # Any: as in Mapped
    return [np.ascontiguousarray(array) for array in (*(columns[name] for name in DTYPES), codes)]


def checksum(columns: Mapping[str, NDArray[Any]], codes: NDArray[np.int8]) -> int:  # Any: as in Mapped
    """CRC-32 over columns and vectors."""
    found = 0
    for array in _arrays(columns, codes):
        found = zlib.crc32(array.data, found)
    return found


def load(path: Path) -> Mapped | None:
    """Map a file; None when it is not there or not whole."""
    try:
        with open(path, "rb") as file:
            raw = file.read(HEAD_BYTES)
            size = os.fstat(file.fileno()).st_size
        head = Head(**json.loads(raw.removeprefix(MAGIC)))
    except (OSError, ValueError, TypeError):
        return None
    n, dimensions = head.rows, head.dimensions
    if not all(isinstance(number, int) and number >= 0 for number in (n, dimensions, head.position)):
        return None
    if not raw.startswith(MAGIC) or size != HEAD_BYTES + n * (ROW_BYTES + dimensions):
        return None
    arrays: dict[str, NDArray[Any]] = {}  # Any: as in Mapped
    offset = HEAD_BYTES
    for name, kind in DTYPES.items():
        arrays[name] = np.fromfile(path, kind, n, offset=offset)
        offset += arrays[name].nbytes
    return Mapped(head, arrays, np.memmap(path, np.int8, "c", offset, (n, dimensions)))


def intact(mapped: Mapped) -> bool:
    """Whether columns and vectors are those that were written."""
    return checksum(mapped.arrays, mapped.codes) == mapped.head.checksum
