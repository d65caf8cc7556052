"""Read Cranfield: 1,400 abstracts of aerodynamics and 225 questions, judged by hand; no memory, plain retrieval.

Cleverdon, 1967. Questions are numbered by their order in the file, as in the judgements. Of the judgements the
corrected ones are read, in which 4 is a complete answer and 1 of least interest; the grade is the gain. Its 5 is the
-1 of the first edition, no interest, and counts as not relevant: a plain BM25 then reaches the nDCG@10 of .36 that it
is known for, against .33 with the grades turned round and .53 with 5 as the best.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.errors import InvalidInput
from memstrata.types import Event

ABSTRACTS: Final = "cranfield/cran.all.1400"
QUERIES: Final = "cranfield/cran.qry"
JUDGEMENTS: Final = "cranfield/QRelsCorrectedforTRECeval"
RECORD: Final = re.compile(r"^\.I (\d+)\s*$", re.M)
FIELD: Final = re.compile(r"^\.([A-Z])\s*$", re.M)
FIRST: Final = datetime(1967, 1, 1, tzinfo=UTC)  # one day for all: no abstract has a date of its own
NO_INTEREST: Final = 5
DEEP: Final = 1_000


class Cranfield:
    """Abstracts found, by how relevant they are."""

    name = "cranfield"

    def found(self, data: Path) -> bool:
        """Whether abstracts, questions and judgements are there."""
        return all((data / name).is_file() for name in (ABSTRACTS, QUERIES, JUDGEMENTS))

    def load(self, data: Path) -> Dataset:
        """One corpus; intervals are drawn over its questions."""
        try:
            units = tuple(_abstracts((data / ABSTRACTS).read_text(encoding="utf-8")))
            judged = _judged((data / JUDGEMENTS).read_text(encoding="utf-8"))
            asked = [fields["W"] for _, fields in _records((data / QUERIES).read_text(encoding="utf-8"))]
        except (KeyError, ValueError) as exc:
            raise InvalidInput(f"{data / 'cranfield'} has not the form of Cranfield: {exc!r:.200}") from exc
        questions = [_question(text, judged.get(number, []), len(units)) for number, text in enumerate(asked, start=1)]
        corpora = (Corpus("abstracts", units, tuple(questions)),)
        return Dataset(self.name, "abstract", ("ndcg", "map", "recall"), corpora, deep=DEEP, resampled="question")


def _records(text: str) -> list[tuple[str, dict[str, str]]]:
    """(number, text by field letter) of each record of a file."""
    parts = RECORD.split(text)[1:]
    return [(number, _fields(body)) for number, body in zip(parts[::2], parts[1::2], strict=True)]


def _fields(body: str) -> dict[str, str]:
    parts = FIELD.split(body)[1:]
    return {letter: " ".join(text.split()) for letter, text in zip(parts[::2], parts[1::2], strict=True)}


def _abstracts(text: str) -> list[Unit]:
    """The abstracts with something in them; their first sentence is the title."""
    return [
        Unit(number, Event(fields["W"], kind="document", at=FIRST + timedelta(seconds=int(number))))
        for number, fields in _records(text)
        if fields["W"]
    ]


def _judged(text: str) -> dict[int, list[Gold]]:
    judged: dict[int, list[Gold]] = {}
    for line in text.splitlines():
        question, _, abstract, grade = line.split()
        if int(grade) != NO_INTEREST:
            judged.setdefault(int(question), []).append(Gold(frozenset([abstract]), float(grade)))
    return judged


def _question(text: str, gold: list[Gold], visible: int) -> Question:
    return Question(text, tuple(gold), visible, "", None if gold else "nothing judged relevant")
