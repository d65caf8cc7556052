"""Turn the shipped sample into a set like the published ones.

Every turn that states an answer is one thing to be found. The ranker was fitted on its questions.
"""

from __future__ import annotations

from typing import Any

from memstrata import sample
from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.types import Event


def shipped() -> Dataset:
    """The shipped conversation and its questions."""
    units = tuple(_unit(turn) for turn in sample.conversation())
    questions = tuple(
        Question(one.question, tuple(Gold(frozenset({key})) for key in one.evidence), len(units), one.category)
        for one in sample.questions()
    )
    corpora = (Corpus("sample", units, questions),)
    return Dataset("sample", "turn", ("recall",), corpora, resampled="question", history=True, seen=True)


def _unit(turn: dict[str, Any]) -> Unit:  # Any: fields of an event, of JSON
    return Unit(str(turn["key"]), Event(**{name: value for name, value in turn.items() if name != "key"}))
