"""What a bounded cache answers equals, to the last bits, what a full one answers with the same entries masked."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from models import model, tokens
from oracle import Recording, difference, watch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from memstrata import kv
from memstrata.kv.allocations import Load

TOLERANCE = 1e-6
ATTENTIONS = ["sdpa", "eager"]
PLACES = [(attention, device) for device in ["cpu", *["cuda"] * torch.cuda.is_available()] for attention in ATTENTIONS]


@dataclass(frozen=True)
class Uneven:
    """Another budget for each layer and head."""

    name: str = "uneven"

    def weights(self, load: Load) -> Tensor:
        return 1 + torch.arange(load.layers)[:, None] + 2.0 * torch.arange(load.heads)[None]


@dataclass(frozen=True)
class Scattered:
    """Scores without a pattern, another for each head."""

    name: str = "scattered"

    def keep_score(self, seen: kv.Seen) -> Tensor:
        heads = torch.arange(seen.columns.shape[1], device=seen.columns.device)[None, :, None]
        return torch.sin(seen.columns * 12.9898 + 78.233 * (heads + seen.layer))


@pytest.fixture(params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """How attention is computed, and where: on every device that is there."""
    return request.param


@pytest.fixture
def llama(place: tuple[str, str]) -> PreTrainedModel:
    """A small model that writes down what it is asked."""
    return watched("llama", place)


def watched(kind: str, place: tuple[str, str]) -> PreTrainedModel:
    made = model(kind, attention=place[0]).to(place[1])
    watch(made)
    return made


def asked(of: PreTrainedModel, sequences: int, length: int) -> Tensor:
    return tokens(sequences, length).to(of.device)


def bounded(of: PreTrainedModel, *, tokens: int = 24, allocation: object = "uniform", whole: bool = False) -> Recording:
    """A recording cache that keeps few entries."""
    made = Recording.of(
        of, budget=kv.KVBudget(tokens=tokens), policy=Scattered(), allocation=allocation, bounded=not whole
    )
    assert isinstance(made, Recording)
    return made


@torch.no_grad()
def test_nothing_changes_where_nothing_is_let_go(llama: PreTrainedModel) -> None:
    ids = asked(llama, 2, 60)
    expected = llama(ids, past_key_values=DynamicCache(config=llama.config)).logits
    cache = Recording.of(llama)
    assert torch.equal(llama(ids, past_key_values=cache).logits, expected)


@torch.no_grad()
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_attaching_changes_no_bit_for_other_caches(attention: str) -> None:
    plain, attached = model(attention=attention), model(attention=attention)
    kv.attach(attached)
    ids = tokens(2, 60)
    mask = torch.ones_like(ids)
    mask[0, :7] = 0
    for given in (None, mask):
        assert torch.equal(plain(ids, attention_mask=given).logits, attached(ids, attention_mask=given).logits)
    first = plain.generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False)
    assert torch.equal(first, attached.generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False))
    kv.detach(attached)
    assert attached.config._attn_implementation == attention


@torch.no_grad()
def test_a_prompt_read_whole_and_then_compressed(llama: PreTrainedModel) -> None:
    ids = asked(llama, 1, 90)
    cache = bounded(llama, whole=True)
    kv.prefill(llama, ids[:, :70], cache, chunk=200)
    llama(ids[:, 70:], past_key_values=cache)
    assert cache.account().layers[0].entries_by_head == ((24, 24),)
    assert difference(llama, cache) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("allocation", ["uniform", Uneven()], ids=["uniform", "uneven"])
def test_a_prompt_read_in_chunks(llama: PreTrainedModel, allocation: object) -> None:
    ids = asked(llama, 2, 90)
    cache = bounded(llama, allocation=allocation)
    kv.prefill(llama, ids, cache, chunk=16)
    assert difference(llama, cache) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("allocation", ["uniform", Uneven()], ids=["uniform", "uneven"])
def test_several_turns_with_answers(llama: PreTrainedModel, allocation: object) -> None:
    ids = asked(llama, 1, 120)
    cache = bounded(llama, allocation=allocation)
    said = ids[:, :50]
    for stop in (50, 80, 120):
        said = torch.cat([said, ids[:, said.shape[1] : stop]], dim=1) if stop > said.shape[1] else said
        kv.prefill(llama, said[:, cache.get_seq_length() : -1], cache, chunk=16)
        said = llama.generate(said, past_key_values=cache, max_new_tokens=6, do_sample=False)
    assert cache.get_seq_length() == said.shape[1] - 1
    assert max(max(map(max, layer.entries_by_head)) for layer in cache.account().layers) <= 24 * 3
    assert difference(llama, cache) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("allocation", ["uniform", Uneven()], ids=["uniform", "uneven"])
def test_batches_with_pads_on_the_left(llama: PreTrainedModel, allocation: object) -> None:
    ids = asked(llama, 3, 70)
    mask = torch.ones_like(ids)
    mask[0, :33], mask[1, :5] = 0, 0
    cache = bounded(llama, allocation=allocation)
    kv.prefill(llama, ids[:, :-1], cache, attention_mask=mask[:, :-1], chunk=16)
    llama.generate(ids, attention_mask=mask, past_key_values=cache, max_new_tokens=12, do_sample=False)
    for layer in (layer for layer in cache.layers if hasattr(layer, "entries")):
        columns = layer.entries.columns
        for row, pads in enumerate((33, 5, 0)):
            assert not bool(((columns[row] >= 0) & (columns[row] < pads)).any()), "a pad was kept"
    assert difference(llama, cache) <= TOLERANCE


@torch.no_grad()
def test_beams(llama: PreTrainedModel) -> None:
    ids = asked(llama, 2, 50)
    cache = bounded(llama)
    llama.generate(ids, past_key_values=cache, max_new_tokens=10, num_beams=3, do_sample=False)
    assert any(isinstance(event, tuple) and event[0] == "reorder_cache" for event in cache.events)
    assert difference(llama, cache) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("allocation", ["uniform", Uneven()], ids=["uniform", "uneven"])
def test_tokens_taken_back(llama: PreTrainedModel, allocation: object) -> None:
    ids = asked(llama, 2, 100)
    cache = bounded(llama, allocation=allocation)
    llama(ids[:, :60], past_key_values=cache)
    cache.crop(-9)
    assert cache.get_seq_length() == 51
    llama(ids[:, 60:80], past_key_values=cache)
    cache.crop(-1)
    llama(ids[:, 80:81], past_key_values=cache)
    assert difference(llama, cache) <= TOLERANCE


@torch.no_grad()
def test_prompt_lookup(llama: PreTrainedModel) -> None:
    ids = asked(llama, 1, 12).repeat(1, 6)
    cache = bounded(llama)
    kv.prefill(llama, ids[:, :-1], cache, chunk=16)
    llama.generate(ids, past_key_values=cache, max_new_tokens=20, prompt_lookup_num_tokens=3, do_sample=False)
    crops = [event for event in cache.events if isinstance(event, tuple)]
    assert any(event[1] < 0 for event in crops), "every draft was right; the test shows nothing"
    assert difference(llama, cache) <= TOLERANCE


@torch.no_grad()
def test_assisted_decoding(llama: PreTrainedModel) -> None:
    ids = asked(llama, 1, 40)
    assistant = model(layers=1).to(llama.device)
    cache = bounded(llama)
    llama.generate(ids, past_key_values=cache, max_new_tokens=20, assistant_model=assistant, do_sample=False)
    assert difference(llama, cache) <= TOLERANCE


@torch.no_grad()
def test_models_with_sliding_windows(place: tuple[str, str]) -> None:
    gemma = watched("gemma", place)
    ids = asked(gemma, 1, 100)
    cache = bounded(gemma)
    kv.prefill(gemma, ids[:, :80], cache, chunk=16)
    gemma(ids[:, 80:90], past_key_values=cache)
    gemma.generate(ids, past_key_values=cache, max_new_tokens=10, do_sample=False)
    assert difference(gemma, cache) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("kind", ["convolution", "linear", "hybrid"])
def test_models_with_states_beside_attention(kind: str, place: tuple[str, str]) -> None:
    mixed = watched(kind, place)
    ids = asked(mixed, 2, 100)
    cache = bounded(mixed)
    kv.prefill(mixed, ids[:, :80], cache, chunk=16)
    mixed(ids[:, 80:90], past_key_values=cache)
    mixed.generate(ids, past_key_values=cache, max_new_tokens=10, do_sample=False)
    assert difference(mixed, cache) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("kind", ["gpt2", "phi", "qwen"])
def test_models_that_place_tokens_in_other_ways(kind: str, place: tuple[str, str]) -> None:
    made = watched(kind, place)
    ids = asked(made, 2, 100)
    mask = torch.ones_like(ids)
    mask[0, :21] = 0
    cache = bounded(made)
    kv.prefill(made, ids[:, :-1], cache, attention_mask=mask[:, :-1], chunk=16)
    made.generate(ids, attention_mask=mask, past_key_values=cache, max_new_tokens=10, do_sample=False)
    assert difference(made, cache) <= TOLERANCE


@torch.no_grad()
def test_models_whose_layers_look_at_what_others_hold(place: tuple[str, str]) -> None:
    shared = watched("shared", place)
    ids = asked(shared, 2, 100)
    mask = torch.ones_like(ids)
    mask[0, :9] = 0
    cache = bounded(shared)
    kv.prefill(shared, ids[:, :-1], cache, attention_mask=mask[:, :-1], chunk=16)
    shared.generate(ids, attention_mask=mask, past_key_values=cache, max_new_tokens=10, do_sample=False)
    assert cache.layers[1].pads.tolist() == [9, 0], "one layer's entries were gone through twice"
    for event in cache.events:
        event.shown[3] = event.shown[1]
    assert difference(shared, cache) <= TOLERANCE
