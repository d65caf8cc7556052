"""Turn a filter in mem0's grammar into places to look in, and a filter of ours for each.

In mem0 whose memory it is stands in the filter, anywhere in it. With us it names the space. So the filter is tried on
each space that the caller reaches: what it says of users and apps is decided there and then, and what is left is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from memstrata.errors import InvalidFilter, InvalidInput
from memstrata.store.filters import MAX_DEPTH, passes
from memstrata.types import Scope

Tree = Mapping[str, Any]  # Any: mem0's grammar, checked here and by the engine
SPACE: Final = ("user_id", "app_id")
NAMES: Final = {
    "run_id": "session_id", "created_at": "at", "timestamp": "at", "expiration_date": "expires_at",
    "keywords": "text", "memory": "text",
}  # fmt: skip
JOINING: Final = frozenset({"AND", "OR", "NOT"})
DAY: Final = 10  # letters of a date without a time


@dataclass(frozen=True, slots=True)
class Known:
    """What a part of a filter comes to where everything it asks is known."""

    holds: bool


Left = Known | dict[str, Any]  # Any: our grammar


def left_of(filters: object, space: Scope, *, depth: int = 0) -> Left:
    """What a filter still asks of the memories of a space.

    Raises:
        InvalidFilter: it is no filter of mem0's.
    """
    if not isinstance(filters, Mapping):
        raise InvalidFilter('filters takes an object such as {"user_id": "ana"}')
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"a filter may nest {MAX_DEPTH} levels deep; this one goes deeper")
    return _joined("AND", [_part(name, wanted, space, depth=depth) for name, wanted in filters.items()])


def _part(name: str, wanted: object, space: Scope, *, depth: int) -> Left:
    joint = name.upper()
    if joint in JOINING:
        inner = [wanted] if joint == "NOT" and isinstance(wanted, Mapping) else wanted
        if not isinstance(inner, list) or not inner:
            raise InvalidFilter(f"{joint} takes a list of filters with at least one in it")
        parts = [left_of(one, space, depth=depth + 1) for one in inner]
        return _negated(_joined("OR", parts)) if joint == "NOT" else _joined(joint, parts)
    if name in SPACE:
        value = getattr(space, name)
        return Known(passes(wanted, value if isinstance(value, str) else None))
    if name == "categories":
        return {"attributes.categories": _of_list(wanted)}
    if name == "memory_ids":
        return {"id": wanted if isinstance(wanted, Mapping) else {"in": wanted}}
    ours = NAMES.get(name, name)
    if ours == "expires_at" and isinstance(wanted, str | Mapping):
        return {ours: _as_times(wanted)}
    return {ours: wanted}


def _of_list(wanted: object) -> object:
    """What is asked of a list: mem0's `in` means that they share a member, and a bare value that it has it."""
    if isinstance(wanted, Mapping):
        return {"overlaps" if operator == "in" else operator: value for operator, value in wanted.items()}
    if isinstance(wanted, list):
        return {"overlaps": wanted}
    return wanted if wanted == "*" or wanted is None else {"contains": wanted}


def _as_times(wanted: str | Mapping[str, Any]) -> Any:  # Any: our grammar
    if isinstance(wanted, Mapping):
        return {operator: _as_times(value) if isinstance(value, str) else value for operator, value in wanted.items()}
    return end_of_day(wanted).isoformat() if len(wanted) == DAY else wanted


def _joined(joint: str, parts: Sequence[Left]) -> Left:
    deciding = joint == "OR"  # the value that alone decides the whole
    open_parts = []
    for part in parts:
        if not isinstance(part, Known):
            open_parts.append(part)
        elif part.holds is deciding:
            return Known(deciding)
    if not open_parts:
        return Known(not deciding)
    return open_parts[0] if len(open_parts) == 1 else {joint: open_parts}


def _negated(part: Left) -> Left:
    return Known(not part.holds) if isinstance(part, Known) else {"NOT": [part]}


def named(filters: object, field: str) -> str | None:
    """The one value that a filter can only pass with, where it says so outright; None where it leaves that open."""
    if not isinstance(filters, Mapping):
        return None
    found = filters.get(field)
    if isinstance(found, str) and found != "*":
        return found
    parts = filters.get("AND")
    if isinstance(parts, list):
        return next((name for part in parts if (name := named(part, field)) is not None), None)
    return None


def end_of_day(text: str) -> datetime:
    """When a memory that is kept through a day expires: as the next one begins, UTC.

    >>> end_of_day("2024-05-20").isoformat()
    '2024-05-21T00:00:00+00:00'

    Raises:
        InvalidInput: it is no date.
    """
    try:
        day = date.fromisoformat(text[:DAY])
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as exc:
        raise InvalidInput("expiration_date is a day such as 2025-12-31") from exc
