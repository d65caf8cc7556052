"""Prove that a key makes adding many times the same as adding once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from memstrata import Event, Memstrata
from memstrata.errors import KeyConflict
from memstrata.testing import SteppingClock


def test_the_same_key_and_content_give_the_first_receipt(memory: Memstrata, clock: SteppingClock) -> None:
    first = memory.add("tea", user_id="ana", key="k")
    clock.advance(3_600)  # without a time of its own, coming later makes it no other event
    again = memory.add("tea", user_id="ana", key="k")
    assert again.ids == first.ids
    assert again.repeated == 1
    assert again.position == first.position
    assert memory.stats().memories == 1


@pytest.mark.parametrize(
    "other",
    [
        {"content": "coffee"},
        {"content": "tea", "speaker": "Ana"},
        {"content": "tea", "kind": "fact"},
        {"content": "tea", "attributes": {"a": 1}},
        {"content": "tea", "session_id": "s2"},
        {"content": "tea", "expires_at": "2030-01-01"},
        {"content": "tea", "sources": ["x"]},
    ],
)
def test_the_same_key_with_other_content_is_refused_whole(memory: Memstrata, other: dict[str, object]) -> None:
    memory.add("tea", user_id="ana", key="k")
    before = memory.stats().position
    with pytest.raises(KeyConflict, match="'k'"):
        memory.add(**other, user_id="ana", key="k")  # type: ignore[arg-type]
    with pytest.raises(KeyConflict):
        memory.add(["new one", Event("other", key="k")], user_id="ana")
    assert memory.stats().position == before
    assert memory.search("new one", user_id="ana", filters={"text": "new one"}) == []


def test_keys_of_different_users_do_not_meet(memory: Memstrata) -> None:
    ids = {memory.add(f"tea {user}", user_id=user, key="k").id for user in ("ana", "bo", None)}
    assert len(ids) == 3


def test_a_list_gets_a_key_for_each_message(memory: Memstrata) -> None:
    first = memory.add(["one", "two"], user_id="ana", key="talk")
    grown = memory.add(["one", "two", "three"], user_id="ana", key="talk")
    assert grown.ids[:2] == first.ids
    assert grown.repeated == 2
    assert [kept.key for kept in memory.list(user_id="ana")] == ["talk/0", "talk/1", "talk/2"]


def test_the_same_key_twice_in_one_list_is_one_memory(memory: Memstrata) -> None:
    receipt = memory.add([Event("tea", key="k"), Event("tea", key="k")], user_id="ana")
    assert receipt.ids[0] == receipt.ids[1]
    assert receipt.repeated == 1


def test_a_key_outlives_an_update_and_ends_with_its_memory(memory: Memstrata) -> None:
    id = memory.add("tea", user_id="ana", key="k").id
    memory.update(id, text="coffee")
    assert memory.add("tea", user_id="ana", key="k").id == id
    assert memory.get(id).text == "coffee"
    memory.delete(id)
    new = memory.add("wine", user_id="ana", key="k")
    assert new.id != id
    assert new.repeated == 0


def test_a_stream_can_be_sent_again_after_it_broke(memory: Memstrata) -> None:
    events = [Event(f"note {n}", key=f"k{n}") for n in range(25)]

    def broken() -> object:
        yield from events[:15]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        memory.add_many(broken(), user_id="ana", batch=10)  # type: ignore[arg-type]
    assert memory.stats().memories == 10
    receipt = memory.add_many(events, user_id="ana", batch=10)
    assert (receipt.added, receipt.repeated) == (15, 10)
    assert memory.stats().memories == 25


def test_a_key_added_by_many_threads_and_openings_at_once_is_one_memory(
    memory: Memstrata, opened: Callable[..., Memstrata]
) -> None:
    memories = [memory, opened(), opened()]
    with ThreadPoolExecutor(6) as pool:
        receipts = list(pool.map(lambda n: memories[n % 3].add("tea", user_id="ana", key="k"), range(24)))
    assert len({receipt.id for receipt in receipts}) == 1
    assert sum(receipt.repeated for receipt in receipts) == 23
    assert memory.stats().memories == 1
