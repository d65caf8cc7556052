"""A later statement closes what it replaces: under the same condition, of the same person, and only where it must."""

from __future__ import annotations

import pytest

from memstrata import Memstrata
from memstrata.clock import micros
from memstrata.store import StoredStatement
from memstrata.store.chains import chain


def stated(row: int, value: str, *, condition: str = "", single: bool = True, ends: bool = False) -> StoredStatement:
    """That the volume is some value, said at a time that is the row's number."""
    return StoredStatement(
        row=row, place=0, subject="ana", attribute="volum", object=value, condition=condition,
        said=("Ana", "volume", value, condition), start=0, stop=1, single=single, ends=ends, confidence=0.8, since=row,
        until=None, known=row, retired=None,
    )  # fmt: skip


def values(*statements: StoredStatement) -> list[str]:
    """What holds of them in the end."""
    return [one.object for one in chain(statements).holding]


def test_a_later_value_closes_an_earlier_one() -> None:
    assert values(stated(1, "15"), stated(2, "20")) == ["20"]


def test_values_under_different_conditions_hold_beside_each_other() -> None:
    assert values(stated(1, "15"), stated(2, "20", condition="night")) == ["15", "20"]
    assert values(stated(1, "15", condition="night"), stated(2, "20", condition="night")) == ["20"]


def test_what_may_have_many_values_closes_none() -> None:
    assert values(stated(1, "tea", single=False), stated(2, "mint", single=False)) == ["tea", "mint"]


def test_an_end_closes_its_own_value_alone() -> None:
    assert values(stated(1, "tea", single=False), stated(2, "mint", single=False), stated(3, "tea", ends=True)) == [
        "mint"
    ]


def test_an_end_under_another_condition_closes_nothing() -> None:
    assert values(stated(1, "tea", condition="night"), stated(2, "tea", ends=True)) == ["tea"]


def test_what_ended_may_begin_again() -> None:
    assert values(stated(1, "tea"), stated(2, "tea", ends=True), stated(3, "tea")) == ["tea"]


def told(memory: Memstrata, *lines: tuple[str, str]) -> None:
    """Several turns, a day apart, each by somebody."""
    for day, (speaker, text) in enumerate(lines, start=1):
        memory.add(text, speaker=speaker, at=f"2020-03-{day:02}", user_id="u")
    memory.upkeep()


def holding(memory: Memstrata, subject: str, attribute: str) -> list[tuple[str, str | None]]:
    """The values that hold, each with its condition."""
    return sorted((one.value, one.condition) for one in memory.state(subject, attribute, user_id="u"))


def test_each_speaker_has_wishes_of_their_own(memory: Memstrata) -> None:
    told(memory, ("Ana", "Set the volume to 15."), ("Jon", "Set the volume to 30."), ("Ana", "Set the volume to 18."))
    assert holding(memory, "Ana", "volume") == [("18", None)]
    assert holding(memory, "Jon", "volume") == [("30", None)]


def test_a_setting_with_a_condition_leaves_the_general_one_alone(memory: Memstrata) -> None:
    told(memory, ("Ana", "Set the volume to 15."), ("Ana", "When my mother is in the car I want the volume at 5."))
    assert holding(memory, "Ana", "volume") == [("15", None), ("5", "When my mother is in the car")]


def test_what_somebody_no_longer_does_is_no_longer_held(memory: Memstrata) -> None:
    told(memory, ("Ana", "We use msgpack."), ("Ana", "We switched from msgpack to JSON."))
    assert holding(memory, "Ana", "uses") == [("JSON", None)]


def test_liking_one_thing_more_does_not_end_another(memory: Memstrata) -> None:
    told(memory, ("Ana", "I like tea."), ("Ana", "I love coffee."), ("Ana", "I don't like tea any more."))
    assert holding(memory, "Ana", "likes") == [("coffee", None)]


@pytest.mark.parametrize("asked", ["home", "lives in", "residence"])
def test_an_attribute_is_found_by_any_of_its_names(memory: Memstrata, asked: str) -> None:
    told(memory, ("Ana", "I live in Lisbon."), ("Ana", "I moved to Porto."))
    assert holding(memory, "Ana", asked) == [("Porto", None)]


def test_a_relative_is_found_by_the_name_of_who_spoke(memory: Memstrata) -> None:
    told(memory, ("Ana", "My sister's name is Ines."))
    assert holding(memory, "Ana's sister", "name") == [("Ines", None)]


def test_an_assistant_states_nothing_about_the_user(memory: Memstrata) -> None:
    memory.add("I live in Lisbon.", role="assistant", user_id="u")
    memory.upkeep()
    assert memory.state("", user_id="u") == []


def test_an_end_says_until_when_it_held(memory: Memstrata) -> None:
    told(memory, ("Ana", "We no longer use msgpack."))
    [hit] = memory.search("msgpack", user_id="u")
    assert [(one.value, one.until is not None and micros(one.until) == micros(one.since)) for one in hit.facts] == [
        ("msgpack", True)
    ]


def test_a_thing_is_where_its_carrier_put_it_down(memory: Memstrata) -> None:
    lines = (
        "Mary got the milk there.",
        "Mary went to the hallway.",
        "Mary dropped the milk.",
        "Mary went to the garden.",
    )
    told(memory, *(("Narrator", line) for line in lines))
    found = [hit.memory.text for hit in memory.search("Where is the milk?", user_id="u", hops=2, limit=2)]
    assert sorted(found) == ["Mary dropped the milk.", "Mary went to the hallway."]


def test_a_question_that_looks_back_finds_the_value_before(memory: Memstrata) -> None:
    told(memory, ("Jon", "The capital of Malta is Mdina."), ("Jon", "The capital of Malta is Valletta."))
    for question in ("What was the capital of Malta before Valletta?", "What was the capital of Malta previously?"):
        hits = memory.search(question, user_id="u", hops=2)
        assert hits[0].memory.text == "The capital of Malta is Mdina.", question
