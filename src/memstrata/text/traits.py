"""Tell from its form what a text may answer: whether it asks, counts or names a time."""

from __future__ import annotations

import re
from enum import IntFlag
from typing import Final

from memstrata.text.facts.grammar import SIGNS
from memstrata.text.when import tongues


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
DIGIT: Final = re.compile(r"\d")
NO_LETTERS: Final = str.maketrans({chr(sign): " " for sign in range(128) if not chr(sign).isalpha()} | {"’": " "})
FIGURES: Final = re.compile(  # which may be a year, a date, a decade or a time of day
    r"\b(?:(?:1[89]|20)\d\d|\d{1,2}(?:st|nd|rd|th|:\d\d|[./]\d{1,2}[./]\d\d|\s?[ap]\.?m\b)|\d0['’]?s|q[1-4])", re.I
)
ENGLISH: Final = """
yesterday yday today tonight tomorrow tmrw ago minute minutes min mins hour hours hr hrs days night nights week
weeks weekend weekends wk wks fortnight month months quarter year years yr yrs decade decades century morning
afternoon evening lunch lunchtime noon midday midnight clock monday tuesday wednesday thursday friday saturday
sunday january february march april may june july august september october november december jan feb mar apr jun jul
aug sep sept oct nov dec spring summer autumn fall winter christmas xmas easter thanksgiving halloween boxing
valentine valentines patrick independence fools twenties thirties forties fifties sixties seventies eighties
nineties fourth fifth sixth seventh eighth ninth tenth twelfth fourteenth fifteenth twentieth thirtieth
"""
TIME_WORDS: Final = frozenset(ENGLISH.split()) | tongues.WORDS
ASKS_NUMBER: Final = re.compile(r"\bhow (?:many|much|old|long|often|far)\b|\bnumber\b", re.I)
ASKS_TIME: Final = re.compile(r"\bwhen\b|\b(?:what|which) (?:date|day|month|year|time)\b|\bhow long\b", re.I)
ASSISTANTS: Final = frozenset({"assistant", "system", "tool", "ai"})


def traits(text: str, *, role: str | None = None) -> Trait:
    """The traits of a passage.

    >>> Trait.NUMBER in traits("I have two cats.")
    True
    """
    found = Trait(0)
    if text.rstrip().endswith(("?", "？")):
        found |= Trait.QUESTION
    if NUMBER.search(text):
        found |= Trait.NUMBER
    if may_name_time(text):
        found |= Trait.TIME
    if may_state(text):
        found |= Trait.STATEMENT
    if role in ASSISTANTS:
        found |= Trait.ASSISTANT
    return found


def given_traits(*, pinned: bool, given: bool) -> Trait:
    """The traits that the attributes of a memory give all of its passages."""
    return (Trait.PINNED if pinned else Trait(0)) | (Trait.GIVEN if given else Trait(0))


def may_name_time(text: str) -> bool:
    """Whether it is worth looking for the times that a text names; the gate of `times.spoken`.

    Looking words up in a set takes a few microseconds however many there are, which a pattern of them all does not.
    """
    if not TIME_WORDS.isdisjoint(words(text)):
        return True
    return DIGIT.search(text) is not None and FIGURES.search(text) is not None


def words(text: str) -> list[str]:
    """The words of a text in lower case, without figures."""
    return text.lower().translate(NO_LETTERS).split()


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
