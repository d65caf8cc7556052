"""What a bounded cache holds, what it refuses, and what it says of itself."""

from __future__ import annotations

import copy
import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest
import torch
from models import model, tokens
from torch import Tensor
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, DynamicCache, PreTrainedModel

import memstrata
from memstrata import kv
from memstrata.errors import InvalidConfig, InvalidInput, KVFull, KVGone, KVPolicyFailed, KVTorn, KVUnsupported
from memstrata.kv.allocations.sensitivity import Sensitivity
from memstrata.kv.policies.sentences import Sentences


@pytest.fixture(scope="module")
def llama() -> PreTrainedModel:
    """A small model."""
    return model()


@dataclass(frozen=True)
class Uneven:
    """Nearly everything for one head."""

    name: str = "uneven"

    def weights(self, load: kv.Load) -> Tensor:
        weights = torch.ones(load.layers, load.heads)
        weights[1, 0] = 20
        return weights


def held_bytes(cache: kv.KVCache) -> int:
    """Counted from the tensors themselves."""
    return sum(tensor.nbytes for _, layer in cache.kept_layers() for tensor in layer.tensors())


# ── budgets ──


@pytest.mark.parametrize("policy", ["window", "heavy-hitters", "expected-attention", "reread"])
@pytest.mark.parametrize("allocation", ["uniform", Uneven()], ids=["uniform", "uneven"])
def test_bytes_are_a_ceiling_from_the_first_token_to_the_last(
    llama: PreTrainedModel, policy: str, allocation: object
) -> None:
    ids, ceiling = tokens(2, 300), 120_000
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(bytes=ceiling), policy=policy, allocation=allocation)
    kv.prefill(llama, ids[:, :200], cache, chunk=16)
    kv.prefill(llama, ids[:, 200:-1], cache, chunk=32)
    llama.generate(ids, past_key_values=cache, max_new_tokens=40, do_sample=False)
    account = cache.account()
    assert 0.85 * ceiling <= account.peak_bytes <= ceiling
    assert account.bytes == held_bytes(cache) <= ceiling
    assert (
        account.full_bytes == 2 * 3 * 2 * 339 * 2 * 16 * 4
    )  # texts, layers, heads, tokens, keys and values, dim, float


def test_tokens_are_kept_by_every_head_on_average(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=30), allocation=Uneven())
    kv.prefill(llama, tokens(2, 400), cache, chunk=16)
    account = cache.account()
    assert account.entries <= 30 * 2 * 3 * 2
    assert account.layers[1].entries_by_head[0][0] > 5 * account.layers[1].entries_by_head[0][1]


def test_heads_that_keep_less_take_up_less(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=30), policy="window", allocation=Uneven())
    kv.prefill(llama, tokens(1, 400), cache, chunk=16)
    account = cache.account()
    entry = 2 * 16 * 4 + 4  # a key, a value, a column
    assert account.bytes <= account.entries * entry + 3 * 2 * 4, "holes take up memory"


def test_a_ratio_grows_with_the_text(llama: PreTrainedModel) -> None:
    ids = tokens(1, 300)
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(ratio=0.25))
    kv.prefill(llama, ids[:, :200], cache, chunk=16)
    assert cache.account().layers[0].entries_by_head == ((50, 50),)
    kv.prefill(llama, ids[:, 200:], cache, chunk=16)
    assert cache.account().layers[0].entries_by_head == ((75, 75),)


@torch.no_grad()
def test_a_ratio_of_a_short_text_keeps_something(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(ratio=0.25))
    llama.generate(tokens(1, 3), past_key_values=cache, max_new_tokens=30, do_sample=False)
    assert cache.account().layers[0].entries_by_head == ((8, 8),)


