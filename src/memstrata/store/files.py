"""Write files so that they are whole or not there, and say in our own errors why one cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final

from memstrata.errors import StoreFull, StoreUnavailable

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
PARTIAL: Final = ".partial"


@contextmanager
def reachable(path: Path) -> Iterator[None]:
    """Raise our error for the operating system's, around work on files."""
    try:
        yield
    except OSError as exc:
        kind = StoreFull if exc.errno in NO_ROOM else StoreUnavailable
        raise kind(f"{path} cannot be used: {exc.strerror}; check the path, its permissions and the room left") from exc


@contextmanager
def aside(directory: Path) -> Iterator[IO[bytes]]:
    """A new file in a folder, on the disk when the block ends well, and gone when it does not."""
    file = NamedTemporaryFile(dir=directory, suffix=PARTIAL, delete=False)  # noqa: SIM115 - closed before it is removed
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the block ends well; until then, nobody sees anything of it."""
    with aside(path.parent) as file:
        yield file
    Path(file.name).replace(path)
    sync_folder(path.parent)


def sync_folder(directory: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
