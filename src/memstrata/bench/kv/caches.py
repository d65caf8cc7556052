"""Turn the name of a method into a way to keep what a model has read."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import torch
from transformers import DynamicCache, QuantizedCache

from memstrata import kv
from memstrata.bench.kv.answer import Held, Reading, full_bytes
from memstrata.bench.kv.tasks import EPISODES, kept
from memstrata.bench.kv.words import STOP
from memstrata.kv.policies.sentences import Sentences

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
    ratio: float = 0.0
    alone: bool = False

    def read(self, model: PreTrainedModel, ids: Tensor, turns: tuple[int, ...]) -> Reading:  # noqa: ARG002  # keeps all, however it comes
        """All at once; nothing goes, so the most that was held is what is held."""
        cache: Cache = DynamicCache(config=model.config)
        if self.backend is not None:
            cache = QuantizedCache(self.backend, model.config)
        logits = model(ids, past_key_values=cache, logits_to_keep=1).logits[:, -1]
        size = sum(one.nbytes for layer in cache.layers for one in held(layer))
        return Reading(logits, Held(size, size), cache, lambda _: copy.deepcopy(cache))


@dataclass(frozen=True, slots=True)
class Memstrata:
    """Ours: a policy says what goes. Read in one piece, each layer lets go once it has seen all, as presses do too.

    `bounded`, a text is read turn by turn and in chunks, and what goes goes before the rest is read.
    """

    policy: str
    ratio: float
    bounded: bool = False
    chunk: int = CHUNK  # tokens read at once where it is
    alone: bool = False

    @property
    def name(self) -> str:
        """As it stands in the figures."""
        return f"memstrata-bounded/{self.policy}" if self.bounded else f"memstrata/{self.policy}"

    def read(self, model: PreTrainedModel, ids: Tensor, turns: tuple[int, ...]) -> Reading:
        """In one piece, or in as many as it takes to bound the peak."""
        texts, tokens = ids.shape
        budget = self._budget(tokens, int(PEAK * texts * full_bytes(model, tokens)))
        cache = kv.KVCache.of(model, budget=budget, policy=_policy(self.policy))
        chunk = self.chunk if self.bounded else tokens
        for start, stop in pairwise(accumulate(turns if self.bounded else (tokens,), initial=0)):
            logits = kv.prefill(model, ids[:, start:stop], cache, chunk=chunk)
        account = cache.account()  # columns and what the policy remembers count
        return Reading(logits, Held(account.bytes, account.peak_bytes), cache, lambda _: copy.deepcopy(cache))

    def _budget(self, tokens: int, peak_bytes: int) -> kv.KVBudget | None:
        """What stays of so many tokens, or fits under the peak where that is less; it holds while answering too."""
        if self.ratio == 0:
            return None
        stays = kept(tokens, self.ratio)
        if self.bounded and stays + self.chunk > PEAK * tokens:
            return kv.KVBudget(bytes=peak_bytes)
        return kv.KVBudget(tokens=stays)


@dataclass(frozen=True, slots=True)
class ByEpisode:
    """Ours: a cache for each episode of a dialogue, which together keep as many tokens as one would."""

    ratio: float
    name: str = "memstrata/episode-caches"
    alone: bool = True

    def read(self, model: PreTrainedModel, ids: Tensor, turns: tuple[int, ...]) -> Reading:
        """Once for each episode, one after the other: the peak is that of one beside all the others."""
        ends = pairwise(accumulate(turns, initial=0))
        budget = kv.KVBudget(tokens=max(1, kept(ids.shape[1], self.ratio) // EPISODES))
        caches = kv.EpisodeCaches.of(
            model, [ids[0, start:stop] for start, stop in ends], budget=budget, count=EPISODES, chunk=CHUNK
        )
        accounts = [cache.account() for cache in caches.caches]
        size = sum(one.bytes for one in accounts)
        peak = size + max(one.peak_bytes - one.bytes for one in accounts)
        nothing = torch.zeros(1, model.config.vocab_size, device=ids.device)  # no cache is asked to go on
        return Reading(nothing, Held(size, peak), None, lambda questions: caches.pick(questions[0]))


def _policy(name: str) -> str | Sentences:
    """The policy of that name; the one that keeps sentences is told how ours end."""
    return Sentences(ends=(STOP,)) if name == "sentences" else name


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
