"""Turn a file with one event a line into events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from memstrata.errors import InvalidInput
from memstrata.write.formats import Found, json_lines, keys

SUFFIXES: Final = frozenset({".jsonl", ".ndjson"})
OTHERS: Final = frozenset({"messages", "chat_messages", "mapping", "memstrata", "entityType", "relationType"})


class JsonLines:
    """One JSON object a line, with the fields of `Event` or their usual synonyms, and `user_id` if there are several.

    `{"text": "…", "at": "2024-02-03T18:05:00+01:00", "speaker": "Ana", "attributes": {"place": "Porto"}}`
    """

    name = "jsonl"

    def recognises(self, path: Path, head: str) -> bool:
        """By the ending, and a `text` or `content` in the first line."""
        found = keys(head)
        return path.suffix.lower() in SUFFIXES and bool({"text", "content"} & found) and not OTHERS & found

    def events(self, path: Path) -> Iterator[Found]:
        """One event a line."""
        for number, line in json_lines(path):
            user = line.pop("user_id", None)
            if user is not None and not isinstance(user, str):
                raise InvalidInput(f"{path}, line {number}: user_id is a text, not {type(user).__name__}")
            yield Found(line, f"line {number}", user)
