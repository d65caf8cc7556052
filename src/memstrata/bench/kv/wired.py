"""Write down a Llama that recalls: weights for looking back and for looking up, with nothing trained.

The residual stream has four parts: the token itself, the token before it, what was looked up, and a constant. Head 0 of the
first layer looks at the token before (one query and one key for all tokens, which rotary positions match one step apart) and
puts it beside the token. Head 0 of the last layer looks for a token whose predecessor is the current token, on rotary
dimensions that hardly turn, and hands on what stands there. So a key is followed by its first value and that by the second.

It recalls without fault over thousands of tokens and is made in a moment, which suits tests that are about caches and not
about models. It does not rank policies as a trained model would: its attention is too clean. And a token that may not see
the one before it (in the first layer) finds itself, so a cache must never let go of the last token.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from memstrata.bench.kv.words import BOS, PAD, SIZE

if TYPE_CHECKING:
    from torch import Tensor

TOKEN: Final = 48  # dimensions of a token's vector
WIDTH: Final = 3 * TOKEN + 16
OWN: Final = slice(0, TOKEN)
BEFORE: Final = slice(TOKEN, 2 * TOKEN)
FOUND: Final = slice(2 * TOKEN, 3 * TOKEN)
CONSTANT: Final = 3 * TOKEN
HEAD: Final = 128
THETA: Final = 1e6
LOOK_BACK: Final = 40.0  # how sharply
LOOK_UP: Final = 60.0
SPREAD: Final = 300  # steps that push the tokens' vectors apart


def wired(*, layers: int = 2, seed: int = 0) -> LlamaForCausalLM:
    """A Llama over the words of `memstrata.bench.kv.words`; the layers between the first and the last do nothing."""
    config = LlamaConfig(
        vocab_size=SIZE, hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=layers, head_dim=HEAD,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=32_768, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": THETA}, bos_token_id=BOS, eos_token_id=None,
        pad_token_id=PAD,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    for weights in model.parameters():
        weights.data.fill_(0.0 if weights.dim() > 1 else 1.0)
    vectors = _vectors(seed)
    model.model.embed_tokens.weight.data[:, OWN] = vectors
    model.model.embed_tokens.weight.data[:, CONSTANT] = 1.0
    _look_back(model.model.layers[0].self_attn)
    _look_up(model.model.layers[-1].self_attn)
    model.lm_head.weight.data[:, FOUND] = 20 * vectors
    return model


def _vectors(seed: int) -> Tensor:
    """(token, TOKEN) of length one, no two close to each other."""
    drawn = torch.randn(SIZE, TOKEN, generator=torch.Generator().manual_seed(seed))
    vectors = drawn / drawn.norm(dim=-1, keepdim=True)
    for _ in range(SPREAD):
        near = (vectors @ vectors.T).fill_diagonal_(0.0).clamp(min=0.0) ** 3
        vectors = vectors - 0.05 * near @ vectors
        vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    return vectors


def _look_back(attention: torch.nn.Module) -> None:
    """The token before, into BEFORE. The stream holds a token and the constant: their squares sum to two."""
    half, size = HEAD // 2, math.sqrt(2 / WIDTH)
    step = THETA ** (-torch.arange(half) / half)  # the angle from one position to the next
    query = LOOK_BACK * math.sqrt(HEAD) * torch.cat([torch.cos(step), -torch.sin(step)])
    attention.q_proj.weight.data[:HEAD, CONSTANT] = query * size  # type: ignore[union-attr, index]  # a Llama's attention
    attention.k_proj.weight.data[:half, CONSTANT] = size  # type: ignore[union-attr, index]  # as above
    attention.v_proj.weight.data[OWN, OWN] = torch.eye(TOKEN) * size  # type: ignore[union-attr, index]  # as above
    attention.o_proj.weight.data[BEFORE, OWN] = torch.eye(TOKEN)  # type: ignore[union-attr, index]  # as above


def _look_up(attention: torch.nn.Module) -> None:
    """The token whose predecessor is the current one, into FOUND. The stream's squares sum to three by now."""
    half, size = HEAD // 2, math.sqrt(3 / WIDTH)
    slow = torch.arange(half // 2, half)
    places = torch.cat([slow, slow + half])[:TOKEN]
    lookup = torch.zeros(HEAD, TOKEN)
    lookup[places, torch.arange(TOKEN)] = 1.0
    attention.q_proj.weight.data[:HEAD, OWN] = lookup * size * LOOK_UP * math.sqrt(HEAD)  # type: ignore[union-attr, index]  # as above
    attention.k_proj.weight.data[:HEAD, BEFORE] = lookup * size  # type: ignore[union-attr, index]  # as above
    attention.v_proj.weight.data[OWN, OWN] = torch.eye(TOKEN) * size  # type: ignore[union-attr, index]  # as above
    attention.o_proj.weight.data[FOUND, OWN] = torch.eye(TOKEN)  # type: ignore[union-attr, index]  # as above
