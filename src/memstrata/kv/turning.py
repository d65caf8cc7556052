"""Turn vectors by positions the way a model does, to ask what its queries would be elsewhere."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


@dataclass(frozen=True, slots=True)
class Turning:
    """How a model turns queries and keys by their positions."""

    embedding: nn.Module  # positions into cosines and sines; a copy, as some change with the positions they see
    apply: Callable[[Tensor, Tensor, Tensor], Tensor]  # the model's own, of vectors, cosines and sines
    layer_types: tuple[str, ...] | None  # where the layers turn differently
    in_part: bool = False  # whether only as many dimensions are turned as there are cosines

    def turned(self, vectors: Tensor, by: Tensor, layer_idx: int) -> Tensor:
        """Vectors (sequence, ..., token, dim) turned by so many positions (sequence, token) more."""
        kind = () if self.layer_types is None else (self.layer_types[layer_idx],)
        cos, sin = self.embedding(vectors, by, *kind)
        stretch = (cos**2 + sin**2).sqrt().clamp(min=1e-6)  # some models stretch what they turn
        flat = vectors.reshape(len(vectors), -1, *vectors.shape[-2:])
        part = cos.shape[-1] if self.in_part else flat.shape[-1]
        moving, still = flat[..., :part], flat[..., part:]
        moved = self.apply(moving, cos / stretch, sin / stretch)
        return torch.cat([moved, still], dim=-1).view_as(vectors)


def turning(model: PreTrainedModel) -> Turning | None:
    """How a model turns queries and keys, where it does so in a way that can be followed."""
    decoder = model.get_decoder()
    embedding = getattr(decoder, "rotary_emb", None)
    apply = getattr(sys.modules[type(decoder).__module__], "apply_rotary_pos_emb", None)
    if embedding is None or apply is None:
        return None
    taken = list(inspect.signature(embedding.forward).parameters)
    if taken not in (["x", "position_ids"], ["x", "position_ids", "layer_type"]):
        return None
    if len(taken) == 3 and "full_attention" not in model.config.get_text_config(decoder=True).layer_types:
        return None
    taking = list(inspect.signature(apply).parameters)
    if taking[:4] == ["q", "k", "cos", "sin"]:
        apply = partial(_first_of_two, apply)
    elif taking[:3] != ["x", "cos", "sin"]:
        return None
    config = model.config.get_text_config(decoder=True)
    whole = Turning(copy.deepcopy(embedding), apply, tuple(config.layer_types) if len(taken) == 3 else None)
    tried = (one for one in (whole, replace(whole, in_part=True)) if _adds_up(one, config, model.device))
    return next(tried, None)


def _first_of_two(apply: Callable[..., tuple[Tensor, Tensor]], vectors: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return apply(vectors, vectors, cos, sin)[0]


def _adds_up(found: Turning, config: PreTrainedConfig, device: torch.device) -> bool:
    """Whether turning by two and by three is turning by five, and changes something."""
    full = 0 if found.layer_types is None else found.layer_types.index("full_attention")
    dims = (getattr(config, name, None) for name in ("global_head_dim", "head_dim"))
    dim = next((dim for dim in dims if dim), config.hidden_size // config.num_attention_heads)
    vectors = torch.linspace(-1, 1, dim, device=device).expand(1, 1, 1, dim)
    two, three, five = (torch.full((1, 1), steps, device=device) for steps in (2, 3, 5))
    try:
        apart = found.turned(found.turned(vectors, two, full), three, full) - found.turned(vectors, five, full)
    except RuntimeError:  # the shapes do not fit
        return False
    return float(apart.abs().max()) < 1e-4 and not torch.equal(found.turned(vectors, five, full), vectors)
