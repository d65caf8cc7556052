"""Turn a word that nobody wrote into the words it may stand for, among those that somebody did.

Words are compared as the index holds them, and the asked one also with its ending: a slip there changes its stem.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.text.terms import stems

SHORTEST: Final = 4  # letters: of shorter words too many are one letter apart
TWO_SLIPS: Final = 7  # letters from which on two slips are taken for slips
BEGINNING: Final = 5  # letters that an inflected form shares at least with another
ANSWERS: Final = 512  # kept for words asked again
LAST: Final = "\U0010ffff"  # behind every letter
ENDING: Final = 4  # letters at most by which they differ behind it


class Vocabulary:
    """Words that begin with one letter, as the index holds them and in order; threads may share it."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self._known = frozenset(words)
        self._letters = sorted(letter for letter in set("".join(words)) if letter.isalpha())
        self._answers: dict[str, list[list[str]]] = {}

    def near(self, said: str) -> list[list[str]]:
        """Words that a folded word may stand for, in groups, the nearest first: one slip, another ending, two slips.

        Where the first two letters may have been swapped, the first group also has a word that need not be there.

        >>> Vocabulary(["rest", "restaur", "restock"]).near("resturant")
        [['restaur', 'erstur'], [], ['rest']]
        """
        known = self._answers.get(said)
        if known is None:
            if len(self._answers) >= ANSWERS:
                self._answers.clear()
            known = self._answers[said] = self._near(said) if len(said) >= SHORTEST and said.isalpha() else []
        return known

    def _near(self, said: str) -> list[list[str]]:
        stem, swapped = stems([said, said[1] + said[0] + said[2:]])
        once = [word for word in dict.fromkeys(stems(one_slip(said, self._letters))) if word in self._known]
        found: list[list[str]] = []
        seen = {stem}
        for group in ([*once, swapped], self._other_ending(said), self._two_slips(said, stem)):
            found.append([word for word in dict.fromkeys(group) if word not in seen])
            seen.update(group)
        return found

    def _other_ending(self, said: str) -> list[str]:
        if len(said) < BEGINNING:
            return []
        beginning = said[:BEGINNING]
        start, stop = bisect_left(self.words, beginning), bisect_left(self.words, beginning + LAST)
        return [word for word in self.words[start:stop] if _same_but_ending(said, word)]

    def _two_slips(self, said: str, stem: str) -> list[str]:
        if len(said) < TWO_SLIPS:
            return []
        likely = _alike(stem, [word for word in self.words if abs(len(word) - len(stem)) <= 2])
        return [word for word, far in zip(likely, distances(stem, likely).tolist(), strict=True) if far <= 2]


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


def _same_but_ending(said: str, word: str) -> bool:
    shared = next((place for place, (one, two) in enumerate(zip(said, word, strict=False)) if one != two), None)
    shared = min(len(said), len(word)) if shared is None else shared
    return max(len(said), len(word)) - shared <= ENDING and 2 * shared > len(said)


def _alike(word: str, others: Sequence[str]) -> list[str]:
    """Those that may be two slips away by their letters: each slip changes two at most."""
    if not others:
        return []
    bits = np.left_shift(np.uint64(1), (_signs([word, *others]) & np.uint32(63)).astype(np.uint64))
    letters = np.bitwise_or.reduce(np.where(_signs([word, *others]) > 0, bits, 0), axis=0)
    far = np.bitwise_count(letters[1:] ^ letters[0])
    return [others[place] for place in np.flatnonzero(far <= 4).tolist()]


def _signs(words: Sequence[str]) -> NDArray[np.uint32]:
    """The code points of words (longest, n), zero behind their ends."""
    width = max(map(len, words))
    return np.array(words, f"<U{width}").view(np.uint32).reshape(len(words), width).T


def distances(word: str, others: Sequence[str]) -> NDArray[np.int8]:
    """How many slips lie between a word and each of some others (n,).

    Optimal string alignment: Damerau, "A technique for computer detection and correction of spelling errors", 1964.

    >>> distances("boat", ["boat", "baot", "bat", "bloated"]).tolist()
    [0, 1, 1, 3]
    """
    if not others:
        return np.zeros(0, np.int8)
    signs = _signs(others)
    width = len(signs)
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
