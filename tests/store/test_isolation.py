"""Prove that nothing a caller sees depends on memories that she may not read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstrata import ANY, KEEP, Memstrata, Scope
from memstrata.errors import InvalidInput, NotFound
from memstrata.testing import SteppingClock, temporary_memory
from memstrata.types import Context, Explanation, Hit

QUERIES = ["green tea", "where does the bicycle stand", "and then?", "Porto"]
WORDS = ["green", "tea", "bicycle", "Porto", "rain", "window", "rare"]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
OTHERS = st.sampled_from(
    [
        {"user_id": "bo"},
        {"tenant_id": "t", "user_id": "ana"},
        {"app_id": "a", "user_id": "ana"},
        {},
        {"user_id": "ana "},
        {"user_id": "ANA"},
        {"user_id": "an"},
    ]
)


def seen(memory: Memstrata) -> list[Any]:
    """Everything a reader of Ana's space can learn by asking."""
    found: list[Any] = []
    for query in QUERIES:
        found.append([plain(hit) for hit in memory.search(query, user_id="ana", limit=50)])
        found.append(of_context(memory.context(query, user_id="ana", budget=60)))
        found.append(of_explanation(memory.explain(query, user_id="ana")))
        found.append([plain(hit) for hit in memory.search(query, user_id="ana", session_id="s1", limit=50)])
        found.append([hit.facts for hit in memory.search(query, user_id="ana", hops=3, limit=50)])
    found.append(list(memory.list(user_id="ana")))
    found.append(memory.profile(user_id="ana"))
    found.append([list(memory.state(name, user_id="ana")) for name in ("Porto", "tea", "")])
    return found


def plain(hit: Hit) -> Any:
    return hit.memory.id, hit.score, hit.start, hit.stop, dict(hit.signals)


def of_context(context: Context) -> Any:
    return context.text, context.left_out, context.whole, context.ledger.tokens, context.ledger.memories


def of_explanation(explanation: Explanation) -> Any:
    return explanation.terms, dict(explanation.retrievers), [plain(hit) for hit in explanation.hits]


@settings(max_examples=25)
@given(own=st.lists(TEXTS, min_size=1, max_size=12), others=st.lists(st.tuples(OTHERS, TEXTS), min_size=1, max_size=25))
def test_what_others_write_changes_no_answer(own: list[str], others: list[tuple[dict[str, str], str]]) -> None:
    clock = SteppingClock()
    with temporary_memory(clock=clock) as memory:
        for place, text in enumerate(own):
            memory.add(text, user_id="ana", session_id="s1" if place % 2 else None)
        before = seen(memory)
        belief = {"subject": "tea", "attribute": "colour", "value": "red", "aliases": ["Porto"], "pinned": True}
        ids = [memory.add(text, attributes=belief, **scope).id for scope, text in others]
        assert seen(memory) == before
        memory.update(ids[0], text="green tea green tea rare")
        memory.delete(ids[-1])
        assert seen(memory) == before
        memory.purge()
        assert seen(memory) == before


@pytest.fixture
def crowd(memory: Memstrata) -> Memstrata:
    for scope in (
        {"user_id": "ana"}, {"user_id": "bo"}, {}, {"tenant_id": "t", "user_id": "ana"},
        {"app_id": "a", "user_id": "ana"}, {"tenant_id": "t"},
        {"user_id": "ana", "session_id": "s1"}, {"user_id": "ana", "agent_id": "g1"},
        {"user_id": "ana", "namespace": "team/notes"}, {"user_id": "ana", "namespace": "teams"},
        {"user_id": "bo", "session_id": "s1"},
    ):  # fmt: skip
        memory.add(f"green tea of {sorted(scope.items())}", **scope)
    return memory


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        ({"user_id": "ana"}, 5),
        ({"user_id": "bo"}, 2),
        ({}, 1),
        ({"tenant_id": "t"}, 1),
        ({"tenant_id": "t", "user_id": "ana"}, 1),
        ({"app_id": "a", "user_id": "ana"}, 1),
        ({"app_id": "b", "user_id": "ana"}, 0),
        ({"user_id": "ana", "session_id": "s1"}, 1),
        ({"user_id": "ana", "session_id": "s2"}, 0),
        ({"user_id": "ana", "agent_id": "g1"}, 1),
        ({"user_id": "ana", "agent_id": "g1", "session_id": "s1"}, 0),
        ({"user_id": "ana", "namespace": "team"}, 1),
        ({"user_id": "ana", "namespace": "team/notes"}, 1),
        ({"user_id": "ana", "namespace": "team/note"}, 0),
        ({"user_id": "ana", "namespace": "tea"}, 0),
    ],
)
def test_a_scope_shows_its_own_and_nothing_else(crowd: Memstrata, scope: dict[str, str], count: int) -> None:
    assert len(list(crowd.list(**scope))) == count
    assert len(crowd.search("green tea", limit=100, **scope)) == count
    assert len(crowd.search("and then?", limit=100, **scope)) == count
    assert len(crowd.context("green tea", budget=10_000, **scope).passages) == count
    assert crowd.stats(**scope).memories == count if scope else True
    for filters in ({"kind": "turn"}, {"NOT": {"kind": "fact"}}, {"OR": [{"kind": "turn"}, {"text": "*"}]}):
        assert len(crowd.search("green tea", limit=100, filters=filters, **scope)) == count
        assert len(list(crowd.list(filters=filters, **scope))) == count


