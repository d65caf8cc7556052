"""Turn a question into words, each with every form under which the index may hold it.

A word is looked up under its stem and, where it may have been written in another way, under that too: a date in
figures or with its month's name, a version with or without its "v", a word of another language under its own stem.
Some forms are only worth a look where the space does not hold the word itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from memstrata.text.languages import SURE, common_in, language_of, own_terms
from memstrata.text.terms import MONTHS, STROKES, Word, folded, stems, terms, words

DIGIT: Final = re.compile(r"\d")
HASH: Final = re.compile(r"(?=[a-z]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,64}")
SHORT_HASHES: Final = range(7, 13)  # characters that a hash is cut to where people cite it
SHORTEST_PART: Final = 2  # letters of a word that another was joined to
VERSION: Final = re.compile(r"\b[vV]?(\d+)(?:\.\d+)+\b")
ISO_DATE: Final = re.compile(r"\b\d{4}-(\d{2})-(\d{2})\b")
_NTH: Final = "(?:st|nd|rd|th)?"
_MONTH: Final = "|".join(MONTHS)
NAMED_DATE: Final = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}}{_NTH}) (?:of )?(?P<month>{_MONTH})|(?P<named>{_MONTH}) (?P<number>\d{{1,2}}{_NTH}))\b",
    re.IGNORECASE,
)
NTH_LETTERS: Final = "sthndr"
MONTH_TERMS: Final = [terms(month)[0] for month in MONTHS]


@dataclass(frozen=True, slots=True)
class Asked:
    """A word of a question.

    `term` is what the index calls it, `said` what was asked for, folded. `forms` mean the same and are searched as
    well. `joined` is what it makes with the word before and the one after it.
    """

    term: str
    said: str
    forms: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()

    @property
    def opening(self) -> bool:
        """Whether it looks like the beginning of a hash, so that longer words which begin so are meant."""
        return HASH.fullmatch(self.said) is not None

    def spare(self) -> list[str]:
        """What is searched where the space holds neither the word nor any of its forms.

        >>> asked("the wi-fi")[0].spare(), asked("0f3c2a1b77")[0].spare()
        (['wifi'], ['0f3c2a1', '0f3c2a1b', '0f3c2a1b7'])
        """
        cut = [self.said[:length] for length in SHORT_HASHES if length < len(self.said)] if self.opening else ()
        found = dict.fromkeys((self.said, *cut, *stems(self.joined)))
        found.pop(self.term, None)
        return list(found)

    def parts(self) -> list[tuple[str, str]]:
        """The two words that it may be, written together.

        >>> asked("wifi")[0].parts()
        [('wi', 'fi')]
        """
        if not self.said.isalpha():
            return []
        cuts = range(SHORTEST_PART, len(self.said) - SHORTEST_PART + 1)
        before, after = stems([self.said[:cut] for cut in cuts]), stems([self.said[cut:] for cut in cuts])
        return list(zip(before, after, strict=True))


def asked(text: str) -> list[Asked]:
    """The words of a question in order, each once; function words are left out.

    >>> [(one.term, one.forms) for one in asked("Was kostet das rote Haus?")]
    [('kostet', ('kost',)), ('rote', ('rot',)), ('haus', ())]
    >>> [(one.term, one.forms) for one in asked("the call on 2024-05-03")]
    [('call', ()), ('2024', ()), ('05', ('may',)), ('03', ('3',))]
    """
    found = words(text)
    language = language_of(text, least=1)
    if language is not None:
        found = _content(found, text, language)
    same = _written_otherwise(text) if DIGIT.search(text) else {}
    by_term: dict[str, Asked] = {}
    for place, word in enumerate(found):
        if word.term not in by_term:
            own = own_terms(word.written, language) if language is not None else ()
            forms = (*same.get(word.said, ()), *own, *_folded_before(word))
            by_term[word.term] = Asked(word.term, word.said, forms, _joined(found, place))
    return list(by_term.values())


def _content(found: list[Word], text: str, language: str) -> list[Word]:
    """The words of a question less those that say nothing in its language; all of them where that is a guess."""
    if language_of(text, least=SURE) is None:
        return found
    common = {folded(word) for word in common_in(language)}
    return [word for word in found if word.said not in common] or found


def _folded_before(word: Word) -> tuple[str, ...]:
    """How a word with a letter like "ł" is indexed where upkeep has not yet come by since an older version."""
    if word.written.isascii():
        return ()
    plain = folded(word.written, strokes={})
    stroked = plain.isalnum() and any(ord(letter) in STROKES for letter in plain)
    return tuple(stems([plain])) if stroked else ()


def _joined(found: list[Word], place: int) -> tuple[str, ...]:
    said = found[place].said
    before = found[place - 1].said if place else ""
    after = found[place + 1].said if place + 1 < len(found) else ""
    joined = (before + said if before else "", said + after if after else "")
    return tuple([one for one in joined if one.isalpha()])


def _written_otherwise(text: str) -> dict[str, tuple[str, ...]]:
    """Dates and versions in a question, by the folded word: what stands there in the other way of writing them."""
    found: dict[str, tuple[str, ...]] = {}
    for date in ISO_DATE.finditer(text):
        if 1 <= int(date[1]) <= len(MONTHS):
            found[date[1]] = (MONTH_TERMS[int(date[1]) - 1],)
            found[date[2]] = (str(int(date[2])),) if date[2].startswith("0") else ()
    for date in NAMED_DATE.finditer(text):
        month, said = (date["month"] or date["named"]).capitalize(), (date["day"] or date["number"]).lower()
        day = int(said.rstrip(NTH_LETTERS))
        found[folded(month)] = (f"{MONTHS.index(month) + 1:02}",)
        found[said] = tuple(sorted({str(day), f"{day:02}"} - {said}))
    for version in VERSION.finditer(text):
        first = version[1]
        found[first], found[f"v{first}"] = (f"v{first}",), (first,)
    return found
