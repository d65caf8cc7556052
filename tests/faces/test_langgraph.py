"""Prove that a LangGraph store keeps its items durably, alone and under many processes, and answers as theirs does."""

from __future__ import annotations

import asyncio
import gc
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langgraph.store.base", reason="needs memstrata[langgraph]")

from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, ListNamespacesOp, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

import memstrata
from memstrata import Memstrata
from memstrata.errors import InvalidInput
from memstrata.faces.compat.items import namespace_of, path_of
from memstrata.faces.compat.langgraph import MemstrataStore
from memstrata.plan.counters import CharacterCounter
from memstrata.testing import FakeEmbedder, SteppingClock
from memstrata.types import Scope

WORDS = FakeEmbedder(dimensions=32)


def embed(texts: Sequence[str]) -> list[list[float]]:
    return WORDS.embed(list(texts)).tolist()


@pytest.fixture
def store(memory: Memstrata) -> MemstrataStore:
    return MemstrataStore(memory=memory)


def keys(found: Sequence[Any]) -> list[str]:
    return [item.key for item in found]


# ── durable, and nobody else's ──


def test_items_are_there_after_the_directory_is_opened_again(home: Path) -> None:
    with MemstrataStore.open(home) as store:
        store.put(("users", "ana"), "seat", {"memory": "Ana prefers the window seat.", "tags": ["travel"]})
        before = store.get(("users", "ana"), "seat")
    with MemstrataStore.open(home) as store:
        assert store.get(("users", "ana"), "seat") == before
        assert store.search(("users",), query="where does she like to sit?")[0].key == "seat"
        assert store.list_namespaces() == [("users", "ana")]


def test_a_value_put_again_is_a_new_version_of_the_same_memory(store: MemstrataStore) -> None:
    for n in range(3):
        store.put(("a",), "k", {"n": n})
    store.put(("a",), "k", {"n": 0})  # as the first was: no repetition of it
    assert store.get(("a",), "k").value == {"n": 0}
    (memory,) = store.memory.list(app_id="langgraph")
    assert [version.memory.attributes["value"]["n"] for version in store.memory.history(memory.id)] == [0, 1, 2, 0]
    assert store.memory.check().ok


def test_what_is_deleted_is_gone_and_may_be_put_again(store: MemstrataStore) -> None:
    store.put(("a",), "k", {"n": 1})
    store.delete(("a",), "k")
    store.delete(("a",), "never there")
    assert store.get(("a",), "k") is None
    assert store.list_namespaces() == []
    assert list(store.memory.list(app_id="langgraph")) == []
    store.put(("a",), "k", {"n": 1})
    assert store.get(("a",), "k").value == {"n": 1}


def test_items_and_other_memories_do_not_see_each_other(store: MemstrataStore) -> None:
    store.memory.add("Ana keeps bees.", user_id="ana")
    store.memory.add("Somebody else's note about bees.", app_id="langgraph")
    store.put(("ana",), "k", {"memory": "Ana keeps bees."})
    other = MemstrataStore(memory=store.memory, scope=Scope(app_id="langgraph", user_id="bo"))
    assert keys(store.search((), query="bees")) == ["k"]
    assert other.search((), query="bees") == []
    assert [hit.memory.text for hit in store.memory.search("bees", user_id="ana")] == ["Ana keeps bees."]


def test_a_store_without_a_path_leaves_nothing_behind() -> None:
    store = MemstrataStore()
    store.put(("a",), "k", {"n": 1})
    folder = store.memory._parts.store.directory
    assert folder.exists()
    del store
    gc.collect()
    assert not folder.exists()


CHILD = """
import sys
from memstrata.faces.compat.langgraph import MemstrataStore
with MemstrataStore.open(sys.argv[1]) as store:
    for turn in range(3):
        for n in range(10):
            store.put(("shared",), f"key{n}", {"by": sys.argv[2], "turn": turn})
            store.put((sys.argv[2],), f"key{n}-{turn}", {"by": sys.argv[2]})
"""


