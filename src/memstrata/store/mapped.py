"""Lay the vectors of a large space into one file that every process maps.

The file is derived and can be thrown away: a head that names what it holds, then the columns. It is
written aside, flushed and renamed, so that a reader finds a whole one or none.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = b"memstrata vectors 1\n"
HEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """What a file holds: vectors of which embedder for which space, as of which change."""

    store: str
    space: int
    embedder: str
    dimensions: int
    position: int
    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """A file's columns, indexed by segment number; changes to them stay in this process."""

    head: Head
    live: NDArray[np.bool_]
    owners: NDArray[np.int64]
    codes: NDArray[np.int8]


def save(
    path: Path, head: Head, *, live: NDArray[np.bool_], owners: NDArray[np.int64], codes: NDArray[np.int8]
) -> None:
    """Write the columns, whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb", opener=_private) as file:
            file.write((MAGIC + json.dumps(asdict(head)).encode()).ljust(HEAD_BYTES, b" "))
            for column in (live, owners, codes):
                file.write(np.ascontiguousarray(column).data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def checksum(live: NDArray[np.bool_], owners: NDArray[np.int64], codes: NDArray[np.int8]) -> int:
    """CRC-32 over the three columns."""
    found = 0
    for column in (live, owners, codes):
        found = zlib.crc32(np.ascontiguousarray(column).data, found)
    return found


def load(path: Path) -> Mapped | None:
    """Map a file's columns; None when it is not there or not whole."""
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
    if not raw.startswith(MAGIC) or size != HEAD_BYTES + n * (1 + 8 + dimensions):
        return None
    return Mapped(
        head,
        live=np.fromfile(path, np.bool_, n, offset=HEAD_BYTES),
        owners=np.fromfile(path, np.int64, n, offset=HEAD_BYTES + n),
        codes=np.memmap(path, np.int8, "c", HEAD_BYTES + 9 * n, (n, dimensions)),
    )


def intact(mapped: Mapped) -> bool:
    """Whether the columns are those that were written."""
    return checksum(mapped.live, mapped.owners, mapped.codes) == mapped.head.checksum
