"""Slips are few, small and always the same."""

from __future__ import annotations

import numpy as np

from memstrata.bench.datasets import Corpus, Dataset, Question
from memstrata.bench.slips import misspelt, slipped

TEXTS = ["What colour is the hull of the dinghy?", "Who is it?", "Where does Katharina live?"]


def dataset() -> Dataset:
    questions = tuple(Question(text, (), 0) for text in TEXTS)
    return Dataset("talk", "turn", ("recall", "all"), (Corpus("one", (), questions),))


def test_one_word_of_each_question_changes() -> None:
    for text, question in zip(TEXTS, slipped(dataset()).corpora[0].questions, strict=True):
        changed = [one for one in zip(text.split(), question.text.split(), strict=True) if one[0] != one[1]]
        assert len(changed) == (0 if text == "Who is it?" else 1)
        assert all(before[0] == after[0] and abs(len(before) - len(after)) <= 1 for before, after in changed)


def test_slips_are_the_same_each_time_and_no_headline() -> None:
    first, again = slipped(dataset()), slipped(dataset())
    assert first == again
    assert (first.name, first.headline, first.metrics) == ("talk+slips", False, ("recall",))


def test_every_kind_of_slip_comes() -> None:
    rng = np.random.default_rng(1)
    lengths = {len(misspelt("restaurant", rng)) for _ in range(50)}
    assert lengths == {9, 10, 11}
