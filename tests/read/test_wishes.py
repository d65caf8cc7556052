"""A request finds the wishes like those that it found, later ones first; a question is answered as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from memstrata import Event, Memstrata
from memstrata.providers.embedders.builtin import Builtin
from memstrata.read.wishes import requests
from memstrata.testing import FakeEmbedder

MARCH = datetime(2026, 3, 2, 8, tzinfo=UTC)
SAID = [  # day, who, what
    (0, "Ida", "I want the steering wheel heating at five, my hands are cold."),
    (1, "Ida", "The ferry to the island leaves from the old harbour."),
    (2, "Jon", "Lunch was lovely, the soup most of all."),
    (3, "Ida", "My hands are cold again, set the heating of the wheel to nine."),
    (4, "Jon", "The steering of the boat is broken, says the man at the harbour."),
    (5, "Jon", "I want the steering wheel heating off, my hands are warm."),
    *((6 + day, "Jon", f"The steering committee met for the {day}. time, with nothing decided.") for day in range(12)),
]
Opened = Callable[..., Memstrata]


@pytest.fixture
def car(opened: Opened) -> Memstrata:
    """What two people said in a car, with an embedder that knows what words mean."""
    memory = opened(embedder=Builtin())
    memory.add_many(
        (Event(text, speaker=who, at=MARCH + timedelta(days=day)) for day, who, text in SAID), user_id="car"
    )
    return memory


def texts(memory: Memstrata, query: str, *, limit: int = 4) -> list[str]:
    return [hit.memory.text for hit in memory.search(query, limit=limit, user_id="car")]


@pytest.mark.parametrize(
    ("text", "requested"),
    [
        ("Turn on the steering wheel heating", True),
        ("Ida got into the car and said: \u2019I need the wheel warm\u2019", True),
        ("What does Ida want the wheel at", False),
        ("Set the wheel to what Ida likes, will you?", False),
        ("In which town does she want to live", False),
        ("steering wheel", False),
    ],
)
def test_a_request_wants_something_done_and_asks_nothing(text: str, requested: bool) -> None:
    assert requests(text) is requested


def test_a_request_brings_the_later_wish_for_the_same_thing_before_the_earlier_one(car: Memstrata) -> None:
    found = texts(car, "Ida asked the car to turn on the steering wheel heating.")
    assert SAID[3][2] in found
    assert found.index(SAID[3][2]) < found.index(SAID[0][2])


def test_what_another_person_wished_later_does_not_come_before(car: Memstrata) -> None:
    found = texts(car, "Ida asked the car to turn on the steering wheel heating.", limit=10)
    assert found.index(SAID[0][2]) < found.index(SAID[5][2])


def test_likeness_marks_nothing_as_replaced(car: Memstrata) -> None:
    hits = car.search("Turn on the steering wheel heating", user_id="car", limit=10)
    assert all(hit.replaced_by is None for hit in hits)


def test_scores_fall_from_one(car: Memstrata) -> None:
    scores = [hit.score for hit in car.search("Turn on the steering wheel heating", user_id="car", limit=20)]
    assert scores[0] == 1.0
    assert scores == sorted(scores, reverse=True)


def test_a_hit_says_what_it_gained_as_a_wish(car: Memstrata) -> None:
    hits = car.search("Turn on the steering wheel heating", user_id="car", limit=20)
    told = {hit.memory.text: "wishes" in hit.signals for hit in hits}
    assert told[SAID[3][2]]
    assert not told[SAID[4][2]]


def test_wishes_are_followed_with_an_embedder_that_is_too_slow_to_ask_in_between(opened: Opened) -> None:
    memory = opened(embedder=FakeEmbedder(inline=False, dimensions=256))
    memory.add_many(
        (Event(text, speaker=who, at=MARCH + timedelta(days=day)) for day, who, text in SAID), user_id="car"
    )
    memory.upkeep(60)
    assert SAID[3][2] in texts(memory, "Ida asked the car to turn on the steering wheel heating.")
