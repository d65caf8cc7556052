"""A word that nobody wrote finds the ones it may stand for; no other word is touched, and no hidden one shows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstrata import Memstrata
from memstrata.bench.slips import misspelt
from memstrata.testing import temporary_memory
from memstrata.text.spelling import Vocabulary, distances, one_slip
from memstrata.text.terms import stems, terms

LETTERS = "abcdeöж"
SHORT = st.text(LETTERS, max_size=7)
CONTENT = ["restaurant", "dinghy", "embarrassing", "Katharina", "photograph", "definitely", "bicycle", "Wednesday"]


@cache
def plain_distance(one: str, two: str) -> int:
    """Optimal string alignment as its definition says."""
    if not one or not two:
        return len(one) + len(two)
    found = min(
        plain_distance(one[:-1], two) + 1,
        plain_distance(one, two[:-1]) + 1,
        plain_distance(one[:-1], two[:-1]) + (one[-1] != two[-1]),
    )
    if len(one) > 1 and len(two) > 1 and one[-1] == two[-2] and one[-2] == two[-1]:
        found = min(found, plain_distance(one[:-2], two[:-2]) + 1)
    return found


@given(word=SHORT, others=st.lists(SHORT.filter(bool), max_size=8))
def test_distances_are_those_of_the_definition(word: str, others: list[str]) -> None:
    assert distances(word, others).tolist() == [plain_distance(word, other) for other in others]


@given(word=st.text("abc", min_size=2, max_size=6))
def test_one_slip_is_exactly_what_lies_one_slip_away(word: str) -> None:
    slips = set(one_slip(word, "abc"))
    assert all(plain_distance(word, other) <= 1 for other in slips)
    for extra in "abc":
        assert word + extra in slips
        assert word[0] + extra + word[2:] in slips


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("restaurnat", "restaurant"), ("resturants", "restaurants"), ("meetign", "meeting"), ("htree", "three"),
        ("definately", "definitely"), ("comittee", "committee"), ("katarina", "katharina"), ("soeren", "soren"),
        ("recieve", "receive"), ("embarasing", "embarrassing"), ("kirjastossa", "kirjastoon"),
    ],
)  # fmt: skip
def test_a_slip_stands_for_the_word(said: str, written: str) -> None:
    (stem,) = stems([written])
    assert any(stem in group for group in Vocabulary([stem]).near(said))


def test_nothing_stands_for_short_words_and_figures() -> None:
    assert Vocabulary(["hot"]).near("hit") == []
    assert Vocabulary(["1998"]).near("1999") == []


@given(word=st.sampled_from(CONTENT), seed=st.integers(0, 10_000))
def test_a_misspelt_word_finds_its_passage(word: str, seed: int) -> None:
    slip = misspelt(word, np.random.default_rng(seed))
    with temporary_memory() as memory:
        for one in CONTENT:
            memory.add(f"{one} once", user_id="ana", key=one)
        found = memory.explain(slip, user_id="ana", limit=20)
    by_words = [hit.memory.key for hit in found.hits if "lexical" in hit.signals]
    assert word in by_words
    (use,) = found.terms
    assert use.instead == (() if terms(slip) == terms(word) else (word.lower(),))


@given(text=st.lists(st.text("abcdeäßøñ'_-.жи日本A1", min_size=1, max_size=12), min_size=1, max_size=8).map(" ".join))
def test_a_text_is_found_by_any_of_its_words(text: str) -> None:
    asked = [part for part in text.split() if terms(part)]
    with temporary_memory() as memory:
        memory.add(text, user_id="ana", at="1999-09-09")
        for part in asked:
            assert any("lexical" in hit.signals for hit in memory.search(part, user_id="ana")), part


def test_words_that_are_there_are_left_alone(memory: Memstrata) -> None:
    memory.add("the boat", user_id="ana")
    memory.add("the goat and the boats, the boots and the coat", user_id="ana")
    assert [use.instead for use in memory.explain("boat coat", user_id="ana").terms] == [(), ()]


def test_a_word_that_the_reader_may_not_see_stands_in_for_nothing(memory: Memstrata) -> None:
    memory.add("tea in the morning", user_id="ana", session_id="s1")
    memory.add("the restaurant", user_id="ana", session_id="s2")
    memory.add("the restaurant", user_id="bo")
    (use,) = memory.explain("resturant", user_id="ana", session_id="s1").terms
    assert (use.found, use.instead) == (0, ())
    memory.add("the restorant", user_id="ana", session_id="s1")
    (use,) = memory.explain("resturant", user_id="ana", session_id="s1").terms
    assert use.instead == ("restorant",)


def test_what_was_deleted_stands_in_for_nothing(memory: Memstrata) -> None:
    memory.add("tea", user_id="ana")
    gone = memory.add("the restaurant", user_id="ana").id
    assert memory.explain("resturant", user_id="ana").terms[0].instead
    memory.delete(gone)
    assert memory.explain("resturant", user_id="ana").terms[0].instead == ()


def test_a_misspelt_name_names_its_speaker(memory: Memstrata) -> None:
    for place in range(3):
        memory.add("hello there", user_id="ana", speaker="Katharina", at=f"2024-01-0{place + 1}")
        memory.add("hello you", user_id="ana", speaker="Bo", at=f"2024-02-0{place + 1}")
    assert memory.search("hello Katarina", user_id="ana")[0].memory.speaker == "Katharina"
