"""Say what every policy and every allocation of a model's cache must do, as tests that its makers run.

They run on a tiny model whose weights are drawn, and need `pip install "memstrata[kv]"`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from memstrata import kv

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PLACES: Final = 40
FIRST: Final = 4
LAST: Final = 5  # an eighth of the places
LENGTH: Final = 96
CHUNK: Final = 16
VOCABULARY: Final = 97


def tiny_model(*, layers: int = 2) -> PreTrainedModel:
    """A model of the Llama kind with drawn weights, the same each time: it says nothing sensible, but at once."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=1024, pad_token_id=0, bos_token_id=1,
        eos_token_id=None, initializer_range=0.15,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(config).eval()


def drawn_tokens(sequences: int, length: int) -> torch.Tensor:
    """Tokens (sequence, token), the same each time, no pads among them."""
    import torch

    return torch.randint(5, VOCABULARY, (sequences, length), generator=torch.Generator().manual_seed(1))


class KVPolicyContract(ABC):
    """What scores the entries of a cache."""

    @abstractmethod
    def make(self) -> kv.Policy:
        """The policy under test."""

    def test_it_has_a_name(self) -> None:
        assert self.make().name

    def test_every_head_keeps_as_much_as_it_may(self) -> None:
        for layer in self._read(drawn_tokens(2, LENGTH)).account().layers:
            for count in sum(layer.entries_by_head, ()):
                assert PLACES - self._slack() <= count <= PLACES, f"{count} of {PLACES} places are used"

    def test_the_first_and_the_last_tokens_stay(self) -> None:
        for kept in self._kept(self._read(drawn_tokens(2, LENGTH))):
            assert set(range(FIRST)) | set(range(LENGTH - LAST, LENGTH)) <= kept

    def test_a_pinned_span_stays(self) -> None:
        cache = self._cache()
        cache.pin(30, 45)
        self._read(drawn_tokens(2, LENGTH), into=cache)
        for kept in self._kept(cache):
            assert set(range(30, 45)) <= kept

    def test_the_same_text_keeps_the_same_entries(self) -> None:
        ids = drawn_tokens(2, LENGTH)
        assert self._kept(self._read(ids)) == self._kept(self._read(ids))

    def test_pads_are_never_kept_and_change_nothing(self) -> None:
        import torch

        ids, pads = drawn_tokens(2, LENGTH), 17
        mask = torch.ones_like(ids)
        mask[0, :pads] = 0
        padded = self._kept(self._read(ids, mask=mask, chunk=LENGTH))
        alone = self._kept(self._read(ids[:1, pads:], chunk=LENGTH))
        for beside, kept in zip(self._of_first(padded), alone, strict=True):
            assert min(beside) >= pads, "a pad was kept"
            shared = {column - pads for column in beside} & kept
            assert len(shared) >= 0.9 * len(kept), f"beside a longer text other entries are kept: {len(shared)} shared"

    def test_the_budget_holds_on_the_second_turn(self) -> None:
        import torch

        ids = drawn_tokens(2, LENGTH + 30)
        cache = self._read(ids[:, :LENGTH])
        with torch.no_grad():
            logits = kv.prefill(self._model(), ids[:, LENGTH:], cache, chunk=CHUNK)
        assert bool(torch.isfinite(logits).all())
        for kept in self._kept(cache):
            assert len(kept) <= PLACES
            assert set(range(FIRST)) | set(range(LENGTH + 30 - LAST, LENGTH + 30)) <= kept

    def test_sequences_can_change_places(self) -> None:
        import torch

        ids = drawn_tokens(2, LENGTH)
        cache, swapped = self._read(ids[:, :60]), self._read(ids[:, :60])
        swapped.reorder_cache(torch.tensor([1, 0]))
        self._read(ids[:, 60:], into=cache)
        self._read(ids[[1, 0], 60:], into=swapped)
        assert self._of_first(self._kept(cache)) == self._of_second(self._kept(swapped))

    def test_tokens_can_be_taken_back(self) -> None:
        ids = drawn_tokens(1, LENGTH)
        cache = self._read(ids)
        cache.crop(-20)
        self._read(ids[:, -20:], into=cache)
        assert cache.get_seq_length() == LENGTH
        for kept in self._kept(cache):
            assert len(kept) <= PLACES

    def _model(self) -> PreTrainedModel:
        if not hasattr(self, "_made"):
            self._made = tiny_model()
        return self._made

    def _cache(self) -> kv.KVCache:
        budget = kv.KVBudget(tokens=PLACES)
        return kv.KVCache.of(self._model(), budget=budget, policy=self.make(), first=FIRST, last=LAST)

    def _read(
        self,
        ids: torch.Tensor,
        *,
        into: kv.KVCache | None = None,
        mask: torch.Tensor | None = None,
        chunk: int = CHUNK,
    ) -> kv.KVCache:
        cache = self._cache() if into is None else into
        kv.prefill(self._model(), ids, cache, attention_mask=mask, chunk=chunk)
        return cache

    def _kept(self, cache: kv.KVCache) -> list[set[int]]:
        """The columns of every layer, sequence and head."""
        return [
            {column for column in head if column >= 0}
            for _, layer in cache.kept_layers()
            for sequence in layer.entries.columns.tolist()
            for head in sequence
        ]

    def _of_first(self, kept: list[set[int]]) -> list[set[int]]:
        return [columns for place, columns in enumerate(kept) if place % 4 < 2]  # two sequences, two heads

    def _of_second(self, kept: list[set[int]]) -> list[set[int]]:
        return [columns for place, columns in enumerate(kept) if place % 4 >= 2]

    def _slack(self) -> int:
        """How many places may stay free: none, where entries are not kept in groups."""
        from memstrata.kv.policies import Grouping

        return PLACES if isinstance(self.make(), Grouping) else 0


class KVAllocationContract(ABC):
    """What divides a cache's budget over layers and heads."""

    @abstractmethod
    def make(self) -> kv.Allocation:
        """The allocation under test."""

    def test_it_has_a_name(self) -> None:
        assert self.make().name

    def test_every_layer_and_head_gets_something(self) -> None:
        import torch

        allocation = kv.KVCache.of(tiny_model(), allocation=self.make()).rules.allocation
        spread = torch.tensor([[0.2, 1.0], [0.0, 0.7]])
        for load in (kv.Load(2, 2), kv.Load(2, 2, spread)):
            weights = allocation.weights(load)
            assert weights.shape == (2, 2)
            assert bool((torch.isfinite(weights) & (weights > 0)).all()), f"the weights are {weights.tolist()}"
            assert torch.equal(weights, allocation.weights(load)), "the weights change from call to call"

    def test_all_together_keep_no_more_than_the_budget(self) -> None:
        cache = self._read(kv.KVBudget(tokens=PLACES))
        assert 0.9 * PLACES * 4 <= cache.account().entries <= PLACES * 4

    def test_the_peak_keeps_to_the_bytes(self) -> None:
        cache = self._read(kv.KVBudget(bytes=20_000))
        assert 15_000 <= cache.account().peak_bytes <= 20_000

    def _read(self, budget: kv.KVBudget) -> kv.KVCache:
        model = tiny_model()
        cache = kv.KVCache.of(model, budget=budget, policy="window", allocation=self.make())
        kv.prefill(model, drawn_tokens(1, 3 * LENGTH), cache, chunk=CHUNK)
        return cache
