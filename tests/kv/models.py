"""Tiny random models of several architectures, made in place."""

from __future__ import annotations

import torch
from transformers import (
    AutoModelForCausalLM,
    FalconH1Config,
    Gemma3nTextConfig,
    Gemma3TextConfig,
    GPT2Config,
    Lfm2Config,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    PreTrainedModel,
    Qwen3Config,
    Qwen3NextConfig,
)

torch.set_num_threads(1)

VOCABULARY = 97
_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": None,
}


def model(kind: str = "llama", attention: str = "sdpa", layers: int = 3) -> PreTrainedModel:
    """A model whose weights are drawn; the same each time."""
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(_config(kind, layers), attn_implementation=attention).eval()
    for name, parameter in made.named_parameters():
        if any(part in name for part in ("q_proj", "k_proj", "v_proj")) and name.endswith("weight"):
            parameter.data.mul_(8)  # so that attention is not nearly even
    return made


def _config(kind: str, layers: int) -> object:
    if kind == "qwen":
        return Qwen3Config(**_SHAPE, num_hidden_layers=layers)
    if kind == "gemma":
        types = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
        return Gemma3TextConfig(**_SHAPE, num_hidden_layers=4, layer_types=types, sliding_window=24)
    if kind == "convolution":
        types = ["conv", "full_attention", "conv", "full_attention"]
        return Lfm2Config(**_SHAPE, num_hidden_layers=4, layer_types=types, block_multiple_of=8)
    if kind == "linear":
        types = ["linear_attention", "full_attention", "linear_attention", "full_attention"]
        return Qwen3NextConfig(
            **_SHAPE,
            num_hidden_layers=4,
            layer_types=types,
            linear_num_value_heads=4,
            linear_num_key_heads=2,
            linear_key_head_dim=16,
            linear_value_head_dim=16,
            num_experts=0,
            mlp_only_layers=[0, 1, 2, 3],
        )
    if kind == "shared":  # the last two layers look at what the first two hold
        types = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
        return Gemma3nTextConfig(
            **_SHAPE,
            num_hidden_layers=4,
            layer_types=types,
            sliding_window=24,
            num_kv_shared_layers=2,
            hidden_size_per_layer_input=8,
            vocab_size_per_layer_input=VOCABULARY,
            laurel_rank=4,
            activation_sparsity_pattern=[0.0] * 4,
        )
    if kind == "windows":
        return MistralConfig(**_SHAPE, num_hidden_layers=layers, sliding_window=24)
    if kind == "gpt2":
        return GPT2Config(vocab_size=VOCABULARY, n_embd=64, n_head=4, n_layer=2, n_positions=256, pad_token_id=0)
    if kind == "phi":
        return PhiConfig(**{name: value for name, value in _SHAPE.items() if name != "head_dim"}, num_hidden_layers=2)
    if kind == "hybrid":
        return FalconH1Config(
            **_SHAPE, num_hidden_layers=2, mamba_d_ssm=32, mamba_n_heads=4, mamba_d_head=8, mamba_d_state=8
        )
    return LlamaConfig(**_SHAPE, num_hidden_layers=layers)


def tokens(sequences: int, length: int, seed: int = 1) -> torch.Tensor:
    """Drawn tokens (sequence, token), no pads among them."""
    return torch.randint(5, VOCABULARY, (sequences, length), generator=torch.Generator().manual_seed(seed))
