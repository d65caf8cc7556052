"""Try to have containers accepted that are damaged, cut short, or of something else; count those that are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import safetensors.torch
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from memstrata import kv
from memstrata.errors import KVRefused
from memstrata.kv import container
from memstrata.kv.container import Contents

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TRIED: Final = 1_000
TOKENS: Final = 64
VOCABULARY: Final = 128


@dataclass(frozen=True, slots=True)
class Tampering:
    """How many containers were offered, and how many of each kind were taken."""

    tried: int
    accepted: Mapping[str, int]


def tamper(tried: int = TRIED, *, seed: int = 0) -> Tampering:
    """Offer so many containers that are not the one that was saved."""
    model = _model(seed)
    asked = kv.fingerprint(model)
    whole = _container(model, asked)
    _accept(whole, model, asked)  # what was saved is taken
    offers = _offers(whole, model, asked, random.Random(seed))
    accepted: Counter[str] = Counter()
    for _ in range(tried):
        kind, data = next(offers)
        try:
            _accept(data, model, asked)
        except KVRefused:
            continue
        accepted[kind] += 1
    return Tampering(tried, dict(accepted))


def rows(tried: int = TRIED) -> list[dict[str, Any]]:  # Any: the columns of the benchmark's rows
    """The same as a row of `memstrata bench kv`."""
    found = tamper(tried)
    accepted = sum(found.accepted.values())
    return [
        {
            "name": "container", "method": "memstrata/window", "ratio": 0.0, "accuracy": 1 - accepted / found.tried,
            "ci": None, "bytes": None, "peak_bytes": None, "full_bytes": None, "prefill_s": None, "decode_s": None,
            "tried": found.tried, "accepted": accepted,
        }
    ]  # fmt: skip


def _accept(data: bytes, model: PreTrainedModel, asked: kv.Fingerprint) -> None:
    container.opened(container.parsed(data), model, asked)


def _offers(
    whole: bytes, model: PreTrainedModel, asked: kv.Fingerprint, chance: random.Random
) -> Iterator[tuple[str, bytes]]:
    """Containers that must not be taken, those that are damaged in turn with those of something else."""
    foreign = list(_foreign(whole, model, asked))
    while True:
        for kind, damage in DAMAGES.items():
            changed = damage(whole, chance)
            if changed != whole:
                yield kind, changed
        yield chance.choice(foreign)


def _flip(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) * 8)
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def _flip_in_header(data: bytes, chance: random.Random) -> bytes:
    head = 8 + int.from_bytes(data[:8], "little")
    return _flip(data[:head], chance) + data[head:]


def _overwrite(data: bytes, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(data)), chance.randrange(1, 64)
    return (data[:start] + chance.randbytes(length) + data[start + length :])[: len(data)]


def _zero(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    return data[:start] + bytes(len(data[start : start + 512])) + data[start + 512 :]


def _swap(data: bytes, chance: random.Random) -> bytes:
    one, other = sorted(chance.sample(range(0, len(data) - 64, 64), 2))
    changed = bytearray(data)
    changed[one : one + 64], changed[other : other + 64] = data[other : other + 64], data[one : one + 64]
    return bytes(changed)


DAMAGES: Final[Mapping[str, Callable[[bytes, random.Random], bytes]]] = {
    "a bit flipped": _flip,
    "a bit of the header flipped": _flip_in_header,
    "overwritten": _overwrite,
    "zeroed": _zero,
    "parts swapped": _swap,
    "cut short": lambda data, chance: data[: chance.randrange(len(data))],
    "with more behind it": lambda data, chance: data + chance.randbytes(chance.randint(1, 64)),
    "with more before it": lambda data, chance: chance.randbytes(chance.randint(1, 64)) + data,
    "noise": lambda _, chance: chance.randbytes(chance.randrange(256)),
}


def _foreign(whole: bytes, model: PreTrainedModel, asked: kv.Fingerprint) -> Iterator[tuple[str, bytes]]:
    """Whole files of something else: weights, other forms, and caches made with what differs in one thing."""
    yield "weights of a model", safetensors.torch.save({"weight": torch.zeros(8, 8)})
    yield "another form of container", _of_version_two(whole)
    for name in asked.fields:
        yield f"another {name}", _container(model, replace(asked, **{name: "of something else"}))
    other = _model(1)
    yield "another model", _container(other, kv.fingerprint(other))
    yield "another model under this one's name", _container(other, asked)
    yield "other keys under this one's name", _poured(_noisy(container.parsed(whole)))


def _of_version_two(data: bytes) -> bytes:
    """A container in order of a form that is not known yet."""
    end = container.LENGTH_BYTES + int.from_bytes(data[: container.LENGTH_BYTES], "little")
    head = data[:end].replace(b'"version":"1"', b'"version":"2"')
    seal = blake2b(head, digest_size=container.SEAL_BYTES).digest()
    return head + data[end : -container.SEAL_BYTES] + seal


def _noisy(contents: Contents) -> Contents:
    noise = {
        name: torch.randn_like(tensor) if name.endswith("keys") else tensor for name, tensor in contents.tensors.items()
    }
    about = {name: said for name, said in contents.about.items() if name not in ("chunk_bytes", "sums")}
    return Contents(about, noise)


def _model(seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, eos_token_id=None,
    )  # fmt: skip
    model: PreTrainedModel = LlamaForCausalLM(config)
    model.eval()  # type: ignore[no-untyped-call]  # untyped in transformers
    return model


def _container(model: PreTrainedModel, made_with: kv.Fingerprint) -> bytes:
    tokens = torch.randint(2, VOCABULARY, (1, TOKENS), generator=torch.Generator().manual_seed(0))
    cache = kv.KVCache.of(model)
    kv.prefill(model, tokens, cache)
    return _poured(container.contents(cache, tokens=tokens, fingerprint=made_with, model=model))


def _poured(contents: Contents) -> bytes:
    file = BytesIO()
    container.pour(contents, file)
    return file.getvalue()
