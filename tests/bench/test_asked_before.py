"""The measurement of the lookaside asks what it says it asks, and finds what is stale."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from memstrata import Memstrata, sample
from memstrata.bench import lookaside
from memstrata.bench.datasets.shipped import shipped
from memstrata.bench.rewordings import COURTESIES, MARKS, REWORDED


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[lookaside.Row], Path]:
    path = tmp_path_factory.mktemp("bench") / "rows.json"
    return lookaside.run(searches=40, json_path=path), path


def test_stream_is_the_same_for_the_same_seed_and_popular_questions_come_often() -> None:
    first, again = (list(islice(lookaside.asked_again(np.random.default_rng(1)), 500)) for _ in range(2))
    assert first == again
    counts = sorted((sum(one[0] == question for one in first) for question in {one[0] for one in first}), reverse=True)
    assert counts[0] > 10 * counts[-1]
    assert {form for _, form, _ in first} == set(lookaside.FORMS)


def test_every_reworded_question_is_one_of_the_sample() -> None:
    assert set(REWORDED) <= {question.question for question in sample.questions()}
    assert len(REWORDED) >= 20


def test_every_form_changes_some_question() -> None:
    questions = [question.question for question in sample.questions()]
    for change in (*MARKS, *COURTESIES):
        assert any(change(question) != question for question in questions)


def test_no_answer_is_stale_and_questions_asked_before_are_answered(
    measured: tuple[list[lookaside.Row], Path],
) -> None:
    rows, path = measured
    assert json.loads(path.read_text())["rows"] == rows
    streams = [row for row in rows if "changes" in row]
    assert {(row["verb"], row["changes"]) for row in streams} == {
        (verb, rate) for verb in ("search", "context") for rate in lookaside.RATES
    }
    assert all(row["stale"] == 0 for row in streams)
    answered = {row["changes"]: row["answered"] for row in streams if row["form"] == "all" and row["verb"] == "search"}
    assert answered[0.0] > answered[0.1]
    assert answered[0.0] > 0.2


def test_changed_forms_find_nearly_the_same(measured: tuple[list[lookaside.Row], Path]) -> None:
    marks, courtesy = (row for row in measured[0] if "own_score" in row)
    assert (marks["form"], courtesy["form"]) == ("marks", "courtesy")
    assert marks["answered"] == 1
    assert marks["overlap"] is not None
    assert marks["overlap"] > 0.9
    assert courtesy["score"] >= courtesy["own_score"]
    assert marks["n"] == 2 * len(shipped().corpora[0].asked)


def test_an_answer_that_no_search_would_give_is_called_stale(memory: Memstrata) -> None:
    memory.add("green tea", user_id=lookaside.USER)
    asking = lookaside.Asking(memory, "search")
    assert not asking.outcome("tea?", "verbatim", "tea?").stale
    answers = asking.known._hits._answers
    kept = dict(answers)
    memory.add("black tea", user_id=lookaside.USER)
    fresh = asking.outcome("tea?", "verbatim", "tea?")
    assert (fresh.answered, fresh.stale) == (False, False)
    for words, answer in kept.items():  # an answer from before, under the mark of today
        answers[words] = lookaside.replace(answer, mark=answers[words].mark)
    again = asking.outcome("tea?", "verbatim", "tea?")
    assert (again.answered, again.stale) == (True, True)


def test_report_shows_streams_and_forms(measured: tuple[list[lookaside.Row], Path]) -> None:
    console = Console(width=200)
    with console.capture() as captured:
        lookaside.show(measured[0], console)
    shown = captured.get()
    assert all(piece in shown for piece in ("Questions asked before", "Questions in another form", "reworded", "stale"))