def test_the_peak_of_a_bounded_cache_is_the_budget_and_a_chunk(llama: PreTrainedModel) -> None:
    ids, entry = tokens(1, 400), 2 * 2 * 16 * 4 + 2 * 4
    bounded = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=50), policy="window")
    kv.prefill(llama, ids, bounded, chunk=16)
    assert bounded.account().peak_bytes == entry * (3 * 50 + 16)
    whole = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=50), policy="window", bounded=False)
    kv.prefill(llama, ids, whole, chunk=16)
    assert whole.account().peak_bytes == entry * 3 * 400
    assert whole.account().bytes == bounded.account().bytes


def test_a_cache_that_is_not_bounded_scores_once(llama: PreTrainedModel) -> None:
    ids = tokens(1, 200)
    caches = []
    for chunk in (16, 200):
        cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=50), policy="heavy-hitters-by-age", bounded=False)
        kv.prefill(llama, ids, cache, chunk=chunk)
        caches.append(cache)
    for one, other in zip(caches[0].layers, caches[1].layers, strict=True):
        assert torch.equal(one.entries.columns, other.entries.columns)


def test_budgets_that_make_no_sense_are_refused() -> None:
    for wrong in ({}, {"tokens": 5, "bytes": 7}, {"tokens": 0}, {"ratio": 1.5}, {"ratio": float("nan")}):
        with pytest.raises(InvalidInput, match=r"budget|ratio"):
            kv.KVBudget(**wrong)
    with pytest.raises(InvalidInput, match="vram_bytes"):
        kv.KVBudget.of(memstrata.Budget())
    assert kv.KVBudget.of(memstrata.Budget(vram_bytes=9)) == kv.KVBudget(bytes=9)


def test_bytes_that_hold_nothing_are_refused(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(bytes=3_000))
    with pytest.raises(KVFull, match="smaller chunk"):
        kv.prefill(llama, tokens(1, 100), cache, chunk=16)


def test_a_prompt_that_cannot_be_read_at_once_is_refused(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(bytes=60_000))
    with pytest.raises(KVFull, match="300 tokens at once"):
        llama.generate(tokens(1, 300), past_key_values=cache, max_new_tokens=3, do_sample=False)


# ── pins ──


def test_a_passage_pinned_later_stays_from_then_on(llama: PreTrainedModel) -> None:
    ids = tokens(1, 300)
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=60), policy="window")
    kv.prefill(llama, ids[:, :40], cache, chunk=16)
    cache.pin(10, 30)
    kv.prefill(llama, ids[:, 40:], cache, chunk=16)
    for layer in cache.layers:
        assert set(range(10, 30)) <= set(layer.entries.columns[0, 0].tolist())


def test_what_is_unpinned_goes_like_anything_else(llama: PreTrainedModel) -> None:
    ids = tokens(1, 300)
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=60), policy="window")
    cache.pin(10, 30)
    kv.prefill(llama, ids[:, :100], cache, chunk=16)
    with pytest.raises(InvalidInput, match=r"pinned are \[\(10, 30\)\]"):
        cache.unpin(10, 20)
    cache.unpin(10, 30)
    kv.prefill(llama, ids[:, 100:], cache, chunk=16)
    assert not set(range(10, 30)) & set(cache.layers[0].entries.columns[0, 0].tolist())


def test_what_is_gone_cannot_be_pinned(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=40), policy="window")
    kv.prefill(llama, tokens(1, 200), cache, chunk=16)
    with pytest.raises(KVGone, match="columns 20 to 30"):
        cache.pin(20, 30)
    with pytest.raises(InvalidInput, match="span"):
        cache.pin(30, 20)
    assert cache.pins == []


def test_pads_within_a_pinned_passage_do_not_matter(llama: PreTrainedModel) -> None:
    ids = tokens(2, 100)
    mask = torch.ones_like(ids)
    mask[0, :14] = 0
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=40))
    kv.prefill(llama, ids[:, :30], cache, attention_mask=mask[:, :30])
    cache.pin(5, 20)
    kv.prefill(llama, ids[:, 30:], cache, attention_mask=mask, chunk=16)
    for layer in cache.layers:
        assert set(range(14, 20)) <= set(layer.entries.columns[0, 0].tolist())
        assert set(range(5, 20)) <= set(layer.entries.columns[1, 0].tolist())


