"""A turn that only corrects takes up what its speaker said before, and is forgotten with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from memstrata import Event, Memstrata
from memstrata.store.sqlite.store import DATABASE
from memstrata.testing import SteppingClock


def held(memory: Memstrata, user_id: str = "ana") -> dict[str, str]:
    """What holds of the speaker, by attribute."""
    memory.upkeep(10)
    facts = memory.profile(user_id=user_id).subjects.values()
    return {fact.attribute: fact.value for some in facts for fact in some}


def test_a_correction_replaces_what_was_said_before_and_comes_first(memory: Memstrata) -> None:
    memory.add("My favourite colour is red.", user_id="ana")
    memory.add("Ana painted the door.", user_id="ana")
    memory.add("Actually, it's blue.", user_id="ana")
    first, second, *_ = memory.search("favourite colour", user_id="ana")
    assert (first.memory.text, first.facts[0].attribute) == ("Actually, it's blue.", "favourite colour")
    assert second.replaced_by == first.memory.id


def test_corrections_follow_one_another(memory: Memstrata) -> None:
    for text in ("My password is hunter2.", "No wait, it's hunter3", "hm, sorry: hunter4"):
        memory.add(text, user_id="ana")
    assert held(memory) == {"password": "hunter4"}


def test_a_correction_in_the_same_turn_leaves_one_value(memory: Memstrata) -> None:
    memory.add("My favourite colour is red. Actually, it's blue.", user_id="ana")
    assert held(memory) == {"favourite colour": "blue"}


@pytest.mark.parametrize(
    "other",
    [
        Event("My favourite colour is red.", speaker="Jon"),
        Event("My favourite colour is red.", speaker="Ana", session_id="another"),
    ],
)
def test_only_the_same_speaker_in_the_same_conversation_is_taken_up(memory: Memstrata, other: Event) -> None:
    memory.add(other, user_id="ana")
    memory.add("Actually, it's blue.", speaker="Ana", user_id="ana")
    assert "blue" not in held(memory).values()


def test_without_a_session_half_an_hour_is_a_conversation(memory: Memstrata, clock: SteppingClock) -> None:
    memory.add("My favourite colour is red.", user_id="ana")
    clock.advance(31 * 60)
    memory.add("Actually, it's blue.", user_id="ana")
    assert held(memory) == {"favourite colour": "red"}


def test_another_user_is_never_taken_up(memory: Memstrata) -> None:
    memory.add("My favourite colour is red.", user_id="bea")
    memory.add("Actually, it's blue.", user_id="ana")
    assert held(memory) == {}


def test_forgetting_what_is_corrected_forgets_what_the_correction_took_from_it(memory: Memstrata, home: Path) -> None:
    first = memory.add("My favourite colour is red.", user_id="ana")
    memory.add("Actually, it's blue.", user_id="ana")
    assert held(memory) == {"favourite colour": "blue"}
    memory.delete(first.id, user_id="ana")
    connection = apsw.Connection(str(home / DATABASE))
    assert connection.execute("SELECT count(*) FROM statement WHERE attribute LIKE '%colour%'").get == 0
    assert connection.execute("SELECT count(*) FROM succession").get == 0
    connection.close()
    assert held(memory) == {}
    assert [hit.memory.text for hit in memory.search("blue", user_id="ana")] == ["Actually, it's blue."]


def test_changing_what_is_corrected_is_followed(memory: Memstrata, clock: SteppingClock) -> None:
    first = memory.add("My favourite colour is red.", user_id="ana")
    clock.advance(60)
    memory.add("Actually, it's blue.", user_id="ana")
    assert held(memory) == {"favourite colour": "blue"}
    memory.update(first.id, text="My favourite season is spring.", user_id="ana")
    assert held(memory) == {"favourite season": "spring"}


def test_undoing_a_correction_lets_both_hold(memory: Memstrata) -> None:
    first = memory.add("My favourite colour is red.", user_id="ana")
    memory.add("Actually, it's blue.", user_id="ana")
    assert memory.undo(first.id, user_id="ana") == 1
    values = [fact.value for fact in memory.state("", "favourite colour", user_id="ana")]
    assert sorted(values) == ["blue", "red"]


def test_a_job_that_was_quit_is_over_whichever_it_was(opened: Callable[..., Memstrata]) -> None:
    memory = opened()
    memory.add("I work at Bosch.", user_id="ana")
    memory.add("I quit my job.", user_id="ana")
    assert held(memory) == {}
    memory.add("I work at Siemens.", user_id="ana")
    assert held(memory) == {"employer": "Siemens"}
