"""Turn a prompt into a cache chunk by chunk, so that the peak stays within the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memstrata.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from memstrata.kv.hf import KVCache


@torch.no_grad()
def prefill(
    model: PreTrainedModel,
    input_ids: Tensor,
    cache: KVCache,
    *,
    attention_mask: Tensor | None = None,
    chunk: int = 256,
) -> Tensor:
    """Logits (sequence, vocabulary) of the last token, after the cache has taken in these new ones.

    A bounded cache lets go after every chunk; one that is not does it once, at the end. `attention_mask` covers what
    the cache has seen and the new tokens. `generate` wants at least one token that the cache has not seen: leave the
    last one of the prompt out here.

    Raises:
        InvalidInput: no tokens, no chunk, or a mask of another length.
    """
    if input_ids.ndim != 2 or not input_ids.numel() or chunk < 1:
        raise InvalidInput(
            f"prefill takes tokens (sequence, token) and a chunk of 1 or more; it got {tuple(input_ids.shape)}, {chunk}"
        )
    begin = cache.get_seq_length()
    length = begin + input_ids.shape[1]
    if attention_mask is not None and attention_mask.shape[1] != length:
        raise InvalidInput(
            f"attention_mask covers {attention_mask.shape[1]} tokens; the cache has seen {begin} and "
            f"{input_ids.shape[1]} come: give one of {length}"
        )
    logits: Tensor | None = None
    with cache.reading(length, chunk):
        for start in range(begin, length, chunk):
            stop = min(start + chunk, length)
            logits = model(
                input_ids=input_ids[:, start - begin : stop - begin],
                past_key_values=cache,
                logits_to_keep=1,
                **_padding(attention_mask, start, stop),
            ).logits[:, -1]
    assert logits is not None
    return logits


def _padding(attention_mask: Tensor | None, start: int, stop: int) -> dict[str, Tensor]:
    """The mask up to here, and positions that do not count pads, as `generate` counts them."""
    if attention_mask is None:
        return {}
    positions = (attention_mask.long().cumsum(-1) - 1).masked_fill(attention_mask == 0, 0)
    return {"attention_mask": attention_mask[:, :stop], "position_ids": positions[:, start:stop]}
