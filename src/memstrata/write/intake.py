"""Turn a file, or a folder of files, into memories, whatever program wrote it.

What is read twice is kept once: each event gets a key made of its content, so that importing a file again adds
only what is new in it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Final

from memstrata import access
from memstrata.errors import InvalidInput
from memstrata.providers.embedders import Embedder
from memstrata.store import NewMemory, Store
from memstrata.types import BulkReceipt, Event, Scope
from memstrata.write.event import event_of
from memstrata.write.formats import Format, Found, format_of, head_of
from memstrata.write.index import row_of_event, with_vectors
from memstrata.write.journal import committed
from memstrata.write.restore import is_export, restored

BATCH: Final = 1_000
EXPORT: Final = "memstrata"  # the name of our own export, where a format's name is asked for
CONTENT: Final = tuple(
    field.name for field in fields(NewMemory) if field.name not in ("key", "segments", "at", "at_offset", "at_given")
)

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A file, the name it is known by, and the format it is in; None for an export of ours."""

    path: Path
    name: str
    format: Format | None


def imported(
    path: Path,
    scope: Scope,
    *,
    format: str | None,
    contributor: str | None = None,
    store: Store,
    embedder: Embedder,
    now: Callable[[], int],
    progress: Progress | None = None,
) -> BulkReceipt:
    """Keep what a file or folder holds, a commit for each thousand events; `progress` gets the size of each.

    Raises:
        InvalidInput: a file cannot be read; names the file and the place. What came before it is kept.
        InvalidConfig: no format has this name.
    """
    added = repeated = position = 0
    for source in sources(path, format=format):
        if source.format is None:
            _refuse_scope(source.path, scope)
            receipt = restored(source.path, store=store, embedder=embedder, now=now(), progress=progress)
        else:
            receipt = _kept(
                source.path, source.name, source.format, scope, contributor=contributor, store=store,
                embedder=embedder, now=now, progress=progress,
            )  # fmt: skip
        added += receipt.added
        repeated += receipt.repeated
        position = receipt.position or position
    return BulkReceipt(added, repeated, position)


def _refuse_scope(path: Path, scope: Scope) -> None:
    if scope != Scope():
        raise InvalidInput(f"{path} is an export, which names its own users; import it without a scope")


# ── which files ──


def sources(path: Path, *, format: str | None) -> Iterator[Source]:
    """The file, or the files of a folder that some format recognises, in the order of their names.

    Raises:
        InvalidInput: there is nothing there, or nothing that a format recognises.
    """
    if not path.is_dir():
        source = _source(path, path.name, format, chosen=True)
        if source is None and format is None:
            raise InvalidInput(f"no format recognises {path}; say which it is, with format=… or --format")
        if source is None:
            raise InvalidInput(f"{path} is no Memstrata export")
        yield source
        return
    found = (_source(file, file.relative_to(path).as_posix(), format, chosen=False) for file in _files(path))
    count = 0
    for source in found:
        if source is not None:
            count += 1
            yield source
    if not count:
        raise InvalidInput(f"no file in {path} is of {'a known format' if format is None else f'the format {format}'}")


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder; hidden files and folders are passed over."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(root) / name for name in sorted(files) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())  # no pipes, and no links to what is gone


def _source(path: Path, name: str, format: str | None, *, chosen: bool) -> Source | None:
    """A file with its format; a file that was chosen is read as it was asked for, whatever it looks like."""
    head = head_of(path)
    if format in (None, EXPORT) and is_export(head.partition("\n")[0]):
        return Source(path, name, None)
    found = None if format == EXPORT else format_of(path, head, name=format)
    fits = found is not None and (chosen or found.recognises(path, head))
    return Source(path, name, found) if fits else None


# ── what is in them ──


def _kept(
    path: Path,
    name: str,
    format: Format,
    scope: Scope,
    *,
    contributor: str | None,
    store: Store,
    embedder: Embedder,
    now: Callable[[], int],
    progress: Progress | None,
) -> BulkReceipt:
    added = repeated = position = 0
    seen: Counter[bytes] = Counter()
    stream = format.events(path)
    while batch := list(islice(stream, BATCH)):
        by_scope: dict[Scope, list[NewMemory]] = {}
        for found in batch:
            where, row = _row(found, scope, path, name, contributor=contributor, now=now())
            by_scope.setdefault(where, []).append(_with_key(row, format.name, seen))
        for where, rows in by_scope.items():
            whole = with_vectors(rows, embedder) if embedder.inline else rows
            receipt = committed(whole, where, store=store, embedder=embedder)
            added += len(receipt.ids) - receipt.repeated
            repeated += receipt.repeated
            position = receipt.position
        if progress is not None:
            progress(len(batch))
    return BulkReceipt(added, repeated, position)


def _row(
    found: Found, scope: Scope, path: Path, name: str, *, contributor: str | None, now: int
) -> tuple[Scope, NewMemory]:
    """Where an event goes and its row; what the caller says of the scope goes before what the file says."""
    try:
        where = scope if scope.user_id is not None else access.scope_from(scope, {"user_id": found.user_id})
        event = event_of(found.event, Event("", resource=name))
        event = replace(
            event,
            agent_id=scope.agent_id or event.agent_id,
            session_id=scope.session_id or event.session_id,
            namespace=scope.namespace or event.namespace,
            contributor=contributor or event.contributor,
        )
        return where, row_of_event(event, where, now=now)
    except InvalidInput as exc:
        raise InvalidInput(f"{path}, {found.place}: {exc}") from exc


def _with_key(row: NewMemory, format: str, seen: Counter[bytes]) -> NewMemory:
    """The row with a key: its own, or one made of its content and of how often that came before in the file."""
    if row.key is not None:
        return row
    content = {name: getattr(row, name) for name in CONTENT}
    time = [row.at, row.at_offset] if row.at_given else None
    plain = json.dumps([format, time, content | {"attributes": dict(row.attributes)}], sort_keys=True)
    digest = hashlib.blake2b(plain.encode(), digest_size=16).digest()
    nth = seen[digest]
    seen[digest] += 1
    return replace(row, key=f"import/{digest.hex()}/{nth}")
