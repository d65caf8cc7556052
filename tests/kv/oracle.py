"""Replay what a bounded cache was asked on a cache that keeps everything, with what was let go of masked out."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from memstrata import kv


@dataclass
class Call:
    """One forward call: what went in, which entries each layer showed, and the logits of real tokens."""

    ids: Tensor
    mask: Tensor | None
    positions: Tensor | None
    begin: int
    shown: dict[int, Tensor] = field(default_factory=dict)  # by layer: columns (sequence, head, entry)
    logits: Tensor | None = None


class Recording(kv.KVCache):
    """A bounded cache that writes down what happens to it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.events: list[Call | tuple[str, Any]] = []
        self._inside = False

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> Any:
        answer = super().update(key_states, value_states, layer_idx, *args, **kwargs)
        layer = self.layers[layer_idx]
        if hasattr(layer, "entries"):
            call = self.events[-1]
            assert isinstance(call, Call)
            call.shown[layer_idx] = layer.entries.columns.clone()
        return answer

    def reorder_cache(self, beam_idx: Tensor) -> None:
        self.events.append(("reorder_cache", beam_idx))
        super().reorder_cache(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.events.append(("batch_repeat_interleave", repeats))
        super().batch_repeat_interleave(repeats)

    def crop(self, tokens_to_remove: int) -> None:
        self.events.append(("crop", tokens_to_remove))
        super().crop(tokens_to_remove)


def watch(model: PreTrainedModel) -> None:
    """Write every forward call with a recording cache down in it."""

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        cache = kwargs.get("past_key_values")
        if isinstance(cache, Recording):
            mask, positions = kwargs.get("attention_mask"), kwargs.get("position_ids")
            ids = args[0] if args else kwargs["input_ids"]
            cache.events.append(Call(ids, mask, positions, cache.get_seq_length()))

    def after(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        cache = kwargs.get("past_key_values")
        if isinstance(cache, Recording):
            call = cache.events[-1]
            assert isinstance(call, Call)
            call.logits = output.logits.detach()

    model.register_forward_pre_hook(before, with_kwargs=True)
    model.register_forward_hook(after, with_kwargs=True)


def difference(model: PreTrainedModel, cache: Recording) -> float:
    """The largest difference between the logits a bounded cache led to and those of the oracle."""
    oracle = copy.deepcopy(model)
    oracle._forward_hooks.clear()
    oracle._forward_pre_hooks.clear()
    oracle.set_attn_implementation("oracle")
    full = DynamicCache(config=model.config)
    full.activate_past_recording()
    worst = 0.0
    assert any(isinstance(event, Call) for event in cache.events), "nothing was recorded"
    for event in cache.events:
        if isinstance(event, tuple):
            getattr(full, event[0])(event[1])
            continue
        _replayed.append(event)
        with torch.no_grad():
            logits = oracle(
                input_ids=event.ids, attention_mask=event.mask, position_ids=event.positions, past_key_values=full
            ).logits
        _replayed.clear()
        assert event.logits is not None
        logits = logits[:, -event.logits.shape[1] :]
        apart = (logits - event.logits).abs().amax(-1)
        if event.mask is not None:
            real = event.mask[:, event.begin : event.begin + event.ids.shape[1]].bool()
            apart = apart[real[:, -apart.shape[1] :]]
        worst = max(worst, float(apart.max()))
    return worst


_replayed: list[Call] = []


def _oracle(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> Any:
    """Attention spelt out, over everything that was read and is not masked."""
    call = _replayed[0]
    shown = call.shown.get(module.layer_idx)
    if shown is None:  # a layer that keeps no entries of ours
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    sequences, heads, length, _ = key.shape
    groups = query.shape[1] // heads
    allowed = torch.zeros(sequences, heads, length + 1, dtype=torch.bool, device=key.device)
    allowed.scatter_(2, torch.where(shown < 0, length, shown).long(), True)  # holes go to the place beyond the end
    allowed = allowed[:, :, None, :length] & _earlier(call, length)
    if call.mask is not None:
        allowed = allowed & call.mask[:, None, None, :length].bool()
    allowed = allowed.repeat_interleave(groups, 1)
    weights = query @ key.repeat_interleave(groups, 1).transpose(2, 3) * kwargs["scaling"]
    weights = weights.masked_fill(~allowed, -torch.inf).softmax(-1).nan_to_num()
    return (weights @ value.repeat_interleave(groups, 1)).transpose(1, 2).contiguous(), None


def _earlier(call: Call, length: int) -> Tensor:
    queries = torch.arange(call.begin, call.begin + call.ids.shape[1], device=call.ids.device)
    return torch.arange(length, device=call.ids.device) <= queries[:, None]


AttentionInterface.register("oracle", _oracle)
AttentionMaskInterface.register("oracle", sdpa_mask)
