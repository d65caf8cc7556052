"""Turn a filter as callers write it into a tree, and try the tree on a memory.

The grammar is the field's common one: bare equality, `{"field": {"op": value}}`, and `AND`, `OR`, `NOT`;
siblings are joined by AND. A field of the memory goes by its name, any other name is an attribute
(`attributes.name` says so outright). What is missing is null: null equals only null, and compares,
orders and contains nothing. A list answers only to `contains`, `overlaps` and `"*"` (is not null), an object only to
the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from memstrata.clock import micros, moment
from memstrata.errors import InvalidFilter, InvalidInput
from memstrata.types import Memory

Operator = Literal["eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "contains", "icontains", "overlaps", "exists"]
OPERATORS: Final = frozenset(get_args(Operator))
Scalar = str | int | float | bool | None

TIME_FIELDS: Final = frozenset({"at", "created_at", "updated_at", "valid_from", "valid_until", "expires_at"})
TEXT_FIELDS: Final = frozenset(
    {
        "id", "text", "kind", "speaker", "role", "agent_id", "session_id", "namespace", "contributor", "resource",
    }
)  # fmt: skip
FIELDS: Final = TIME_FIELDS | TEXT_FIELDS | {"version"}
SPACE_FIELDS: Final = frozenset({"tenant_id", "app_id", "user_id"})
MAX_DEPTH: Final = 20
MAX_VALUES: Final = 10_000
MAX_CONDITIONS: Final = 500  # SQLite joins them into a tree that may be 1,000 deep
MAX_INTEGER: Final = 2**63  # what a database column holds


@dataclass(frozen=True, slots=True)
class Compare:
    """One field against one value, or a tuple of values for `in` and `nin`."""

    field: str
    attribute: bool
    operator: Operator
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


Filter = Compare | Every | Some | Not


def parse(filters: Mapping[str, Any] | None) -> Filter | None:  # Any: the caller's JSON, checked here
    """Read a filter.

    >>> parse({"kind": "fact", "attributes.room": {"in": ["kitchen", "attic"]}}) is not None
    True

    Raises:
        InvalidFilter: an operator is unknown, or a value does not fit it.
    """
    if filters is None or (isinstance(filters, Mapping) and not filters):
        return None
    tree = _every(filters, depth=0)
    if (found := _conditions(tree)) > MAX_CONDITIONS:
        raise InvalidFilter(
            f"a filter may have {MAX_CONDITIONS} conditions; this one has {found:,}: use `in` for a list"
        )
    return tree


def _conditions(tree: Filter) -> int:
    match tree:
        case Every(parts) | Some(parts):
            return sum(_conditions(part) for part in parts)
        case Not(part):
            return _conditions(part)
        case Compare():
            return 1


def _every(filters: object, *, depth: int) -> Filter:
    if not isinstance(filters, Mapping) or not filters:
        raise InvalidFilter(f'a filter is a mapping such as {{"kind": "fact"}}, not {filters!r:.80}')
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"a filter may nest {MAX_DEPTH} levels deep; this one goes deeper")
    parts = tuple(_part(name, value, depth=depth + 1) for name, value in filters.items())
    return parts[0] if len(parts) == 1 else Every(parts)


def _part(name: object, value: object, *, depth: int) -> Filter:
    if not isinstance(name, str) or not name:
        raise InvalidFilter(f"a filter's field is a name, not {name!r:.80}")
    match name.upper():
        case "AND":
            return Every(_list(name, value, depth=depth))
        case "OR":
            return Some(_list(name, value, depth=depth))
        case "NOT":
            parts = _list(name, value if isinstance(value, list) else [value], depth=depth)
            return Not(parts[0] if len(parts) == 1 else Some(parts))
    if name in ("attributes", "metadata") and isinstance(value, Mapping):
        return _every({f"attributes.{inner}": wanted for inner, wanted in value.items()}, depth=depth)
    return _field(name, value)


def _list(name: str, value: object, *, depth: int) -> tuple[Filter, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise InvalidFilter(f"{name} takes a list of filters with at least one in it, not {value!r:.80}")
    return tuple(_every(part, depth=depth) for part in value)


def _field(name: str, value: object) -> Filter:
    attribute = name not in FIELDS
    field = name.removeprefix("attributes.").removeprefix("metadata.") if attribute else name
    if (attribute and not field.isprintable()) or '"' in field or "\\" in field:
        raise InvalidFilter(
            f"{name!r:.80} cannot be filtered by: quotes, backslashes and control signs are not matched"
        )
    if name in SPACE_FIELDS:
        raise InvalidFilter(f"{name} names a space, not a property of a memory: pass {name}=… as a keyword")
    if not isinstance(value, Mapping):
        bare: Operator = "exists" if value == "*" else "eq"
        return Compare(field, attribute, bare, None if bare == "exists" else _value(name, bare, value, attribute))
    if not value:
        raise InvalidFilter(f"the filter on {name} is empty; write {{{name!r}: value}}")
    parts = tuple(_compare(name, field, attribute, operator, wanted) for operator, wanted in value.items())
    return parts[0] if len(parts) == 1 else Every(parts)


def _compare(name: str, field: str, attribute: bool, operator: object, value: object) -> Compare:
    plain = operator.removeprefix("$") if isinstance(operator, str) else operator
    if plain not in OPERATORS or plain == "exists":
        known = ", ".join(sorted(OPERATORS - {"exists"}))
        raise InvalidFilter(f"unknown operator {operator!r} on {name}; known are {known}")
    return Compare(field, attribute, plain, _value(name, plain, value, attribute))  # type: ignore[arg-type]  # checked against OPERATORS


def _value(name: str, operator: object, value: object, attribute: bool) -> Scalar | tuple[Scalar, ...]:
    if operator in ("contains", "icontains", "overlaps") and name in TIME_FIELDS | {"version"}:
        raise InvalidFilter(f"{operator} looks into text and lists; {name} is neither")
    if operator in ("in", "nin", "overlaps"):
        if not isinstance(value, list | tuple | set | frozenset):
            raise InvalidFilter(f"{operator} on {name} takes a list, not {value!r:.80}")
        if len(value) > MAX_VALUES:
            raise InvalidFilter(f"{operator} on {name} takes up to {MAX_VALUES:,} values, not {len(value):,}")
        return tuple(_scalar(name, item, attribute) for item in value)
    if operator in ("gt", "gte", "lt", "lte") and value is None:
        raise InvalidFilter(f"{operator} on {name} takes a number, a text or a time, not null")
    return _scalar(name, value, attribute)


def _scalar(name: str, value: object, attribute: bool) -> Scalar:
    if not attribute and name in TIME_FIELDS and value is not None:
        return _time(name, value)
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float):
        _check_storable(name, value)
        if name == "version" and isinstance(value, str):
            raise InvalidFilter(f"version is a number; the filter compares it with {value!r:.80}")
        if not attribute and name in TEXT_FIELDS and not isinstance(value, str | None):
            raise InvalidFilter(f"{name} is text; the filter compares it with {value!r:.80}")
        return value
    raise InvalidFilter(f"{name} is compared with a text, number, true, false, null or time, not {value!r:.80}")


def _time(name: str, value: object) -> int | None:
    try:
        read = moment(value, name=name)  # type: ignore[arg-type]  # moment() checks what it is given
    except InvalidInput as exc:
        raise InvalidFilter(str(exc)) from exc
    return None if read is None else read[0]


def _check_storable(name: str, value: Scalar) -> None:
    """See that a store could hold the value at all; otherwise it is a mistake to look for it."""
    if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise InvalidFilter(f"{name} is compared with a text that has half of a surrogate pair; no stored text has")
    if isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
        raise InvalidFilter(f"{name} is compared with a whole number beyond 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidFilter(f"{name} is compared with {value}; no stored number is")


def passes(condition: object, value: str | None) -> bool:
    """Whether a text passes what a filter asks of one field, `"*"`, a bare value or operators.

    >>> passes({"in": ["ana", "bo"]}, "ana"), passes("*", None)
    (True, False)

    Raises:
        InvalidFilter: an operator is unknown, or a value does not fit it.
    """
    return _all_hold(_field("attributes.value", condition), value)


def _all_hold(tree: Filter, value: str | None) -> bool:
    if isinstance(tree, Every):
        return all(_all_hold(part, value) for part in tree.parts)
    assert isinstance(tree, Compare)  # one field has conditions, and no more
    return _holds(tree, value)


def matches(tree: Filter | None, memory: Memory) -> bool:
    """Whether a memory passes, by the same rules as the stores."""
    match tree:
        case None:
            return True
        case Every(parts):
            return all(matches(part, memory) for part in parts)
        case Some(parts):
            return any(matches(part, memory) for part in parts)
        case Not(part):
            return not matches(part, memory)
        case Compare():
            return _holds(tree, _read(tree, memory))


def _read(compare: Compare, memory: Memory) -> object:
    if compare.attribute:
        return memory.attributes.get(compare.field)
    if compare.field in ("agent_id", "session_id", "namespace"):
        found = getattr(memory.scope, compare.field)
        return "/".join(found) if isinstance(found, tuple) else found
    found = getattr(memory, compare.field)
    return micros(found) if isinstance(found, datetime) else found


def _holds(compare: Compare, found: object) -> bool:
    operator, value = compare.operator, compare.value
    if operator == "exists":
        return found is not None
    if operator in ("contains", "icontains"):
        return contains(found, value, fold=operator == "icontains")
    if operator == "overlaps":
        return overlaps(found, value)
    if isinstance(found, list | dict | tuple):
        found = None
    match operator:
        case "eq":
            return found == value
        case "ne":
            return found != value
        case "in":
            return found in value  # type: ignore[operator]  # `in` carries a tuple
        case "nin":
            return found not in value  # type: ignore[operator]  # `nin` carries a tuple
        case _:
            return _ordered(operator, found, value)


def _ordered(operator: str, found: Any, value: Any) -> bool:  # Any: both are checked to be of one kind
    both_text = isinstance(found, str) and isinstance(value, str)
    both_numbers = isinstance(found, int | float) and isinstance(value, int | float)
    if not both_text and not both_numbers:
        return False
    match operator:
        case "gt":
            holds = found > value
        case "gte":
            holds = found >= value
        case "lt":
            holds = found < value
        case _:
            holds = found <= value
    return bool(holds)


def contains(found: object, value: object, *, fold: bool) -> bool:
    """Whether a list has the value as a member, or a text has it inside; `fold` ignores case."""
    if isinstance(found, str) and isinstance(value, str):
        return value.casefold() in found.casefold() if fold else value in found
    if isinstance(found, list | tuple):
        if fold and isinstance(value, str):
            return any(isinstance(item, str) and item.casefold() == value.casefold() for item in found)
        return value in found
    return False


def overlaps(found: object, values: object) -> bool:
    """Whether a list shares a member with the values, or a single value is one of them."""
    assert isinstance(values, list | tuple)
    own = found if isinstance(found, list | tuple) else [found]
    return any(one is not None and one in values for one in own)
