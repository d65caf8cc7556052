"""Prove that a context which gives everything still gives only what is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from memstrata import Memstrata
from memstrata.testing import SteppingClock


def told(memory: Memstrata) -> None:
    memory.add("The capital of Malta is Mdina.", at="2023-01-01", user_id="ana")
    memory.add("The capital of Malta is Valletta.", at="2023-02-01", user_id="ana")


def test_what_was_not_yet_said_is_not_given(memory: Memstrata) -> None:
    told(memory)
    assert "Mdina" not in str(memory.context("the capital of Malta", as_of="2022-01-15", user_id="ana"))
    then = memory.context("the capital of Malta", as_of="2023-01-15", user_id="ana")
    assert "Mdina" in str(then)
    assert "Valletta" not in str(then)


def test_what_was_not_yet_known_is_not_given(opened: Callable[..., Memstrata], clock: SteppingClock) -> None:
    memory = opened()
    id = memory.add("The gate code is 1111.", user_id="ana").id
    before = datetime.fromtimestamp(clock.now() / 1e6, UTC)
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    memory.update(id, text="The gate code is 2222.")
    then = str(memory.context("gate code", known_at=before, user_id="ana"))
    assert "1111" in then
    assert "2222" not in then


def test_what_does_not_hold_now_is_not_given(memory: Memstrata) -> None:
    memory.add("The shop is open late.", valid_until="2001-01-01", user_id="ana")
    memory.add("The shop moves.", valid_from="2999-01-01", user_id="ana")
    memory.add("The shop sells tea.", user_id="ana")
    assert [one.memory.text for one in memory.context("shop", user_id="ana").passages] == ["The shop sells tea."]


def test_what_was_replaced_says_so(memory: Memstrata) -> None:
    told(memory)
    found = memory.context("the capital of Malta", user_id="ana")
    assert found.whole
    assert [one.replaced for one in found.passages] == [True, False]
    assert "1: (no longer) The capital of Malta is Mdina." in str(found)
    assert "2: The capital of Malta is Valletta." in str(found)


def test_undoing_reads_first_what_is_owed(memory: Memstrata) -> None:
    told(memory)
    (old,) = [one for one in memory.list(user_id="ana") if "Mdina" in one.text]
    assert memory.undo(old.id) == 1
    assert len(memory.state("Malta", "capital", user_id="ana")) == 2


def test_a_profile_may_be_of_another_time(memory: Memstrata) -> None:
    told(memory)
    (then,) = memory.profile(as_of="2023-01-15", user_id="ana").subjects["Malta"]
    (now,) = memory.profile(user_id="ana").subjects["Malta"]
    assert (then.value, now.value) == ("Mdina", "Valletta")
