"""Prove that nothing is overwritten: versions, merges, and changes made by several at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from memstrata import Memstrata
from memstrata.errors import InvalidInput, NotFound, VersionConflict
from memstrata.testing import SteppingClock


def test_an_update_keeps_what_it_does_not_name(memory: Memstrata) -> None:
    before = memory.get(
        memory.add(
            "Ana drinks tea", user_id="ana", session_id="s1", agent_id="g", namespace="a/b", speaker="Ana", role="user",
            kind="fact", attributes={"room": "attic", "deep": {"list": [1, None, "ü"]}}, key="k",
            at="2024-02-03T18:05:00.123456+05:30", valid_from="2024-01-01", valid_until="2025-01-01",
            expires_at="2030-01-01", sources=["one", "two"], contributor="c", resource="r",
        ).id
    )  # fmt: skip
    after = memory.update(before.id, text="Ana drinks coffee")
    for name in before.__slots__:
        if name not in ("text", "version", "updated_at"):
            assert getattr(after, name) == getattr(before, name), name
    assert (after.text, after.version) == ("Ana drinks coffee", 2)
    assert after.at.utcoffset() == before.at.utcoffset()
    assert after.updated_at > before.updated_at


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"kind": "fact"}, {"kind": "fact"}),
        ({"speaker": "Bo"}, {"speaker": "Bo"}),
        ({"speaker": None}, {"speaker": None}),
        ({"attributes": {"b": 2}}, {"attributes": {"b": 2}}),
        ({"attributes": None}, {"attributes": {}}),
        ({"expires_at": None}, {"expires_at": None}),
        ({"valid_until": "2024-06-01"}, {"valid_until": datetime(2024, 6, 1, tzinfo=UTC)}),
        ({"at": "2020-01-01"}, {"at": datetime(2020, 1, 1, tzinfo=UTC)}),
    ],
)
def test_each_property_can_be_changed_and_cleared(
    memory: Memstrata, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    id = memory.add("tea", user_id="ana", speaker="Ana", attributes={"a": 1}, expires_at="2030-01-01").id
    found = memory.update(id, **change)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.text == "tea"
    assert memory.get(id) == found
    assert [version.state for version in memory.history(id)] == ["superseded", "active"]


def test_a_change_of_kind_moves_a_memory_between_filters(memory: Memstrata) -> None:
    id = memory.add("green tea", user_id="ana").id
    memory.update(id, kind="fact")
    assert [hit.memory.id for hit in memory.search("tea", user_id="ana", filters={"kind": "fact"})] == [id]
    assert memory.search("tea", user_id="ana", filters={"kind": "turn"}) == []
    assert memory.stats(user_id="ana").by_kind == {"fact": 1}


def test_an_old_version_is_found_no_more_and_stays_in_the_history(memory: Memstrata) -> None:
    id = memory.add("she lives in Lisbon", user_id="ana").id
    memory.update(id, text="she lives in Porto")
    assert "Lisbon" not in str(memory.search("Lisbon", user_id="ana"))
    first, second = memory.history(id)
    assert first.memory is not None
    assert second.memory is not None
    assert (first.memory.text, second.memory.text) == ("she lives in Lisbon", "she lives in Porto")
    assert first.number == 1
    assert first.recorded_at < second.recorded_at


def test_an_update_with_nothing_to_change_is_refused(memory: Memstrata) -> None:
    id = memory.add("tea", user_id="ana").id
    with pytest.raises(InvalidInput, match="nothing to change"):
        memory.update(id)
    assert memory.get(id).version == 1


def test_of_many_threads_that_expect_a_version_one_wins(memory: Memstrata) -> None:
    id = memory.add("0", user_id="ana").id
    start = threading.Barrier(8)
    won: list[int] = []

    def attempt(number: int) -> None:
        start.wait()
        try:
            memory.update(id, text=str(number), expected_version=1)
            won.append(number)
        except VersionConflict:
            pass

    run([lambda number=number: attempt(number) for number in range(8)])
    assert len(won) == 1
    assert memory.get(id).text == str(won[0])
    assert memory.get(id).version == 2


def test_no_increment_is_lost_between_threads(memory: Memstrata) -> None:
    id = memory.add("0", user_id="ana").id

    def count() -> None:
        for _ in range(5):
            while True:
                now = memory.get(id)
                try:
                    memory.update(id, text=str(int(now.text) + 1), expected_version=now.version)
                    break
                except VersionConflict:
                    continue

    run([count] * 4)
    assert memory.get(id).text == "20"
    assert memory.get(id).version == 21
    assert memory.check().ok


def test_changes_of_different_properties_by_several_threads_all_stay(memory: Memstrata) -> None:
    id = memory.add("tea", user_id="ana").id
    changes: list[dict[str, Any]] = [
        {"text": "coffee"}, {"speaker": "Ana"}, {"role": "user"}, {"attributes": {"a": 1}}, {"kind": "fact"},
        {"valid_until": "2030-01-01"},
    ]  # fmt: skip
    run([lambda change=change: memory.update(id, **change) for change in changes])
    found = memory.get(id)
    assert (found.text, found.speaker, found.role, found.attributes, found.kind, found.version) == (
        "coffee", "Ana", "user", {"a": 1}, "fact", 7,
    )  # fmt: skip


def test_a_reader_always_finds_a_memory_that_another_thread_keeps_changing(memory: Memstrata) -> None:
    memory.add_many([f"green tea {n}" for n in range(50)], user_id="ana")
    id = memory.add("zanzibar 0", user_id="ana").id
    done = threading.Event()

    def change() -> None:
        for number in range(60):
            memory.update(id, text=f"zanzibar {number}")
            memory.search("zanzibar", user_id="ana")
            memory.add(f"more tea {number}", user_id="ana")
        done.set()

    def read() -> None:
        while not done.is_set():
            found = [hit.memory.id for hit in memory.search("zanzibar", user_id="ana", limit=3)]
            assert found.count(id) == 1

    run([change, read, read])


def test_a_merge_takes_the_place_of_its_parts(memory: Memstrata) -> None:
    first = memory.add(
        "likes tea", user_id="ana", session_id="s1", speaker="Ana", at="2024-01-02", attributes={"a": 1, "b": 1}
    ).id
    second = memory.add(
        "likes rain", user_id="ana", session_id="s1", speaker="Bo", at="2024-01-01", attributes={"b": 2}
    ).id
    merged = memory.merge([first, second], kind="fact")
    assert merged.text == "likes rain\nlikes tea"
    assert merged.sources == (second, first)
    assert (merged.kind, merged.speaker, merged.scope.session_id) == ("fact", None, "s1")
    assert merged.attributes == {"a": 1, "b": 1}
    assert [hit.memory.id for hit in memory.search("tea rain", user_id="ana")] == [merged.id]
    assert [version.state for version in memory.history(first)] == ["merged"]
    for id in (first, second):
        with pytest.raises(NotFound):
            memory.get(id)
        assert memory.explain("tea", id=id, user_id="ana").verdict == (
            "it was merged into another memory, which is searched in its place"
        )
    assert memory.check().ok


def test_a_merge_expires_no_later_than_its_parts(memory: Memstrata, clock: SteppingClock) -> None:
    first = memory.add("one", user_id="ana", expires_at="2024-03-01").id
    second = memory.add("two", user_id="ana", expires_at="2024-02-01").id
    merged = memory.merge([first, second, memory.add("three", user_id="ana").id])
    assert merged.expires_at == datetime(2024, 2, 1, tzinfo=UTC)
    clock.set(datetime(2024, 2, 2, tzinfo=UTC))
    assert memory.search("one two", user_id="ana") == []


def test_what_has_expired_is_neither_changed_nor_merged_and_can_be_deleted(
    memory: Memstrata, clock: SteppingClock
) -> None:
    id = memory.add("soon gone", user_id="ana", expires_at="2024-01-02").id
    other = memory.add("stays", user_id="ana").id
    clock.set(datetime(2024, 1, 3, tzinfo=UTC))
    for ask in (lambda: memory.update(id, text="back"), lambda: memory.merge([id, other]), lambda: memory.get(id)):
        with pytest.raises(NotFound):
            ask()
    assert memory.get(other).text == "stays"
    assert memory.delete(id).memories == 1


@pytest.mark.parametrize("ids", [[], ["x"], "xy", ["a", "a"], [None, None], 5, None])
def test_a_merge_of_fewer_than_two_is_refused(memory: Memstrata, ids: Any) -> None:
    with pytest.raises(InvalidInput):
        memory.merge(ids)


def test_memories_of_different_users_are_not_merged(memory: Memstrata) -> None:
    ids = [memory.add("tea", user_id=user).id for user in ("ana", "bo")]
    with pytest.raises(InvalidInput, match="different users"):
        memory.merge(ids)
    assert [memory.get(id).state for id in ids] == ["active", "active"]


def run(jobs: list[Callable[[], object]]) -> None:
    """Run jobs at once, and raise what any of them raised."""
    failed: list[BaseException] = []

    def guarded(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as exc:  # noqa: BLE001 - raised again below
            failed.append(exc)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
