"""A question that asks for one thing is answered first by what states it, whatever else shares its words."""

from __future__ import annotations

import pytest

from memstrata import Memstrata
from memstrata.text.facts.questions import AskedFor, asked_for

AROUND = [
    "Where I live one day does not matter, says my friend Jon, who lives where he works.",
    "I would love to live where you live, by the sea.",
    "Do you know where I live? Guess where I live!",
]


def texts(memory: Memstrata, query: str, **options: object) -> list[str]:
    return [hit.memory.text for hit in memory.search(query, user_id="ana", **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "subject", "attribute"),
    [
        ("Where do I live?", "", "home"),
        ("where does Ana live these days", "Ana", "home"),
        ("What is my favourite colour?", "", "favourite colour"),
        ("Could you remind me, what\u2019s my sister\u2019s name?", "my sister", "name"),
        ("can you tell me what my name is", "", "name"),
        ("When is my dentist appointment?", "", "dentist appointment"),
        ("my home", "", "home"),
        ("which city is my home", "", "home"),
        ("How old is Ana?", "Ana", "age"),
        ("What is the capital of Malta?", "Malta", "capital"),
        ("Who do I work for?", "", "employer"),
        ("What are you allergic to?", "you", "allergic to"),
    ],
)
def test_a_question_asks_for_what_its_answer_would_state(question: str, subject: str, attribute: str) -> None:
    found = asked_for(question)
    assert found is None if subject == "you" else found == AskedFor(subject, attribute)


@pytest.mark.parametrize(
    "question", ["What did Ana say about Malta?", "Malta", "Why do I live here?", "What a day!", "?", "what is " * 40]
)
def test_other_questions_ask_for_nothing_that_is_kept(question: str) -> None:
    assert asked_for(question) is None


def test_what_states_the_answer_comes_before_what_shares_more_words(memory: Memstrata) -> None:
    for text in (*AROUND, "I live in Porto."):
        memory.add(text, user_id="ana")
    assert texts(memory, "where do I live")[0] == "I live in Porto."


def test_what_holds_comes_first_and_what_it_was_before_comes_second(memory: Memstrata) -> None:
    for text in (*AROUND, "I live in Porto.", "I moved to Lisbon."):
        memory.add(text, user_id="ana")
    assert texts(memory, "where do I live")[:2] == ["I moved to Lisbon.", "I live in Porto."]


def test_of_another_moment_it_is_what_held_then(memory: Memstrata) -> None:
    memory.add("I live in Porto.", user_id="ana", at="2025-01-01")
    memory.add("I moved to Lisbon.", user_id="ana", at="2025-06-01")
    assert texts(memory, "where do I live", as_of="2025-03-01")[0] == "I live in Porto."


def test_what_a_reader_may_not_see_answers_nothing(memory: Memstrata) -> None:
    memory.add("I live in Porto.", user_id="ana", session_id="private")
    for text in AROUND:
        memory.add(text, user_id="ana", session_id="open")
    assert "I live in Porto." not in texts(memory, "where do I live", session_id="open")
    assert "I live in Porto." not in texts(memory, "where do I live", filters={"session_id": "open"})


def test_all_that_holds_of_many_comes_the_newest_first(memory: Memstrata) -> None:
    for text in ("What one drinks is what one is, and drinks what one drinks.", "I drink rooibos.", "I drink cocoa."):
        memory.add(text, user_id="ana")
    assert texts(memory, "what do I drink")[:2] == ["I drink cocoa.", "I drink rooibos."]


def test_what_is_asked_for_is_found_though_no_word_is_shared(memory: Memstrata) -> None:
    memory.add("I live in Porto.", user_id="ana")
    assert texts(memory, "my home") == ["I live in Porto."]
    assert texts(memory, "my home", precise=True) == []
    assert texts(memory, "my dog") == []
