"""Compute a few tokens anew, and compare them with what a cache says, before it is used.

Where it was noted how the model went on when the cache was saved, it goes on as far again: that takes all of the cache
into account. Otherwise the first tokens of each sequence, which depend on nothing before them, are compared with the
entries held of them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from memstrata.errors import KVProbeFailed
from memstrata.kv.hf import KVCache, KVLayer
from memstrata.kv.prefilling import prefill

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FEW: Final = 4  # tokens of each sequence, pads not counted
WITNESSED: Final = 256  # of the logits, evenly spread
# how far two ways of computing the same may lie apart, as a share of its length: chunks are added up in other orders
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
    if not cache.get_seq_length():
        return
    if expected is None:
        _probe_first(model, cache, tokens, attention_mask)
    else:
        _compare(expected.to(model.device), witness(model, cache, tokens, attention_mask), "how it goes on from here")


def witness(model: PreTrainedModel, cache: KVCache, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """How the model goes on from a cache: some of the logits (sequence, sample) after a few tokens more.

    The cache stays as it is; for a moment there is a second one.
    """
    twin = _twin(cache)
    length = cache.get_seq_length()
    asked = (tokens[:, length:] if tokens.shape[1] > length else tokens[:, -FEW:])[:, :FEW]
    mask = None
    if attention_mask is not None:
        mask = torch.cat([attention_mask[:, :length], attention_mask.new_ones(asked.shape)], dim=1)
    logits = prefill(model, asked.to(model.device), twin, attention_mask=mask, chunk=FEW).float()
    places = torch.linspace(0, logits.shape[-1] - 1, min(WITNESSED, logits.shape[-1])).round().long()
    return logits[:, places.to(logits.device)]


def _probe_first(model: PreTrainedModel, cache: KVCache, tokens: Tensor, attention_mask: Tensor | None) -> None:
    length = cache.get_seq_length()
    pads = tokens.new_zeros(len(tokens)) if attention_mask is None else (attention_mask[:, :length] == 0).sum(-1)
    ends = (pads + min(FEW, _fewest(cache))).clamp(max=length)
    begin = int(ends.max())
    anew = KVCache.of(model)
    prefill(
        model, tokens[:, :begin], anew, attention_mask=None if attention_mask is None else attention_mask[:, :begin]
    )
    for index, (held, computed) in enumerate(zip(cache.layers, anew.layers, strict=True)):
        for name, one, other in _same_columns(held, computed, ends):
            _compare(one, other, f"the {name} of the first tokens in layer {index}")


def _twin(cache: KVCache) -> KVCache:
    """A cache that goes on by itself: keys and values are never changed in place, states of other kinds are."""
    twin = copy.copy(cache)
    for name, value in vars(cache).items():
        if isinstance(value, list | dict):
            setattr(twin, name, copy.copy(value))
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in twin.layers:
        for name, value in vars(layer).items():
            if isinstance(value, dict):
                setattr(layer, name, copy.deepcopy(value))
    return twin


def _fewest(cache: KVCache) -> int:
    """How many entries the shortest head holds: so many were read before it first let go of one."""
    held = (layer.entries.counts().min() for layer in cache.layers if isinstance(layer, KVLayer))
    return min((int(count) for count in held), default=FEW)


# Any: the layers of transformers share no class
def _same_columns(held: Any, computed: Any, ends: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """What a layer holds before `ends` (sequence,), and the same computed anew; nothing where it lets go of those."""
    if isinstance(held, KVLayer):
        mine, theirs = held.entries, computed.entries
        for row, end in enumerate(ends.tolist()):
            for head in range(mine.columns.shape[1]):
                columns, fresh = mine.columns[row, head], theirs.columns[row, head]
                there = (columns >= 0) & (columns < end)
                place = torch.searchsorted(fresh, columns[there])
                for name in ("keys", "values"):
                    one, other = getattr(mine, name)[row, head], getattr(theirs, name)[row, head]
                    yield name, one[there], other[place]
    elif getattr(held, "is_sliding", False) and held.cumulative_length == held.keys.shape[-2]:
        for name in ("keys", "values"):
            for row, end in enumerate(ends.tolist()):
                yield name, getattr(held, name)[row, :, :end], getattr(computed, name)[row, :, :end]


def _compare(one: Tensor, other: Tensor, what: str) -> None:
    tolerance = TOLERANCE.get(one.dtype, TOLERANCE[torch.bfloat16])
    apart = float((one.float() - other.float()).norm())
    length = float(other.float().norm())
    if not apart <= tolerance * length:
        raise KVProbeFailed(
            f"{what} are {apart / max(length, 1e-30):.2g} of their length away from what this model computes, where "
            f"{tolerance:g} is the most for {one.dtype}; compute the cache anew"
        )
