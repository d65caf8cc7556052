"""Make up conversations of any length, and questions about them, the same ones for the same seed.

What decides how fast a text index answers is how often words come: a few in many texts, most in hardly any
(Zipf's law, with Mandelbrot's shift). The words are made up and pronounceable, mixed with English function words
in about the share that speech has; each session keeps coming back to a few words of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.types import Event

WORDS: Final = 60_000  # in the made-up vocabulary
EXPONENT: Final = 1.05
SHIFT: Final = 20.0  # with it the commonest made-up word is in a tenth of all texts, as the commonest nouns are
FUNCTION_SHARE: Final = 0.42
TOPIC_SHARE: Final = 0.12
TOPIC_WORDS: Final = 30
RANKS_OF_TOPICS: Final = (np.log(200), np.log(WORDS - 1))  # a rank is as likely as its frequency is
MEDIAN_WORDS: Final = 28  # in a turn; the mean is 36 words or 220 characters
SPREAD: Final = 0.7
FIRST_DAY: Final = datetime(2021, 1, 4, 8, tzinfo=UTC)
ONSETS: Final = ("b", "br", "d", "dr", "f", "fl", "g", "gr", "h", "k", "kl", "l", "m", "n", "p", "pl", "r", "s", "st",
                 "t", "tr", "v", "w", "z")  # fmt: skip
NUCLEI: Final = ("a", "e", "i", "o", "u", "ai", "ea", "oo")
CODAS: Final = ("", "", "", "", "l", "m", "n", "r", "t", "k", "nd")
FUNCTION_WORDS: Final = (
    "the", "i", "to", "and", "a", "you", "it", "of", "that", "is", "in", "for", "we", "was", "my", "on", "have",
    "so", "but", "with", "not", "be", "at", "are", "this", "can", "just", "about", "they", "what", "when", "if",
    "will", "from", "there", "then", "or", "as", "because", "some", "would", "had", "has", "how", "were", "do",
)  # fmt: skip
SPEAKERS: Final = ("Mara", "Joris", "Ilse", "Pavel", "Noor", "Tomas", "Greta", "Anouk", "Silvan", "Edda")
OPENINGS: Final = (
    "what did we say about", "when was it that", "who wanted", "tell me about", "do you know what became of",
    "where was the", "how did it go with",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Language:
    """Made-up words, commonest first, and how likely a word is one of the first n: `reach` (words,)."""

    words: tuple[str, ...]
    reach: NDArray[np.float64]

    def drawn(self, rng: np.random.Generator, count: int) -> list[str]:
        """Words as they come in speech."""
        return [self.words[place] for place in np.searchsorted(self.reach, rng.random(count)).tolist()]


@cache
def language() -> Language:
    """The one language all conversations are in."""
    rng = np.random.default_rng(7)
    words: dict[str, None] = {}
    while len(words) < WORDS:
        longest = 2 if len(words) < 500 else 3  # common words are short
        sounds = zip(*(rng.choice(kind, (1_000, longest)).tolist() for kind in (ONSETS, NUCLEI, CODAS)), strict=True)
        for syllables, parts in zip(rng.integers(1, longest + 1, 1_000).tolist(), sounds, strict=True):
            words["".join("".join(syllable) for syllable in list(zip(*parts, strict=True))[:syllables])] = None
    made_up = [word for word in words if word not in FUNCTION_WORDS][:WORDS]
    shares = 1.0 / (np.arange(1, len(made_up) + 1) + SHIFT) ** EXPONENT
    return Language(tuple(made_up), np.cumsum(shares / shares.sum()))


def conversation(*, seed: int) -> Iterator[Event]:
    """Turns without end: sessions of 10 to 40, two to four speakers in each."""
    rng = np.random.default_rng(seed)
    at = FIRST_DAY
    number = 0
    while True:
        number += 1
        at += timedelta(minutes=int(rng.integers(10, 180)))
        speakers = rng.permutation(SPEAKERS)[: rng.integers(2, 5)].tolist()
        for place, text in enumerate(_texts(rng, turns=int(rng.integers(10, 41)))):
            at += timedelta(seconds=int(rng.integers(5, 120)))
            speaker = speakers[place % len(speakers)]
            role = "assistant" if place % len(speakers) == 1 else "user"
            yield Event(text, speaker=speaker, role=role, at=at, session_id=f"session-{number}")


def _texts(rng: np.random.Generator, *, turns: int) -> Iterator[str]:
    """The turns of one session."""
    spoken = language()
    lengths = np.clip(rng.lognormal(np.log(MEDIAN_WORDS), SPREAD, turns), 3, 250).astype(int)
    total = int(lengths.sum())
    topic = [spoken.words[int(place)] for place in np.exp(rng.uniform(*RANKS_OF_TOPICS, TOPIC_WORDS)).tolist()]
    words = spoken.drawn(rng, total)
    kinds = rng.random(total)
    # a skew towards the first of the list, as the commonest function words are far commoner than the last
    function = (rng.random(total) ** 2 * len(FUNCTION_WORDS)).astype(int).tolist()
    topical = rng.integers(0, TOPIC_WORDS, total).tolist()
    for place in np.flatnonzero(kinds < FUNCTION_SHARE).tolist():
        words[place] = FUNCTION_WORDS[function[place]]
    for place in np.flatnonzero(kinds > 1 - TOPIC_SHARE).tolist():
        words[place] = topic[topical[place]]
    start = 0
    for length in lengths.tolist():
        yield _sentences(words[start : start + length], per_sentence=int(rng.integers(6, 15)))
        start += length


def _sentences(words: Sequence[str], *, per_sentence: int) -> str:
    """Words as sentences; a turn with a short last one ends in a question."""
    pieces = [" ".join(words[start : start + per_sentence]) for start in range(0, len(words), per_sentence)]
    end = "?" if len(words) % per_sentence < 3 else "."
    return ". ".join(piece[:1].upper() + piece[1:] for piece in pieces) + end


def questions(texts: Sequence[str], count: int, *, seed: int) -> list[str]:
    """Questions that each hold three to seven words of one of the texts."""
    rng = np.random.default_rng(seed)
    function = set(FUNCTION_WORDS)
    asked: list[str] = []
    while len(asked) < count:
        text = texts[int(rng.integers(len(texts)))]
        words = [word for word in dict.fromkeys(text.lower().translate(_PLAIN).split()) if word not in function]
        if len(words) < 3:
            continue
        places = sorted(rng.permutation(len(words))[: rng.integers(3, 8)].tolist())
        opening = OPENINGS[int(rng.integers(len(OPENINGS)))]
        asked.append(f"{opening} {' '.join(words[place] for place in places)}?")
    return asked


_PLAIN: Final = str.maketrans("", "", ".?")
