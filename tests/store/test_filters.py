"""Prove that the filters that run in SQL and the plain ones in Python are the same filters."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstrata import Memstrata
from memstrata.errors import InvalidFilter
from memstrata.store.filters import FIELDS, OPERATORS, matches, parse
from memstrata.testing import temporary_memory

NAMES = ["room", "größe", "名前", "with space", "a.b", "$x", "kind", "", "select", "x'); DROP TABLE memory; --"]
TEXTS = [
    "",
    "attic",
    "Attic",
    "ATTIC room",
    "10",
    "true",
    "null",
    "ÄÖÜ",
    "äöü",
    "雨",
    "%",
    "_",
    "'",
    'a"b',
    "a\\b",
    "*x",
]
NUMBERS = [0, 1, -1, 10, 2**53, 2**53 + 1, -(2**63), 2**63 - 1, 0.0, -0.0, 0.1, 1.5, 1e300, 5e-324, 3.141592653589793]
SCALARS = st.sampled_from([*TEXTS, *NUMBERS, True, False, None]) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=2)
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
AT = st.sampled_from(["0001-01-01", "1969-12-31T23:59:59.999999", "2024-02-03T18:05:00+01:00", "9999-12-31"])
EVENTS = st.fixed_dictionaries(
    {"text": st.sampled_from(["Attic", "attic stairs", "雨が降る", "100% sure_thing", 'it\'s "quoted"'])},
    optional={
        "attributes": ATTRIBUTES,
        "kind": st.sampled_from(["fact", "turn", "tool"]),
        "speaker": st.sampled_from(["Ana", "ana", "10"]),
        "role": st.sampled_from(["user", "assistant"]),
        "at": AT,
        "valid_until": AT,
        "session_id": st.sampled_from(["s1", "s2"]),
        "namespace": st.sampled_from(["a/b", "a", "b"]),
    },
)


def leaf(field: str) -> st.SearchStrategy[dict[str, Any]]:
    if field in ("at", "created_at", "updated_at", "valid_from", "valid_until", "expires_at"):
        value: st.SearchStrategy[Any] = AT | st.just(None)
        operators = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    elif field == "version":
        value, operators = st.sampled_from([0, 1, 1.0, 2, None]), ["eq", "ne", "gt", "in", "nin"]
    elif field in FIELDS:
        value = st.sampled_from([*TEXTS, "fact", "turn", "Ana", "user", "s1", "a/b", None])
        operators = sorted(OPERATORS - {"exists"})
    else:
        value, operators = SCALARS, sorted(OPERATORS - {"exists"})

    def with_operator(operator: str) -> st.SearchStrategy[Any]:
        if operator in ("in", "nin", "overlaps"):
            return st.lists(value, max_size=3).map(lambda wanted: {operator: wanted})
        usable = value.filter(lambda one: one is not None) if operator in ("gt", "gte", "lt", "lte") else value
        return usable.map(lambda wanted: {operator: wanted})

    conditions = st.sampled_from(operators).flatmap(with_operator) | st.just("*") | value
    return conditions.map(lambda condition: {field: condition})


LEAVES = st.sampled_from(
    [*(f"attributes.{name}" for name in NAMES), "room", "kind", "text", "speaker", "role", "at", "valid_until",
     "session_id", "namespace", "version", "created_at"]
).flatmap(leaf)  # fmt: skip
FILTERS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"AND": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"OR": parts})
        | inner.map(lambda part: {"NOT": part})
        | st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"NOT": parts})
        | st.tuples(inner, inner).map(lambda two: {**two[0], **two[1]})
    ),
    max_leaves=5,
)


@settings(max_examples=30)
@given(events=st.lists(EVENTS, min_size=1, max_size=12), filters=st.lists(FILTERS, min_size=10, max_size=25))
def test_the_store_passes_what_the_plain_rules_pass(
    events: list[dict[str, Any]], filters: list[dict[str, Any]]
) -> None:
    with temporary_memory() as memory:
        memory.add_many(events, user_id="ana")
        everything = list(memory.list(user_id="ana"))
        for wanted in filters:
            tree = parse(wanted)
            expected = [one.id for one in everything if matches(tree, one)]
            assert [one.id for one in memory.list(user_id="ana", filters=wanted)] == expected, wanted


def test_a_search_passes_the_same_memories(memory: Memstrata) -> None:
    memory.add_many([{"text": f"green tea {n}", "attributes": {"n": n}} for n in range(20)], user_id="ana")
    hits = memory.search("green tea", user_id="ana", filters={"n": {"gte": 15}}, limit=100)
    assert sorted(hit.memory.attributes["n"] for hit in hits) == [15, 16, 17, 18, 19]


def test_what_is_not_there_is_null(memory: Memstrata) -> None:
    memory.add("has", attributes={"room": "attic"}, user_id="ana")
    memory.add("has not", user_id="ana")
    memory.add("null", attributes={"room": None}, user_id="ana")

    def texts(filters: dict[str, Any]) -> list[str]:
        return [one.text for one in memory.list(user_id="ana", filters=filters)]

    assert texts({"room": "*"}) == ["has"]
    assert texts({"NOT": {"room": "*"}}) == ["has not", "null"]
    assert texts({"OR": [{"NOT": {"room": "*"}}, {"room": "attic"}]}) == ["has", "has not", "null"]
    assert texts({"room": None}) == ["has not", "null"]
    assert texts({"room": {"ne": "attic"}}) == ["has not", "null"]
    assert texts({"room": {"nin": ["attic"]}}) == ["has not", "null"]
    assert texts({"room": {"gt": ""}}) == ["has"]


def test_a_long_list_of_values_is_answered(memory: Memstrata) -> None:
    memory.add_many([{"text": f"note {n}", "attributes": {"n": n}} for n in range(10)], user_id="ana")
    wanted: list[Any] = [*range(5, 10_000), None]
    assert len(list(memory.list(user_id="ana", filters={"n": {"in": wanted}}))) == 5
    assert len(list(memory.list(user_id="ana", filters={"n": {"nin": wanted}}))) == 5
    assert len(list(memory.list(user_id="ana", filters={"text": {"in": [f"note {n}" for n in range(9_000)]}}))) == 10


def test_many_conditions_are_answered_or_refused(memory: Memstrata) -> None:
    memory.add("note", attributes={"n": 1}, user_id="ana")
    assert len(list(memory.list(user_id="ana", filters={"OR": [{"n": n} for n in range(200)]}))) == 1
    for word in ("AND", "OR", "NOT"):
        with pytest.raises(InvalidFilter, match="conditions"):
            list(memory.list(user_id="ana", filters={word: [{"n": n} for n in range(5_000)]}))


@pytest.mark.parametrize(
    "filters",
    [
        {"room": {"like": "x"}},
        {"room": {"exists": True}},
        {"room": {"$regex": ".*"}},
        {"room": {}},
        {"room": {"in": "attic"}},
        {"room": {"in": 5}},
        {"room": {"eq": [1]}},
        {"room": {"eq": {"a": 1}}},
        {"room": b"bytes"},
        {"room": object()},
        {"room": {"gt": None}},
        {"room": math.nan},
        {"room": {"gt": math.inf}},
        {"room": 2**70},
        {"room": {"in": [2**70]}},
        {"room": "\ud800"},
        {"text": {"contains": "\udfff"}},
        {"ro\ud800m": "x"},
        {'ro"om': "x"},
        {"ro\\om": "x"},
        {"ro\x00om": "x"},
        {"at": "yesterday"},
        {"at": {"contains": "2024"}},
        {"kind": 5},
        {"version": "1"},
        {"user_id": "bo"},
        {"tenant_id": {"ne": "x"}},
        {"AND": []},
        {"AND": {"kind": "fact"}},
        {"OR": "kind"},
        {"NOT": []},
        {5: "x"},
        {"": "x"},
        [{"kind": "fact"}],
        "kind = 'fact'",
        {"room": {5: "x"}},
    ],
)  # fmt: skip
def test_what_cannot_be_filtered_by_is_refused(memory: Memstrata, filters: Any) -> None:
    memory.add("green tea", attributes={"room": "attic"}, user_id="ana")
    for ask in (
        lambda: list(memory.list(user_id="ana", filters=filters)),
        lambda: memory.search("tea", user_id="ana", filters=filters),
        lambda: memory.context("tea", user_id="ana", filters=filters),
        lambda: memory.delete_all(user_id="ana", filters=filters),
    ):
        with pytest.raises(InvalidFilter):
            ask()
    assert len(list(memory.list(user_id="ana"))) == 1


def test_a_filter_of_endless_depth_is_refused(memory: Memstrata) -> None:
    filters: dict[str, Any] = {"kind": "fact"}
    for _ in range(5_000):
        filters = {"NOT": filters}
    with pytest.raises(InvalidFilter, match="deep"):
        memory.list(user_id="ana", filters=filters)


INJECTIONS = [
    "'",
    "' OR 1=1 --",
    '" OR ""="',
    "); DROP TABLE memory; --",
    "?",
    "%",
    "$.x",
    "json('')",
    "x' UNION SELECT",
]


@pytest.mark.parametrize("injection", INJECTIONS)
def test_injections_are_plain_text(memory: Memstrata, injection: str) -> None:
    memory.add("green tea", attributes={"room": "attic"}, user_id="ana")
    memory.add("secret", user_id="bo")
    for filters in ({"room": injection}, {"kind": injection}, {"room": {"contains": injection}}):
        assert list(memory.list(user_id="ana", filters=filters)) == []
    if '"' not in injection:
        assert list(memory.list(user_id="ana", filters={injection: "attic"})) == []
    assert len(list(memory.list(user_id="ana"))) == 1
    assert memory.check().ok


def test_times_compare_as_moments_whatever_their_zone(memory: Memstrata) -> None:
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    memory.add("noon", at=moment, user_id="ana")
    for same in ("2024-05-01T14:00:00+02:00", moment + timedelta(0), moment.timestamp()):
        assert len(list(memory.list(user_id="ana", filters={"at": same}))) == 1
    assert list(memory.list(user_id="ana", filters={"at": {"gt": moment}})) == []