def test_two_processes_that_put_under_the_same_keys_lose_nothing_and_double_nothing(home: Path) -> None:
    with MemstrataStore.open(home) as store:
        assert store.search(()) == []
        children = [subprocess.Popen([sys.executable, "-c", CHILD, str(home), name]) for name in ("one", "two")]
        assert [child.wait() for child in children] == [0, 0]
        found = store.search(("shared",), limit=100)
        assert sorted(keys(found)) == [f"key{n}" for n in range(10)]
        assert all(item.value["turn"] == 2 for item in found)
        assert len(store.search(("one",), limit=100)) == len(store.search(("two",), limit=100)) == 30
        for memory in store.memory.list(app_id="langgraph", namespace="shared"):
            versions = [version.memory.attributes["value"] for version in store.memory.history(memory.id)]
            assert sorted((value["by"], value["turn"]) for value in versions) == [
                (name, turn) for name in ("one", "two") for turn in range(3)
            ]


def test_a_store_that_is_open_follows_deletions_even_when_they_have_left_the_files(
    opened: Callable[..., Memstrata],
) -> None:
    first, second = MemstrataStore(memory=opened()), MemstrataStore(memory=opened())
    first.put(("a",), "k", {"n": 1})
    assert second.get(("a",), "k").value == {"n": 1}
    first.delete(("a",), "k")
    first.memory.purge()
    assert second.get(("a",), "k") is None
    first.put(("a",), "k", {"n": 2})
    assert second.get(("a",), "k").value == {"n": 2}


# ── names and values ──

LABELS = st.text(st.characters(exclude_characters=".\0"), min_size=1, max_size=8)


@given(st.lists(LABELS, max_size=4).map(tuple))
def test_every_namespace_has_a_path_of_its_own(namespace: tuple[str, ...]) -> None:
    path = "/".join(path_of(namespace))
    assert namespace_of(path or None) == namespace


@pytest.mark.parametrize(
    "label", ["a/b", "%2F", "50%", "*", " ", "a_%", "ünï☃", "\ud800x", "'; DROP TABLE memory;--", "A"]
)
@pytest.mark.parametrize("key", ["", "a/b", "../x", "k" * 3_000, "☃", "' OR 1=1", "line\nbreak"])
def test_strange_labels_and_keys_come_back_as_they_were(store: MemstrataStore, label: str, key: str) -> None:
    store.put(("root", label), key, {"n": 1})
    store.put(("root", "other"), key, {"n": 2})
    found = store.get(("root", label), key)
    assert (found.namespace, found.key, found.value) == (("root", label), key, {"n": 1})
    assert [item.namespace for item in store.search(("root", label))] == [("root", label)]
    assert store.list_namespaces(prefix=("root", label)) == (
        [("root", label)] if label != "*" else store.list_namespaces()
    )


def test_a_prefix_is_of_whole_labels(store: MemstrataStore) -> None:
    for namespace in (("a",), ("a", "b"), ("ab",), ("A",), ("b", "a")):
        store.put(namespace, "k", {"n": 1})
    assert [item.namespace for item in store.search(("a",))] == [("a",), ("a", "b")]


@pytest.mark.parametrize(
    "value",
    [{"n": float("nan")}, {"n": object()}, {"n": "\0"}, {"n": "\ud800"}, ["no mapping"], {"n": "x" * (2 << 20)}],
)
def test_what_cannot_be_kept_is_refused_and_nothing_of_its_batch_is_put(store: MemstrataStore, value: Any) -> None:
    with pytest.raises(ValueError, match=r"NUL|JSON|surrogate|bytes"):
        store.batch([PutOp(("a",), "good", {"n": 1}), PutOp(("a",), "bad", value)])
    assert store.search(()) == []


