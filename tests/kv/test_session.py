"""Prove that a session goes on in the next process, says why where it cannot, and forgets along with its memories."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="memstrata[kv] is not installed")
pytest.importorskip("transformers", reason="memstrata[kv] is not installed")

from models import model
from talk import TEMPLATE, tokenizer
from transformers import GenerationConfig

from memstrata import Budget, Memstrata, kv
from memstrata.errors import InvalidInput, StoreFull
from memstrata.testing import FakeEmbedder, SteppingClock

LIVES = "Ana lives in Porto."


@pytest.fixture
def made():
    return model()


def asked(memory: Memstrata, made, question: str, **options) -> kv.Answer:
    """One question in a session of its own."""
    with memory.session(made, options.pop("tokenizer", tokenizer()), user_id="ana", **options) as session:
        return session.ask(question, max_new_tokens=6)


def begun(memory: Memstrata, made, **options) -> kv.Start:
    """How a session that asks nothing begins."""
    with memory.session(made, options.pop("tokenizer", tokenizer()), user_id="ana", **options) as session:
        return session.start


def test_a_question_is_answered_from_what_the_memory_knows(memory: Memstrata, made) -> None:
    memory.add(LIVES, user_id="ana")
    with memory.session(made, tokenizer(), user_id="ana") as session:
        answer = session.ask("Where does Ana live?", max_new_tokens=6)
        assert LIVES in answer.context.text
        assert len(answer.text) > 0
        (turn,) = session.turns
        assert LIVES in turn.context
        assert (answer.read, answer.reused) == (turn.prompt, 0)
        again = session.ask("Where?", max_new_tokens=6)
        assert again.reused >= turn.prompt
        assert session.turns[1].context == "", "what stands there already is not read again"


@pytest.mark.parametrize("template", [TEMPLATE, None])
@pytest.mark.parametrize("vram_bytes", [None, 40_000])
def test_the_next_one_goes_on_to_the_bit(
    memory: Memstrata, opened: Callable[..., Memstrata], made, template: str | None, vram_bytes: int | None
) -> None:
    memory.add(LIVES, user_id="ana")
    budget = Budget(tokens=500, vram_bytes=vram_bytes)
    assert memory.context("Where does Ana live?", user_id="ana", session_id="parts").text == ""
    questions = ["Where does Ana live?", "And with whom?", "Since when?"]

    def talk(session: kv.Session, questions: list[str]) -> list[str]:
        return [session.ask(question, max_new_tokens=6).text for question in questions]

    with memory.session(made, tokenizer(template=template), user_id="ana", session_id="whole", budget=budget) as whole:
        expected = talk(whole, questions)
    with memory.session(made, tokenizer(template=template), user_id="ana", session_id="parts", budget=budget) as parts:
        said = talk(parts, questions[:2])
        assert LIVES in parts.turns[0].context, "a session is a conversation, and knows what everything else knows"
    other = opened().session(model(), tokenizer(template=template), user_id="ana", session_id="parts", budget=budget)
    assert other.start == kv.Start("resumed", tokens=len(parts._tokens))
    assert other.turns == parts.turns
    said += talk(other, questions[2:])
    assert said == expected
    assert other._tokens == whole._tokens
    for one, theirs in zip(other.cache.layers, whole.cache.layers, strict=True):
        assert torch.equal(one.entries.keys, theirs.entries.keys)
        assert torch.equal(one.entries.columns, theirs.entries.columns)


ELSEWHERE = """
import sys
sys.path.insert(0, sys.argv[1])
import memstrata
from models import model
from talk import tokenizer
from memstrata.testing import FakeEmbedder
with memstrata.open(sys.argv[2], embedder=FakeEmbedder()) as memory:
    with memory.session(model(), tokenizer(), user_id="ana") as session:
        answer = session.ask(sys.argv[3], max_new_tokens=12)
        print(session.start.how, answer.reused, answer.read, answer.text.encode().hex())
