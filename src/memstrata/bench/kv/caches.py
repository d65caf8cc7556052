"""Turn the name of a method into a way to keep what a model has read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import torch
from transformers import DynamicCache, QuantizedCache

from memstrata import kv
from memstrata.bench.kv.answer import Held, full_bytes
from memstrata.bench.kv.tasks import kept

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel

PEAK: Final = 0.4  # of the full prompt's bytes, at most, where the peak is bounded
CHUNK: Final = 32


@dataclass(frozen=True, slots=True)
class Transformers:
    """A cache of transformers itself: everything is kept, in the model's precision or in fewer bits."""

    name: str
    backend: str | None = None  # of a QuantizedCache
    bits: int | None = None  # where the backend has a choice
    ratio: float = 0.0

    def read(self, model: PreTrainedModel, ids: Tensor, turns: tuple[int, ...]) -> tuple[Cache, Tensor]:  # noqa: ARG002  # keeps all, however it comes
        """All at once."""
        if self.backend is None:
            cache: Cache = DynamicCache(config=model.config)
        else:
            cache = QuantizedCache(self.backend, model.config, **({} if self.bits is None else {"nbits": self.bits}))
        logits = model(ids, past_key_values=cache, logits_to_keep=1).logits[:, -1]
        return cache, logits

    def held(self, cache: Cache) -> Held:
        """Nothing is let go of, so the most is what is held now."""
        size = sum(one.nbytes for layer in cache.layers for one in held(layer))
        return Held(size, size)


@dataclass(frozen=True, slots=True)
class Memstrata:
    """Ours: a policy says what goes, and `bounded` that it goes while the text is still being read."""

    policy: str
    ratio: float
    bounded: bool = False
    chunk: int = CHUNK  # tokens read at once where it is

    @property
    def name(self) -> str:
        """As it stands in the figures."""
        return f"memstrata-bounded/{self.policy}" if self.bounded else f"memstrata/{self.policy}"

    def read(self, model: PreTrainedModel, ids: Tensor, turns: tuple[int, ...]) -> tuple[Cache, Tensor]:
        """Turn by turn and in chunks where the peak is bounded, and all at once where it is not."""
        texts, tokens = ids.shape
        budget = kv.KVBudget(tokens=kept(tokens, self.ratio))
        if self.bounded and self.ratio < 1 - PEAK + self.chunk / tokens:  # what is kept would not fit beside a chunk
            budget = kv.KVBudget(bytes=int(PEAK * texts * full_bytes(model, tokens)))
        cache = kv.KVCache.of(model, budget=budget, policy=self.policy, bounded=self.bounded)
        chunk = self.chunk if self.bounded else tokens
        for start, stop in pairwise(accumulate(turns if self.bounded else (tokens,), initial=0)):
            logits = kv.prefill(model, ids[:, start:stop], cache, chunk=chunk)
        return cache, logits

    def held(self, cache: Cache) -> Held:
        """By the cache's own account: columns and what the policy remembers count."""
        assert isinstance(cache, kv.KVCache)
        account = cache.account()
        return Held(account.bytes, account.peak_bytes)


def held(layer: object) -> Iterator[Tensor]:
    """Every tensor that a layer of transformers holds, keys before values."""
    for value in vars(layer).values():
        yield from _tensors(value)


def _tensors(value: object) -> Iterator[Tensor]:
    """Every tensor in what a layer holds, however deep."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)
