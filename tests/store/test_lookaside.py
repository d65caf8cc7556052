"""A question asked again is answered from what was found, and never with what has changed since."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from memstrata import Budget, Memstrata
from memstrata.read import lookaside, pipeline
from memstrata.testing import SteppingClock


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that were really searched for."""
    made: list[str] = []
    real = pipeline.search

    def noted(query, *rest, **options):  # type: ignore[no-untyped-def]  # stands in for the real one
        made.append(query.text)
        return real(query, *rest, **options)

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


# ── other words ──


@pytest.fixture
def exact(opened: Callable[..., Memstrata]) -> Memstrata:
    """A memory with the embedder that ships, by whose vectors rewordings lie close."""
    return opened(embedder="builtin")


def test_the_same_question_in_other_words_is_not_searched_for_again(exact: Memstrata, searches: list[str]) -> None:
    exact.add("Ana's favourite tea is green.", user_id="ana")
    first = exact.search("What is Ana's favourite tea?", user_id="ana")
    for words in ("what's Ana's favorite tea again", "Tell me Ana's favourite tea", "Which tea is Ana's favourite?"):
        assert exact.search(words, user_id="ana") == first
        assert exact.search(words.upper(), user_id="ana") == first
    assert searches == ["What is Ana's favourite tea?"]
    exact.search("Tell me Ana's favourite tea", user_id="ana", limit=3)
    exact.search("Tell me Ana's favourite tea", user_id="bo")
    exact.search("Tell me Ana's favourite tea", user_id="ana", filters={"kind": "turn"})
    exact.search("Tell me Ana's favourite tea", user_id="ana", shared=True)
    exact.search("Tell me Ana's favourite cake", user_id="ana")
    assert len(searches) == 6


def test_questions_that_ask_something_else_share_no_answer(exact: Memstrata, searches: list[str]) -> None:
    exact.add("Ana called Ben in Porto on 3 May.", user_id="ana")
    asked = [
        "Who called Ana?", "Who did Ana call?", "When did Ana call Ben?", "When did Ben call Ana?",
        "Where did Ana call Ben?", "Why didn't Ana call Ben?", "Why did Ana call Ben?", "Who called before 3 May?",
        "Who called after 3 May?", "Who called after 4 May?",
    ]  # fmt: skip
    for question in asked:
        exact.search(question, user_id="ana")
        exact.context(question, user_id="ana")
    assert searches == asked, "each context is whole, and so needs no search"


def test_rewordings_see_every_change_too(
    exact: Memstrata, opened: Callable[..., Memstrata], clock: SteppingClock
) -> None:
    def found(words: str) -> set[str]:
        return {hit.memory.text for hit in exact.search(words, user_id="ana")}

    other = opened(embedder="builtin")
    id = exact.add("Ana likes green tea.", user_id="ana").id
    assert found("What tea does Ana like?") == {"Ana likes green tea."}
    other.update(id, text="Ana likes black tea.")
    assert found("Which tea does Ana like?") == {"Ana likes black tea."}
    other.add("Ana likes no tea at all.", user_id="ana", expires_at="2024-01-02")
    assert len(found("what tea does Ana like, please")) == 2
    clock.advance(200_000)
    assert found("So what tea does Ana like?") == {"Ana likes black tea."}
    other.delete(id)
    assert found("Hey, which tea does Ana like?") == set()


def test_an_answer_does_not_hold_before_the_moment_it_was_found(memory: Memstrata, clock: SteppingClock) -> None:
    memory.add("green tea", user_id="ana", expires_at=clock.now() / 1e6 + 5)
    clock.advance(6)
    assert memory.search("tea", user_id="ana") == []
    clock.back(4)
    assert [hit.memory.text for hit in memory.search("tea", user_id="ana")] == ["green tea"]


def test_case_counts_where_it_parts_words(memory: Memstrata, searches: list[str]) -> None:
    memory.add("def parseHeader", user_id="ana")
    memory.search("parseHeader", user_id="ana")
    memory.search("parseheader", user_id="ana")
    assert len(searches) == 2


# ── contexts ──


def test_a_context_asked_for_again_is_not_made_again(exact: Memstrata, searches: list[str]) -> None:
    for number in range(40):
        exact.add(f"Ana drank her favourite tea, cup {number}.", user_id="ana", attributes={"cups": [number]})
    exact.upkeep()
    first = exact.context("What is Ana's favourite tea?", budget=60, user_id="ana")
    for words in ("what is ana's favourite tea", "Tell me Ana's favourite tea."):
        again = exact.context(words, budget=60, user_id="ana")
        assert (again.text, again.passages, again.left_out) == (first.text, first.passages, first.left_out)
        assert again.ledger.tokens == first.ledger.tokens
        assert "lookaside" in again.ledger.ms
        again.passages[0].memory.attributes["cups"].append("mine")
    assert len(searches) == 1
    exact.context("What is Ana's favourite tea?", budget=61, user_id="ana")
    assert len(searches) == 2
    exact.add("Ana's favourite tea is white.", user_id="ana")
    assert "white" in exact.context("Tell me Ana's favourite tea", budget=60, user_id="ana").text


def test_a_context_that_ran_out_of_time_is_not_given_again(exact: Memstrata) -> None:
    for number in range(40):
        exact.add(f"Ana drank her favourite tea, cup {number}.", user_id="ana")
    hurried = exact.context("What is Ana's tea?", budget=Budget(60, latency_ms=1e-6), user_id="ana")
    assert any(left.reason == "time" for left in hurried.left_out)
    calm = exact.context("What is Ana's tea?", budget=60, user_id="ana")
    assert all(left.reason != "time" for left in calm.left_out)
    known = exact.context("What is Ana's tea?", budget=Budget(60, latency_ms=1e-6), user_id="ana")
    assert known.passages == calm.passages, "what is known takes no time"


# ── what is kept ──


def test_large_answers_let_the_oldest_go(
    memory: Memstrata, searches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookaside, "LARGEST", 400)
    for name in ("ana", "bo", "cy", "di", "ed"):
        memory.add(f"tea {'x' * 90}", user_id=name)
        memory.search("tea", user_id=name)
    memory.search("tea", user_id="ed")
    assert len(searches) == 5
    memory.search("tea", user_id="ana")
    assert len(searches) == 6
    memory.add(f"tea {'x' * 900}", user_id="fi")
    memory.search("tea", user_id="fi")
    memory.search("tea", user_id="fi")
    assert len(searches) == 8, "what is larger than a quarter of all is not kept"


def test_what_was_asked_again_stays_longest(
    memory: Memstrata, searches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookaside, "KEPT", 2)
    memory.add("green tea", user_id="ana")
    for query in ("tea", "green", "tea", "cup", "tea"):
        memory.search(query, user_id="ana")
    assert searches == ["tea", "green", "cup"]