"""


def test_processes_take_turns(home: Path, made) -> None:
    def elsewhere(question: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent), str(home), question],
            capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        return done.stdout.split()

    import memstrata

    first = elsewhere("Where does Ana live?")
    second = elsewhere("And Bo?")
    assert [first[0], second[0]] == ["new", "resumed"]
    assert int(second[1]) >= int(first[2])
    with memstrata.open(home, embedder=FakeEmbedder()) as memory:
        with memory.session(made, tokenizer(), user_id="ana", session_id="here") as session:
            here = [session.ask(question, max_new_tokens=12).text for question in ("Where does Ana live?", "And Bo?")]
        assert [text.encode().hex() for text in here] == [first[3], second[3]]
        assert memory.check().ok


# ── where it cannot go on ──


def test_another_model_reads_everything_anew_and_says_why(memory: Memstrata, made) -> None:
    memory.add(LIVES, user_id="ana")
    asked(memory, made, "Where does Ana live?")
    other = model()
    other.model.layers[0].self_attn.v_proj.weight.data.mul_(2)
    with memory.session(other, tokenizer(), user_id="ana") as session:
        assert session.start.how == "recomputed"
        assert "weights" in session.start.reason
        before = session.start.tokens
        assert len(session.turns) == 1
        answer = session.ask("And Bo?", max_new_tokens=6)
        assert answer.reused == 0
        assert answer.read > before
    assert begun(memory, other).how == "resumed"
    assert begun(memory, made).how == "recomputed"


def test_another_tokenizer_tells_it_anew_in_its_own_tokens(memory: Memstrata, made) -> None:
    memory.add(LIVES, user_id="ana")
    asked(memory, made, "Where does Ana live?")
    plain = tokenizer(template=None)
    with memory.session(made, plain, user_id="ana") as session:
        assert "tokenizer" in session.start.reason
        assert "Question:" in plain.decode(session._tokens)
        assert LIVES in plain.decode(session._tokens)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"instructions": "Be brief."}, "prompt"),
        ({"budget": Budget(vram_bytes=50_000)}, "budget"),
        ({"policy": "random"}, "policy"),
    ],
)
def test_what_was_asked_otherwise_is_named(memory: Memstrata, made, options: dict, reason: str) -> None:
    asked(memory, made, "Where does Ana live?")
    start = begun(memory, made, **options)
    assert start.how == "recomputed"
    assert reason in start.reason


def test_a_damaged_file_is_not_used_and_check_repairs_it(memory: Memstrata, made, home: Path) -> None:
    asked(memory, made, "Where does Ana live?")
    (path,) = (home / "blobs").glob("*.blob")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    start = begun(memory, made)
    assert start.how == "new"
    assert "damaged" in start.reason
    assert not memory.check().ok
    assert memory.check(repair=True).ok
    assert "nothing is kept" in begun(memory, made).reason


def test_a_file_that_is_gone_is_named(memory: Memstrata, made, home: Path) -> None:
    asked(memory, made, "Where does Ana live?")
    (path,) = (home / "blobs").glob("*.blob")
    path.unlink()
    assert "gone" in begun(memory, made).reason
    asked(memory, made, "Where does Ana live?")
    assert memory.check().ok


def test_a_cache_that_does_not_hold_what_the_model_computes_is_computed_anew(memory: Memstrata, made) -> None:
    with memory.session(made, tokenizer(), user_id="ana") as session:
        session.ask("Where does Ana live?", max_new_tokens=6)
        contents = kv.container.contents(
            session.cache, tokens=torch.tensor([session._tokens]), fingerprint=kv.fingerprint(made, tokenizer()),
            model=made, notes={"turns": [turn_of(session.turns[0])]},
        )  # fmt: skip
        contents.tensors["witness"].add_(1)
        shelf = session._shelf
        session._unsaved = False
    shelf.put(contents, kv.fingerprint(made, tokenizer()), ())
    start = begun(memory, made)
    assert start.how == "recomputed"
    assert "goes on" in start.reason
    assert begun(memory, made, probe=False).how == "resumed"


def turn_of(turn: kv.Turn) -> dict:
    return {name: getattr(turn, name) for name in ("context", "question", "answer", "prompt", "answered")}


# ── whose it is, and what it was made from ──


def test_nobody_else_goes_on_from_it(memory: Memstrata, made) -> None:
    asked(memory, made, "Where does Ana live?", session_id="s1")
    for scope in ({"user_id": "bo"}, {"user_id": "ana"}, {"user_id": "ana", "session_id": "s2"}, {}):
        with memory.session(made, tokenizer(), **scope) as session:
            assert session.start.how == "new"


@pytest.mark.parametrize("how", ["delete", "update", "delete_all"])
def test_a_memory_that_is_forgotten_takes_the_cache_with_it(memory: Memstrata, made, home: Path, how: str) -> None:
    id = memory.add(LIVES, user_id="ana").id
    other = memory.add("Bo lives in Lima.", user_id="bo").id
    asked(memory, made, "Where does Ana live?")
    memory.delete(other)
    assert begun(memory, made).how == "resumed", "what it was not made from does not matter"
    if how == "delete":
        memory.delete(id)
    elif how == "update":
        memory.update(id, text="Ana lives in Braga.")
    else:
        memory.delete_all(user_id="ana")
    assert list((home / "blobs").iterdir()) == []
    assert begun(memory, made).how == "new"


def test_what_users_share_takes_the_caches_of_all_with_it(memory: Memstrata, made, home: Path) -> None:
    id = memory.add("The office is in Porto.").id
    memory.add(LIVES, user_id="ana")
    answer = asked(memory, made, "Where is the office?", shared=True)
    assert "office" in answer.context.text
    assert begun(memory, made, shared=True).how == "resumed"
    memory.delete(id)
    assert list((home / "blobs").iterdir()) == []


def test_a_memory_forgotten_while_it_is_talked_about_is_not_kept(
    memory: Memstrata, made, home: Path, opened: Callable[..., Memstrata]
) -> None:
    id = memory.add(LIVES, user_id="ana").id
    words = tokenizer()
    with memory.session(made, words, user_id="ana") as session:
        session.ask("Where does Ana live?", max_new_tokens=6)
        opened().delete(id)
        assert not session.save()
        assert not (home / "blobs").exists() or list((home / "blobs").iterdir()) == []
        session.ask("And now?", max_new_tokens=6)
        assert session.start == kv.Start("new", "a memory it was made from is gone")
        assert len(session.turns) == 1
        assert "Porto" not in words.decode(session._tokens)
    assert begun(memory, made).how == "resumed"


def test_an_expired_memory_is_not_gone_on_from(memory: Memstrata, made, clock: SteppingClock, home: Path) -> None:
    memory.add(LIVES, user_id="ana", expires_at=clock.now() / 1e6 + 60)
    asked(memory, made, "Where does Ana live?")
    clock.advance(61)
    assert begun(memory, made).how == "new"
    memory.upkeep()
    assert list((home / "blobs").iterdir()) == []


def test_forgetting_a_session_leaves_nothing(memory: Memstrata, made, home: Path) -> None:
    with memory.session(made, tokenizer(), user_id="ana") as session:
        session.ask("Where does Ana live?", max_new_tokens=6)
        session.save()
        session.forget()
        assert session.turns == ()
    assert list((home / "blobs").iterdir()) == []


# ── what else may happen ──


def test_what_was_said_before_an_interruption_is_kept_when_the_session_is_closed(
    memory: Memstrata, opened: Callable[..., Memstrata], made, monkeypatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), memory.session(made, tokenizer(), user_id="ana") as session:
        session.ask("One?", max_new_tokens=4)
        session.ask("Two?", max_new_tokens=4)
        monkeypatch.setattr(made, "generate", interrupted)
        session.ask("Three?", max_new_tokens=4)
    monkeypatch.undo()
    after = opened().session(made, tokenizer(), user_id="ana")
    assert (after.start.how, [turn.question for turn in after.turns]) == ("resumed", ["One?", "Two?"])


@pytest.mark.parametrize("most", [0, -1, True, "a", 1.5])
def test_an_answer_has_at_least_one_token(memory: Memstrata, made, most: object) -> None:
    with memory.session(made, tokenizer(), user_id="ana") as session, pytest.raises(InvalidInput, match="from 1 on"):
        session.ask("One?", max_new_tokens=most)


def test_an_answer_that_was_interrupted_changes_nothing(memory: Memstrata, made, monkeypatch) -> None:
    with memory.session(made, tokenizer(), user_id="ana") as session:
        session.ask("Where does Ana live?", max_new_tokens=6)
        turns, before = session.turns, list(session._tokens)

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        handle = made.model.layers[1].register_forward_pre_hook(stop)
        with pytest.raises(KeyboardInterrupt):
            session.ask("And Bo?", max_new_tokens=6)
        handle.remove()
        assert (session.turns, session._tokens) == (turns, before)
        answer = session.ask("And Bo?", max_new_tokens=6)
        assert answer.reused == 0
    assert begun(memory, made).how == "resumed"


def test_a_full_disk_keeps_what_was_kept_before(memory: Memstrata, made, monkeypatch) -> None:
    asked(memory, made, "Where does Ana live?")
    session = memory.session(made, tokenizer(), user_id="ana")
    session.ask("And Bo?", max_new_tokens=6)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(StoreFull):
            session.close()
    assert len(begun_turns(memory, made)) == 1
    session.close()
    assert len(begun_turns(memory, made)) == 2


def begun_turns(memory: Memstrata, made) -> tuple[kv.Turn, ...]:
    with memory.session(made, tokenizer(), user_id="ana") as session:
        return session.turns


def test_an_allocation_that_measured_the_model_goes_on_with_what_it_measured(memory: Memstrata, made) -> None:
    budget = Budget(vram_bytes=60_000)
    with memory.session(made, tokenizer(), user_id="ana", budget=budget, allocation="sensitivity") as session:
        session.ask(
            "Where does Ana live, and with whom, and since when, and why does she live there?", max_new_tokens=6
        )
        measured = session.cache.rules.allocation
    with memory.session(model(), tokenizer(), user_id="ana", budget=budget, allocation="sensitivity") as session:
        assert session.start.how == "resumed"
        assert session.cache.rules.allocation == measured


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import memstrata
from memstrata.errors import MissingExtra
from memstrata.testing import temporary_memory
with temporary_memory() as memory:
    try:
        memory.session(None, None, user_id="ana")
    except MissingExtra as exc:
        print(exc)
"""


