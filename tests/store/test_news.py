"""Prove that whoever follows the changes of a scope misses nothing, sees nothing twice, and nothing of others."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from memstrata import Memstrata
from memstrata.errors import InvalidInput, PositionExpired


def operations(memory: Memstrata, after: int, **scope: str) -> list[tuple[str, str | None]]:
    found = memory.changes(after, **scope)
    return [(one.operation, one.memory and one.memory.text) for one in found.changes]


def test_every_change_comes_once_and_in_order(memory: Memstrata) -> None:
    start = memory.changes(user_id="ana").position
    tea = memory.add("green tea", user_id="ana").id
    memory.update(tea, text="black tea")
    memory.merge([tea, memory.add("a cup", user_id="ana").id])
    seen, position = [], start
    while (page := memory.changes(position, limit=1, user_id="ana")).changes or page.position != position:
        seen += [one.operation for one in page.changes]
        position = page.position
    assert seen == [one.operation for one in memory.changes(start, user_id="ana").changes]
    assert seen == ["add", "update", "add", "merge", "merge", "merge"]
    assert memory.changes(position, user_id="ana").changes == ()


def test_a_deletion_names_the_memory_once_and_says_no_more(memory: Memstrata) -> None:
    start = memory.changes(user_id="ana").position
    id = memory.add("a secret", user_id="ana").id
    memory.update(id, text="a better secret")
    memory.delete(id)
    found = memory.changes(start, user_id="ana").changes
    assert [one.operation for one in found] == ["add", "update", "delete"]
    assert {one.memory_id for one in found} == {id}
    assert all(one.memory is None for one in found)


def test_others_are_not_heard(memory: Memstrata) -> None:
    start = memory.changes(user_id="ana").position
    memory.add("of bo", user_id="bo")
    memory.add("of ana", user_id="ana", session_id="s")
    memory.add("a fact", user_id="ana", kind="fact")
    assert operations(memory, start, user_id="ana", session_id="s") == [("add", "of ana")]
    found = memory.changes(start, filters={"kind": "fact"}, user_id="ana").changes
    assert [one.memory and one.memory.text for one in found] == ["a fact"]


def test_resolving_and_embedding_are_no_news(memory: Memstrata) -> None:
    start = memory.changes(user_id="ana").position
    memory.add("The capital of Malta is Valletta.", user_id="ana")
    memory.upkeep()
    memory.reembed()
    assert operations(memory, start, user_id="ana") == [("add", "The capital of Malta is Valletta.")]


def test_a_position_before_the_list_is_refused(memory: Memstrata) -> None:
    start = memory.changes(user_id="ana").position
    for number in range(3):
        memory.add(f"note {number}", user_id="ana")
    with memory._parts.store.writing() as writing:
        writing.prune_changes(before=0, keep=1)
    with pytest.raises(PositionExpired, match=f"position {start} lies before it"):
        memory.changes(start, user_id="ana")
    for wrong in (-1, True, "1"):
        with pytest.raises(InvalidInput, match="a position is a whole number"):
            memory.changes(wrong, user_id="ana")  # type: ignore[arg-type]


def test_another_opening_of_the_store_is_noticed(opened: Callable[..., Memstrata]) -> None:
    first, second = opened(), opened()
    position = first.changes(user_id="ana").position
    assert not first.wait(position, seconds=0)
    woken = threading.Event()
    waiting = threading.Thread(target=lambda: first.wait(position, seconds=30) and woken.set())
    waiting.start()
    second.add("green tea", user_id="ana")
    waiting.join(30)
    assert woken.is_set()
    assert operations(first, position, user_id="ana") == [("add", "green tea")]
