"""Turn the shipped sample into events and questions.

The sample is a year in the life of an invented cast: Ines, who mends old books; Tilo, who maps night buses; Leonor, who
builds boats; and Juno, their assistant. It is small enough to read, and has what makes remembering hard: plans that
change, corrections, nicknames, four languages besides English, and dates like "the day before yesterday".

    from memstrata import sample

    first = next(sample.conversation())
    hardest = [q for q in sample.questions() if q.category == "change"]
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypedDict

__all__ = ["Question", "conversation", "conversation_path", "questions", "questions_path"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question about the conversation, with the keys of every turn that states its answer."""

    question: str
    answer: str
    evidence: tuple[str, ...]
    category: str


class _QuestionLine(TypedDict):
    question: str
    answer: str
    evidence: list[str]
    category: str


def conversation_path() -> Traversable:
    """The conversation file, one JSON object a line; readable also where the package is zipped."""
    return files(__name__) / "conversation.jsonl"


def questions_path() -> Traversable:
    """The questions file, one JSON object a line; readable also where the package is zipped."""
    return files(__name__) / "questions.jsonl"


def conversation() -> Iterator[dict[str, object]]:
    """The turns in the order they were said.

    Each has `key`, `session_id`, `speaker`, `role`, `at` (ISO 8601 with offset), `kind` and `text`, and some have
    `attributes`: the `caption` of a shared photo, or the `place` it was said at.
    """
    for line in _lines(conversation_path()):
        turn: dict[str, object] = json.loads(line)
        yield turn


def questions() -> Iterator[Question]:
    """The questions, grouped by category."""
    for line in _lines(questions_path()):
        fields: _QuestionLine = json.loads(line)
        yield Question(
            question=fields["question"],
            answer=fields["answer"],
            evidence=tuple(fields["evidence"]),
            category=fields["category"],
        )


def _lines(path: Traversable) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from file
