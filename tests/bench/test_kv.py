"""The yardstick for caches asks what only a context can answer, and says fairly who was right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from rich.console import Console
from transformers import LlamaConfig
from typer.testing import CliRunner

from memstrata.bench.kv import run as bench
from memstrata.bench.kv import tasks
from memstrata.bench.kv.answer import full_bytes, measure
from memstrata.bench.kv.caches import ByEpisode, Memstrata, Transformers
from memstrata.bench.kv.peers import pressed
from memstrata.bench.kv.report import best_of, plot, show, verdicts
from memstrata.bench.kv.score import Row, by_depth, compared, difference, interval, right
from memstrata.bench.kv.shapes import shapes
from memstrata.bench.kv.tasks import Task
from memstrata.bench.kv.wired import wired
from memstrata.bench.kv.words import FILLER, KEYS, STOP, TOPICS
from memstrata.errors import InvalidConfig, InvalidInput
from memstrata.faces.cli import app

TASKS = [tasks.recall(4, seed=0), tasks.multiturn(4, seed=0), tasks.dialogue(4, seed=0)]
CONTRACT = {
    "name", "method", "ratio", "accuracy", "ci", "bytes", "peak_bytes", "full_bytes", "prefill_s", "decode_s", "tried",
    "accepted",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ── tasks ──


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_question_has_one_answer_and_it_stands_in_the_text(task: Task) -> None:
    for ids, asked, answers, depths in zip(task.ids, task.asked, task.answers, task.depths, strict=True):
        for question, answer, depth in zip(asked, answers, depths, strict=True):
            places = np.flatnonzero(ids == question[-1])
            assert len(places) == 1
            assert ids[places[0] + 1 : places[0] + 3].tolist() == answer.tolist()
            assert places[0] / task.tokens == pytest.approx(depth, abs=0.04)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_texts_are_cut_into_turns_without_rest_and_sentences_end_in_a_stop(task: Task) -> None:
    assert sum(task.turns) == task.tokens
    assert (task.ids[:, tasks.SENTENCE_TOKENS :: tasks.SENTENCE_TOKENS][:, :50] == STOP).all()


def test_the_questions_that_a_text_ends_in_are_not_asked_again() -> None:
    task = tasks.multiturn(6, seed=0)
    assert task.first is not None
    for ids, asked, first in zip(task.ids, task.asked, task.first, strict=True):
        before = [token for token in ids[-22:] if token in KEYS]
        assert len(before) == 8
        assert before[-1] == ids[-1]
        assert not set(before) & set(asked[:, -1])
        place = np.flatnonzero(ids == ids[-1])[0]
        assert ids[place + 1 : place + 3].tolist() == first.tolist()


def test_a_question_on_a_dialogue_opens_with_words_of_its_episode() -> None:
    task = tasks.dialogue(6, seed=0)
    width, episode = len(FILLER) // TOPICS, task.tokens // tasks.EPISODES
    for ids, asked in zip(task.ids, task.asked, strict=True):
        for question in asked:
            place = int(np.flatnonzero(ids == question[-1])[0])
            start = place // episode * episode
            said = {
                (token - FILLER.start) // width for token in ids[start + 13 : start + episode - 13] if token in FILLER
            }
            opening = {(token - FILLER.start) // width for token in question[:-1]}
            assert opening == said
            assert len(opening) == 1


def test_the_same_seed_gives_the_same_questions_and_another_seed_others() -> None:
    again, other = tasks.recall(4, seed=0), tasks.recall(4, seed=1)
    assert (again.ids == TASKS[0].ids).all()
    assert (again.answers == TASKS[0].answers).all()
    assert (other.answers != TASKS[0].answers).any()


def test_as_many_tokens_stay_as_kvpress_would_keep() -> None:
    assert [tasks.kept(716, ratio) for ratio in (0.5, 0.75, 0.9)] == [358, 179, 71]
    assert tasks.kept(5, 0.9) == 1


# ── scores ──


def test_the_interval_of_a_difference_knows_that_the_questions_are_the_same() -> None:
    chance = np.random.default_rng(0)
    theirs = chance.random((60, 8)) < 0.5
    ours = theirs | (chance.random((60, 8)) < 0.05)
    mean, low, high = difference(ours, theirs)
    apart = interval(ours.mean(axis=1))[1] - interval(theirs.mean(axis=1))[0]
    assert 0 < low <= mean <= high
    assert high - low < apart / 3
    assert difference(ours, ours) == (0.0, 0.0, 0.0)


def test_an_answer_is_right_only_if_all_of_it_is() -> None:
    answers = TASKS[0].answers.copy()
    answers[0, 0, 1] += 1
    found = right(TASKS[0], answers)
    assert not found[0, 0]
    assert found.sum() == TASKS[0].questions - 1


def test_recall_is_told_apart_by_where_the_fact_stood() -> None:
    late = TASKS[0].depths >= 0.6
    bands = by_depth(TASKS[0], late)
    assert bands[:3] == [0.0, 0.0, 0.0]
    assert bands[3:] == [1.0, 1.0]


def row(method: str, ratio: float, accuracy: float, name: str = "recall", **more: object) -> Row:
    made = dict.fromkeys(CONTRACT, 0) | {"name": name, "method": method, "ratio": ratio, "accuracy": accuracy}
    return made | {"ci": (accuracy, accuracy), "peak_bytes": 30, "full_bytes": 100} | more  # type: ignore[return-value]


def test_rows_are_held_against_the_full_cache_and_the_best_press_at_their_ratio() -> None:
    yes, half = np.ones((4, 2), dtype=bool), np.tile([True, False], (4, 1))
    rights = {
        ("recall", "full", 0.0): yes,
        ("recall", "memstrata/window", 0.5): half,
        ("recall", "kvpress/Good", 0.5): yes,
        ("recall", "kvpress/Bad", 0.5): ~yes,
        ("recall", "kvpress/Better", 0.9): yes,
    }
    rows = [row(method, ratio, float(found.mean())) for (_, method, ratio), found in rights.items()]
    against = {made["method"]: made["against"] for made in compared(rows, rights)}
    assert against["memstrata/window"] == {"full": (-0.5, -0.5, -0.5), "kvpress/Good": (-0.5, -0.5, -0.5)}
    assert against["kvpress/Bad"] == {"full": (-1.0, -1.0, -1.0)}
    assert against["full"] == {}


def test_promises_are_met_or_missed_by_the_figures() -> None:
    rows = [
        row("kvpress/Good", 0.5, 0.9),
        row("memstrata/a", 0.5, 0.89),
        row("memstrata-bounded/a", 0.5, 0.8),
        row("full", 0.0, 1.0, "multiturn"),
        row("memstrata/a", 0.75, 0.91, "multiturn"),
    ]
    assert [(verdict.promise.split()[0], verdict.met) for verdict in verdicts(rows)] == [
        ("memstrata", True), ("memstrata-bounded", False), ("a", True), ("a", True),
    ]  # fmt: skip
    too_much = [row("memstrata-bounded/a", 0.5, 0.8, peak_bytes=41)]
    assert [verdict.met for verdict in verdicts(too_much)] == [False]


def test_going_on_elsewhere_and_refusing_are_held_against_their_promises() -> None:
    rows = [
        row("full", 0.0, 1.0, "resume", prefill_s=2.0, tried=16, accepted=16),
        row("memstrata/window", 0.0, 1.0, "resume", prefill_s=0.05, tried=16, accepted=16),
        row("memstrata/window", 0.0, 1.0, "container", tried=1_000, accepted=1),
    ]
    assert [verdict.met for verdict in verdicts(rows)] == [True, True, False]
    rows[1] |= {"prefill_s": 0.2, "accepted": 15}
    assert [verdict.met for verdict in verdicts(rows)] == [False, False, False]


def test_the_best_of_a_family_come_first() -> None:
    rows = [
        row("kvpress/A", 0.5, 0.5),
        row("kvpress/A", 0.9, 0.1),
        row("kvpress/B", 0.5, 0.4),
        row("kvpress/B", 0.9, 0.4),
    ]
    assert best_of(rows, "kvpress") == ["kvpress/B", "kvpress/A"]


# ── models ──


def test_the_wired_model_recalls_without_fault() -> None:
    model = wired()
    for task in TASKS:
        found = right(task, measure(model, Transformers("full"), task).answers)
        assert found.all(), task.name


def test_the_shipped_model_recalls_from_the_whole_cache_and_not_without_the_fact() -> None:
    model, task = bench.shipped("cpu"), TASKS[0]
    whole = right(task, measure(model, Transformers("full"), task).answers)
    assert whole.mean() >= 0.95
    window = right(task, measure(model, Memstrata("window", 0.75), task).answers)
    assert window[task.depths > 0.8].all()
    assert window[task.depths < 0.7].mean() < 0.1


def test_a_cache_that_lets_nothing_go_answers_as_transformers_own() -> None:
    model = bench.shipped("cpu")
    for task in TASKS[:2]:
        theirs, ours = measure(model, Transformers("full"), task), measure(model, Memstrata("window", 0.0), task)
        assert (theirs.answers == ours.answers).all()
        assert theirs.bytes == theirs.peak_bytes == theirs.full_bytes == full_bytes(model, task.tokens)


@pytest.mark.parametrize("ratio", bench.RATIOS)
@pytest.mark.parametrize("policy", ["window", "reread"])
def test_a_bounded_peak_is_at_most_two_fifths_of_the_prompt(policy: str, ratio: float) -> None:
    task = tasks.dialogue(1, seed=0)
    found = measure(bench.shipped("cpu"), Memstrata(policy, ratio, bounded=True), task)
    assert found.peak_bytes <= 0.4 * found.full_bytes


def test_caches_by_episode_together_keep_what_one_would() -> None:
    task = tasks.dialogue(1, seed=0)
    found = measure(bench.shipped("cpu"), ByEpisode(0.75), task)
    assert found.bytes <= 0.27 * found.full_bytes
    assert right(task, found.answers).mean() > 0.5


# ── the command ──


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "QUICK_TEXTS", 2)
    monkeypatch.setattr(bench, "RATIOS", (0.75,))
    monkeypatch.setattr(bench, "RESUMED", 64)
    monkeypatch.setattr(bench, "OFFERED", 20)


@pytest.mark.usefixtures("small")
def test_the_command_writes_rows_that_keep_to_the_contract(tmp_path: Path) -> None:
    path, picture = tmp_path / "kv.json", tmp_path / "kv.svg"
    asked = ["bench", "kv", "--quick", "--policies", "window", "--json", str(path), "--plot", str(picture)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    rows = json.loads(path.read_text())["rows"]
    assert all(set(made) >= CONTRACT for made in rows)
    assert {made["name"] for made in rows} == {"recall", "multiturn", "dialogue", "resume", "container"}
    methods = {made["method"] for made in rows if made["name"] == "recall"}
    assert methods == {"full", "transformers/fp8", "memstrata/window", "memstrata-bounded/window"}
    assert all(made["accepted"] == 0 for made in rows if made["name"] == "container")
    assert picture.stat().st_size > 1_000


def test_an_unknown_device_or_policy_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cpu or cuda"):
        bench.run(device="abacus")
    with pytest.raises(InvalidConfig, match="reread"):
        bench.methods(["rereat"])


def test_peers_that_cannot_run_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not run"):
        next(pressed(tmp_path / "python", tmp_path, TASKS, (0.5,), threads=1))
    with pytest.raises(InvalidInput, match="kvpress"):
        next(pressed(Path(sys.executable), tmp_path, TASKS, (0.5,), threads=1))


def test_shapes_are_measured_with_weights_that_are_drawn() -> None:
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=512, bos_token_id=1, eos_token_id=None,
    )  # fmt: skip
    rows = shapes(config, device="cpu", tokens=128)
    assert [(made["name"], made["method"], made["ratio"]) for made in rows] == [
        ("shapes", "full", 0.0),
        ("shapes", "memstrata/expected-attention", 0.75),
        ("shapes", "memstrata-bounded/expected-attention", 0.75),
        ("first-token", "recompute", 0.0),
        ("first-token", "main memory", 0.0),
        ("first-token", "file", 0.0),
        ("first-token", "file", 0.75),
    ]
    assert rows[2]["peak_bytes"] < rows[1]["peak_bytes"]


def test_a_press_that_failed_is_shown_with_its_reason(tmp_path: Path) -> None:
    rows = [row("kvpress/A", 0.5, 0.5), row("kvpress/B", 0.5, 0.0) | {"accuracy": None, "ci": None, "note": "no key"}]
    console = Console(record=True, width=120)
    show(rows, console)
    assert "kvpress/B 0.5: no key" in console.export_text()
    plot(rows, tmp_path / "kv.png")
    assert (tmp_path / "kv.png").exists()