def test_more_pinned_than_fits_is_refused(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=40))
    cache.pin(0, 80)
    with pytest.raises(KVFull, match="pinned"):
        kv.prefill(llama, tokens(1, 200), cache, chunk=16)


# ── generation ──


@torch.no_grad()
def test_generating_without_prefill_keeps_to_the_budget(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=40))
    out = llama.generate(tokens(1, 100), past_key_values=cache, max_new_tokens=30, do_sample=False)
    assert out.shape == (1, 130)
    assert cache.get_seq_length() == 129
    assert max(max(layer.entries_by_head[0]) for layer in cache.account().layers) <= 40


@torch.no_grad()
def test_after_assisted_decoding_the_budget_holds_again(llama: PreTrainedModel) -> None:
    ids = tokens(1, 12).repeat(1, 6)
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=24))
    out = llama.generate(ids, past_key_values=cache, max_new_tokens=20, prompt_lookup_num_tokens=3, do_sample=False)
    for _ in range(3):
        llama(tokens(1, 5), past_key_values=cache)
    assert cache.account().layers[0].entries_by_head[0][0] <= 24 + 5
    kv.prefill(llama, out[:, -1:], cache)
    assert cache.account().layers[0].entries_by_head == ((24, 24),)


@torch.no_grad()
def test_a_cache_can_be_copied_and_reset(llama: PreTrainedModel) -> None:
    ids = tokens(1, 120)
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=40))
    kv.prefill(llama, ids[:, :100], cache, chunk=16)
    twin = copy.deepcopy(cache)
    first = kv.prefill(llama, ids[:, 100:], cache, chunk=16)
    assert torch.equal(first, kv.prefill(llama, ids[:, 100:], twin, chunk=16))
    cache.reset()
    assert cache.get_seq_length() == cache.account().bytes == 0
    kv.prefill(llama, ids[:, :100], cache, chunk=16)
    assert torch.equal(first, kv.prefill(llama, ids[:, 100:], cache, chunk=16))


@torch.no_grad()
def test_two_models_and_many_threads_do_not_mix() -> None:
    models = [model(), model("qwen")]
    ids = tokens(1, 150)

    def read(which: int) -> Tensor:
        cache = kv.KVCache.of(models[which], budget=kv.KVBudget(tokens=40))
        with torch.no_grad():
            return kv.prefill(models[which], ids, cache, chunk=16)

    alone = [read(0), read(1)]
    together: dict[int, Tensor] = {}
    threads = [threading.Thread(target=lambda n=n: together.update({n: read(n % 2)})) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(together[number], alone[number % 2]) for number in range(6))


# ── what cannot be served ──


def test_compressed_keys_are_refused() -> None:
    config = DeepseekV3Config(
        vocab_size=50, hidden_size=32, intermediate_size=32, moe_intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, n_routed_experts=4, n_group=1, topk_group=1,
        num_experts_per_tok=2, kv_lora_rank=8, q_lora_rank=8, qk_rope_head_dim=8, v_head_dim=8, qk_nope_head_dim=8,
        first_k_dense_replace=1,
    )  # fmt: skip
    with pytest.raises(KVUnsupported, match="compressed"):
        kv.KVCache.of(DeepseekV3ForCausalLM(config))


@torch.no_grad()
def test_attention_that_was_set_afterwards_is_refused() -> None:
    made = model()
    cache = kv.KVCache.of(made, budget=kv.KVBudget(tokens=20))
    made.set_attn_implementation("sdpa")
    with pytest.raises(KVUnsupported, match="attention"):
        made(tokens(1, 40), past_key_values=cache)


def test_unknown_policies_and_allocations_are_refused(llama: PreTrainedModel) -> None:
    with pytest.raises(InvalidConfig, match="no cache policy is named 'windows'; did you mean 'window'"):
        kv.KVCache.of(llama, policy="windows")
    with pytest.raises(InvalidConfig, match="no cache allocation"):
        kv.KVCache.of(llama, allocation="flat")


