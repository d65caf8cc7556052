"""Read an export back: every memory under its own id, with its versions and times."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from memstrata import access
from memstrata.clock import id_bytes, moment
from memstrata.errors import InvalidInput
from memstrata.providers.embedders import Embedder
from memstrata.store import Restored, Store
from memstrata.types import BulkReceipt, Event, Scope
from memstrata.write.event import checked
from memstrata.write.index import row_of_event, with_vectors
from memstrata.write.journal import agree

BATCH: Final = 500
MAX_VERSIONS: Final = 2**31
OWN: Final = ("version", "state", "created_at", "updated_at")
STATES: Final = ("active", "superseded", "merged")

Named = tuple[tuple[str, str, str], list[Restored]]  # a space's name, and the versions of one memory in it


def restored(
    path: Path, *, store: Store, embedder: Embedder, now: int, progress: Callable[[int], None] | None = None
) -> BulkReceipt:
    """Write what an export holds and this store does not; a commit for each batch."""
    added = repeated = position = 0
    stream = memories(path, now=now)
    while batch := list(islice(stream, BATCH)):
        if embedder.inline:
            batch = [(name, _embedded(versions, embedder)) for name, versions in batch]
        with store.writing() as writing:
            agree(writing, embedder)
            written = [writing.restore(writing.space(*name), versions) for name, versions in batch]
            position = writing.position()
        added += sum(written)
        repeated += len(written) - sum(written)
        if progress is not None:
            progress(len(batch))
    return BulkReceipt(added, repeated, position)


def _embedded(versions: list[Restored], embedder: Embedder) -> list[Restored]:
    rows = with_vectors([one.content for one in versions], embedder)
    return [replace(one, content=row) for one, row in zip(versions, rows, strict=True)]


def memories(path: Path, *, now: int) -> Iterator[Named]:
    """The memories of an export, checked line by line.

    Raises:
        InvalidInput: the file is none of ours, or a line is damaged; names the line.
    """
    with open(path, encoding="utf-8") as file:
        lines = enumerate(_readable(file, path), start=1)
        _, head = next(lines, (0, ""))
        if not is_export(head):
            raise InvalidInput(f"{path} is no Memstrata export; for other files use `memstrata import`")
        for number, line in lines:
            if line.strip():
                try:
                    yield _memory(json.loads(line), now=now)
                except (ValueError, KeyError, TypeError, AttributeError) as exc:
                    raise InvalidInput(f"{path}, line {number}: cannot be read ({type(exc).__name__}: {exc})") from exc


def _readable(file: Iterable[str], path: Path) -> Iterator[str]:
    try:
        yield from file
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{path} is not UTF-8 at byte {exc.start} of a block; it is damaged, or no export") from exc


def is_export(line: str) -> bool:
    """Whether a file's first line says that it is an export."""
    try:
        head = json.loads(line)
    except ValueError:
        return False
    return isinstance(head, dict) and head.get("memstrata") == "export" and head.get("version") == 1


def _memory(line: dict[str, Any], *, now: int) -> Named:  # Any: JSON, checked here
    id = id_bytes(line["id"])
    if id is None or not line["versions"]:
        raise ValueError("a memory has an id and at least one version")
    names = {name: line[name] for name in ("tenant_id", "app_id", "user_id") if name in line}
    space = access.space_name(access.scope_from(Scope(**names), {}))
    versions = [_version(id, found, line.get("key"), now=now) for found in line["versions"]]
    numbers = [one.version for one in versions]
    if numbers != sorted(set(numbers)) or not all(0 < number < MAX_VERSIONS for number in numbers):
        raise ValueError(f"versions are numbered upwards from 1, not {numbers[:9]}")
    if any(one.state != "superseded" for one in versions[:-1]):
        raise ValueError("only the last version can be a current one")
    return space, versions


def _version(id: bytes, found: dict[str, Any], key: str | None, *, now: int) -> Restored:  # Any: JSON
    if found["state"] not in STATES:
        raise ValueError(f"state {found['state']!r}")
    fields = {name: value for name, value in found.items() if name not in OWN}
    fields["sources"] = tuple(fields.get("sources", ()))
    event = checked(Event(**fields, key=key))
    created, recorded = moment(found["created_at"]), moment(found["updated_at"])
    if created is None or recorded is None:
        raise ValueError("a version has the times it was created and recorded at")
    content = row_of_event(event, Scope(), now=now)
    return Restored(id, int(found["version"]), found["state"], created[0], recorded[0], content)