def test_values_of_a_megabyte_and_empty_ones_come_back(store: MemstrataStore) -> None:
    large = {"pages": [f"page {n} " + "word " * 100 for n in range(1_500)]}
    store.put(("a",), "large", large)
    store.put(("a",), "empty", {})
    store.put(("a",), "nested", {"a": {"b": [1, 2.5, None, True, {"c": "d"}]}})
    assert store.get(("a",), "large").value == large
    assert store.get(("a",), "empty").value == {}
    assert store.get(("a",), "nested").value == {"a": {"b": [1, 2.5, None, True, {"c": "d"}]}}


def test_a_value_that_is_changed_after_it_was_read_stays_as_it_was_put(store: MemstrataStore) -> None:
    store.put(("a",), "k", {"list": [1]})
    store.get(("a",), "k").value["list"].append(2)
    assert store.get(("a",), "k").value == {"list": [1]}


def test_names_that_mean_something_to_memstrata_mean_nothing_in_a_value(store: MemstrataStore) -> None:
    store.put(("a",), "pin", {"pinned": True, "memory": "The cellar floods."})
    store.put(("a",), "tea", {"memory": "Ana likes green tea."})
    assert keys(store.search(("a",), query="green tea", limit=1)) == ["tea"]


def test_a_filter_is_data_and_an_unknown_operator_an_error(store: MemstrataStore) -> None:
    store.put(("a",), "k", {"access": "public", "n": None})
    assert store.search((), filter={"access') = 'public' OR '1'='1": "x"}) == []
    assert store.search((), filter={"n": {"$gt": 1}}) == []
    assert store.search((), filter={"missing": {"$lte": "z"}}) == []
    with pytest.raises(InvalidInput, match=r"\$regex"):
        store.search((), filter={"access": {"$regex": ".*"}})


# ── batches ──


def test_a_batch_reads_before_it_puts_and_the_last_put_of_a_key_counts(store: MemstrataStore) -> None:
    store.put(("a",), "k", {"n": 0})
    results = store.batch(
        [
            PutOp(("a",), "k", {"n": 1}), GetOp(("a",), "k"), PutOp(("a",), "k", {"n": 2}), SearchOp(("a",)),
            ListNamespacesOp(), GetOp(("a",), "missing"),
        ]
    )  # fmt: skip
    assert results[0] is results[2] is results[5] is None
    assert results[1].value == results[3][0].value == {"n": 0}
    assert results[4] == [("a",)]
    assert store.get(("a",), "k").value == {"n": 2}


# ── searching without an index ──


def test_a_query_puts_what_answers_it_first_and_the_rest_behind_without_a_score(store: MemstrataStore) -> None:
    for key, text in {"bees": "Ana keeps bees.", "boat": "Bo repaired the boat.", "tea": "Cy drinks tea."}.items():
        store.put(("notes", "deep"), key, {"memory": text, "length": len(text)})
    store.put(("notes",), "hidden", {"memory": "bees bees bees"}, index=False)
    store.put(("elsewhere",), "far", {"memory": "bees"})
    found = store.search(("notes",), query="who repaired the boat?")
    assert found[0].key == "boat"
    assert found[0].score > 0
    assert sorted(keys(found)) == ["bees", "boat", "hidden", "tea"]
    scores = {item.key: item.score for item in store.search(("notes",), query="bees")}
    assert scores["hidden"] is None
    assert keys(store.search(("notes",), query="bees", filter={"length": {"$gt": 16}})) == ["boat"]
    pages = [store.search(("notes",), query="boat", limit=1, offset=n)[0].key for n in range(4)]
    assert sorted(pages) == sorted(keys(found))
    assert keys(store.search(("notes",), query="   ")) == keys(store.search(("notes",)))


def test_fields_named_with_a_put_are_what_it_is_found_by(store: MemstrataStore) -> None:
    store.put(("a",), "k", {"title": "Gardening", "body": "submarines"}, index=["title"])
    assert store.search(("a",), query="gardening")[0].score is not None
    assert store.search(("a",), query="submarines")[0].score is None


