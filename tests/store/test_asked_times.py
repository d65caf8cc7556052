"""Questions that name a time find what happened in it and what speaks of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from memstrata import Memstrata
from memstrata.testing import SteppingClock

LAKE = "We swam in the lake and grilled fish."


@pytest.fixture
def diary(opened: Callable[..., Memstrata], clock: SteppingClock) -> Memstrata:
    """The same sentence on several days, and one that speaks of another day than its own."""
    memory = opened(embedder="builtin")
    for month in range(1, 13):
        memory.add(LAKE, at=f"2023-{month:02}-12T18:00+00:00", user_id="ana", key=f"2023-{month}")
    memory.add(LAKE, at="2024-05-08T18:00+00:00", user_id="ana", key="last week")
    memory.add("In September 2020 we swam in a lake.", at="2024-02-01T09:00+00:00", user_id="ana", key="told later")
    clock.set(datetime(2024, 5, 15, 14, 30, tzinfo=UTC))
    return memory


def first(memory: Memstrata, query: str, **options: object) -> str | None:
    return memory.search(query, user_id="ana", **options)[0].memory.key  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("When did we swim in the lake last week?", "last week"),
        ("What did we do in May 2023?", "2023-5"),
        ("What did we grill on 12 August 2023?", "2023-8"),
        ("Did we swim in the week before 14 March 2023?", None),
        ("the lake between 1 October 2023 and 20 October 2023", "2023-10"),
        ("swimming in 2020", "told later"),
        ("Haben wir letzte Woche im lake gegrillt?", "last week"),
    ],
)
def test_a_time_in_the_question_favours_what_lies_in_it(diary: Memstrata, query: str, expected: str | None) -> None:
    if expected is None:
        assert diary.search(query, user_id="ana")  # favoured and not filtered: what lies elsewhere still comes
    else:
        assert first(diary, query) == expected


def test_what_a_memory_speaks_of_counts_like_its_own_time(diary: Memstrata) -> None:
    [time] = diary.explain("the lake in September 2020", user_id="ana").times
    told = [hit for hit in diary.search("the lake in September 2020", user_id="ana") if hit.memory.key == "told later"]
    assert time.ids == (told[0].memory.id,)


def test_explain_says_how_a_time_was_read(diary: Memstrata) -> None:
    found = diary.explain("What did we do last week?", user_id="ana")
    [time] = found.times
    assert (time.expression, time.since, time.until) == (
        "last week", datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 13, tzinfo=UTC),
    )  # fmt: skip
    assert [hit.memory.key for hit in found.hits if hit.memory.id in time.ids] == ["last week"]
    assert "time" in found.retrievers


def test_a_question_without_a_time_asks_no_calendar(diary: Memstrata) -> None:
    found = diary.explain("Where did we swim?", user_id="ana")
    assert found.times == ()
    assert "time" not in found.retrievers


def test_last_week_is_relative_to_the_moment_asked_about(diary: Memstrata) -> None:
    [time] = diary.explain("last week", as_of="2023-06-20T10:00+02:00", user_id="ana").times
    assert time.since.isoformat() == "2023-06-12T00:00:00+02:00"
    assert first(diary, "the lake last week", as_of="2023-06-20T10:00+02:00") == "2023-6"


def test_yesterday_is_another_day_tomorrow(memory: Memstrata, clock: SteppingClock) -> None:
    memory.add("We baked bread.", at="2024-03-01T10:00", user_id="ana", key="first")
    memory.add("We baked bread.", at="2024-03-02T10:00", user_id="ana", key="second")
    clock.set(datetime(2024, 3, 2, 12, tzinfo=UTC))
    assert first(memory, "what did we bake yesterday") == "first"
    clock.set(datetime(2024, 3, 3, 12, tzinfo=UTC))
    assert first(memory, "what did we bake yesterday") == "second"


def test_a_time_alone_finds_what_happened_then(diary: Memstrata) -> None:
    assert first(diary, "last week") == "last week"


def test_what_may_not_be_seen_is_not_found_by_its_time(diary: Memstrata) -> None:
    diary.add("A secret picnic in September 2020.", at="2020-09-05", user_id="bo")
    assert all(hit.memory.scope.user_id == "ana" for hit in diary.search("September 2020", user_id="ana", limit=50))
    gone = diary.add("The lake froze.", at="2021-01-05", user_id="ana").id
    diary.delete(gone)
    assert gone not in [hit.memory.id for hit in diary.search("the lake in January 2021", user_id="ana", limit=50)]