def test_without_torch_the_extra_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True)
    assert 'pip install "memstrata[kv]"' in done.stdout


def test_an_empty_question_is_refused(memory: Memstrata, made) -> None:
    with memory.session(made, tokenizer(), user_id="ana") as session, pytest.raises(InvalidInput, match="question"):
        session.ask(" ")


def test_ways_of_answering_that_a_session_does_not_have_are_refused(memory: Memstrata, made) -> None:
    with memory.session(made, tokenizer(), user_id="ana") as session:
        for chosen in (
            {"num_beams": 3},
            {"num_return_sequences": 2, "do_sample": True},
            {"prompt_lookup_num_tokens": 2},
        ):
            with pytest.raises(InvalidInput, match="leave out"):
                session.ask("Where?", generation=GenerationConfig(**chosen))


def test_an_answer_may_be_drawn(memory: Memstrata, made) -> None:
    with memory.session(made, tokenizer(), user_id="ana") as session:
        chosen = GenerationConfig(do_sample=True, temperature=2.0, eos_token_id=list(range(7, 90)))
        answer = session.ask("Where does Ana live?", max_new_tokens=50, generation=chosen)
        assert session.turns[0].answered < 50
        assert session.cache.get_seq_length() == len(session._tokens), "what ends an answer is no part of it"
        assert len(answer.text) <= 50
    assert begun(memory, made).how == "resumed"


def test_a_backup_goes_on_too(memory: Memstrata, opened: Callable[..., Memstrata], made, tmp_path: Path) -> None:
    memory.add(LIVES, user_id="ana")
    asked(memory, made, "Where does Ana live?")
    copy = opened(path=memory.backup(tmp_path / "copy"))
    assert begun(copy, made).how == "resumed"


def test_a_budget_holds_over_all_turns(memory: Memstrata, made) -> None:
    memory.add_many([f"Ana lived in place {n}, and then moved on." for n in range(30)], user_id="ana")
    with memory.session(made, tokenizer(), user_id="ana", budget=Budget(tokens=300, vram_bytes=300_000)) as session:
        for question in ("Where did Ana live?", "And before?", "And after?"):
            session.ask(question, max_new_tokens=6)
        account = session.cache.account()
        assert account.peak_bytes <= 300_000
        assert account.full_bytes > 300_000
