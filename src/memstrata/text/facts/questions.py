"""Read from a question which attribute of which subject it asks for: "Where do I live?", "What is Ana's job?".

A question is turned into the sentence that would answer it, with a value put in, and that is read as any other. So it
asks for what a statement would be kept under; what cannot be read so asks for nothing known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from memstrata.text.facts.statements import statements

LONGEST: Final = 120  # characters of a question that asks for one thing
VALUES: Final = ("Avalon", "Friday", "40", "blue")  # put in one after the other, until the sentence states something
FORMS: Final = (  # of questions, and of their answers
    (r"what(?:['’]s| is| are| was)(?: the name of)? (?P<what>.+)", "{what} is {value}"),
    (r"(?:who|which|where)(?:['’]s| is| are) (?P<what>(?:the |my |our )?.+)", "{what} is {value}"),
    (r"(?:what|where|who) (?P<what>(?:my|our|the) .+) (?:is|are)", "{what} is {value}"),
    (r"(?:(?:what|which) (?:city|town|country|place|one) is )?(?P<what>my .+)", "{what} is {value}"),
    (r"what colou?r(?:['’]s| is| are) (?P<what>.+)", "{what} is blue"),
    (r"(?:when|what time|what day|which day)(?:['’]s| is| are) (?P<what>.+)", "{what} is on Friday"),
    (r"how old (?:is|are|am) (?P<who>.+)", "{who} {be} 40 years old"),
    (r"(?:where|which (?:city|town|country|place)) (?:do|does|did) (?P<who>.+?) live(?: in)?",
     "{who} live{s} in {value}"),
    (r"where (?P<who>i|we|[a-z]+) lives?", "{who} live{s} in {value}"),
    (r"where (?:do|does|did) (?P<who>.+?) work", "{who} work{s} at {value}"),
    (r"(?:who|which company|what company) (?:do|does|did) (?P<who>.+?) work (?:for|at)", "{who} work{s} for {value}"),
    (r"what (?:do|does) (?P<who>.+?) (?:do for a living|work as)", "{who} work{s} as a nurse"),
    (r"(?:what|which (?:car|kind of car)) (?:do|does) (?P<who>.+?) (?P<verb>drive|play|speak|use|eat|drink)",
     "{who} {verb}{s} {value}"),
    (r"who (?:is|are|am) (?P<who>.+?) married to", "{who} {be} married to {value}"),
    (r"where (?:is|are|am|was|were) (?P<who>.+?) born", "{who} was born in {value}"),
    (r"when (?:is|are|am|was|were) (?P<who>.+?) born", "{who} was born on 5 May"),
    (r"what (?:is|are|am) (?P<who>.+?) allergic to", "{who} {be} allergic to nuts"),
)  # fmt: skip
READ: Final = tuple((re.compile(asked, re.IGNORECASE), told) for asked, told in FORMS)
PASSING: Final = re.compile(
    r"\s+(?:right now|now|these days|nowadays|today|currently|at the moment|again|anyway)$", re.IGNORECASE
)
COURTESY: Final = re.compile(
    r"(?:(?:please|hey|hi|so|and|ok|okay)[, ]+)*"
    r"(?:(?:(?:can|could) you (?:please )?)?(?:tell|remind) me|do you (?:know|remember))[, ]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AskedFor:
    """An attribute of a subject; an empty subject is whoever asks."""

    subject: str
    attribute: str


def asked_for(question: str) -> AskedFor | None:
    """What a question asks for, where it is one thing of which statements are kept.

    >>> asked_for("Where does Ana live?")
    AskedFor(subject='Ana', attribute='home')
    """
    if len(question) > LONGEST:
        return None
    plain = PASSING.sub("", COURTESY.sub("", question.strip(" \n?.!"), count=1))
    for pattern, told in READ:
        if match := pattern.fullmatch(plain):
            for value in VALUES:
                if found := statements(_answer(told, match.groupdict(), value)):
                    return AskedFor(found[0].subject, found[0].attribute)
    return None


def _answer(told: str, parts: dict[str, str | None], value: str) -> str:
    """The sentence that would answer with a value, its verb in the right form."""
    who = (parts.get("who") or "").lower()
    plural = who in ("i", "we", "you", "they")
    be = "am" if who == "i" else "are" if plural else "is"
    said = told.format(**parts, value=value, s="" if plural else "s", be=be)
    return said[:1].upper() + said[1:] + "."
