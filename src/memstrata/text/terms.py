"""Turn a text into the words that the text index holds.

Words are folded (compatibility forms, case, accents) and stemmed; scripts written without spaces are cut
into pairs of characters; an identifier such as `parseHeader_v2` gives its whole and its parts. Stop words
are left out of queries and of the index alike.
"""

from __future__ import annotations

import os
import re
import threading
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

import Stemmer

from memstrata.clock import as_datetime

WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)
RUN: Final = re.compile(r"\w+")
HUMP: Final = re.compile("[a-z0-9][A-Z]|[A-Za-z0-9]_[A-Za-z0-9]")  # what makes an identifier of a run
PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
CACHED_CHUNKS: Final = 131_072  # about 30 MB when full
CACHED_LENGTH: Final = 48  # characters; longer chunks (links, base64) seldom come twice
OFTEN: Final = (2, 4)  # how often a word comes in a passage, as far as the index tells
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

# letters that no compatibility form takes apart, as those write them who have no key for them
STROKES: Final = str.maketrans(
    {"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe"}
)

# ASCII signs that part words, so that a word is learnt once and not with every comma after it
_SPACED: Final = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in "_'"}

_stemmer = Stemmer.Stemmer("english", 0)
_stemmer_lock = threading.Lock()  # the library's stemmers are not safe to share
if hasattr(os, "register_at_fork"):  # a forked child must not wait for a thread that is not there
    os.register_at_fork(
        before=_stemmer_lock.acquire, after_in_parent=_stemmer_lock.release, after_in_child=_stemmer_lock.release
    )


def terms(text: str) -> list[str]:
    """The words of a text in order, as the index holds them.

    >>> terms("The runners' café: parseHeader_v2!")
    ['runner', 'cafe', 'parseheaderv2', 'pars', 'header', 'v', '2']
    """
    return list(chain.from_iterable(map(_known.__getitem__, text.translate(_SPACED).split())))


class Word(NamedTuple):
    """A word of a text: as the index holds it, folded but with its ending, and as it was written."""

    term: str
    said: str
    written: str


def words(text: str) -> list[Word]:
    """The words of a text in order, as `terms` has them, with what each was made of.

    >>> words("Müllers Häuser")[1]
    Word(term='hauser', said='hauser', written='Häuser')
    """
    return list(chain.from_iterable(map(_of_chunk, text.translate(_SPACED).split())))


def stems(said: Sequence[str]) -> list[str]:
    """Folded words as the index holds them."""
    with _stemmer_lock:
        found: list[str] = _stemmer.stemWords(list(said))
    return found


def _of_chunk(chunk: str) -> list[Word]:
    """The words of what stands between two spaces, those of its code identifiers first."""
    if chunk.isalpha() and chunk[1:].islower():  # a plain word, as nearly all are
        return list(_term(chunk))
    found: list[Word] = []
    for word in WORD.findall(_without_identifiers(chunk, found) if HUMP.search(chunk) else chunk):
        found += _term(word)
    return found


class _Known(dict[str, tuple[str, ...]]):
    """The words of chunks met before, up to a fixed number; threads may share it."""

    def __missing__(self, chunk: str) -> tuple[str, ...]:
        found = tuple([word.term for word in _of_chunk(chunk)])
        if len(chunk) <= CACHED_LENGTH:
            if len(self) >= CACHED_CHUNKS:
                self.clear()
            self[chunk] = found
        return found


_known: Final = _Known()


def _without_identifiers(chunk: str, found: list[Word]) -> str:
    """The chunk less its code identifiers, whose whole and parts are added to what was found."""

    def taken(match: re.Match[str]) -> str:
        name = match[0]
        if not HUMP.search(name):
            return name
        whole = folded(name.replace("_", ""))[:MAX_WORD]
        found.append(Word(whole, whole, name))
        for part in PARTS.findall(name):
            found.extend(_term(part))
        return " "

    return RUN.sub(taken, chunk)


def _term(word: str) -> tuple[Word, ...]:
    plain = folded(word)
    if plain in STOP_WORDS:
        return ()
    if not plain.isascii() and UNSPACED.search(plain):
        return tuple([Word(pair, pair, pair) for pair in _pairs(plain.replace("'", ""))])
    plain = plain.split("'")[0] if plain.endswith(("'s", "'")) else plain.replace("'", "")
    if not plain or plain in STOP_WORDS:
        return ()
    plain = plain[:MAX_WORD]
    return (Word(stem(plain), plain, word),)


def stem(word: str) -> str:
    """A word in small letters without its ending, also where it is a stop word."""
    with _stemmer_lock:
        found: str = _stemmer.stemWord(word[:MAX_WORD])
    return found


def folded(word: str, *, strokes: Mapping[int, str] = STROKES) -> str:
    """A word in small letters without accents, and without the strokes of the letters in a table.

    >>> folded("Łódź"), folded("Straße")
    ('lodz', 'strasse')
    """
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold().translate(strokes)
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


def marked(found: Iterable[str]) -> tuple[str, ...]:
    """What the text index holds for the words of a passage: each once, and a mark where it comes often.

    The index keeps no counts. `word_2` says that a word comes at least twice, `word_4` at least four times; no word
    of ours has an underscore.

    >>> marked(["tea", "cup", "tea"])
    ('tea', 'cup', 'tea_2')
    """
    counts = Counter(found)
    often = [(word, count) for word, count in counts.items() if count >= OFTEN[0]]
    return (*counts, *(f"{word}_{least}" for word, count in often for least in OFTEN if count >= least))


def speaker_code(name: str | None) -> int:
    """A name as the column of speakers holds it, by its first word; 0 for none."""
    found = terms(name) if name else []
    return word_code(found[0]) if found else 0


def word_code(word: str) -> int:
    """A word of ours as a number of 32 bits."""
    return zlib.crc32(word.encode())


class Told(NamedTuple):
    """What goes with a text: who said it, when (microseconds since 1970 UTC, minutes of offset), a caption, a role.

    `aliases` are other names that a caller gave for what it is about; `pinned` that it should always come; `given`
    that its attributes say what it is called or what replaced it.
    """

    speaker: str | None
    at: int
    at_offset: int
    caption: str | None = None
    role: str | None = None
    aliases: tuple[str, ...] = ()
    pinned: bool = False
    given: bool = False


def described(text: str, told: Told) -> str:
    """What is indexed of a passage: day and speaker in front, a photo's caption and other names behind.

    >>> described("Look at this!", Told("Ines", 1706979900000000, 60, "a dented thermos"))
    '3 February 2024 Ines: Look at this! [a dented thermos]'
    """
    date = as_datetime(told.at, told.at_offset)
    who = f" {told.speaker}:" if told.speaker else ""
    caption = f" [{told.caption}]" if told.caption else ""
    aliases = f" [{', '.join(told.aliases)}]" if told.aliases else ""
    return f"{date.day} {MONTHS[date.month - 1]} {date.year}{who} {text}{caption}{aliases}"
