"""Turn a word that nobody wrote into the words it may stand for, among those that somebody did.

Words are compared as the index holds them, and the asked one also with its ending: a slip there changes its stem.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.text.terms import stems

SHORTEST: Final = 4  # letters: of shorter words too many are one letter apart
TWO_SLIPS: Final = 7  # letters from which on two slips are taken for slips
BEGINNING: Final = 5  # letters that an inflected form shares at least with another
LAST: Final = "\U0010ffff"  # behind every letter
ENDING: Final = 4  # letters at most by which they differ behind it


def openings(said: str) -> tuple[str, ...]:
    """How words begin that a word may stand for: with its first letter, or its first two swapped.

    >>> openings("hte")
    ('h', 'th')
    """
    return (said[0], said[1] + said[0]) if len(said) > 1 and said[0] != said[1] else (said[0],)


def near(said: str, vocabulary: Sequence[str]) -> Iterator[list[str]]:
    """Words that a folded word may stand for, in groups, the nearest first: one slip, another ending, two slips.

    The vocabulary is of stems in order, all of them with the openings of the word.

    >>> list(near("resturant", ["rest", "restaur", "restock"]))
    [['restaur'], [], ['rest']]
    """
    if len(said) < SHORTEST or not said.isalpha():
        return
    known = set(vocabulary)
    (stem,) = stems([said])
    seen = {stem}
    for group in (_one_slip, _other_ending, _two_slips):
        found = [word for word in dict.fromkeys(group(said, stem, vocabulary)) if word in known and word not in seen]
        seen.update(found)
        yield found


def _one_slip(said: str, stem: str, vocabulary: Sequence[str]) -> list[str]:  # noqa: ARG001  # one of three alike
    letters = sorted(letter for letter in set("".join(vocabulary)) if letter.isalpha())
    return stems(one_slip(said, letters))


def one_slip(word: str, letters: Iterable[str]) -> list[str]:
    """Every word that lies one swap, missing letter, further letter or wrong letter away, the first letter kept.

    A swap may change the first.
    """
    found: list[str] = []
    letters = list(letters)
    for place in range(1, len(word) + 1):
        before, after = word[:place], word[place:]
        if after:
            found.append(word[: place - 1] + after[0] + before[-1] + after[1:])
            found.append(before + after[1:])
            found += [before + letter + after[1:] for letter in letters]
        found += [before + letter + after for letter in letters]
    return found


def _other_ending(said: str, stem: str, vocabulary: Sequence[str]) -> list[str]:  # noqa: ARG001  # one of three alike
    if len(said) < BEGINNING:
        return []
    beginning = said[:BEGINNING]
    start = bisect_left(vocabulary, beginning)
    stop = bisect_left(vocabulary, beginning + LAST)
    return [word for word in vocabulary[start:stop] if _same_but_ending(said, word)]


def _same_but_ending(said: str, word: str) -> bool:
    shared = next((place for place, (one, two) in enumerate(zip(said, word, strict=False)) if one != two), None)
    shared = min(len(said), len(word)) if shared is None else shared
    return max(len(said), len(word)) - shared <= ENDING and 2 * shared > len(said)


def _two_slips(said: str, stem: str, vocabulary: Sequence[str]) -> list[str]:
    if len(said) < TWO_SLIPS:
        return []
    likely = [word for word in vocabulary if abs(len(word) - len(stem)) <= 2]
    return [word for word, far in zip(likely, distances(stem, likely).tolist(), strict=True) if far <= 2]


def distances(word: str, others: Sequence[str]) -> NDArray[np.int8]:
    """How many slips lie between a word and each of some others (n,).

    Optimal string alignment: Damerau, "A technique for computer detection and correction of spelling errors", 1964.

    >>> distances("boat", ["boat", "baot", "bat", "bloated"]).tolist()
    [0, 1, 1, 3]
    """
    if not others:
        return np.zeros(0, np.int8)
    width = max(map(len, others))
    signs = np.array(others, f"<U{width}").view(np.uint32).reshape(len(others), width).T
    asked = [ord(sign) for sign in word]
    before: list[NDArray[np.int8]] = []
    row = [np.full(len(others), place, np.int8) for place in range(width + 1)]
    for place, sign in enumerate(asked):
        earlier, before = before, row
        row = [np.full(len(others), place + 1, np.int8)]
        for at in range(width):
            other = signs[at] != sign
            cost = np.minimum(np.minimum(before[at + 1], row[at]) + 1, before[at] + other)
            if place and at:
                swapped = (signs[at - 1] == sign) & (signs[at] == asked[place - 1])
                cost = np.where(swapped, np.minimum(cost, earlier[at - 1] + 1), cost)
            row.append(cost.astype(np.int8))
    lengths = np.array([len(other) for other in others])
    found: NDArray[np.int8] = np.stack(row)[lengths, np.arange(len(others))]
    return found
