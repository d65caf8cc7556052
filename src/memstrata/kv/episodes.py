"""Turn a long dialogue into one small cache for each of its episodes, and a question into the one to ask."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memstrata import plugins
from memstrata.errors import InvalidInput
from memstrata.kv.cluster import middles, nearest
from memstrata.kv.hf import KVCache
from memstrata.kv.policies import Policy, Queries, Seen, Statistics, Watching
from memstrata.kv.prefilling import prefill

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from memstrata.kv.budget import KVBudget


@dataclass(frozen=True, slots=True)
class Within:
    """A policy that learns only from the queries of some spans."""

    inner: Policy
    spans: tuple[tuple[int, int], ...]  # of columns

    @property
    def name(self) -> str:
        """The inner one's."""
        return self.inner.name

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """As if only the queries of the spans had been there."""
        inside = torch.zeros_like(queries.columns, dtype=torch.bool)
        for start, stop in self.spans:
            inside |= (queries.columns >= start) & (queries.columns < stop)
        assert isinstance(self.inner, Watching)
        return self.inner.watch(seen, replace(queries, real=queries.real & inside))

    def keep_score(self, seen: Seen) -> Tensor:
        """The inner one's score."""
        return self.inner.keep_score(seen)


@dataclass(frozen=True, slots=True)
class EpisodeCaches:
    """A dialogue that was read once for each of its episodes, each time keeping what that episode needs.

    All caches together hold as many times the budget as there are episodes; a question is asked of one of them. Source:
    Kim et al., "EpiCache: Episodic KV Cache Management for Long Conversational Question Answering", 2025, arXiv
    2509.17396.
    """

    caches: tuple[KVCache, ...]
    episodes: tuple[int, ...]  # the episode of each turn
    middles: Tensor  # (episode, dim), of unit length
    embedding: Tensor  # (vocabulary, dim): the model's own, not a copy
    mean: Tensor  # (dim,): of all turns

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        turns: Sequence[Tensor],
        *,
        budget: KVBudget,
        count: int = 5,
        policy: str | Policy = "reread",
        chunk: int = 256,
    ) -> EpisodeCaches:
        """Turns (token,) are clustered by the mean of their tokens' embeddings; the dialogue is read `count` times.

        Raises:
            InvalidInput: no turns, or a policy that does not learn from queries.
        """
        inner = plugins.find("kv_policies", policy)() if isinstance(policy, str) else policy
        if not turns or not isinstance(inner, Watching):
            raise InvalidInput(
                "episodes are made of turns, by a policy that learns from queries; it got "
                f"{len(turns)} turns and the policy {inner.name!r}; take 'reread', for one"
            )
        embedding = torch.as_tensor(model.get_input_embeddings().weight).detach()
        raw = torch.stack([embedding[turn].float().mean(0) for turn in turns])
        points = torch.nn.functional.normalize(raw - raw.mean(0), dim=-1)
        found = middles(points, min(count, len(turns)))
        episodes = tuple(nearest(points, found).tolist())
        ends = torch.tensor([len(turn) for turn in turns]).cumsum(0).tolist()
        spans = [(end - len(turn), end) for end, turn in zip(ends, turns, strict=True)]
        caches = []
        for episode in range(len(found)):
            own = tuple(span for span, of in zip(spans, episodes, strict=True) if of == episode)
            cache = KVCache.of(model, budget=budget, policy=Within(inner, own))
            prefill(model, torch.cat(list(turns))[None], cache, chunk=chunk)
            caches.append(cache)
        return cls(tuple(caches), episodes, found, embedding, raw.mean(0))

    def nearest(self, question: Tensor) -> int:
        """The episode that a question (token,) is about."""
        asked = self.embedding[question].float().mean(0) - self.mean
        return int(nearest(torch.nn.functional.normalize(asked, dim=-1)[None], self.middles))

    def pick(self, question: Tensor) -> KVCache:
        """A copy of the cache of the episode that a question (token,) is about; the dialogue was read in it."""
        return copy.deepcopy(self.caches[self.nearest(question)])