# ── with an index ──


def test_an_embedder_that_is_only_asynchronous_is_awaited(memory: Memstrata) -> None:
    async def aembed(texts: Sequence[str]) -> list[list[float]]:
        return embed(texts)

    async def use() -> list[str]:
        store = MemstrataStore(memory=memory, index={"dims": 32, "embed": aembed, "fields": ["memory"]})
        await store.aput(("a",), "tea", {"memory": "green tea"})
        await store.aput(("a",), "bees", {"memory": "bees"})
        return keys(await store.asearch(("a",), query="tea"))

    assert asyncio.run(use()) == ["tea", "bees"]


def test_vectors_are_kept_and_those_of_another_length_are_not_compared(opened: Callable[..., Memstrata]) -> None:
    index = {"dims": 32, "embed": embed, "fields": ["memory", "tags[*]"]}
    MemstrataStore(memory=opened(), index=index).put(("a",), "k", {"memory": "green tea", "tags": ["drink", "hot"]})
    (found,) = MemstrataStore(memory=opened(), index=index).search(("a",), query="hot")
    assert found.score == pytest.approx(1, abs=1e-3)
    wider = {"dims": 64, "embed": lambda texts: FakeEmbedder(dimensions=64).embed(list(texts)).tolist()}
    (found,) = MemstrataStore(memory=opened(), index=wider).search(("a",), query="hot")
    assert found.score is None


def test_an_embedder_that_does_not_keep_to_its_dimensions_is_named(memory: Memstrata) -> None:
    store = MemstrataStore(memory=memory, index={"dims": 7, "embed": embed})
    with pytest.raises(InvalidInput, match=r"dims=7.*\[32\]"):
        store.put(("a",), "k", {"memory": "tea"})


def test_more_vectors_than_an_item_can_hold_are_refused_with_their_number(memory: Memstrata) -> None:
    store = MemstrataStore(memory=memory, index={"dims": 32, "embed": embed, "fields": ["parts[*]"]})
    with pytest.raises(InvalidInput, match="has 2000 vectors"):
        store.put(("a",), "k", {"parts": [f"part {n}" for n in range(2_000)]})


# ── time to live ──


@pytest.fixture
def lasting(memory: Memstrata) -> MemstrataStore:
    return MemstrataStore(memory=memory, ttl={"default_ttl": 10, "refresh_on_read": True})


def test_an_item_whose_time_ran_out_is_nowhere(lasting: MemstrataStore, clock: SteppingClock) -> None:
    lasting.put(("a",), "short", {"memory": "tea"})
    lasting.put(("b",), "long", {"memory": "tea"}, ttl=None)
    clock.advance(10 * 60)
    assert lasting.get(("a",), "short") is None
    assert keys(lasting.search((), query="tea")) == keys(lasting.search(())) == ["long"]
    assert lasting.list_namespaces() == [("b",)]
    lasting.put(("a",), "short", {"memory": "coffee"})
    assert lasting.get(("a",), "short").created_at == lasting.get(("a",), "short").updated_at
    assert len(lasting.memory.history(next(lasting.memory.list(app_id="langgraph", namespace="a")).id)) == 1


def test_reading_renews_the_time_and_no_version_comes_of_it(lasting: MemstrataStore, clock: SteppingClock) -> None:
    for key in ("read", "searched", "looked at", "left"):
        lasting.put(("a",), key, {"name": key})
    clock.advance(6 * 60)
    lasting.get(("a",), "read")
    lasting.search(("a",), filter={"name": "searched"})
    lasting.get(("a",), "looked at", refresh_ttl=False)
    clock.advance(6 * 60)
    assert sorted(keys(lasting.search((), refresh_ttl=False))) == ["read", "searched"]
    (memory, _) = lasting.memory.list(app_id="langgraph")
    assert (memory.version, len(lasting.memory.history(memory.id))) == (1, 1)
    assert lasting.memory.check().ok
    clock.advance(4 * 60)
    assert lasting.search(()) == []


