"""Turn the memories that mem0 gives out into facts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from memstrata.errors import InvalidInput
from memstrata.types import Event
from memstrata.write.formats import Found, json_file, json_object, keys

KEPT: Final = ("categories", "updated_at", "app_id", "immutable")  # they have no field of their own here
CHATS: Final = frozenset({"messages", "chat_messages", "mapping"})

Object = dict[str, Any]  # Any: JSON, checked where it is used


class Mem0Export:
    """What mem0's `get_all` or export returns: `{"results": […]}` or the bare list, each with `memory`."""

    name = "mem0"

    def recognises(self, path: Path, head: str) -> bool:
        """By `memory` in the first row, in a list or under `results`."""
        found = keys(head)
        wanted = {"memory", "id"} <= found or ("results" in found and '"memory"' in head)
        return path.suffix.lower() == ".json" and wanted and not CHATS & found

    def events(self, path: Path) -> Iterator[Found]:
        """One fact a row, with its own user, agent and run."""
        for number, value in enumerate(_rows(path), start=1):
            place = f"row {number}"
            row = json_object(value, f"{path}, {place}")
            if not isinstance(row.get("memory"), str):
                raise InvalidInput(f"{path}, {place}: a row needs its text under 'memory'")
            yield Found(_fact(row, f"{path}, {place}"), place, _text(row, "user_id", f"{path}, {place}"))


def _rows(path: Path) -> list[Any]:  # Any: JSON
    value = json_file(path)
    rows = value.get("results") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise InvalidInput(f"{path}: a list of memories is wanted, bare or under 'results'")
    return rows


def _fact(row: Object, place: str) -> Event:
    metadata = row.get("metadata") or {}
    attributes = {name: row[name] for name in KEPT if row.get(name)} | json_object(metadata, f"{place}: metadata")
    id = row.get("id")
    return Event(
        row["memory"],
        "fact",
        speaker=_text(row, "actor_id", place),
        role=_text(row, "role", place),
        at=row.get("created_at"),
        attributes=attributes,
        expires_at=row.get("expiration_date"),
        sources=() if id is None else (f"mem0:{id}",),
        agent_id=_text(row, "agent_id", place),
        session_id=_text(row, "run_id", place),
    )


def _text(row: Object, name: str, place: str) -> str | None:
    value = row.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise InvalidInput(f"{place}: {name} is a text, not {value!r:.80}")
