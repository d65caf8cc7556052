"""Turn vectors by positions the way a model does, to ask what its queries would be elsewhere."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Turning:
    """How a model turns queries and keys by their positions."""

    embedding: nn.Module  # positions into cosines and sines; a copy, as some change with the positions they see
    apply: Callable[..., tuple[Tensor, Tensor]]  # the model's own
    layer_types: tuple[str, ...] | None  # where the layers turn differently

    def turned(self, vectors: Tensor, by: Tensor, layer_idx: int) -> Tensor:
        """Vectors (sequence, ..., token, dim) turned by so many positions (sequence, token) more."""
        kind = () if self.layer_types is None else (self.layer_types[layer_idx],)
        cos, sin = self.embedding(vectors, by, *kind)
        stretch = (cos**2 + sin**2).sqrt().clamp(min=1e-6)  # some models stretch what they turn
        flat = vectors.reshape(len(vectors), -1, *vectors.shape[-2:])
        return self.apply(flat, flat, cos / stretch, sin / stretch)[0].view_as(vectors)


def turning(model: PreTrainedModel) -> Turning | None:
    """How a model turns queries and keys, where it does so in the usual way."""
    decoder = model.get_decoder()
    embedding = getattr(decoder, "rotary_emb", None)
    apply = getattr(sys.modules[type(decoder).__module__], "apply_rotary_pos_emb", None)
    if embedding is None or apply is None:
        return None
    taken = list(inspect.signature(embedding.forward).parameters)
    if taken not in (["x", "position_ids"], ["x", "position_ids", "layer_type"]):
        return None
    if list(inspect.signature(apply).parameters)[:4] != ["q", "k", "cos", "sin"]:
        return None
    kinds = tuple(model.config.get_text_config(decoder=True).layer_types) if len(taken) == 3 else None
    return Turning(copy.deepcopy(embedding), apply, kinds)