def test_what_another_store_renewed_lives_on_here(opened: Callable[..., Memstrata], clock: SteppingClock) -> None:
    first, second = (MemstrataStore(memory=opened(), ttl={"default_ttl": 10}) for _ in range(2))
    first.put(("a",), "k", {"n": 1})
    assert second.get(("a",), "k", refresh_ttl=False) is not None
    clock.advance(6 * 60)
    first.get(("a",), "k")
    clock.advance(6 * 60)
    assert second.get(("a",), "k") is not None


def test_reading_at_once_again_writes_nothing(lasting: MemstrataStore, clock: SteppingClock) -> None:
    lasting.put(("a",), "k", {"n": 1})
    position = lasting.memory.changes().position
    clock.advance(2)
    lasting.get(("a",), "k")
    assert lasting.memory.changes().position == position


def test_sweeping_deletes_what_expired_when_asked_and_after_an_interval(
    memory: Memstrata, clock: SteppingClock
) -> None:
    store = MemstrataStore(memory=memory, ttl={"default_ttl": 1, "sweep_interval_minutes": 60})
    store.put(("a",), "one", {"n": 1})
    store.put(("a",), "two", {"n": 2})
    clock.advance(2 * 60)
    assert store.sweep_ttl() == 2
    store.put(("a",), "three", {"n": 3})
    clock.advance(60 * 60)
    assert memory.stats(app_id="langgraph").versions == 1
    store.put(("a",), "four", {"n": 4}, ttl=None)
    assert memory.stats(app_id="langgraph").versions == 1


@pytest.mark.parametrize("minutes", [float("nan"), "soon"])
def test_a_time_to_live_that_is_no_number_is_refused(store: MemstrataStore, minutes: Any) -> None:
    with pytest.raises(InvalidInput, match="number of minutes"):
        store.put(("a",), "k", {"n": 1}, ttl=minutes)


def test_a_time_to_live_beyond_the_calendar_is_for_ever(store: MemstrataStore) -> None:
    store.put(("a",), "k", {"n": 1}, ttl=1e18)
    assert store.get(("a",), "k").value == {"n": 1}


# ── beside theirs ──

SPACES = st.sampled_from([("a",), ("a", "b"), ("a", "b", "c"), ("ab",), ("b", "a"), ("c", "b", "a")])
VALUES = st.fixed_dictionaries(
    {
        "n": st.integers(-3, 3) | st.floats(-3, 3),
        "s": st.sampled_from(["red", "green", "blue", "green tea"]),
        "d": st.fixed_dictionaries({"x": st.integers(0, 2)}),
        "l": st.lists(st.integers(0, 1), max_size=2),
    }
)
PUTS = st.lists(
    st.tuples(SPACES, st.sampled_from("jklm"), st.none() | VALUES, st.sampled_from([None, None, None, False])),
    max_size=14,
)
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(-3, 3)
        | st.dictionaries(
            st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), st.integers(-3, 3), min_size=1
        ),
        "s": st.sampled_from(["red", "green"]) | st.fixed_dictionaries({"$ne": st.just("red")}),
        "d": st.fixed_dictionaries({"x": st.integers(0, 2) | st.fixed_dictionaries({"$gte": st.integers(0, 2)})}),
        "l": st.lists(st.integers(0, 1), max_size=2),
        "missing": st.sampled_from([None, 1]) | st.fixed_dictionaries({"$ne": st.just(1)}),
    },
)
PATHS = st.none() | st.lists(st.sampled_from(["a", "b", "c", "*", "ab"]), min_size=1, max_size=3).map(tuple)
examples = itertools.count()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memstrata]:
    """One memory for all examples; each has an app of its own."""
    with memstrata.open(
        tmp_path_factory.mktemp("many"), embedder=FakeEmbedder(), counter=CharacterCounter(), clock=SteppingClock()
    ) as memory:
        yield memory


