"""Turn a cache into one file that says what it is, and such a file back into the cache: the same to the bit.

The file is a safetensors file. Its header says what the cache was made with and how it is put together, and holds a
checksum of each piece of the tensors; its last tensor is a digest of the header. Nothing is used before all of it was
looked at, and nothing in it is ever run.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from memstrata.errors import InvalidInput, KVDamaged, KVMismatch
from memstrata.kv import state
from memstrata.kv.fingerprints import Fingerprint
from memstrata.kv.fingerprints import fingerprint as made_with
from memstrata.kv.probe import probe as probed
from memstrata.kv.probe import witness
from memstrata.store.blobs import Sink
from memstrata.store.files import reachable, replaced
from memstrata.types import Json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from memstrata.kv.hf import KVCache

FORMAT: Final = "memstrata-kv"
VERSION: Final = 1
CHUNK_BYTES: Final = 1 << 16  # CRC-32 finds any two flipped bits in so few; blake2b would take twelve times as long
SEAL: Final = "seal"  # the tensor that closes the file
SEAL_BYTES: Final = 32
LENGTH_BYTES: Final = 8  # how long the header is
SAID: Final = ("made_with", "rules", "cache", "layers", "notes", "chunk_bytes", "sums")
NAMES: Final = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.int64: "I64", torch.int32: "I32",
    torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Restored:
    """A cache that was brought back, and the tokens (sequence, token) it belongs to; `notes` are its maker's own."""

    cache: KVCache
    tokens: Tensor
    attention_mask: Tensor | None = None
    notes: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a container holds: what is said of the cache, as JSON, and its tensors."""

    about: Mapping[str, Any]  # Any: JSON
    tensors: Mapping[str, Tensor]


def save(
    cache: KVCache,
    path: str | Path,
    *,
    tokens: Tensor,
    fingerprint: Fingerprint,
    attention_mask: Tensor | None = None,
    model: PreTrainedModel | None = None,
) -> Path:
    """Write a cache to a file, whole or not at all; what was there before stays until then.

    Args:
        tokens: (sequence, token) that the cache has seen; those that `generate` wrote last may follow.
        fingerprint: `kv.fingerprint(model, tokenizer)`.
        attention_mask: (sequence, token), where some of the tokens are pads.
        model: when given, how it goes on from here is noted, and compared when the cache is brought back.

    Raises:
        InvalidInput: the cache has seen more tokens than these.
        KVUnsupported: a layer holds something that cannot be kept.
        StoreFull, StoreUnavailable: the file cannot be written.
    """
    target = Path(path)
    made = contents(cache, tokens=tokens, fingerprint=fingerprint, attention_mask=attention_mask, model=model)
    with reachable(target), replaced(target) as file:
        pour(made, file)
    return target


def load(
    path: str | Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None, *, probe: bool = True
) -> Restored:
    """Bring a saved cache back for a model; it goes on exactly as it would have.

    With `probe`, a few of its tokens are computed anew and compared before it is handed out.

    Raises:
        KVDamaged: the file is damaged, cut short, or no container.
        KVMismatch: it was made with another model, tokenizer, adapter or version; `field` says what differs.
        KVProbeFailed: it holds something else than the model computes.
        StoreUnavailable: the file cannot be read.
    """
    target = Path(path)
    with reachable(target):
        data = target.read_bytes()
    return opened(parsed(data), model, made_with(model, tokenizer), probe=probe)


def contents(
    cache: KVCache,
    *,
    tokens: Tensor,
    fingerprint: Fingerprint,
    attention_mask: Tensor | None = None,
    model: PreTrainedModel | None = None,
    notes: Mapping[str, Json] | None = None,
) -> Contents:
    """What a container of a cache holds; see `save`. `notes` are the caller's own, and come back as they were."""
    if tokens.ndim != 2 or tokens.shape[1] < cache.get_seq_length():
        raise InvalidInput(
            f"the cache has seen {cache.get_seq_length()} tokens of each sequence; tokens has the shape "
            f"{tuple(tokens.shape)}: pass all that it has seen, as (sequence, token)"
        )
    tensors = {"tokens": tokens.to(torch.int64)}
    if attention_mask is not None:
        tensors["attention_mask"] = attention_mask
    said = state.taken_apart(cache, tensors)
    if model is not None and cache.get_seq_length():
        tensors["witness"] = witness(model, cache, tokens, attention_mask)
    about = {"made_with": fingerprint.fields, **said, "notes": dict(notes or {})}
    return Contents(about, tensors)


