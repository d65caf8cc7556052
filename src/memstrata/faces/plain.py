"""Turn what the engine returns into JSON values, the same for every face.

They have the field names of the types in `memstrata.types`, with the parts of a scope beside the other fields of a
memory; times are ISO 8601.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from memstrata.types import Anyone, Hit, Memory, Passage


def plain(value: object) -> Any:  # Any: JSON
    """A value of `memstrata.types` as JSON."""
    match value:
        case Memory():
            found = {field.name: plain(getattr(value, field.name)) for field in fields(value) if field.name != "scope"}
            return found | plain(value.scope)
        case bytes():
            return value.hex()
        case Hit() | Passage():
            part = "passage" if isinstance(value, Hit) else "text"
            return _fields(value) | {part: getattr(value, part)}
        case Anyone():
            return "*"
        case datetime():
            return value.isoformat()
        case Path():
            return str(value)
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case str() | int() | float() | None:
            return value
        case Iterable():
            return [plain(one) for one in value]
        case _:
            return _fields(value)


def _fields(value: object) -> dict[str, Any]:  # Any: JSON
    assert is_dataclass(value) and not isinstance(value, type)
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
