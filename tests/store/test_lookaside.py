"""A question asked again is answered from what was found, and never with what has changed since."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from memstrata import Memstrata
from memstrata.read import pipeline
from memstrata.testing import SteppingClock


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that were really searched for."""
    made: list[str] = []
    real = pipeline.search

    def noted(query, *rest):  # type: ignore[no-untyped-def]  # stands in for the real one
        made.append(query.text)
        return real(query, *rest)

    monkeypatch.setattr(pipeline, "search", noted)
    return made


def test_a_question_asked_again_is_not_searched_for_again(memory: Memstrata, searches: list[str]) -> None:
    memory.add("green tea", user_id="ana")
    first = memory.search("Green tea?", user_id="ana")
    assert memory.search("green   tea", user_id="ana") == first
    assert len(searches) == 1
    memory.search("green tea", user_id="ana", limit=3)
    memory.search("green tea", user_id="bo")
    memory.search("green tea", user_id="ana", filters={"kind": "turn"})
    assert len(searches) == 4


def test_every_change_of_the_space_is_seen_by_every_process(
    memory: Memstrata, opened: Callable[..., Memstrata], searches: list[str]
) -> None:
    other = opened()
    id = memory.add("green tea", user_id="ana").id
    assert len(memory.search("tea", user_id="ana")) == 1
    other.add("black tea", user_id="ana")
    assert len(memory.search("tea", user_id="ana")) == 2
    other.update(id, text="white tea")
    assert {hit.memory.text for hit in memory.search("tea", user_id="ana")} == {"black tea", "white tea"}
    other.delete(id)
    assert [hit.memory.text for hit in memory.search("tea", user_id="ana")] == ["black tea"]
    other.add("no tea here", user_id="bo")
    count = len(searches)
    memory.search("tea", user_id="ana")
    assert len(searches) == count


def test_what_expires_leaves_the_answer_too(memory: Memstrata, clock: SteppingClock) -> None:
    memory.add("green tea", user_id="ana", expires_at="2024-01-02")
    memory.add("black tea", user_id="ana")
    assert len(memory.search("tea", user_id="ana")) == 2
    clock.advance(200_000)
    assert [hit.memory.text for hit in memory.search("tea", user_id="ana")] == ["black tea"]


def test_a_caller_who_changes_an_answer_does_not_change_the_next_one(memory: Memstrata) -> None:
    memory.add("green tea", user_id="ana", attributes={"cups": [1]})
    for _ in range(3):
        (hit,) = memory.search("tea", user_id="ana")
        assert hit.memory.attributes == {"cups": [1]}
        hit.memory.attributes["cups"].append(2)
        hit.signals.clear()  # type: ignore[attr-defined]  # a dictionary behind its protocol
