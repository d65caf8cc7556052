"""Tell from its form what a text may answer: whether it asks, counts or names a time."""

from __future__ import annotations

import re
from enum import IntFlag
from typing import Final

from memstrata.text.grammar import SIGNS


class Trait(IntFlag):
    """What a passage's form says; kept with it as one byte.

    The last two are the caller's word: that it should always come, and that its attributes name it or what replaced it.
    """

    QUESTION = 1
    NUMBER = 2
    TIME = 4
    ASSISTANT = 8
    STATEMENT = 16
    PINNED = 32
    GIVEN = 64


NUMBER: Final = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|half)\b", re.I
)
TIME: Final = re.compile(
    r"\b(?:yesterday|today|tomorrow|tonight|last|next|ago|week|weekend|month|year|morning|evening|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|may|june|july|august|"
    r"september|october|november|december|\d{4}|\d{1,2}(?:st|nd|rd|th)|\d{1,2}:\d\d)\b",
    re.I,
)
ASKS_NUMBER: Final = re.compile(r"\bhow (?:many|much|old|long|often|far)\b|\bnumber\b", re.I)
ASKS_TIME: Final = re.compile(r"\bwhen\b|\b(?:what|which) (?:date|day|month|year|time)\b|\bhow long\b", re.I)
ASSISTANTS: Final = frozenset({"assistant", "system", "tool", "ai"})


def traits(text: str, *, role: str | None = None) -> Trait:
    """The traits of a passage.

    >>> traits("I have two cats.") == Trait.NUMBER
    True
    """
    found = Trait(0)
    if text.rstrip().endswith(("?", "？")):
        found |= Trait.QUESTION
    if NUMBER.search(text):
        found |= Trait.NUMBER
    if TIME.search(text):
        found |= Trait.TIME
    if may_state(text):
        found |= Trait.STATEMENT
    if role in ASSISTANTS:
        found |= Trait.ASSISTANT
    return found


def given_traits(*, pinned: bool, given: bool) -> Trait:
    """The traits that the attributes of a memory give all of its passages."""
    return (Trait.PINNED if pinned else Trait(0)) | (Trait.GIVEN if given else Trait(0))


def may_state(text: str) -> bool:
    """Whether it is worth looking for what a text states: whether it has a word that statements are made with.

    >>> may_state("Mary got the milk there."), may_state("Good morning!")
    (True, False)
    """
    plain = text.lower()
    if "\u2019" in plain:
        plain = plain.replace("\u2019", "'")
    return not SIGNS.isdisjoint(plain.split())


def asked(query: str) -> Trait:
    """The traits that an answer to a query should have.

    >>> asked("When did she move?") == Trait.TIME
    True
    """
    found = Trait(0)
    if ASKS_NUMBER.search(query):
        found |= Trait.NUMBER
    if ASKS_TIME.search(query):
        found |= Trait.TIME
    return found
