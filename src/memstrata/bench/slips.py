"""Turn a set's questions into the same questions with one word misspelt in each."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import numpy as np

from memstrata.bench.baselines import STOP_WORDS
from memstrata.bench.datasets import Dataset

SEED: Final = 7
SHORTEST: Final = 4  # letters of a word that is misspelt
WORD: Final = re.compile(rf"[^\W\d_]{{{SHORTEST},}}")
ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # of a keyboard, each shifted half a key against the one above
KINDS: Final = ("swap", "drop", "double", "neighbour")


def slipped(dataset: Dataset) -> Dataset:
    """The set with one slip in a word of each question, always the same; it is no headline."""
    rng = np.random.default_rng(SEED)
    corpora = tuple(
        replace(
            corpus,
            questions=tuple(replace(question, text=misspelt(question.text, rng)) for question in corpus.questions),
        )
        for corpus in dataset.corpora
    )
    name = f"{dataset.name}+slips"
    return replace(dataset, name=name, corpora=corpora, metrics=dataset.metrics[:1], headline=False, cutoffs=())


def misspelt(text: str, rng: np.random.Generator) -> str:
    """The text with one slip in one of its words of content; as it is where it has none that is long enough.

    The first letter stays what it is, as it does nearly always where people slip.
    """
    words = [match for match in WORD.finditer(text) if match[0].lower() not in STOP_WORDS]
    if not words:
        return text
    word = words[int(rng.integers(len(words)))]
    return text[: word.start()] + _slip(word[0], rng) + text[word.end() :]


def _slip(word: str, rng: np.random.Generator) -> str:
    kind = KINDS[int(rng.integers(len(KINDS)))]
    place = int(rng.integers(1, len(word)))
    before, sign, after = word[:place], word[place], word[place + 1 :]
    if kind == "swap" and after and after[0] != sign:
        return before + after[0] + sign + after[1:]
    if kind == "drop":
        return before + after
    if kind == "neighbour" and (beside := _beside(sign.lower())):
        return before + beside[int(rng.integers(len(beside)))] + after
    return before + sign + sign + after


def _beside(letter: str) -> str:
    """The keys around one, "" for what is on none of the rows."""
    for number, row in enumerate(ROWS):
        place = row.find(letter)
        if place >= 0:
            above = ROWS[number - 1][place : place + 2] if number else ""
            below = ROWS[number + 1][max(0, place - 1) : place + 1] if number + 1 < len(ROWS) else ""
            return row[max(0, place - 1) : place] + row[place + 1 : place + 2] + above + below
    return ""
