"""Turn the knowledge graph of MCP's reference memory server into concepts and facts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from memstrata.errors import InvalidInput
from memstrata.types import Event
from memstrata.write.formats import Found, json_lines, keys

SUFFIXES: Final = frozenset({".jsonl", ".json", ".ndjson"})

Object = dict[str, Any]  # Any: JSON, checked where it is used


class ServerMemory:
    """The `memory.jsonl` of server-memory: a line is an entity with its observations, or a relation."""

    name = "server-memory"

    def recognises(self, path: Path, head: str) -> bool:
        """By `entityType` or `relationType` in the first line."""
        return path.suffix.lower() in SUFFIXES and bool({"entityType", "relationType"} & keys(head))

    def events(self, path: Path) -> Iterator[Found]:
        """A concept for each entity, a fact for each observation and each relation."""
        for number, line in json_lines(path):
            place = f"{path}, line {number}"
            match line.get("type"):
                case "entity":
                    events = list(_entity(line, place))
                case "relation":
                    events = [_relation(line, place)]
                case other:
                    raise InvalidInput(f"{place}: the type is entity or relation, not {other!r:.80}")
            for event in events:
                yield Found(event, f"line {number}")


def _entity(line: Object, place: str) -> Iterator[Event]:
    name, type = _text(line, "name", place), _text(line, "entityType", place)
    attributes = {"entity": name, "entity_type": type}
    yield Event(f"{name} ({type})", "concept", attributes=attributes)
    observations = line.get("observations", [])
    if not isinstance(observations, list) or not all(isinstance(one, str) for one in observations):
        raise InvalidInput(f"{place}: observations are a list of texts")
    for observation in observations:
        if observation.strip():  # an empty one says nothing
            yield Event(f"{name}: {observation}", "fact", attributes=attributes)


def _relation(line: Object, place: str) -> Event:
    subject, relation, object = (_text(line, name, place) for name in ("from", "relationType", "to"))
    attributes = {"from": subject, "relation": relation, "to": object}
    return Event(f"{subject} {relation.replace('_', ' ')} {object}", "fact", attributes=attributes)


def _text(line: Object, name: str, place: str) -> str:
    value = line.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{place}: {name!r} is missing, or no text")
    return value
