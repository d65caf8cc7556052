"""Turn a model and its tokenizer into what a cache was made with, field by field; the same in every process."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from memstrata.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CODE: Final = "1"  # of what a cache holds and how; the next number when that changes
SAMPLED: Final = 256  # numbers of each weight
DIGEST_BYTES: Final = 16
# of a configuration: where it came from and what it is asked to return say nothing of what it computes
NOT_COMPUTED: Final = frozenset(
    {"_name_or_path", "name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache", "return_dict",
     "output_attentions", "output_hidden_states", "architectures", "attn_implementation", "_attn_implementation",
     "rope_parameters", "rope_theta", "rope_scaling"}  # these have a field of their own
)  # fmt: skip
RULES: Final = '"added_tokens"'  # where a tokenizer's rules begin; before it stands how a batch was last padded and cut


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a cache was made with; two that are equal may exchange caches."""

    weights: str
    config: str
    rope: str
    tokenizer: str
    adapters: str
    dtype: str
    code: str

    @property
    def fields(self) -> dict[str, str]:
        """Every field by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def digest(self) -> bytes:
        """All of it in a few bytes."""
        return blake2b(_plain(self.fields).encode(), digest_size=DIGEST_BYTES).digest()


def fingerprint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None) -> Fingerprint:
    """What caches of this model are made with: a sample of its weights, its configuration, positions and adapters.

    Of each weight `SAMPLED` numbers are read, evenly spread, its shape and its type, so that a model of any size takes
    milliseconds. Fine-tuning changes nearly all numbers and is seen; a patch of a few may not be, and the probe that
    compares what a restored cache holds with what the model computes is there for that.

    Raises:
        InvalidInput: the model has no weights in memory yet.
    """
    config = model.config.get_text_config(decoder=True).to_dict()
    return Fingerprint(
        weights=_weights(model),
        config=_digest(_plain({name: config[name] for name in config if name not in NOT_COMPUTED})),
        rope=_rope(model),
        tokenizer="none" if tokenizer is None else _tokenizer(tokenizer),
        adapters=_adapters(model),
        dtype=str(model.dtype).removeprefix("torch."),
        code=f"{CODE}, transformers {version('transformers')}",
    )


def tokens_digest(tokens: Tensor) -> bytes:
    """A digest of tokens (sequence, token)."""
    plain = tokens.to("cpu", torch.int64).contiguous()
    return blake2b(str(tuple(plain.shape)).encode() + _bytes(plain), digest_size=DIGEST_BYTES).digest()


def _weights(model: nn.Module) -> str:
    sampled = blake2b(digest_size=DIGEST_BYTES)
    for name, weight in sorted({**dict(model.named_buffers()), **dict(model.named_parameters())}.items()):
        if weight.is_meta:
            raise InvalidInput(f"the weight {name} of {type(model).__name__} is not in memory; load the model first")
        if name.endswith("inv_freq"):  # positions have a field of their own
            continue
        sampled.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        sampled.update(_bytes(_sample(weight.detach())))
    return sampled.hexdigest()


def _sample(weight: Tensor) -> Tensor:
    """Some numbers of a weight, the first and the last among them."""
    flat = weight.reshape(-1) if weight.is_contiguous() else weight.flatten()
    if flat.numel() <= SAMPLED:
        return flat
    return flat[torch.linspace(0, flat.numel() - 1, SAMPLED, dtype=torch.float64).round().long().to(flat.device)]


def _rope(model: PreTrainedModel) -> str:
    """How positions are turned into rotations: what is configured, and the frequencies that came of it."""
    config = model.config.get_text_config(decoder=True)
    found = blake2b(_plain(getattr(config, "rope_parameters", None)).encode(), digest_size=DIGEST_BYTES)
    for name, frequencies in sorted(model.named_buffers()):
        if name.endswith("original_inv_freq"):
            found.update(_bytes(frequencies.detach().float()))
    return found.hexdigest()


def _tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    """Everything that decides which tokens a text becomes."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = _plain(tokenizer.get_vocab()) if backend is None else backend.to_str().partition(RULES)[2]
    said = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    return _digest(_plain([type(tokenizer).__name__, rules, said, getattr(tokenizer, "chat_template", None)]))


def _adapters(model: nn.Module) -> str:
    """Which adapters are at work, and how strongly; their numbers are among the weights."""
    found = [
        [name, module.active_adapters, module.disable_adapters, getattr(module, "merged_adapters", ()),
         getattr(module, "scaling", {})]
        for name, module in model.named_modules()
        if isinstance(getattr(module, "disable_adapters", None), bool)  # of an adapted layer; models have such methods
    ]  # fmt: skip
    return _digest(_plain(found)) if found else "none"


def _plain(value: object) -> str:
    """A value as JSON that does not depend on the order in which anything was put in."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, default=_known)


def _known(value: object) -> object:
    """What JSON has no form for."""
    if isinstance(value, Mapping):
        return {str(name): value[name] for name in value}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Iterable):
        return list(value)
    return str(value) if isinstance(value, torch.dtype | torch.device) else type(value).__name__


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
