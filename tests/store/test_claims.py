"""Prove that what a key stands for is done by one holder at a time, kept once, and done again when nobody finished."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memstrata import Memstrata
from memstrata.errors import InvalidInput, KeyConflict
from memstrata.testing import SteppingClock
from memstrata.types import Claim


def test_one_holder_has_a_key_until_it_is_done(opened: Callable[..., Memstrata]) -> None:
    one, two = opened(), opened()
    mine = one.claim("plan", user_id="ana")
    assert (mine.state, mine.memory) == ("yours", None)
    other = two.claim("plan", user_id="ana")
    assert (other.state, other.holder, other.until) == ("taken", mine.holder, mine.until)
    assert two.claim("plan", user_id="ana", agent_id="cook", session_id="s1").state == "taken"
    for elsewhere in ({}, {"user_id": "bo"}, {"user_id": "ana", "app_id": "x"}, {"user_id": "ana", "tenant_id": "x"}):
        assert two.claim("plan", **elsewhere).state == "yours"
    id = one.add("First the roof.", key="plan", user_id="ana").id
    done = two.claim("plan", user_id="ana")
    assert (done.state, done.holder) == ("done", None)
    assert done.memory is not None and done.memory.id == id


def test_a_claim_goes_on_under_its_holders_name_and_ends_with_its_time(memory: Memstrata, clock: SteppingClock) -> None:
    first = memory.claim("plan", holder="cook", seconds=60, user_id="ana")
    clock.advance(50)
    again = memory.claim("plan", holder="cook", seconds=60, user_id="ana")
    assert again.state == "yours" and first.until is not None and again.until is not None
    assert (again.until - first.until).total_seconds() == 50
    clock.advance(59)
    assert memory.claim("plan", holder="maid", user_id="ana").state == "taken"
    clock.advance(1)
    assert memory.claim("plan", holder="maid", user_id="ana").state == "yours"
    assert memory.claim("plan", holder="cook", user_id="ana").state == "taken"


def test_what_is_given_up_is_free_for_others(memory: Memstrata) -> None:
    memory.claim("plan", holder="cook", user_id="ana")
    assert not memory.release("plan", holder="maid", user_id="ana")
    assert not memory.release("plan", holder="cook", user_id="bo")
    assert memory.release("plan", holder="cook", user_id="ana")
    assert not memory.release("plan", holder="cook", user_id="ana")
    assert memory.claim("plan", holder="maid", user_id="ana").state == "yours"


def test_what_was_deleted_or_ran_out_is_to_be_done_again(memory: Memstrata, clock: SteppingClock) -> None:
    id = memory.add("First the roof.", key="plan", user_id="ana").id
    memory.delete(id, user_id="ana")
    assert memory.claim("plan", user_id="ana").state == "yours"
    memory.add("Today's news.", key="news", expires_at="2024-01-02", user_id="ana")
    assert memory.claim("news", user_id="ana").state == "done"
    clock.advance(2 * 86_400)
    assert memory.claim("news", holder="cook", user_id="ana").state == "yours"
    assert memory.add("Tomorrow's news.", key="news", user_id="ana").repeated == 0
    assert memory.check().ok


def test_a_list_of_messages_settles_its_key(memory: Memstrata) -> None:
    memory.add(["First the roof.", "Then the wall."], key="plan", user_id="ana")
    done = memory.claim("plan", user_id="ana")
    assert done.memory is not None and done.memory.text == "First the roof."


def test_many_who_claim_at_once_get_it_once(opened: Callable[..., Memstrata]) -> None:
    memories = [opened() for _ in range(4)]

    def tried(number: int) -> Claim:
        return memories[number % 4].claim(f"step {number // 8}", user_id="ana")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(tried, range(80)))
    assert sorted(one.key for one in found if one.state == "yours") == sorted(f"step {n}" for n in range(10))


def test_whoever_waits_is_told_when_it_is_done_or_given_up(opened: Callable[..., Memstrata]) -> None:
    one, two = opened(), opened()
    one.claim("plan", holder="cook", user_id="ana")
    one.claim("list", holder="cook", user_id="ana")
    with ThreadPoolExecutor(2) as pool:
        done = pool.submit(two.claim, "plan", wait=30, user_id="ana")
        free = pool.submit(two.claim, "list", wait=30, user_id="ana")
        one.add("First the roof.", key="plan", user_id="ana")
        one.release("list", holder="cook", user_id="ana")
        assert (done.result(30).state, free.result(30).state) == ("done", "yours")
    one.claim("more", holder="cook", user_id="ana")
    assert two.claim("more", wait=0.05, user_id="ana").state == "taken"


DIES = """
import os, sys
import memstrata
from memstrata.testing import FakeEmbedder
memory = memstrata.open(sys.argv[1], embedder=FakeEmbedder())
print(memory.claim("plan", holder="cook", seconds=0.5, user_id="ana").state, flush=True)
os._exit(9)
"""


def test_work_whose_holder_died_is_done_by_another(home: Path, opened: Callable[..., Memstrata]) -> None:
    from memstrata.clock import SystemClock

    memory = opened(clock=SystemClock())
    died = subprocess.run([sys.executable, "-c", DIES, str(home)], capture_output=True, text=True, check=False)
    assert died.stdout == "yours\n", died.stderr
    assert memory.claim("plan", holder="maid", wait=30, user_id="ana").state == "yours"


def test_a_claim_leaves_nothing_behind(memory: Memstrata, clock: SteppingClock) -> None:
    memory.claim("plan", user_id="ana", seconds=10)
    memory.purge()
    assert memory.claim("plan", user_id="ana").state == "taken"  # purging forgets no claim that holds
    assert memory.scopes() == [] and memory.stats().memories == 0 and memory.check().ok
    clock.advance(10)
    memory.purge()
    assert memory.stats().spaces == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""}, {"key": "k" * 513}, {"key": None}, {"key": 1}, {"key": "a\0b"}, {"holder": ""}, {"holder": 7},
        {"seconds": 0}, {"seconds": -1}, {"seconds": 86_401}, {"seconds": True}, {"seconds": "60"},
        {"seconds": float("nan")}, {"wait": -1}, {"wait": True}, {"wait": float("inf")},
    ],
)  # fmt: skip
def test_a_claim_that_cannot_be_is_refused(memory: Memstrata, wrong: dict[str, object]) -> None:
    given = {"key": "plan", **wrong}
    with pytest.raises(InvalidInput):
        memory.claim(given.pop("key"), user_id="ana", **given)
    assert memory.claim("plan", user_id="ana").state == "yours"


# ── adding once ──


def test_the_first_under_a_key_counts_whatever_the_next_says(opened: Callable[..., Memstrata]) -> None:
    one, two = opened(), opened()
    first = one.add("First the roof.", key="plan", once=True, user_id="ana", agent_id="cook")
    late = two.add("First the cellar.", key="plan", once=True, user_id="ana", agent_id="maid")
    assert (late.ids, late.repeated) == (first.ids, 1)
    with pytest.raises(KeyConflict):
        two.add("First the cellar.", key="plan", user_id="ana")
    assert [kept.text for kept in one.list(user_id="ana")] == ["First the roof."]


def test_without_a_key_the_words_count(memory: Memstrata) -> None:
    first = memory.add("The deadline is May 6.", once=True, user_id="ana").id
    for same in ("the deadline is  May 6", "“The deadline is May 6!”", "THE DEADLINE IS MAY 6."):
        again = memory.add(same, once=True, user_id="ana")
        assert (again.id, again.repeated) == (first, 1), same
    for other in ("The deadline is May 7.", "The deadline is not May 6.", "The deadline is May -6.", "!?"):
        assert memory.add(other, once=True, user_id="ana").repeated == 0, other
    assert memory.add("The deadline is May 6.", once=True, user_id="bo").repeated == 0
    assert memory.add("The deadline is May 6.", once=True, speaker="Bo", user_id="ana").repeated == 0
    both = memory.add(["The deadline is May 6.", "Bring cake."], once=True, user_id="ana")
    assert (both.ids[0], both.repeated) == (first, 1)


def test_the_same_under_a_key_is_the_same_whoever_brings_it(memory: Memstrata) -> None:
    first = memory.add("First the roof.", key="plan", contributor="key:cook", user_id="ana")
    again = memory.add("First the roof.", key="plan", contributor="key:maid", user_id="ana")
    assert (again.ids, again.repeated) == (first.ids, 1)
    assert memory.get(first.id).contributor == "key:cook"
    with pytest.raises(KeyConflict):
        memory.add("First the cellar.", key="plan", contributor="key:maid", user_id="ana")
