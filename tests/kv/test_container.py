"""Prove that a saved cache comes back to the bit, and that nothing else than a whole one of this model is accepted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="memstrata[kv] is not installed")
pytest.importorskip("transformers", reason="memstrata[kv] is not installed")

import safetensors
import safetensors.torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import model, tokens
from talk import tokenizer

from memstrata import kv, plugins
from memstrata.bench.kv import containers
from memstrata.errors import InvalidInput, KVDamaged, KVError, KVMismatch, KVProbeFailed, KVTorn, StoreUnavailable
from memstrata.kv import container

KINDS = ("llama", "qwen", "gemma", "convolution", "linear", "shared", "windows", "gpt2", "phi", "hybrid")


def read(made, ids, **options):
    """A cache that has read these tokens."""
    cache = kv.KVCache.of(made, **options)
    kv.prefill(made, ids, cache, chunk=16)
    return cache


def continued(made, cache, ids, length: int = 8):
    """Logits of the tokens that come next, and those tokens."""
    done = made.generate(
        ids, past_key_values=cache, max_new_tokens=length, do_sample=False, output_logits=True,
        return_dict_in_generate=True,
    )  # fmt: skip
    return torch.stack(done.logits), done.sequences


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [None, kv.KVBudget(tokens=24)])
@pytest.mark.parametrize("length", [5, 90])
def test_a_cache_goes_on_as_if_it_had_never_been_away(tmp_path: Path, kind: str, budget, length: int) -> None:
    made, ids = model(kind), tokens(2, length)
    expected = continued(made, read(made, ids[:, :-1], budget=budget), ids)
    cache = read(made, ids[:, :-1], budget=budget)
    path = kv.save(cache, tmp_path / "a.kv", tokens=ids, fingerprint=kv.fingerprint(made), model=made)
    brought = kv.load(path, made)
    assert torch.equal(brought.tokens, ids)
    assert brought.cache.account() == cache.account()
    for one in (cache, brought.cache):  # saving it has not changed it either
        found = continued(made, one, ids)
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize("policy", plugins.names("kv_policies"))
def test_a_policy_goes_on_with_what_it_had_learned(tmp_path: Path, policy: str) -> None:
    made, ids = model(), tokens(2, 80)
    options = {"budget": kv.KVBudget(tokens=24), "policy": policy}
    expected = continued(made, read(made, ids[:, :-1], **options), ids, length=20)
    cache = read(made, ids[:, :-1], **options)
    path = kv.save(cache, tmp_path / "a.kv", tokens=ids, fingerprint=kv.fingerprint(made))
    brought = kv.load(path, made)
    assert brought.cache.rules == cache.rules
    assert torch.equal(continued(made, brought.cache, ids, length=20)[0], expected[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_back_to_the_bit(tmp_path: Path, dtype) -> None:
    made, ids = model().to(dtype), tokens(1, 40)
    cache = read(made, ids[:, :-1])
    brought = kv.load(kv.save(cache, tmp_path / "a", tokens=ids, fingerprint=kv.fingerprint(made), model=made), made)
    assert torch.equal(continued(made, brought.cache, ids)[0], continued(made, cache, ids)[0])


def test_a_batch_with_pads_comes_back(tmp_path: Path) -> None:
    made, ids = model(), tokens(3, 60)
    mask = torch.ones_like(ids)
    mask[1, :17], mask[2, :45] = 0, 0
    ids = ids * mask
    cache = kv.KVCache.of(made, budget=kv.KVBudget(tokens=30))
    kv.prefill(made, ids, cache, attention_mask=mask, chunk=16)
    path = kv.save(cache, tmp_path / "a", tokens=ids, attention_mask=mask, fingerprint=kv.fingerprint(made), model=made)
    brought = kv.load(path, made)
    assert torch.equal(brought.attention_mask, mask)
    more = {"input_ids": tokens(3, 4, seed=2), "attention_mask": torch.cat([mask, mask.new_ones(3, 4)], dim=1)}
    with torch.no_grad():
        expected = made(**more, past_key_values=cache).logits
        assert torch.equal(made(**more, past_key_values=brought.cache).logits, expected)


def test_what_was_pinned_stays_pinned_and_what_is_taken_back_is(tmp_path: Path) -> None:
    made, ids = model(), tokens(1, 60)
    cache = kv.KVCache.of(made, budget=kv.KVBudget(tokens=20))
    cache.pin(20, 26)
    kv.prefill(made, ids, cache, chunk=8)
    brought = kv.load(kv.save(cache, tmp_path / "a", tokens=ids, fingerprint=kv.fingerprint(made)), made).cache
    kv.prefill(made, tokens(1, 40, seed=2), brought, chunk=8)
    brought.crop(-5)
    assert brought.get_seq_length() == 95
    assert brought.pins == [(20, 26)]
    assert set(range(20, 26)) <= set(brought.layers[0].entries.columns[0, 0].tolist())


ELSEWHERE = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from models import model
from memstrata import kv
made = model(sys.argv[3])
brought = kv.load(sys.argv[2], made)
done = made.generate(
    brought.tokens, past_key_values=brought.cache, max_new_tokens=8, do_sample=False, output_logits=True,
    return_dict_in_generate=True,
)
torch.save(torch.stack(done.logits), sys.argv[2] + ".logits")
"""


