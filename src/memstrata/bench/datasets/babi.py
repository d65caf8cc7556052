"""Read bAbI: short stories of who went where with what, and the sentences that support each answer.

Weston et al., 2015; the tasks whose supporting sentences need not be counted or deduced. A question is asked when
its line is reached, and only what stands before it in its story may be searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.errors import InvalidInput
from memstrata.types import Event

BREAK: Final = re.compile(r"\s*[\t|]\s*")  # a tab in the set as published; copies of it have bars
TASKS: Final = (1, 2, 3, 6, 7, 8)
FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)  # a story has no dates; a second a sentence keeps the order


@dataclass(slots=True)
class _Story:
    """A story while it is read."""

    units: list[Unit] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


class Babi:
    """Supporting sentences found."""

    name = "babi"

    def found(self, data: Path) -> bool:
        """Whether one of the tasks is there."""
        return any(_path(data, task).is_file() for task in TASKS)

    def load(self, data: Path) -> Dataset:
        """One corpus a story; the category is the task."""
        corpora: list[Corpus] = []
        for path in (_path(data, task) for task in TASKS):
            if path.is_file():
                corpora += _stories(path, path.stem.partition("_")[0])
        return Dataset(self.name, "fact", ("recall",), tuple(corpora), headline=False, seen=True)


def _path(data: Path, task: int) -> Path:
    return data / "babi" / f"qa{task}_test.txt"


def _stories(path: Path, task: str) -> Iterator[Corpus]:
    try:
        stories = list(_read(path.read_text(encoding="utf-8").splitlines(), task))
    except ValueError as exc:
        raise InvalidInput(f"{path} has not the form of bAbI: {exc!r:.200}") from exc
    for number, story in enumerate(stories, start=1):
        yield Corpus(f"{task}-{number}", tuple(story.units), tuple(story.questions))


def _read(lines: Iterable[str], task: str) -> Iterator[_Story]:
    """Lines count from 1 in each story; a question has its answer and the numbers of its supporting lines behind it."""
    story = _Story()
    for line in lines:
        number, _, rest = line.strip().partition(" ")
        if number == "1" and story.units:
            yield story
            story = _Story()
        fields = BREAK.split(rest)
        if len(fields) > 1:
            story.questions.append(_question(fields, len(story.units), task))
        elif number:
            story.units.append(Unit(number, Event(rest.strip(), at=FIRST + timedelta(seconds=int(number)))))
    if story.units:
        yield story


def _question(fields: Sequence[str], visible: int, task: str) -> Question:
    text, _, supporting = fields
    gold = tuple(Gold(frozenset([number])) for number in dict.fromkeys(supporting.split()))
    return Question(text.strip(), gold, visible, task, None if gold else "no supporting sentence named")