def both(many: Memstrata, puts: Sequence[Any], **options: Any) -> tuple[MemstrataStore, InMemoryStore]:
    stores = (
        MemstrataStore(memory=many, scope=Scope(app_id=f"example{next(examples)}"), **options),
        InMemoryStore(**options),
    )
    for (namespace, key, value, index), store in itertools.product(puts, stores):
        if value is None:
            store.delete(namespace, key)
        else:
            store.put(namespace, key, value, index=index)
    return stores


def named(found: Sequence[Any]) -> list[Any]:
    return sorted((item.namespace, item.key, repr(item.value)) for item in found)


@settings(max_examples=60)
@given(puts=PUTS, prefix=st.just(()) | SPACES, wanted=CONDITIONS, limit=st.integers(0, 8), offset=st.integers(0, 4))
def test_searches_find_what_theirs_find(
    many: Memstrata, puts: Any, prefix: Any, wanted: Any, limit: int, offset: int
) -> None:
    ours, theirs = both(many, puts)
    whole = ours.search(prefix, filter=wanted, limit=100)
    expected = theirs.search(prefix, filter=wanted, limit=100)
    assert named(whole) == named(expected)
    for namespace in {item.namespace for item in whole}:  # inside a namespace in the same order too
        in_one = [item.key for item in whole if item.namespace == namespace]
        assert in_one == [item.key for item in expected if item.namespace == namespace]
    page = ours.search(prefix, filter=wanted, limit=limit, offset=offset)
    assert page == whole[offset : offset + limit]
    for namespace, key, _, _ in puts:
        mine, other = ours.get(namespace, key), theirs.get(namespace, key)
        assert (mine is None and other is None) or mine.value == other.value


@settings(max_examples=60)
@given(
    puts=PUTS, prefix=PATHS, suffix=PATHS, depth=st.none() | st.integers(1, 3), limit=st.integers(0, 5),
    offset=st.integers(0, 3),
)  # fmt: skip
def test_namespaces_are_listed_as_theirs_are(
    many: Memstrata, puts: Any, prefix: Any, suffix: Any, depth: Any, limit: int, offset: int
) -> None:
    # theirs goes on listing a namespace whose items are all deleted, and ours does not: delete none
    ours, theirs = both(many, [put for put in puts if put[2] is not None])
    asked = {"prefix": prefix, "suffix": suffix, "max_depth": depth, "limit": limit, "offset": offset}
    assert ours.list_namespaces(**asked) == theirs.list_namespaces(**asked)


@settings(max_examples=40)
@given(puts=PUTS, prefix=st.just(()) | SPACES, wanted=CONDITIONS, query=st.sampled_from(["green tea", "red", "blue n"]))
def test_with_an_index_scores_are_theirs(many: Memstrata, puts: Any, prefix: Any, wanted: Any, query: str) -> None:
    # theirs keeps an old vector when an item is put again without an index: put each once
    once = {(put[0], put[1]): put for put in puts}.values()
    ours, theirs = both(many, list(once), index={"dims": 32, "embed": embed})
    found = ours.search(prefix, query=query, filter=wanted, limit=100)
    expected = {
        (item.namespace, item.key): item.score for item in theirs.search(prefix, query=query, filter=wanted, limit=100)
    }
    assert {(item.namespace, item.key) for item in found} == set(expected)
    for item in found:
        assert item.score == pytest.approx(expected[item.namespace, item.key], abs=2e-3)
    scores = [item.score for item in found if item.score is not None]
    assert scores == sorted(scores, reverse=True)
    assert all(item.score is None for item in found[len(scores) :])


def test_importing_memstrata_imports_no_langgraph() -> None:
    code = (
        "import sys, memstrata; memstrata.open; sys.exit('langgraph' in sys.modules or 'langchain_core' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
