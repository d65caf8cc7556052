"""Turn a filter tree and a place into SQL with a `?` for every value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from memstrata.store import Place, When
from memstrata.store.filters import Compare, Every, Filter, Not, Some, contains, overlaps

SqlValue = Any  # None, int, float, bytes or str; the driver's own alias exists for type checkers only
Clause = tuple[str, list[SqlValue]]

COLUMNS: Final = {
    "text": "m.text", "kind": "m.kind", "speaker": "m.speaker", "role": "m.role", "agent_id": "m.agent",
    "session_id": "m.session", "namespace": "m.namespace", "contributor": "m.contributor",
    "resource": "m.resource", "version": "m.version", "at": "m.at", "created_at": "m.created_at",
    "updated_at": "m.recorded_at", "valid_from": "m.valid_from", "valid_until": "m.valid_until",
    "expires_at": "m.expires_at", "id": "memstrata_id(m.id)",
}  # fmt: skip
SIGNS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def current_clause(place: Place, *, now: int) -> Clause:
    """Current memories of a place that have not expired."""
    sql, values = place_clause(place)
    return f"{sql} AND m.state = 'active' AND (m.expires_at IS NULL OR m.expires_at > ?)", [*values, now]


def moment_clause(place: Place, when: When) -> Clause:
    """The memories of a place as they were true at one moment, and known at another."""
    sql, values = place_clause(place)
    if when.known_at is None:
        sql += " AND m.state = 'active'"
    else:
        sql += " AND m.state <> 'deleted' AND m.recorded_at <= ? AND (m.retired_at IS NULL OR m.retired_at > ?)"
        values += [when.known_at, when.known_at]
    if when.as_of is None:
        sql += " AND (m.valid_from IS NULL OR m.valid_from <= ?)"
        values.append(when.now if when.known_at is None else when.known_at)
    else:
        sql += " AND coalesce(m.valid_from, m.at) <= ?"
        values.append(when.as_of)
    sql += " AND (m.valid_until IS NULL OR m.valid_until > ?) AND (m.expires_at IS NULL OR m.expires_at > ?)"
    return sql, [*values, when.moment, when.now]


def place_clause(place: Place) -> Clause:
    """Every version of every memory of a place."""
    sql = "m.space = ?"
    values: list[SqlValue] = [place.space]
    if place.session is not None:
        sql += " AND m.session = ?"
        values.append(place.session)
    if place.agent is not None:
        sql += " AND m.agent = ?"
        values.append(place.agent)
    if place.namespace is not None:  # '0' is the character after '/': the range is everything below
        sql += " AND (m.namespace = ? OR m.namespace >= ? AND m.namespace < ?)"
        values += [place.namespace, place.namespace + "/", place.namespace + "0"]
    return sql, values


def filter_clause(tree: Filter) -> Clause:
    """A filter as a condition that is always true or false, never null."""
    match tree:
        case Every(parts):
            return _joined(" AND ", parts)
        case Some(parts):
            return _joined(" OR ", parts)
        case Not(part):
            sql, values = filter_clause(part)
            return f"NOT {sql}", values
        case Compare():
            return _compare(tree)


def _joined(word: str, parts: Sequence[Filter]) -> Clause:
    clauses = [filter_clause(part) for part in parts]
    return "(" + word.join(sql for sql, _ in clauses) + ")", [value for _, values in clauses for value in values]


def _compare(compare: Compare) -> Clause:
    if compare.attribute:
        return _attribute(compare)
    return _condition(compare, COLUMNS[compare.field], [], text=f"json_quote({COLUMNS[compare.field]})")


def _attribute(compare: Compare) -> Clause:
    path = "$." + json.dumps(compare.field, ensure_ascii=False)
    if compare.operator == "exists":
        return "ifnull((m.attributes -> ?) <> 'null', 0)", [path]
    scalar = "iif(json_type(m.attributes, ?) IN ('array', 'object'), NULL, m.attributes ->> ?)"
    return _condition(compare, scalar, [path, path], text="(m.attributes -> ?)")


def _condition(compare: Compare, found: str, found_values: list[SqlValue], *, text: str) -> Clause:
    operator, value = compare.operator, compare.value
    if operator == "exists":
        return f"{found} IS NOT NULL", found_values
    if operator in ("contains", "icontains"):
        fold = operator == "icontains"
        return f"memstrata_contains({text}, ?, ?)", [*found_values[:1], json.dumps(value), fold]
    if operator == "overlaps":
        return f"memstrata_overlaps({text}, ?)", [*found_values[:1], json.dumps(value)]
    if isinstance(value, tuple):
        # one JSON text for all values: a condition for each would be too deep a tree for SQLite
        sql = f"ifnull({found} IN (SELECT value FROM json_each(?)), 0)"
        values = [*found_values, json.dumps([item for item in value if item is not None])]
        if None in value:
            sql, values = f"({sql} OR {found} IS NULL)", [*values, *found_values]
        return (f"NOT {sql}" if operator == "nin" else sql), values
    if operator in SIGNS:
        types = "('text')" if isinstance(value, str) else "('integer', 'real')"
        return (
            f"(typeof({found}) IN {types} AND {found} {SIGNS[operator]} ?)",
            [*found_values, *found_values, value],
        )
    return f"({found} IS {'NOT ' if operator == 'ne' else ''}?)", [*found_values, value]


def contains_json(found: SqlValue, value: SqlValue, fold: SqlValue) -> SqlValue:
    """The SQL function behind `contains`: both sides as JSON."""
    return (
        isinstance(found, str)
        and isinstance(value, str)
        and contains(json.loads(found), json.loads(value), fold=bool(fold))
    )


def overlaps_json(found: SqlValue, values: SqlValue) -> SqlValue:
    """The SQL function behind `overlaps`: both sides as JSON."""
    return isinstance(found, str) and isinstance(values, str) and overlaps(json.loads(found), json.loads(values))
