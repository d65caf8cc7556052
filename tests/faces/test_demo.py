"""Prove that the demo asks the shipped questions, cites what it found, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import memstrata
from memstrata import sample
from memstrata.faces.cli import app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("MEMSTRATA_HOME", str(path))
    return path


def demo(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["demo", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_answers_every_question_with_its_evidence_and_time() -> None:
    answers: list[dict[str, Any]] = json.loads(demo("--json"))
    assert [answer["question"] for answer in answers] == [question.question for question in sample.questions()]
    for answer in answers:
        assert set(answer) == {"question", "evidence", "hits", "ms"}
        assert answer["evidence"]
        assert 0 < len(answer["hits"]) <= 10
        assert answer["ms"] > 0
        for hit in answer["hits"]:
            assert set(hit) == {"key", "id", "speaker", "at", "text", "score"}


def test_people_see_one_question_of_each_kind_with_dates_and_a_context() -> None:
    shown = demo("--questions", "10")
    categories = {question.category for question in sample.questions()}
    assert all(f"({category}, " in shown for category in categories)
    assert "2024-" in shown
    assert "✓" in shown
    assert "tokens (wordpiece)" in shown
    assert "Try next" in shown


def test_without_a_home_nothing_is_left_behind(home: Path) -> None:
    demo("--questions", "1")
    assert not home.exists()


def test_with_a_home_the_sample_stays_and_comes_once(tmp_path: Path) -> None:
    for _ in range(2):
        demo("--questions", "1", "--home", str(tmp_path / "demo"))
    with memstrata.open(tmp_path / "demo") as memory:
        assert memory.stats(user_id="demo").memories == len(list(sample.conversation()))
