"""Write down a Llama that recalls: weights for looking back and for looking up, with nothing trained.

The residual stream has four parts: the token itself, the token before it, what was looked up, and a constant. Head 0
of the first layer looks at the token before (one query and one key for all tokens, which rotary positions match one
step apart) and puts it beside the token. Head 0 of the last layer looks for a token whose predecessor is the current
token, on rotary dimensions that hardly turn, and hands on what stands there. So a key is followed by its first value
and that by the second.

It recalls without fault over thousands of tokens and is made in a moment, which suits tests that are about caches and
not about models. It does not rank policies as a trained model would: its attention is too clean. And a token that may
not see the one before it (in the first layer) finds itself, so a cache must never let go of the last token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional
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
    model = LlamaForCausalLM(config)
    weights = {name: one.data for name, one in model.named_parameters()}
    for one in weights.values():
        one.fill_(0.0 if one.dim() > 1 else 1.0)
    vectors = _vectors(seed)
    weights["model.embed_tokens.weight"][:, OWN] = vectors
    weights["model.embed_tokens.weight"][:, CONSTANT] = 1.0
    _look_back(_attention(weights, 0))
    _look_up(_attention(weights, layers - 1))
    weights["lm_head.weight"][:, FOUND] = 20 * vectors
    model.train(False)
    return model


def _vectors(seed: int) -> Tensor:
    """(token, TOKEN) of length one, no two close to each other."""
    drawn = torch.randn(SIZE, TOKEN, generator=torch.Generator().manual_seed(seed))
    vectors = functional.normalize(drawn, dim=-1)
    for _ in range(SPREAD):
        near = (vectors @ vectors.T).fill_diagonal_(0.0).clamp(min=0.0) ** 3
        vectors = functional.normalize(vectors - 0.05 * near @ vectors, dim=-1)
    return vectors


def _attention(weights: Mapping[str, Tensor], layer: int) -> dict[str, Tensor]:
    """The four projections of one layer: q, k, v and o."""
    return {part: weights[f"model.layers.{layer}.self_attn.{part}_proj.weight"] for part in "qkvo"}


def _look_back(projections: Mapping[str, Tensor]) -> None:
    """The token before, into BEFORE. The stream holds a token and the constant: their squares sum to two."""
    half, size = HEAD // 2, math.sqrt(2 / WIDTH)
    step = THETA ** (-torch.arange(half) / half)  # the angle from one position to the next
    query = LOOK_BACK * math.sqrt(HEAD) * torch.cat([torch.cos(step), -torch.sin(step)])
    projections["q"][:HEAD, CONSTANT] = query * size
    projections["k"][:half, CONSTANT] = size
    projections["v"][OWN, OWN] = torch.eye(TOKEN) * size
    projections["o"][BEFORE, OWN] = torch.eye(TOKEN)


def _look_up(projections: Mapping[str, Tensor]) -> None:
    """The token whose predecessor is the current one, into FOUND. The stream's squares sum to three by now."""
    half, size = HEAD // 2, math.sqrt(3 / WIDTH)
    slow = torch.arange(half // 2, half)
    lookup = torch.zeros(HEAD, TOKEN)
    lookup[torch.cat([slow, slow + half])[:TOKEN], torch.arange(TOKEN)] = 1.0
    projections["q"][:HEAD, OWN] = lookup * size * LOOK_UP * math.sqrt(HEAD)
    projections["k"][:HEAD, BEFORE] = lookup * size
    projections["v"][OWN, OWN] = torch.eye(TOKEN) * size
    projections["o"][FOUND, OWN] = torch.eye(TOKEN)