@pytest.mark.parametrize("scores", ["short", "nan", "raises"])
def test_a_policy_that_gives_no_scores_is_named(llama: PreTrainedModel, scores: str) -> None:
    @dataclass(frozen=True)
    class Broken:
        name: str = "broken"

        def keep_score(self, seen: kv.Seen) -> Tensor:
            if scores == "raises":
                raise RuntimeError
            return torch.full_like(seen.columns.float(), torch.nan)[..., 1 if scores == "short" else 0 :]

    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=20), policy=Broken())
    with pytest.raises(KVPolicyFailed, match="'broken'"):
        kv.prefill(llama, tokens(1, 40), cache)


def test_a_policy_that_remembers_in_wrong_shapes_is_named(llama: PreTrainedModel) -> None:
    @dataclass(frozen=True)
    class Loose:
        name: str = "loose"

        def watch(self, seen: kv.Seen, queries: kv.Queries) -> kv.Statistics:
            return kv.Statistics(by_entry={"most": seen.columns[:, 0]})

        def keep_score(self, seen: kv.Seen) -> Tensor:
            return seen.columns.float()

    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=20), policy=Loose())
    with pytest.raises(KVPolicyFailed, match="'loose' remembers 'most'"):
        kv.prefill(llama, tokens(1, 40), cache)


@torch.no_grad()
def test_a_call_that_broke_off_is_noticed(llama: PreTrainedModel) -> None:
    @dataclass(frozen=True)
    class Stopping:
        name: str = "stopping"

        def watch(self, seen: kv.Seen, queries: kv.Queries) -> kv.Statistics:
            if seen.layer == 1 and seen.length > 30:
                raise RuntimeError
            return kv.Statistics()

        def keep_score(self, seen: kv.Seen) -> Tensor:
            return seen.columns.float()

    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=20), policy=Stopping())
    with pytest.raises(KVPolicyFailed, match="'stopping' failed on layer 1: RuntimeError"):
        kv.prefill(llama, tokens(1, 64), cache, chunk=16)
    with pytest.raises(KVTorn, match="reset"):
        kv.prefill(llama, tokens(1, 5), cache)
    cache.reset()
    kv.prefill(llama, tokens(1, 16), cache)


def test_prefill_says_what_is_wrong(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama)
    with pytest.raises(InvalidInput, match="chunk"):
        kv.prefill(llama, tokens(1, 5), cache, chunk=0)
    kv.prefill(llama, tokens(1, 5), cache)
    with pytest.raises(InvalidInput, match="give one of 10"):
        kv.prefill(llama, tokens(1, 5), cache, attention_mask=torch.ones(1, 5))


# ── policies and allocations of their own kinds ──


def test_sentences_are_kept_whole(llama: PreTrainedModel) -> None:
    ids = tokens(2, 240)
    ids[:, 11::12] = 3  # a full stop
    ids[ids == 4] = 5
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=100), policy=Sentences(ends=(3,)), first=0, last=0)
    kv.prefill(llama, ids, cache, chunk=24)
    for layer in cache.layers:
        for head in layer.entries.columns.flatten(0, 1).tolist():
            kept = {column for column in head if column >= 0}
            assert 80 <= len(kept) <= 100
            for column in kept:
                sentence = set(range(column // 12 * 12, column // 12 * 12 + 12))
                assert sentence <= kept, f"the sentence of {column} was divided"


def test_tokens_said_by_the_model_end_sentences_too(llama: PreTrainedModel) -> None:
    ids = tokens(1, 60)
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=30), policy=Sentences(ends=(3,)))
    kv.prefill(llama, ids[:, :-1], cache, chunk=16)
    out = llama.generate(ids, past_key_values=cache, max_new_tokens=5, do_sample=False)
    assert cache.tokens is not None
    assert torch.equal(cache.tokens, out[:, :-1].int())
    assert cache.account().bytes == held_bytes(cache) + cache.tokens.nbytes


