"""A correction is read where one is announced and a value is said; what is not one corrects nothing."""

from __future__ import annotations

import pytest

from memstrata.text.facts.corrections import corrections
from memstrata.text.facts.stated import Statement, kind

CORRECTING = [
    ("Actually, it's blue.", ("blue", "")),
    ("No wait, it's hunter3", ("hunter3", "")),
    ("sorry, at 4pm", ("4pm", "")),
    ("Oh no, wait, make it 20.5!", ("20.5", "")),
    ("I meant Berlin", ("Berlin", "")),
    ("Sorry, not Lisbon, Porto.", ("Porto", "Lisbon")),
    ("Actually Porto, not Lisbon", ("Porto", "Lisbon")),
    ("Correction: 15 June", ("15 June", "")),
    ("Oops, typo, it's 0412 555 100", ("0412 555 100", "")),
    ("Thanks! No, it's Monday.", ("Monday", "")),
    ("Not Lisbon, Porto.", ("Porto", "Lisbon")),
    ("I meant Porto, not Lisbon.", ("Porto", "Lisbon")),
    ("It's blue, not red.", ("blue", "red")),
    ("at 4pm, not 3pm", ("4pm", "3pm")),
    ("Actually, it's Max.", ("Max", "")),
]
NOT_CORRECTING = [
    "It's blue.",
    "Actually, it's raining.",
    "Actually, is it blue?",
    "Wait, what?",
    "Sorry, Gary. I forgot.",
    "Sorry, Dr. Low said so.",
    "Hold on, Ana.",
    "No one was blue.",
    "I mean it.",
    "We chose vim, not emacs.",
    "I mean Porto is lovely.",
    "No. Blue.",
    "Actually, it's blue when it rains.",
    "Actually, that's a project I could spin up.",
]


@pytest.mark.parametrize(("text", "expected"), CORRECTING)
def test_a_value_that_is_announced_as_a_correction_is_one(text: str, expected: tuple[str, str]) -> None:
    found, *others = corrections(text)
    assert (found.value, found.old) == expected
    assert not others
    assert found.value in text[found.start : found.stop]


@pytest.mark.parametrize("text", NOT_CORRECTING)
def test_what_is_announced_without_a_value_or_said_without_announcement_corrects_nothing(text: str) -> None:
    assert corrections(text) == []


@pytest.mark.parametrize(
    ("correction", "value", "meant"),
    [
        ("Actually, it's blue.", "red", True),
        ("Actually, it's blue.", "Porto", False),
        ("Actually, it's blue.", "blue", False),
        ("Sorry, at 4pm.", "3pm", True),
        ("Sorry, at 4pm.", "Friday", False),
        ("Wait, make it 20.", "21 degrees", True),
        ("Actually, it's 5 degrees outside.", "21 degrees", False),
        ("Sorry, not Lisbon, Porto.", "Lisbon", True),
        ("Sorry, not Lisbon, Porto.", "Madrid", False),
    ],
)
def test_it_means_a_value_of_the_same_kind_or_the_one_it_names(correction: str, value: str, meant: bool) -> None:
    assert corrections(correction)[0].means(Statement("", "something", value, 0, 0)) is meant


def test_what_has_many_values_or_is_over_is_not_meant() -> None:
    found = corrections("Actually, it's blue.")[0]
    assert not found.means(Statement("", "likes", "red", 0, 0, single=False))
    assert not found.means(Statement("", "colour", "red", 0, 0, ends=True))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("half past three", "time"), ("Tuesday", "weekday"), ("5 May", "date"), ("light blue", "colour"),
        ("three", "number"), ("$40", "number $"), ("40 euros", "number euros"), ("hunter2", "code"), ("off", "level"),
        ("Porto", "name"), ("tired", ""), ("", ""),
    ],
)  # fmt: skip
def test_the_kind_of_a_value_is_told_from_its_form(value: str, expected: str) -> None:
    assert kind(value) == expected