@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_another_process_goes_on_to_the_bit(tmp_path: Path, kind: str) -> None:
    made, ids = model(kind), tokens(1, 70)
    cache = read(made, ids[:, :-1], budget=kv.KVBudget(tokens=40))
    path = kv.save(cache, tmp_path / "a", tokens=ids, fingerprint=kv.fingerprint(made), model=made)
    expected = continued(made, cache, ids)[0]
    command = [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent), str(path), kind]
    subprocess.run(command, check=True, env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"})
    assert torch.equal(torch.load(f"{path}.logits"), expected)


# ── what is refused ──


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, ids = model(), tokens(1, 50)
    path = tmp_path_factory.mktemp("saved") / "a.kv"
    return kv.save(read(made, ids), path, tokens=ids, fingerprint=kv.fingerprint(made, tokenizer()), model=made)


def test_a_thousand_other_containers_are_all_refused() -> None:
    found = containers.tamper(1_000)
    assert found.tried == 1_000
    assert found.accepted == {}


@settings(max_examples=300)
@given(data=st.data())
def test_a_flipped_bit_is_found_wherever_it_is(saved: Path, data: st.DataObject) -> None:
    content = bytearray(saved.read_bytes())
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    content[place // 8] ^= 1 << place % 8
    with pytest.raises(KVDamaged):
        container.parsed(bytes(content))


def other_weights():
    made = model()
    made.model.layers[2].self_attn.k_proj.weight.data.mul_(1.1)
    return made, tokenizer()


def other_tokenizer():
    return model(), tokenizer(template=None)


def other_precision():
    return model().to(torch.bfloat16), tokenizer()


def other_depth():
    return model(layers=2), tokenizer()


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("weights", other_weights),
        ("tokenizer", other_tokenizer),
        ("weights", other_precision),
        ("weights", other_depth),
    ],
)
def test_another_model_is_refused_and_what_differs_is_named(saved: Path, field: str, other) -> None:
    with pytest.raises(KVMismatch, match=field) as refused:
        kv.load(saved, *other())
    assert refused.value.field == field
    assert refused.value.asked != refused.value.found


def test_a_cache_of_other_values_does_not_pass_the_probe(saved: Path, tmp_path: Path) -> None:
    made, ids = model(), tokens(1, 50)
    cache = read(made, ids)
    cache.layers[1].held.values[0, 0, 3] += 1
    path = kv.save(cache, tmp_path / "a", tokens=ids, fingerprint=kv.fingerprint(made))
    with pytest.raises(KVProbeFailed, match="layer 1"):
        kv.load(path, made)
    assert kv.load(path, made, probe=False).tokens.shape == (1, 50)


def test_a_cache_that_goes_on_otherwise_does_not_pass_the_probe(tmp_path: Path) -> None:
    made, ids = model("gemma"), tokens(1, 60)
    cache = read(made, ids)
    made_from = container.contents(cache, tokens=ids, fingerprint=kv.fingerprint(made), model=made)
    made_from.tensors["layer.0.keys"].add_(1)  # of a window that has moved on past the first tokens
    with pytest.raises(KVProbeFailed, match="goes on"):
        container.opened(made_from, made, kv.fingerprint(made))


def test_nothing_was_read_is_saved_too(tmp_path: Path) -> None:
    made = model()
    path = kv.save(
        kv.KVCache.of(made),
        tmp_path / "a",
        tokens=torch.zeros(1, 0, dtype=torch.long),
        fingerprint=kv.fingerprint(made),
    )
    assert kv.load(path, made).cache.get_seq_length() == 0


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        kv.load(tmp_path / "nowhere", model())


def test_a_cache_that_was_torn_is_not_saved(tmp_path: Path) -> None:
    made = model()
    cache = read(made, tokens(1, 20))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    handle = made.model.layers[1].register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        kv.prefill(made, tokens(1, 5), cache)
    handle.remove()
    with pytest.raises(KVTorn):
        kv.save(cache, tmp_path / "a", tokens=tokens(1, 25), fingerprint=kv.fingerprint(made))
    assert list(tmp_path.iterdir()) == []


def test_fewer_tokens_than_were_read_are_refused(tmp_path: Path) -> None:
    made = model()
    cache = read(made, tokens(1, 20))
    with pytest.raises(InvalidInput, match="20 tokens"):
        kv.save(cache, tmp_path / "a", tokens=tokens(1, 19), fingerprint=kv.fingerprint(made))
    assert list(tmp_path.iterdir()) == []


# ── the file ──


def test_it_is_a_safetensors_file_that_says_what_it_is(saved: Path) -> None:
    found = safetensors.torch.load_file(saved)
    assert torch.equal(found["tokens"], tokens(1, 50))
    with safetensors.safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    about = json.loads(metadata["about"])
    assert metadata["format"] == "memstrata-kv"
    assert about["made_with"] == kv.fingerprint(model(), tokenizer()).fields
    assert [layer["kind"] for layer in about["layers"]] == ["KVLayer"] * 3


def test_a_save_that_is_stopped_leaves_what_was_there(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.kv"
    path.write_bytes(saved.read_bytes())

    made = model()
    cache = read(made, tokens(1, 50))
    cache.layers[2].seen = object()  # what cannot be kept
    with pytest.raises(KVError):
        kv.save(cache, path, tokens=tokens(1, 50), fingerprint=kv.fingerprint(made, tokenizer()))
    assert path.read_bytes() == saved.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == ["a.kv"]


def test_no_code_travels_in_a_container() -> None:
    sources = [path.read_text() for path in Path(container.__file__).parent.rglob("*.py")]
    unsafe = re.compile(r"pickle|(?<!safetensors\.)torch\.load\(|\beval\(|\bexec\(")
    assert not [source for source in sources if unsafe.search(source)]
