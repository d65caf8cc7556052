"""Read a sentence that corrects what was said before without naming it: "Actually, it's blue", "No wait, at 4pm".

What it corrects is the last thing stated before it that has a value of the same kind: a colour for a colour, a weekday
for a weekday, degrees for degrees. Without one, and without a word that announces a correction, it corrects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from memstrata.text.facts.clauses import QUESTION, conditioned, sentences, value
from memstrata.text.facts.stated import LOOSE, Statement, key_of, kind

LONGEST: Final = 120  # characters of a sentence that only corrects
LONGEST_VALUE: Final = 5  # words

ANNOUNCED: Final = re.compile(
    r"\W*(?:(?:oh|well|hm+|um+|uh|er|ah|and|but|ok|okay|hey|yes|yeah|nope)\b\W*)*"
    r"(?P<how>actually|correction|rather|typo|scratch that|i was wrong|i misspoke|my mistake|my bad|"
    r"wait|sorry|apologies|hang on|hold on|oops|no(?=\s*[,.!;:—–-]|\s+(?:wait|sorry|actually|it|that|i|not)\b))\b\W*"
    r"(?:(?:oh|no|wait|actually|sorry|that['’]?s wrong|that was wrong|my mistake|i was wrong|i misspoke|typo|so)\b"
    r"\W*)*",
    re.IGNORECASE,
)
# behind these a name alone is a correction; behind "sorry" it is who is spoken to
NAMING: Final = frozenset({"actually", "correction", "rather", "typo", "scratch that"})
MEANT: Final = re.compile(
    r"(?:(?:it|that|this|they|she|he)(?:['’]s|['’]re| is| are| was| should be| should have been)|"
    r"make (?:it|that)|(?P<sure>i (?:really |actually )?(?:meant|mean)(?: to say)?)|should be|should have been|"
    r"let['’]s say) (?:now |actually |really |called |named |at |on |in |to )*(?=\S)",
    re.IGNORECASE,
)
BY: Final = re.compile(r"^(?:at|on|in|to) ", re.IGNORECASE)
NOT_BUT: Final = re.compile(
    r"not (?P<old>[^,;]+?)(?:[,;—–-]+ ?(?:but )?(?:it['’]s )?| but )(?P<value>.+)", re.IGNORECASE
)
NOT_LAST: Final = re.compile(r"(?P<value>[^,;]{1,40}?),? not (?P<old>[^,;]{1,40}?)[.!]*$", re.IGNORECASE)
BARE: Final = re.compile(r"(?P<by>(?:at|on|in|to|for) )?(?P<value>\S+(?: \S+){0,4})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Correction:
    """A value said in place of another, `old` where it was named; `text[start:stop]` says so."""

    value: str
    old: str
    start: int
    stop: int

    def means(self, one: Statement) -> bool:
        """Whether a statement made before may be what it corrects.

        >>> corrections("Actually, it's blue.")[0].means(Statement("", "favourite colour", "red", 0, 0))
        True
        """
        if not one.single or one.ends or key_of(one.value) == key_of(self.value):
            return False
        if self.old:
            return key_of(one.value) == key_of(self.old)
        own, other = kind(self.value), kind(one.value)
        return own == other or (own == "number" and other.startswith("number "))  # "make it 20" of degrees

    def instead_of(self, one: Statement) -> Statement:
        """The statement that it makes of the one that it means."""
        return replace(one, value=self.value, start=self.start, stop=self.stop, correction=True, confidence=LOOSE)


def corrections(text: str) -> list[Correction]:
    """The sentences of a text that correct something said before them.

    >>> [(one.value, one.old) for one in corrections("Sorry, not Lisbon, Porto. See you there!")]
    [('Porto', 'Lisbon')]
    """
    return list(_corrections(text))


def _corrections(text: str) -> Iterator[Correction]:
    for start, stop in sentences(text):
        sentence = text[start:stop].strip()
        if len(sentence) > LONGEST or "?" in sentence:
            continue
        announced = ANNOUNCED.match(sentence)
        said = sentence if announced is None else sentence[announced.end() :]
        found = _said(said, announced["how"].lower() if announced else None)
        if found is not None:
            yield Correction(*found, start, stop)


def _said(said: str, how: str | None) -> tuple[str, str] | None:
    """The value that a sentence puts right, and the one it puts away; `how` is what announced it, if anything did."""
    plain, condition = conditioned(said.strip(' .!"”'))
    if condition or QUESTION.match(plain):
        return None
    meant = MEANT.match(plain)
    plain = plain if meant is None else plain[meant.end() :]
    if match := NOT_BUT.match(plain) or NOT_LAST.match(BY.sub("", plain, count=1)):
        found, old = value(match["value"]), value(BY.sub("", match["old"], count=1))
        known = kind(found) != "" or how is not None or meant is not None  # "we chose vim, not emacs" corrects nothing
        return (found, old) if found and old and known and kind(found) == kind(old) else None
    if how is None and (meant is None or not meant["sure"]):
        return None
    if meant is not None:
        found = value(plain)
        return (found, "") if kind(found) and len(found.split()) <= LONGEST_VALUE else None
    match = BARE.match(plain)
    if match is None or how == "no":
        return None
    found = value(match["value"])
    alone = found == match["value"] and (kind(found) != "name" or match["by"] or how in NAMING)
    return (found, "") if alone and kind(found) else None
