"""Give more to layers and heads that a model misses more."""

from __future__ import annotations

import copy
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from memstrata.errors import InvalidInput
from memstrata.kv.allocations import Load
from memstrata.kv.entries import HOLE

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from memstrata.kv.hf import KVCache

ROWS: Final = 16  # heads that are tried side by side


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Heads that fetch what was read long ago differ from those that look around; a measurement tells them apart.

    A text is read twice. For each head in turn the second reading sees only sinks and recent entries of the first: what
    that does to the predictions is the head's weight. Source: the idea of telling retrieval heads by what they do on a
    repeated text is that of Xiao et al., "DuoAttention", ICLR 2025, arXiv 2410.10819; here it is measured, not trained.

    By its name the measurement is made when a cache is made, on `tokens` drawn tokens, once for each model.
    """

    name: str = "sensitivity"
    least: float = 0.5  # of the mean
    measured: tuple[tuple[float, ...], ...] = ()  # (layer, head): how much is lost without it

    @classmethod
    def of(cls, model: PreTrainedModel, ids: Tensor | None = None, *, least: float = 0.5) -> Sensitivity:
        """Measured on a text (token,) of yours, or on drawn tokens."""
        return cls(
            least=least, measured=tuple(map(tuple, losses(model, _drawn(model) if ids is None else ids).tolist()))
        )

    def on(self, model: PreTrainedModel) -> Sensitivity:
        """Measured on this model, unless it was measured already."""
        if self.measured:
            return self
        if model not in _MEASURED:
            _MEASURED[model] = type(self).of(model)
        return replace(_MEASURED[model], least=self.least)

    def weights(self, load: Load) -> Tensor:
        """The losses over their mean, none of them under `least` of it."""
        found = torch.tensor(self.measured)
        if found.shape != (load.layers, load.heads):
            raise InvalidInput(
                f"the sensitivity was measured on {tuple(found.shape)} layers and heads; this cache has "
                f"{(load.layers, load.heads)}: measure it on this model"
            )
        return (found / found.mean().clamp(min=1e-12)).clamp(min=self.least)


@torch.no_grad()
def losses(model: PreTrainedModel, ids: Tensor, *, first: int = 4, last: int = 32) -> Tensor:
    """How far predictions move (layer, head), in nats for a token, when a head cannot look back further than that."""
    from memstrata.kv.hf import KVCache  # which imports what allocations are

    read = KVCache.of(model)
    model(ids[None], past_key_values=read, logits_to_keep=1)
    wanted = model(ids[None], past_key_values=copy.deepcopy(read)).logits.float().log_softmax(-1)
    heads = [(index, head) for index, layer in read.kept_layers() for head in range(layer.entries.columns.shape[1])]
    found = []
    for start in range(0, len(heads), ROWS):
        tried = heads[start : start + ROWS]
        shortened = _shortened(copy.deepcopy(read), tried, first, last)
        got = model(ids.expand(len(tried), -1), past_key_values=shortened).logits.float().log_softmax(-1)
        found.append((wanted.exp() * (wanted - got)).sum(-1).mean(-1))
    layers = len({index for index, _ in heads})
    return torch.cat(found).clamp(min=0).view(layers, -1).cpu()


def _shortened(cache: KVCache, tried: list[tuple[int, int]], first: int, last: int) -> KVCache:
    """The cache once for each head that is tried, which holds only the first and the last entries there."""
    cache.batch_repeat_interleave(len(tried))
    layers = dict(cache.kept_layers())
    for row, (index, head) in enumerate(tried):
        entries = layers[index].entries
        columns = entries.columns.clone()
        columns[row, head, first:-last] = HOLE
        layers[index].held = replace(entries, columns=columns, holes=True)
    return cache


_MEASURED: Final[weakref.WeakKeyDictionary[PreTrainedModel, Sensitivity]] = weakref.WeakKeyDictionary()


def _drawn(model: PreTrainedModel, tokens: int = 256) -> Tensor:
    """Tokens drawn from the whole vocabulary, always the same (token,)."""
    size = model.config.get_text_config(decoder=True).vocab_size
    return torch.randint(0, size, (tokens,), generator=torch.Generator().manual_seed(0)).to(model.device)
