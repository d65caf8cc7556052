"""Write memories with all their versions to a file of JSON lines.

The first line names the form; every other line is one memory: its id, its scope, and its versions from the
oldest on. Times are ISO 8601 with the microsecond and, for `at`, the offset they were given in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from memstrata.errors import InvalidInput, StoreUnavailable
from memstrata.store import Place, RowReading
from memstrata.types import Memory

FORM: Final = {"memstrata": "export", "version": 1}
PROPERTIES: Final = (
    "text", "kind", "speaker", "role", "attributes", "contributor", "resource", "sources",
)  # fmt: skip
TIMES: Final = ("at", "created_at", "updated_at", "valid_from", "valid_until", "expires_at")


def write(
    path: Path, reading: RowReading, places: Sequence[Place], *, progress: Callable[[int], None] | None = None
) -> int:
    """Write the memories of some places; the file appears whole or not at all. Returns how many."""
    if path.exists() and not _of_ours(path):
        raise InvalidInput(f"{path} is there and no export of ours; name another file, or remove it first")
    partial = path.with_name(path.name + ".partial")
    count = 0
    try:
        with open(partial, "w", encoding="utf-8", opener=_private) as file:
            file.write(json.dumps(FORM) + "\n")
            for line in lines(reading, places):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
                if progress is not None:
                    progress(1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as exc:
        raise StoreUnavailable(f"cannot write the export {path}: {exc.strerror}") from exc
    finally:
        partial.unlink(missing_ok=True)
    return count


def _of_ours(path: Path) -> bool:
    """Whether a file is an earlier export, which a newer one may take the place of."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline(200).strip() == json.dumps(FORM)
    except (OSError, UnicodeDecodeError):
        return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def lines(reading: RowReading, places: Sequence[Place]) -> Iterator[dict[str, Any]]:  # Any: JSON
    """One JSON object for each memory."""
    versions = (stored.memory for stored in reading.everything(places))
    for id, group in groupby(versions, key=lambda memory: memory.id):
        chain = list(group)
        scope = chain[0].scope
        names = {"tenant_id": scope.tenant_id, "app_id": scope.app_id, "user_id": scope.user_id}
        line = {"id": id, **{name: value for name, value in names.items() if value is not None}}
        if chain[0].key is not None:
            line["key"] = chain[0].key
        yield line | {"versions": [_version(memory) for memory in chain]}


def _version(memory: Memory) -> dict[str, Any]:  # Any: JSON
    found: dict[str, Any] = {"version": memory.version, "state": memory.state}
    for name in PROPERTIES:
        value = getattr(memory, name)
        if value not in (None, (), {}):
            found[name] = list(value) if name == "sources" else value
    for name in ("agent_id", "session_id", "namespace"):
        if (value := getattr(memory.scope, name)) is not None:
            found[name] = value
    for name in TIMES:
        if (value := getattr(memory, name)) is not None:
            found[name] = value.isoformat()
    return found