def test_shared_adds_what_the_apps_users_share_and_no_users_own(crowd: Memstrata) -> None:
    texts = {hit.memory.text for hit in crowd.search("green tea", user_id="bo", shared=True, limit=100)}
    assert texts == {"green tea of [('user_id', 'bo')]", "green tea of []",
                     "green tea of [('session_id', 's1'), ('user_id', 'bo')]"}  # fmt: skip
    other = {hit.memory.text for hit in crowd.search("green tea", tenant_id="t", user_id="ana", shared=True, limit=9)}
    assert other == {"green tea of [('tenant_id', 't'), ('user_id', 'ana')]", "green tea of [('tenant_id', 't')]"}
    assert len(crowd.search("green tea", shared=True, limit=100)) == 1
    assert len(crowd.context("green tea", user_id="bo", shared=True).passages) == 3


def test_a_guessed_id_of_another_scope_is_like_one_that_never_was(memory: Memstrata, clock: SteppingClock) -> None:
    theirs = memory.add("secret", user_id="bo", session_id="s1").id
    merged = memory.add("part", user_id="bo").id
    memory.merge([merged, memory.add("part two", user_id="bo").id])
    deleted = memory.add("gone", user_id="bo").id
    memory.delete(deleted)
    expired = memory.add("expired", user_id="bo", expires_at="2024-01-02").id
    clock.advance(200_000)
    never = "01890000-0000-7000-8000-000000000000"

    own = memory.add("mine", user_id="ana").id

    def said(id: str, **scope: Any) -> list[str]:
        answers = []
        for ask in (
            lambda: memory.get(id, **scope),
            lambda: memory.update(id, text="x", **scope),
            lambda: memory.delete(id, **scope),
            lambda: memory.history(id, **scope),
            lambda: memory.merge([id, own], **scope),
            lambda: memory.explain("secret", id=id, **scope).verdict,
        ):
            try:
                answers.append(str(ask()))
            except NotFound as exc:
                answers.append(str(exc).replace(id, "ID").replace(never, "ID"))
        return answers

    for scope in ({"user_id": "ana"}, {"user_id": "bo", "tenant_id": "t"}, {"user_id": "bo", "session_id": "s2"}):
        for id in (theirs, merged, deleted, expired):
            assert said(id, **scope) == said(never, **scope)
    assert memory.get(theirs, user_id="bo").text == "secret"


def test_a_session_of_another_user_is_not_reached_through_any(crowd: Memstrata) -> None:
    everybody = list(crowd.list(tenant_id=ANY, app_id=ANY, user_id=ANY))
    assert len(everybody) == 11
    assert len(list(crowd.list(user_id=ANY))) == 8
    assert len(list(crowd.list(user_id=ANY, session_id="s1"))) == 2
    for ask in (crowd.search, crowd.context, crowd.explain):
        with pytest.raises(InvalidInput, match="ANY"):
            ask("green tea", user_id=ANY)
    with pytest.raises(InvalidInput, match="ANY"):
        crowd.add("x", user_id=ANY)


def test_the_neighbour_of_a_hit_stays_inside_the_scope_and_the_filter(memory: Memstrata) -> None:
    for n in range(30):  # more than the budget holds, so that passages are chosen
        memory.add(f"filler number {n} about nothing in particular, at some length", user_id="ana", session_id="s1")
    memory.add("Is the safe's combination still 1234?", user_id="ana", session_id="s1", agent_id="g2",
               attributes={"private": True})  # fmt: skip
    memory.add("Yes, zanzibar.", user_id="ana", session_id="s1", agent_id="g1")
    everything = memory.context("zanzibar", user_id="ana", session_id="s1", budget=60)
    assert "1234" in everything.text
    assert "1234" not in memory.context("zanzibar", user_id="ana", agent_id="g1", budget=60).text
    filters = {"NOT": {"private": True}}
    assert "1234" not in memory.context("zanzibar", user_id="ana", budget=60, filters=filters).text


def test_an_export_holds_its_scope_and_no_more(crowd: Memstrata, tmp_path: Any) -> None:
    for scope, count in (
        ({"user_id": "ana"}, 5),
        ({"user_id": "ana", "session_id": "s1"}, 1),
        ({"user_id": "ana", "agent_id": "g1"}, 1),
        ({"user_id": "ana", "namespace": "team"}, 1),
        ({"tenant_id": ANY, "app_id": ANY, "user_id": ANY}, 11),
    ):
        assert crowd.export(tmp_path / "out.jsonl", **scope) == count
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == count + 1


