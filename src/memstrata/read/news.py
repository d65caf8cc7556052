"""Turn the list of changes into what a subscriber may know."""

from __future__ import annotations

from collections.abc import Iterator

from memstrata import access
from memstrata.clock import as_datetime, id_text
from memstrata.store import ChangeRow, Reading, Stored
from memstrata.store.filters import Filter, matches
from memstrata.types import Change, Changes, Scope


def changes(after: int | None, where: Scope, tree: Filter | None, reading: Reading, *, limit: int) -> Changes:
    """The next changes of a scope after a position, and the position to go on from."""
    if after is None:
        return Changes((), reading.position())
    spaces = [place.space for place in access.many_spaces(reading, where)]
    lines = reading.changes_after(after, spaces, limit=limit)
    stored = reading.memories({line.row for line in lines})
    shown = tuple(_shown(lines, stored, where, tree))
    whole = len(lines) < limit
    return Changes(shown, max(after, reading.position()) if whole else lines[-1].position)


def _shown(lines: list[ChangeRow], stored: dict[int, Stored], where: Scope, tree: Filter | None) -> Iterator[Change]:
    gone: set[bytes] = set()
    for line in lines:
        if line.id is None or (line.retired and line.operation == "update"):
            continue  # its space is forgotten, or the line of the new version follows
        memory = stored[line.row].memory if line.row in stored else None
        if memory is not None and memory.state == "deleted":
            memory = None
        if line.operation == "delete":
            if line.id in gone:  # one line for each version
                continue
            gone.add(line.id)
        elif memory is not None and not (access.visible(memory, where) and matches(tree, memory)):
            continue
        yield Change(line.position, line.operation, id_text(line.id), line.version, as_datetime(line.at), memory)
