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
    """A phrase as statements compare: its stemmed words, without stop words, numbers as digits.

    >>> key_of("the Running shoes") == key_of("running shoe")
    True
    """
    words = terms(phrase)
    return " ".join([NUMERALS.get(word, word) for word in words]) or " ".join(phrase.casefold().split())


NUMERALS: Final = {stem: digits for word, digits in grammar.NUMBERS.items() for stem in terms(word)}


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