def test_statistics_count_their_scope_and_no_more(crowd: Memstrata) -> None:
    found = crowd.stats(user_id="ana", session_id="s1")
    assert (found.memories, found.versions, found.segments) == (1, 1, 1)
    found = crowd.stats(user_id="ana")
    assert (found.memories, found.versions, found.segments) == (5, 5, 5)


def test_delete_all_takes_its_scope_and_no_more(crowd: Memstrata) -> None:
    assert crowd.delete_all(user_id="ana", session_id="s1").memories == 1
    assert crowd.delete_all(user_id="ana", namespace="team").memories == 1
    assert crowd.delete_all(user_id="ana", filters={"agent_id": "g1"}).memories == 1
    assert crowd.delete_all(user_id="ana").memories == 2
    assert crowd.stats().memories == 6
    assert crowd.delete_all(user_id=ANY).memories == 3
    assert crowd.delete_all(tenant_id=ANY, app_id=ANY, user_id=ANY).memories == 3


def test_a_scope_object_and_keywords_mean_the_same(crowd: Memstrata) -> None:
    scope = Scope(user_id="ana", session_id="s1")
    assert [one.id for one in crowd.list(scope=scope)] == [one.id for one in crowd.list(user_id="ana", session_id="s1")]
    assert [one.id for one in crowd.list(scope=Scope(user_id="ana"), session_id="s1")] == [
        one.id for one in crowd.list(scope=scope)
    ]
    assert repr(ANY) == "memstrata.ANY"
    assert repr(KEEP) == "memstrata.KEEP"


def colour(memory: Memstrata, value: str, at: str, **more: Any) -> str:
    attributes = {"subject": "door", "attribute": "colour", "value": value, **more.pop("attributes", {})}
    return memory.add(f"door colour {value}", attributes=attributes, at=at, user_id="ana", **more).id


def test_what_a_session_hides_replaces_nothing_that_is_seen_and_is_in_no_answer(memory: Memstrata) -> None:
    open_ = colour(memory, "green", "2023-01-01", session_id="s1")
    hidden = colour(memory, "red", "2023-01-02", session_id="s2", attributes={"aliases": ["the gate"], "pinned": True})
    memory.add("red paint is sold by Bo", attributes={"subject": "red", "attribute": "seller", "value": "Bo"},
               user_id="ana", session_id="s2")  # fmt: skip
    memory.upkeep()
    whole = memory.search("door colour green", user_id="ana")
    assert {hit.memory.id: hit.replaced_by for hit in whole}[open_] == hidden
    assert [one.value for one in memory.state("the gate", user_id="ana")] == ["red"]
    for options in ({}, {"hops": 3}, {"precise": True}, {"as_of": "2023-06-01"}, {"known_at": "2030-01-01"}):
        for hit in memory.search("door colour green", user_id="ana", session_id="s1", **options):
            assert (hit.memory.id, hit.replaced_by, hit.via) == (open_, None, ())
            assert all(one.replaced_by is None and one.until is None for one in hit.facts)
        assert memory.search("seller of the colour of the door", user_id="ana", session_id="s3", **options) == []
    assert [one.value for one in memory.state("door", user_id="ana", session_id="s1")] == ["green"]
    assert memory.state("the gate", user_id="ana", session_id="s1") == []
    assert memory.state("door", user_id="bo") == []
    (facts,) = memory.profile(user_id="ana", session_id="s1").subjects.values()
    assert [one.value for one in facts] == ["green"]


def test_what_a_filter_hides_replaces_nothing_that_is_seen(memory: Memstrata) -> None:
    seen_ = colour(memory, "green", "2023-01-01")
    colour(memory, "red", "2023-01-02", attributes={"private": True})
    last = colour(memory, "blue", "2023-01-03")
    hits = memory.search("door colour green", user_id="ana", filters={"NOT": {"private": True}}, hops=2)
    assert {hit.memory.id: hit.replaced_by for hit in hits} == {seen_: last, last: None}


def test_a_successor_that_a_caller_names_in_another_space_is_none(memory: Memstrata) -> None:
    theirs = memory.add("theirs", key="new", user_id="bo").id
    for name in (theirs, "new"):
        memory.add("linting", user_id="ana", attributes={"superseded_by": name})
    assert [hit.replaced_by for hit in memory.search("linting", user_id="ana")] == [None, None]


def test_scopes_names_no_space_outside_what_was_asked_for(crowd: Memstrata) -> None:
    names = [(one.tenant_id, one.app_id, one.user_id) for one in crowd.scopes()]
    assert names == [
        (None, None, None), (None, None, "ana"), (None, None, "bo"), (None, "a", "ana"), ("t", None, None),
        ("t", None, "ana"),
    ]  # fmt: skip
    assert crowd.scopes(tenant_id="t") == [Scope("t")]
    assert crowd.scopes(tenant_id="t", user_id=ANY) == [Scope("t"), Scope("t", None, "ana")]
    crowd.delete_all(user_id="ana")
    assert (None, None, "ana") not in [(one.tenant_id, one.app_id, one.user_id) for one in crowd.scopes()]
