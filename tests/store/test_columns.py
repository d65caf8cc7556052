"""What a space knows of its segments is the same in a process that followed every change and in one that did not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from memstrata import Memstrata
from memstrata.store import spaces

SUBJECTS = ("the alarm code", "tea with lemon", "a red bicycle", "the dentist", "rain in Porto")
NO_SESSION = None


def shown(memory: Memstrata) -> list[tuple[str, list[tuple[str, float]]]]:
    return [
        (query, [(hit.memory.text, round(hit.score, 5)) for hit in memory.search(query, user_id="ana", limit=30)])
        for query in ("alarm code", "who likes tea", "bicycle", "what about Porto when it rains?")
    ]


@pytest.mark.parametrize("mapped_from", [20_000, 8])
@pytest.mark.parametrize("seed", range(12))
def test_a_process_that_followed_every_change_ranks_as_a_fresh_one(
    opened: Callable[..., Memstrata], monkeypatch: pytest.MonkeyPatch, seed: int, mapped_from: int
) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", mapped_from)
    chance = random.Random(seed)
    memory = opened()
    ids: list[str] = []
    for step in range(60):
        act = chance.choice(["add", "add", "add", "update", "delete", "merge"])
        if act == "add" or len(ids) < 4:
            ids.append(
                memory.add(
                    f"{chance.choice(SUBJECTS)} {step} " + "and so on " * chance.choice([1, 2, 300]),
                    user_id="ana", session_id=chance.choice(["s1", "s2", None]), at=chance.randrange(20_000) * 1.0,
                    speaker=chance.choice(["Ana", "Bo", None]), role=chance.choice(["user", "assistant"]),
                ).id
            )  # fmt: skip
        elif act == "update":
            memory.update(chance.choice(ids), text=f"{chance.choice(SUBJECTS)}, changed at {step}")
        elif act == "delete":
            memory.delete(ids.pop(chance.randrange(len(ids))))
        else:
            pair = [ids.pop(chance.randrange(len(ids))) for _ in range(2)]
            ids.append(memory.merge(pair).id)
        if chance.random() < 0.5:
            memory.search("tea", user_id="ana")
    assert shown(memory) == shown(opened())


def test_an_updated_turn_keeps_its_place_in_the_conversation(memory: Memstrata) -> None:
    turns = ["Where is the spare key?", "Behind the blue door.", "Shall we eat pizza tonight?", "Yes, with olives."]
    receipt = memory.add([{"role": "user", "content": turn} for turn in turns], user_id="ana", session_id="s")
    memory.add_many((f"filler {n} about ships and the sea in winter" for n in range(60)), user_id="ana")
    memory.update(receipt.ids[1], text="Behind the green door.")
    packed = memory.context("green door", user_id="ana", budget=40).text
    assert "Where is the spare key?" in packed
    assert "pizza" not in packed


def test_a_conversation_comes_back_from_an_export_in_its_order(
    memory: Memstrata, opened: Callable[..., Memstrata], tmp_path: Path
) -> None:
    said = [f"message {n}" for n in range(40)]
    memory.add([{"role": "user", "content": text} for text in said], user_id="ana")
    memory.export(tmp_path / "all.jsonl")
    other = opened(path=tmp_path / "other")
    other.import_(tmp_path / "all.jsonl")
    assert [kept.text for kept in memory.list(user_id="ana")] == said
    assert [kept.text for kept in other.list(user_id="ana")] == said
    assert memory.context("message", user_id="ana").text == other.context("message", user_id="ana").text


def test_a_word_in_very_many_passages_still_finds_the_newest(
    memory: Memstrata, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memstrata.read.retrieve import lexical

    monkeypatch.setattr(lexical, "POSTINGS", 50)
    memory.add_many((f"note {n} with apples" for n in range(200)), user_id="ana")
    newest = memory.add("My sister grows apples in Norway", user_id="ana").id
    assert newest in [
        hit.memory.id for hit in memory.search("apples", user_id="ana", limit=300) if "lexical" in hit.signals
    ]


def test_everything_in_a_narrow_scope_is_given_whole(memory: Memstrata) -> None:
    memory.add_many((f"note {n} about lemon trees" for n in range(600)), user_id="ana", session_id="old")
    memory.add("The plumber comes on Friday.", user_id="ana", session_id="new")
    packed = memory.context("quantum chromodynamics?", user_id="ana", session_id="new", budget=500)
    assert packed.whole
    assert "plumber" in packed.text
    assert memory.context("anything", user_id="nobody").whole


def test_the_best_hit_is_given_without_its_question_or_cut_rather_than_left_out(memory: Memstrata) -> None:
    question = "What is the password of the network in the summer house by the lake, I forgot it again?"
    memory.add([question, "It is hunter2."], user_id="ana", session_id="s")
    memory.add_many((f"filler {n} about birds and the sea in winter with ships" for n in range(80)), user_id="ana")
    assert "hunter2" in memory.context("hunter2", user_id="ana", budget=16).text
    memory.add("Zanzibar " + "and a long story " * 60, user_id="ana")
    cut = memory.context("zanzibar", user_id="ana", budget=40)
    assert cut.text.count("Zanzibar") == 1
    assert cut.ledger.tokens <= 40
