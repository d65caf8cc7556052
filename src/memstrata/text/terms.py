"""Turn a text into the words that the text index holds.

Words are folded (compatibility forms, case, accents) and stemmed; scripts written without spaces are cut
into pairs of characters; an identifier such as `parseHeader_v2` gives its whole and its parts. Stop words
are left out of queries and of the index alike.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from typing import Final

import Stemmer

from memstrata.clock import as_datetime

WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)
IDENTIFIER: Final = re.compile(r"\w*(?:[a-z0-9][A-Z]|[A-Za-z0-9]_[A-Za-z0-9])\w*")
PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
MAX_WORD: Final = 64  # longer ones are cut: they are data, and their beginning finds them
_STOP_WORDS: Final = """
a about after again all also am an and any are as at be because been before being but by can could did do does doing
down during each few for from further had has have having he her here hers him his how i if in into is it its itself
just me more most my myself no nor not now of off on once only or other our ours out over own same she should so some
such than that the their theirs them then there these they this those through to too under until up us very was we
were what when where which while who whom why will with would you your yours
"""
STOP_WORDS: Final = frozenset(_STOP_WORDS.split())
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

_stemmer = Stemmer.Stemmer("english", 0)
_stemmer_lock = threading.Lock()  # the library's stemmers are not safe to share


def terms(text: str) -> list[str]:
    """The words of a text as the index holds them, those of identifiers first.

    >>> terms("The runners' café: parseHeader_v2!")
    ['parseheaderv2', 'pars', 'header', 'v', '2', 'runner', 'cafe']
    """
    found: list[str] = []
    for word in WORD.findall(_without_identifiers(text, found)):
        found += _term(word)
    return found


def _without_identifiers(text: str, found: list[str]) -> str:
    """The text less its code identifiers, whose whole and parts are added to what was found."""

    def taken(match: re.Match[str]) -> str:
        name = match[0]
        found.append(_folded(name.replace("_", ""))[:MAX_WORD])
        for part in PARTS.findall(name):
            found.extend(_term(part))
        return " "

    return IDENTIFIER.sub(taken, text)


@lru_cache(maxsize=200_000)
def _term(word: str) -> tuple[str, ...]:
    folded = _folded(word)
    if folded in STOP_WORDS:
        return ()
    if UNSPACED.search(folded):
        return tuple(_pairs(folded))
    plain = folded.split("'")[0] if folded.endswith(("'s", "'")) else folded.replace("'", "")
    if not plain or plain in STOP_WORDS:
        return ()
    with _stemmer_lock:
        return (_stemmer.stemWord(plain[:MAX_WORD]),)


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    return unicodedata.normalize("NFC", "".join([sign for sign in plain if _belongs(sign)]))


def _belongs(sign: str) -> bool:
    """Whether a sign is part of a folded word: accents are not, nor what a compatibility form has around it."""
    return sign.isalnum() or sign == "'" or (unicodedata.category(sign)[0] == "M" and not unicodedata.combining(sign))


def _pairs(word: str) -> list[str]:
    """Each run of an unspaced script as overlapping pairs, other runs as they are."""
    found: list[str] = []
    rest = 0
    for match in UNSPACED.finditer(word):
        if word[rest : match.start()]:
            found.append(word[rest : match.start()])
        run = match[0]
        found += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
        rest = match.end()
    return [*found, word[rest:]] if word[rest:] else found


def described(text: str, *, speaker: str | None, at: int, at_offset: int) -> str:
    """What is indexed of a passage: its day and its speaker in front, so that both can be asked for.

    >>> described("Rain again.", speaker="Ines", at=1706979900000000, at_offset=60)
    '3 February 2024 Ines: Rain again.'
    """
    date = as_datetime(at, at_offset)
    day = f"{date.day} {MONTHS[date.month - 1]} {date.year}"
    return f"{day} {speaker}: {text}" if speaker else f"{day} {text}"
