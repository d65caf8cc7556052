"""Compute a few tokens anew, and compare them with what a cache says, before it is used.

Two things are compared: the first tokens of each sequence, which depend on nothing before them, with the entries held of
them; and how the model goes on from the whole cache, with how it went on when the cache was saved.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from memstrata.errors import KVProbeFailed
from memstrata.kv import prefill  # not from its module, whose import would hide the function of the same name
from memstrata.kv.hf import KVCache, KVLayer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FIRST: Final = 8  # tokens of each sequence, pads not counted
WITNESSED: Final = 256  # of the logits, evenly spread
# how far two ways of computing the same may lie apart, as a share of its length: other chunks are added up in another order
TOLERANCE: Final = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}


def probe(
    model: PreTrainedModel,
    cache: KVCache,
    tokens: Tensor,
    attention_mask: Tensor | None = None,
    *,
    expected: Tensor | None = None,
) -> None:
    """See that a cache holds what the model computes for its tokens; `expected` is what `witness` said.

    Raises:
        KVProbeFailed: it does not; says which layer, and by how much.
    """
    length = cache.get_seq_length()
    if not length:
        return
    pads = 0 if attention_mask is None else int((attention_mask[:, :length] == 0).sum(-1).max())
    begin = min(length, pads + FIRST)
    anew = KVCache.of(model)
    prefill(
        model, tokens[:, :begin], anew, attention_mask=None if attention_mask is None else attention_mask[:, :begin]
    )
    for index, (held, computed) in enumerate(zip(cache.layers, anew.layers, strict=True)):
        for name, one, other in _same_columns(held, computed, begin):
            _compare(one, other, f"the {name} of the first {begin} tokens in layer {index}")
    if expected is not None:
        _compare(expected.to(model.device), witness(model, cache, tokens, attention_mask), "how it goes on from here")


def witness(model: PreTrainedModel, cache: KVCache, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """How the model goes on from a cache: some of the logits (sequence, sample) after one more token.

    The cache stays as it is; for a moment there is a second one.
    """
    twin = copy.deepcopy(cache)
    length = cache.get_seq_length()
    asked = tokens[:, length : length + 1] if tokens.shape[1] > length else tokens[:, -1:]
    mask = None
    if attention_mask is not None:
        mask = torch.cat([attention_mask[:, :length], attention_mask.new_ones(len(asked), 1)], dim=1)
    logits = prefill(model, asked.to(model.device), twin, attention_mask=mask).float()
    places = torch.linspace(0, logits.shape[-1] - 1, min(WITNESSED, logits.shape[-1])).round().long()
    return logits[:, places.to(logits.device)]


def _same_columns(
    held: Any, computed: Any, begin: int
) -> Iterator[tuple[str, Tensor, Tensor]]:  # Any: layers share no class
    """What a layer holds of the first tokens, and the same computed anew; nothing where it no longer holds them."""
    if isinstance(held, KVLayer) and isinstance(computed, KVLayer):
        entries, fresh = held.entries, computed.entries
        there = (entries.columns >= 0) & (entries.columns < begin)
        place = fresh.columns.new_full((*fresh.columns.shape[:2], begin), 0).long()
        place.scatter_(
            -1,
            fresh.columns.clamp(min=0).long(),
            torch.arange(fresh.width, device=place.device).expand_as(fresh.columns),
        )
        wanted = place.gather(-1, entries.columns.clamp(0, begin - 1).long())[..., None]
        for name in ("keys", "values"):
            mine, theirs = getattr(entries, name), getattr(fresh, name)
            yield name, mine[there], theirs.gather(2, wanted.expand(*wanted.shape[:3], theirs.shape[-1]))[there]
    elif getattr(held, "is_sliding", False) and held.cumulative_length == held.keys.shape[-2]:
        for name in ("keys", "values"):
            yield name, getattr(held, name)[:, :, :begin], getattr(computed, name)[:, :, :begin]


def _compare(one: Tensor, other: Tensor, what: str) -> None:
    tolerance = TOLERANCE.get(one.dtype, TOLERANCE[torch.bfloat16])
    apart = float((one.float() - other.float()).norm())
    length = float(other.float().norm())
    if not apart <= tolerance * length:
        raise KVProbeFailed(
            f"{what} are {apart / max(length, 1e-30):.2g} of their length away from what this model computes, where "
            f"{tolerance:g} is the most for {one.dtype}; compute the cache anew"
        )
