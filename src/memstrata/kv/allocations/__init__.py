"""Say how much of the budget each layer and head gets: the one shape that every allocation has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to divide among: so many layers that let go of entries, with so many heads each.

    `spread` (layer, head) says how evenly the scores were spread over the entries when they were last scored, from 0
    (all on one) to 1 (all alike); None before that.
    """

    layers: int
    heads: int
    spread: torch.Tensor | None = None


class Allocation(Protocol):
    """Divides the budget."""

    @property
    def name(self) -> str:
        """The name it is registered under."""
        ...

    def weights(self, load: Load) -> torch.Tensor:
        """What each layer and head (layer, head) gets, relative to each other; all are more than 0."""
        ...


@runtime_checkable
class Measuring(Allocation, Protocol):
    """An allocation that has to know the model."""

    def on(self, model: PreTrainedModel) -> Self:
        """The same, measured on this model; itself where that was done before."""
        ...