def test_sensitivity_finds_the_head_that_fetches(llama: PreTrainedModel) -> None:
    muted = copy.deepcopy(llama)
    for index, layer in enumerate(muted.model.layers):
        if index != 1:
            layer.self_attn.o_proj.weight.data.zero_()
    muted.model.layers[1].self_attn.o_proj.weight.data[:, 32:] = 0  # what the second head of keys and values brings
    found = torch.tensor(Sensitivity.of(muted).measured)
    assert found.shape == (3, 2)
    assert found.argmax() == 2
    assert float(found.sum() - found[1, 0]) < 1e-6


def test_sensitivity_of_another_model_is_refused(llama: PreTrainedModel) -> None:
    cache = kv.KVCache.of(llama, budget=kv.KVBudget(tokens=20), allocation=Sensitivity(measured=((1.0,),)))
    with pytest.raises(InvalidInput, match="measure it on this model"):
        kv.prefill(llama, tokens(1, 40), cache)


@torch.no_grad()
def test_a_question_gets_the_cache_of_its_episode(llama: PreTrainedModel) -> None:
    generator = torch.Generator().manual_seed(0)
    words = [range(5, 35), range(35, 65), range(65, 95)]
    turns = [
        torch.randint(words[topic].start, words[topic].stop, (20,), generator=generator)
        for topic in (0, 0, 1, 1, 2, 2, 0, 1)
    ]
    dialogue = kv.EpisodeCaches.of(llama, turns, budget=kv.KVBudget(tokens=40), count=3, chunk=32)
    assert [dialogue.episodes[0] == episode for episode in dialogue.episodes] == [True, True] + [False] * 4 + [
        True,
        False,
    ]
    for turn, episode in zip(turns, dialogue.episodes, strict=True):
        assert dialogue.nearest(turn) == episode
    cache = dialogue.pick(turns[2])
    assert cache.get_seq_length() == 160
    llama(turns[2][None], past_key_values=cache)
    assert dialogue.caches[dialogue.episodes[2]].get_seq_length() == 160, "the kept cache was changed"


def test_a_model_of_windows_alone_has_nothing_to_divide() -> None:
    made = model("windows")
    cache = kv.KVCache.of(made, budget=kv.KVBudget(tokens=20), allocation="sensitivity")
    kv.prefill(made, tokens(1, 60), cache, chunk=16)
    assert list(cache.kept_layers()) == []
    assert cache.account().bytes == 2 * 3 * 23 * 2 * 16 * 4  # keys and values, layers, a window less one, heads, dim


# ── without the extra ──


def python(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter's answer."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_loads_no_torch() -> None:
    done = python(
        "import sys; from memstrata import kv; kv.KVBudget(tokens=5), kv.Account; print('torch' in sys.modules)"
    )
    assert done.stdout == "False\n", done.stderr


def test_without_torch_it_says_what_to_install() -> None:
    done = python("import sys; sys.modules['torch'] = None; from memstrata import kv; kv.KVCache")
    assert 'pip install "memstrata[kv]"' in done.stderr


def test_other_caches_are_left_alone(llama: PreTrainedModel) -> None:
    kv.attach(llama)
    cache = DynamicCache(config=llama.config)
    with torch.no_grad():
        llama(tokens(1, 50), past_key_values=cache)
    assert cache.layers[0].keys.shape[-2] == 50


@pytest.mark.parametrize(
    "given",
    [{}, {"bytes": 5, "tokens": 5}, {"tokens": 0}, {"tokens": "5"}, {"tokens": 1.5}, {"ratio": True}, {"ratio": 2}],
)
def test_a_budget_that_is_none_is_refused(given: dict) -> None:
    with pytest.raises(InvalidInput, match=r"budget|ratio"):
        kv.KVBudget(**given)


def test_a_bare_number_is_no_budget_of_a_cache() -> None:
    with pytest.raises(InvalidInput, match=r"KVBudget\(bytes=, tokens= or ratio=\)"):
        kv.KVCache.of(model(), budget=128)
    with pytest.raises(InvalidInput, match="a model that transformers has loaded"):
        kv.KVCache.of("a name")
