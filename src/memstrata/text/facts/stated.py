"""Hold what a sentence states, and tell from a phrase's form what it can be: a name, a number, a judgement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from memstrata.text.facts import grammar
from memstrata.text.facts.clauses import NAME
from memstrata.text.terms import terms

DEFINED: Final = 0.9  # "The capital of Malta is Valletta"
SAID: Final = 0.8  # "I live in Porto"
LOOSE: Final = 0.6
PASSING: Final = 0.5  # "I've got a bike", which may be a friend's

LONGEST_VALUE: Final = 12  # words
LONGEST_LOOSE: Final = 8  # words of a value that no fixed pattern bounds
LONGEST_SUBJECT: Final = 12  # words


@dataclass(frozen=True, slots=True)
class Statement:
    """That `attribute` of `subject` is `value`; `text[start:stop]` says so.

    An empty subject is the speaker. `single`: the attribute has one value at a time; `ends`: it says that this no
    longer holds; `correction`: it says of itself that it replaces something.
    """

    subject: str
    attribute: str
    value: str
    start: int
    stop: int
    condition: str = ""
    single: bool = True
    ends: bool = False
    correction: bool = False
    confidence: float = SAID


@dataclass(frozen=True, slots=True)
class Context:
    """What a clause is read in: who speaks, what was stated in the same text before, and the text up to its end."""

    speaker: str | None = None
    stated: Sequence[Statement] = ()
    text: str = ""


def key_of(phrase: str) -> str:
    """A phrase as statements compare: its stemmed words in British spelling, without stop words, numbers as digits.

    >>> key_of("the Running shoes") == key_of("running shoe"), key_of("favorite color") == key_of("favourite colour")
    (True, True)
    """
    words = terms(phrase)
    return " ".join([ALIKE.get(word, word) for word in words]) or " ".join(phrase.casefold().split())


ALIKE: Final = {stem: digits for word, digits in grammar.NUMBERS.items() for stem in terms(word)} | {
    stem: kept
    for word, other in grammar.SPELLINGS.items()
    for stem, kept in zip(terms(word), terms(other), strict=True)
}


FIRST: Final = re.compile(
    r"(?:I|let|lets|we|my|our|mine|ours|your|you|he|she|it|they|this|that|there|these|those|his|her|their|its|here|someone|everyone|both|all|some|what|one)\b",
    re.IGNORECASE,
)


def is_name(phrase: str) -> bool:
    """Whether a phrase is a proper name."""
    return NAME.fullmatch(phrase.strip(" \"“”'*.")) is not None and not FIRST.match(phrase)


def capital(phrase: str) -> bool:
    plain = phrase.lstrip(" \"“”'*").removeprefix("the ")
    return plain[:1].isupper() or plain[:1].isdigit()


TELLING: Final = re.compile(r"\d|[A-Z]|[`\"“/_]")


def telling(phrase: str) -> bool:
    """Whether a value is more than an adjective: a name, a number, a quoted or coded word, a colour, a level."""
    if TELLING.search(phrase):
        return True
    words = phrase.lower().strip(" .!").split()
    known = grammar.COLOURS | grammar.LEVELS | frozenset(grammar.NUMBERS)
    return bool(words) and (words[-1] in known or words[0] in known)


def judging(phrase: str) -> bool:
    """Whether a value is no thing but what somebody thinks of one: "beautiful", "very far away"."""
    words = phrase.lower().split()
    if telling(phrase):
        return False
    return words[0] in grammar.JUDGING or (len(words) == 1 and grammar.ADJECTIVE.fullmatch(words[0]) is not None)


NUMBER: Final = re.compile(r"[-+$€£]?[\d.,:/]*\d(?:[^\W\d]{1,3}|[%°€$£])?")
UNITLESS: Final = re.compile(
    rf"[\d.,:/+-]+|\b(?:{'|'.join(grammar.NUMBERS)})\b"
)  # what is left of a number is its unit
CODED: Final = re.compile(r"\d|[_@/\\]")


def kind(found: str) -> str:
    """What sort of value it is, as far as its form says; empty for a plain word.

    >>> kind("4pm"), kind("half past three"), kind("light blue"), kind("Porto"), kind("tired")
    ('time', 'time', 'colour', 'name', '')
    """
    words = found.lower().strip(" .!").split()
    if not words:
        return ""
    if CLOCK.search(found):
        return "time"
    if words[0] in grammar.WEEKDAYS or words[-1] in grammar.WEEKDAYS:
        return "weekday"
    if not grammar.MONTHS.isdisjoint(words):
        return "date"
    if words[-1] in grammar.COLOURS:
        return "colour"
    if words[0] in grammar.NUMBERS or NUMBER.fullmatch(words[0]):
        return " ".join(["number", *(word for word in UNITLESS.sub(" ", found.lower()).split())])
    if len(words) == 1 and CODED.search(words[0]):
        return "code"
    if words[-1] in grammar.LEVELS and len(words) <= 2 and not found[:1].isupper():
        return "level"
    return "name" if is_name(found) and telling(found) else ""


CLOCK: Final = re.compile(
    r"\b\d{1,2}(?::\d\d)?\s?[ap]\.?m\b|\b\d{1,2}:\d\d\b|\b(?:half|quarter) (?:past|to)\b|\bo['’]clock\b|"
    r"\b(?:noon|midnight)\b",
    re.IGNORECASE,
)