def opened(found: Contents, model: PreTrainedModel, asked: Fingerprint, *, probe: bool = True) -> Restored:
    """The cache that a container holds, once it has been seen to belong to the model."""
    about, tensors = found.about, found.tensors
    check(about["made_with"], asked)
    cache = state.put_together(about, tensors, model)
    mask = tensors.get("attention_mask")
    tokens = tensors["tokens"].to(model.device)
    brought = Restored(cache, tokens, None if mask is None else mask.to(model.device), about["notes"])
    if tokens.ndim != 2 or tokens.shape[1] < cache.get_seq_length():
        raise KVDamaged(f"the container has {tokens.shape} tokens for a cache that has seen {cache.get_seq_length()}")
    if probe:
        probed(model, cache, brought.tokens, brought.attention_mask, expected=tensors.get("witness"))
    return brought


def check(found: Mapping[str, str], asked: Fingerprint) -> None:
    """See that a cache was made with what it is to be used with.

    Raises:
        KVMismatch: it was not; names the first field that differs.
    """
    for name, value in asked.fields.items():
        if found.get(name) != value:
            raise KVMismatch(name, asked=value, found=str(found.get(name)))


# ── the file ──


def pour(made: Contents, sink: Sink) -> None:
    """Write a container."""
    ordered = sorted(made.tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    payload = {name: _payload(tensor) for name, tensor in ordered}
    about = {**made.about, "chunk_bytes": CHUNK_BYTES, "sums": list(_sums(payload.values(), CHUNK_BYTES))}
    head = _head(about, dict(ordered))
    sink.write(head)
    for view in payload.values():
        sink.write(view)
    sink.write(blake2b(head, digest_size=SEAL_BYTES).digest())


def parsed(data: bytes) -> Contents:
    """What a container holds, once every bit of it has been looked at.

    Raises:
        KVDamaged: it is damaged, cut short, or no container.
        KVMismatch: it has a form that this version does not read.
    """
    end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
    seal = data[-SEAL_BYTES:]
    if end + SEAL_BYTES > len(data) or blake2b(data[:end], digest_size=SEAL_BYTES).digest() != seal:
        raise KVDamaged("the file is damaged, cut short, or no container of a cache; compute the cache anew")
    try:
        header = json.loads(data[LENGTH_BYTES:end])
        metadata = header.pop("__metadata__")
        name, version = metadata["format"], metadata["version"]
        if (name, version) != (FORMAT, str(VERSION)):
            raise KVMismatch("form of container", asked=f"{FORMAT} {VERSION}", found=f"{name} {version}")
        about = json.loads(metadata["about"])
        _check_said(about, header)
        _check_payload(memoryview(data)[end:-SEAL_BYTES], header, about)
        return Contents(about, safetensors.torch.load(data))
    except (ValueError, KeyError, TypeError, AttributeError, SafetensorError) as exc:
        raise KVDamaged(f"the container's header cannot be read ({exc!r:.80}); compute the cache anew") from exc


def _check_said(about: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    missing = [name for name in SAID if name not in about] + [name for name in ("tokens", SEAL) if name not in header]
    if missing:
        raise KVDamaged(f"the container says nothing of {', '.join(missing)}; compute the cache anew")


def _check_payload(payload: memoryview, header: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    views = [payload[slice(*one["data_offsets"])] for name, one in header.items() if name != SEAL]
    if sum(map(len, views)) != len(payload) or list(_sums(views, about["chunk_bytes"])) != about["sums"]:
        raise KVDamaged("the cache in the file is damaged; compute it anew")


def _payload(tensor: Tensor) -> memoryview:
    """The bytes of a tensor, without a copy where it is in main memory already."""
    return tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data


def _sums(views: Iterable[memoryview], chunk_bytes: int) -> Iterator[int]:
    """CRC-32 of tensors, chunk by chunk."""
    for view in views:
        for start in range(0, len(view), chunk_bytes):
            yield zlib.crc32(view[start : start + chunk_bytes])


def _head(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    """The header of a safetensors file with these tensors and the seal, its length in front."""
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT, "version": str(VERSION), "about": json.dumps(about)}}
    start = 0
    for name, tensor in tensors.items():
        stop = start + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, stop]}
        start = stop
    header[SEAL] = {"dtype": "U8", "shape": [SEAL_BYTES], "data_offsets": [start, start + SEAL_BYTES]}
    plain = json.dumps(header, separators=(",", ":")).encode()
    plain += b" " * (-len(plain) % LENGTH_BYTES)
    return len(plain).to_bytes(LENGTH_BYTES, "little") + plain
