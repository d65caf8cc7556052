"""Measure what a cache takes at the shapes of a large model, and how long the first token takes from wherever it lies.

The weights are random, so nothing is recalled: bytes, peaks and times do not depend on what weights say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from memstrata import kv
from memstrata.bench.kv.answer import Method, full_bytes, now
from memstrata.bench.kv.caches import Memstrata, Transformers, held
from memstrata.bench.kv.score import Row

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel

TOKENS: Final = 8192  # of the prompt
CHUNK: Final = 1024
WRITTEN: Final = 64  # tokens of the answer
TIMES: Final = 3  # that a first token is waited for; the fastest counts
POLICY: Final = "expected-attention"
RATIO: Final = 0.75


def large() -> LlamaConfig:
    """A Llama of eight thousand million parameters."""
    return LlamaConfig(
        vocab_size=128_256, hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=131_072, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
    )  # fmt: skip


@torch.inference_mode()
def shapes(config: LlamaConfig, *, device: str, tokens: int = TOKENS) -> list[Row]:
    """A row for each way to keep a prompt, and one for each place that the first token after it may come from."""
    model = _random(config, device)
    ids = torch.randint(0, config.vocab_size, (1, tokens), generator=torch.Generator().manual_seed(0)).to(device)
    ways: list[Method] = [
        Transformers("full"),
        Memstrata(POLICY, RATIO),
        Memstrata(POLICY, RATIO, bounded=True, chunk=min(CHUNK, tokens // 8)),
    ]
    ways[0].read(model, ids, (tokens,))  # the first call of a process chooses kernels
    return [*(_kept(model, ids, way) for way in ways), *_first_tokens(model, ids)]


def _random(config: LlamaConfig, device: str) -> PreTrainedModel:
    """Half precision, made where it runs: large ones would not fit twice."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model: PreTrainedModel = LlamaForCausalLM(config)
            return model
    finally:
        torch.set_default_dtype(before)


def _kept(model: PreTrainedModel, ids: Tensor, way: Method) -> Row:
    """What a prompt takes when it is kept so, how long it takes to read, and how long each token to write."""
    start = now(model)
    read = way.read(model, ids, (ids.shape[1],))
    said = read.logits.argmax(-1, keepdim=True)
    read_s = now(model) - start
    start = now(model)
    for _ in range(WRITTEN):
        said = model(said, past_key_values=read.cache).logits[:, -1].argmax(-1, keepdim=True)
    decode_s = (now(model) - start) / WRITTEN
    row = _row("shapes", way.name, way.ratio, read_s, full_bytes(model, ids.shape[1]))
    return {**row, "bytes": read.held.bytes, "peak_bytes": read.held.peak_bytes, "decode_s": round(decode_s, 5)}


def _first_tokens(model: PreTrainedModel, ids: Tensor) -> Iterator[Row]:
    """Seconds to the first token: the prompt read again, or its cache brought from main memory or from a file."""
    full = full_bytes(model, ids.shape[1])
    anew = _fastest(model, lambda: _first(model, ids, DynamicCache(config=model.config)))
    yield _row("first-token", "recompute", 0.0, anew, full)
    whole = Transformers("full").read(model, ids[:, :-1], (ids.shape[1] - 1,)).cache
    assert whole is not None
    away = [[one.cpu() for one in held(layer)] for layer in whole.layers]
    brought = _fastest(model, lambda: _first(model, ids, _brought(model, away)))
    yield _row("first-token", "main memory", 0.0, brought, full)
    for ratio in (0.0, RATIO):
        yield _from_file(model, ids, ratio)


def _from_file(model: PreTrainedModel, ids: Tensor, ratio: float) -> Row:
    """The same from a saved cache, every byte of it checked."""
    cache = Memstrata(POLICY, ratio).read(model, ids[:, :-1], (ids.shape[1] - 1,)).cache
    assert isinstance(cache, kv.KVCache)
    with TemporaryDirectory(prefix="memstrata-bench-") as folder:
        path = kv.save(cache, Path(folder) / "a.kv", tokens=ids[:, :-1], fingerprint=kv.fingerprint(model))
        taken = _fastest(model, lambda: _first(model, ids, kv.load(path, model).cache))
        row = _row("first-token", "file", ratio, taken, full_bytes(model, ids.shape[1]))
        return {**row, "bytes": path.stat().st_size}


def _first(model: PreTrainedModel, ids: Tensor, cache: Cache) -> Tensor:
    """The first token after the prompt, with as much of it read as the cache has not seen."""
    first: Tensor = model(ids[:, cache.get_seq_length() :], past_key_values=cache, logits_to_keep=1).logits.argmax(-1)
    return first


def _brought(model: PreTrainedModel, away: list[list[Tensor]]) -> Cache:
    """A whole cache from where it waited in main memory."""
    cache = DynamicCache(config=model.config)
    for place, (keys, values) in enumerate(away):
        cache.update(keys.to(model.device), values.to(model.device), place)
    return cache


def _fastest(model: PreTrainedModel, work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(TIMES):
        start = now(model)
        work()
        seconds.append(now(model) - start)
    return min(seconds)


def _row(name: str, method: str, ratio: float, prefill_s: float, full: int) -> Row:
    return Row(
        name=name, method=method, ratio=ratio, accuracy=None, ci=None, bytes=None, peak_bytes=None, full_bytes=full,
        prefill_s=round(prefill_s, 5), decode_s=None, tried=0, accepted=0,
    )  # fmt: skip
