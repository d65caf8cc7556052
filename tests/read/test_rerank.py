"""The best hits are read once more next to the query: in the order of both scores, in time, or not at all."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

import cross_encoders
import memstrata
from memstrata import Memstrata, clock
from memstrata.errors import InvalidConfig, MissingExtra, RerankerUnavailable
from memstrata.testing import FakeReranker
from memstrata.types import Budget

Opened = Callable[..., Memstrata]


class Preferring:
    """Gives 1 to passages that hold a word and 0 to others, and remembers what it was asked."""

    name = "preferring"

    def __init__(self, word: str) -> None:
        self.word = word
        self.seen: list[list[str]] = []

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        self.seen.append(list(passages))
        return np.array([self.word in passage for passage in passages], np.float32)


class Broken:
    """Fails in a way that a test chooses."""

    name = "broken"

    def __init__(self, answer: Callable[[Sequence[str]], object]) -> None:
        self.answer = answer

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        return self.answer(passages)  # type: ignore[return-value]  # that is what is wrong with it


class Slow:
    """Takes its time for each passage, on a watch that the test holds."""

    name = "slow"

    def __init__(self, ms: float) -> None:
        self.ms = ms
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        self.now += self.ms / 1e3 * len(passages)
        return np.arange(len(passages), dtype=np.float32)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """A reranker of 10 ms a passage; no time passes but what it takes."""
    reranker = Slow(10)
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=reranker.perf_counter))
    return reranker


def filled(memory: Memstrata, count: int = 30) -> Memstrata:
    memory.add_many([f"turn {number} about green tea" for number in range(count)], user_id="ana")
    return memory


def texts(memory: Memstrata, **options: object) -> list[str]:
    return [hit.memory.text for hit in memory.search("green tea", user_id="ana", **options)]  # type: ignore[arg-type]


def test_what_the_reranker_prefers_comes_first(opened: Opened) -> None:
    memory = filled(opened(reranker=Preferring("turn 3 ")))
    assert texts(memory)[0] == "turn 3 about green tea"
    assert set(texts(memory, limit=30)) == {f"turn {number} about green tea" for number in range(30)}


def test_what_the_first_ranking_says_still_counts(opened: Opened) -> None:
    memory = opened(reranker=Preferring("cup"))
    memory.add("green tea in the garden with a friend", user_id="ana")
    memory.add_many([f"some tea, number {number}" for number in range(8)], user_id="ana")
    memory.add_many([f"a cup of tea, number {number}" for number in range(8)], user_id="ana")
    order = texts(memory, limit=20)
    assert order[0].startswith("green tea"), "far the best by words, though the reranker does not prefer it"
    assert all("cup" in text for text in order[1:9])


def test_scores_fall_with_the_place_and_the_best_has_one(opened: Opened) -> None:
    memory = filled(opened(reranker=Preferring("turn 3 "), rerank_best=4))
    scores = [hit.score for hit in memory.search("green tea", user_id="ana", limit=30)]
    assert scores[0] == 1
    assert scores == sorted(scores, reverse=True)


def test_only_the_best_are_read_and_the_others_keep_their_order_behind_them(opened: Opened) -> None:
    plain = texts(filled(opened()), limit=30)
    reranker = Preferring(plain[3].removesuffix(" about green tea") + " ")
    again = texts(opened(reranker=reranker, rerank_best=5), limit=30)
    assert [len(batch) for batch in reranker.seen] == [5]
    assert again[0] == plain[3]
    assert sorted(again[:5]) == sorted(plain[:5])
    assert again[5:] == plain[5:]


def test_the_reranker_reads_who_said_it_and_when(opened: Opened) -> None:
    reranker = Preferring("x")
    memory = opened(reranker=reranker)
    memory.add("I take green tea", user_id="ana", speaker="Ana", at="2024-05-20")
    memory.search("green tea", user_id="ana")
    assert reranker.seen == [["20 May 2024 Ana: I take green tea"]]


def test_explain_and_the_ledger_say_what_it_did(opened: Opened) -> None:
    memory = filled(opened(reranker=FakeReranker(), rerank_best=12))
    found = memory.explain("green tea", user_id="ana", id=memory.search("green tea", user_id="ana")[0].memory.id)
    assert found.reranking is not None
    assert (found.reranking.name, found.reranking.scored, found.reranking.candidates) == ("fake", 12, 12)
    assert found.reranking.stopped is None
    assert found.hits[0].signals["fake"].score == 2
    assert "fake put it 1st" in str(found.verdict)
    context = memory.context("green tea", user_id="ana", budget=30)
    assert context.ledger.reranking is not None
    assert context.ledger.reranking.scored == 12
    assert "rerank" in context.ledger.ms


def test_without_a_reranker_nothing_is_said_of_one(memory: Memstrata) -> None:
    filled(memory)
    assert memory.explain("green tea", user_id="ana").reranking is None
    assert memory.context("green tea", user_id="ana", budget=30).ledger.reranking is None


def test_nothing_found_needs_no_reranking(opened: Opened) -> None:
    reranker = Preferring("x")
    assert opened(reranker=reranker).search("green tea", user_id="nobody") == []
    assert reranker.seen == []


# ── in time ──


def test_it_stops_before_the_batch_that_would_take_too_long(opened: Opened, slow: Slow) -> None:
    memory = filled(opened(reranker=slow))
    found = memory.explain("green tea", user_id="ana", limit=30, latency_ms=185)
    assert found.reranking is not None
    assert (found.reranking.scored, found.reranking.stopped) == (18, "time")  # 2 to learn the pace, then 8 and 8
    assert found.reranking.ms == pytest.approx(180)
    assert [hit.memory.id for hit in found.hits if "slow" in hit.signals] == [hit.memory.id for hit in found.hits[:18]]
    plain = [hit.memory.text for hit in opened().search("green tea", user_id="ana", limit=30)]
    assert [hit.memory.text for hit in found.hits[18:]] == plain[18:]


def test_the_pace_is_remembered_between_searches(opened: Opened, slow: Slow) -> None:
    memory = filled(opened(reranker=slow))
    memory.search("green tea", user_id="ana")
    found = memory.explain("green tea", user_id="ana", latency_ms=79)
    assert found.reranking is not None
    assert (found.reranking.scored, found.reranking.stopped) == (7, "time"), "eight would take 80 ms"


def test_an_estimate_that_lets_nothing_through_is_not_believed_for_ever(opened: Opened, slow: Slow) -> None:
    memory = filled(opened(reranker=slow))
    memory.search("green tea", user_id="ana")
    scored = []
    for _ in range(2):
        found = memory.explain("green tea", user_id="ana", latency_ms=9.5)
        assert found.reranking is not None
        scored.append(found.reranking.scored)
    assert scored == [0, 1]


def test_a_context_is_reranked_within_its_latency(opened: Opened, slow: Slow) -> None:
    memory = filled(opened(reranker=slow))
    context = memory.context("green tea", user_id="ana", budget=Budget(tokens=60, latency_ms=105))
    assert context.ledger.reranking is not None
    assert (context.ledger.reranking.scored, context.ledger.reranking.stopped) == (10, "time")


def test_an_answer_that_was_cut_short_is_not_given_again(opened: Opened, slow: Slow) -> None:
    memory = filled(opened(reranker=slow))
    hurried = memory.search("green tea", user_id="ana", latency_ms=25)
    assert sum("slow" in hit.signals for hit in hurried) == 2
    whole = memory.search("green tea", user_id="ana")
    assert all("slow" in hit.signals for hit in whole)
    spent = slow.now
    assert memory.search("green tea", user_id="ana", latency_ms=25) == whole, "a whole answer is there in no time"
    assert slow.now == spent


# ── failing ──


@pytest.mark.parametrize(
    "answer",
    [
        lambda passages: 1 / 0,
        lambda passages: np.zeros(len(passages) + 1),
        lambda passages: np.full(len(passages), np.nan),
        lambda passages: ["good"] * len(passages),
        lambda passages: None,
    ],
    ids=["raises", "one too many", "NaN", "words", "nothing"],
)
def test_a_reranker_that_fails_leaves_the_order_and_a_warning_without_texts(
    opened: Opened, answer: Callable[[Sequence[str]], object], caplog: pytest.LogCaptureFixture
) -> None:
    plain = texts(filled(opened()))
    memory = opened(reranker=Broken(answer))
    with caplog.at_level(logging.DEBUG, "memstrata"):
        assert texts(memory) == plain
    assert "answering without reranking" in caplog.text
    assert "tea" not in caplog.text
    found = memory.explain("green tea", user_id="ana")
    assert found.reranking is not None
    assert (found.reranking.scored, found.reranking.stopped) == (0, "failure")
    assert not any("broken" in hit.signals for hit in found.hits)


def test_an_answer_without_reranking_is_not_given_again(opened: Opened) -> None:
    working = [False]

    def sometimes(passages: Sequence[str]) -> object:
        if not working[0]:
            raise RerankerUnavailable("the green tea is on its way")
        return np.array(["turn 3 " in passage for passage in passages], np.float32)

    memory = filled(opened(reranker=Broken(sometimes)))
    assert texts(memory)[0] != "turn 3 about green tea"
    working[0] = True
    assert texts(memory)[0] == "turn 3 about green tea"


def test_a_model_that_is_not_there_is_refused_when_the_memory_is_opened(opened: Opened, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason='looks for a model: pip install "memstrata[onnx]"')
    with pytest.raises(RerankerUnavailable, match="absent is no folder"):
        opened(path=tmp_path / "new", reranker=f"onnx:{tmp_path / 'absent'}")
    assert not (tmp_path / "new").exists(), "nothing is made before the parts are there"


def test_a_missing_extra_is_named_when_the_memory_is_opened(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"memstrata\[onnx\]"):
        opened(reranker=f"onnx:{tmp_path}")


def test_a_reranker_without_what_it_needs_says_where_to_put_it(opened: Opened) -> None:
    with pytest.raises(InvalidConfig, match=r"'onnx' cannot be made.*folder.*onnx:…"):
        opened(reranker="onnx")
    with pytest.raises(InvalidConfig, match="did you mean 'cross-encoder'"):
        opened(reranker="crossencoder:x")
    with pytest.raises(InvalidConfig, match="has no scores"):
        opened(reranker=SimpleNamespace(name="empty"))
    with pytest.raises(InvalidConfig, match="is a class"):
        opened(reranker=FakeReranker)
    with pytest.raises(InvalidConfig, match="the best 1 to 1,000"):
        opened(reranker=FakeReranker(), rerank_best=0)


# ── chosen ──


def test_an_exported_model_is_chosen_by_its_folder(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnxruntime", "tokenizers"):
        pytest.importorskip(package, reason="makes and runs a model: pip install onnx onnxruntime tokenizers")
    folder = cross_encoders.onnx_folder(tmp_path / "model")
    monkeypatch.setenv("MEMSTRATA_RERANKER", f"onnx:{folder}")
    memory = opened()
    memory.add_many(["Bo likes black coffee", "Ana likes green tea", "Ana drinks green coffee"], user_id="ana")
    best = memory.search("who drinks green coffee", user_id="ana")[0]
    assert best.memory.text == "Ana drinks green coffee"
    assert best.signals["onnx"].score == 3
    assert opened(reranker="none").explain("green coffee", user_id="ana").reranking is None


def test_nothing_of_a_model_is_loaded_before_one_is_chosen(tmp_path: Path) -> None:
    code = (
        "import sys, memstrata; memory = memstrata.open(sys.argv[1]); memory.add('tea'); memory.search('tea'); "
        "heavy = {'onnxruntime', 'tokenizers', 'torch', 'sentence_transformers'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m")], capture_output=True, check=True, text=True
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_the_async_face_reranks_too(home: Path) -> None:
    async def asked() -> str:
        async with memstrata.AsyncMemstrata.open(home, reranker=Preferring("turn 3 ")) as memory:
            await memory.add_many([f"turn {number} about green tea" for number in range(9)], user_id="ana")
            return (await memory.search("green tea", user_id="ana"))[0].memory.text

    assert asyncio.run(asked()) == "turn 3 about green tea"
