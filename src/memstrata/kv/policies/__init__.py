"""Say how much each entry of a cache is worth keeping: the one shape that every policy has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Seen:
    """What one layer holds when it has to choose.

    Entries stand in the order they were read, those of shorter heads behind holes. Keys are as attention sees them,
    rotated at their own positions.
    """

    keys: torch.Tensor  # (sequence, head, entry, dim)
    values: torch.Tensor  # (sequence, head, entry, dim)
    columns: torch.Tensor  # (sequence, head, entry): its index in the sequence, pads counted; -1 is a hole
    length: int  # of the sequence so far
    layer: int  # from 0
    scaling: float  # of the products of queries and keys
    by_entry: Mapping[str, torch.Tensor] = field(default_factory=dict)  # (sequence, head, entry): the policy's own
    by_sequence: Mapping[str, torch.Tensor] = field(default_factory=dict)  # (sequence, ...): the policy's own
    turned: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    """Vectors (sequence, ..., token, dim) turned by so many more positions (sequence, token); None where the model does
    not turn them, or not in a way we know."""
    tokens: torch.Tensor | None = None  # (sequence, length): what was read, for policies that ask for it

    @property
    def numbers(self) -> torch.Tensor:
        """Which token of its own text each entry is (sequence, head, entry), pads before it not counted; -1 is a hole.

        What depends on places and not on what stands there should go by these: then a text is thinned out alike whether
        it is read alone or beside longer ones.
        """
        pads = self.by_sequence.get("pads")
        return self.columns if pads is None else (self.columns - pads[:, None, None]).clamp(min=-1)


@dataclass(frozen=True, slots=True)
class Queries:
    """What was asked in one call, as attention sees it."""

    vectors: torch.Tensor  # (sequence, query head, token, dim)
    columns: torch.Tensor  # (token,): indices in the sequence
    positions: torch.Tensor  # (sequence, token): what the model turned them by
    real: torch.Tensor  # (sequence, token): False at pads


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a policy remembers from call to call; every tensor has the sequences as its first dimension.

    The name "pads" is taken.
    """

    by_entry: Mapping[str, torch.Tensor] = field(default_factory=dict)  # (sequence, head, entry), follow the entries
    by_sequence: Mapping[str, torch.Tensor] = field(default_factory=dict)  # (sequence, ...)


class Policy(Protocol):
    """Scores entries; the cache protects, pins, allots and evicts."""

    @property
    def name(self) -> str:
        """The name it is registered under."""
        ...

    def keep_score(self, seen: Seen) -> torch.Tensor:
        """One finite number for each entry (sequence, head, entry): those with the highest are kept.

        Always the same for the same arguments. What it says of holes is not looked at.
        """
        ...


@runtime_checkable
class Watching(Policy, Protocol):
    """A policy that learns from the queries of every call."""

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """What to remember once these queries have been answered; comes back as `seen.by_entry` and `by_sequence`.

        `seen` holds the entries of the queries' own tokens too; their numbers in `by_entry` are 0 at first.
        """
        ...


@runtime_checkable
class Reading(Policy, Protocol):
    """A policy that wants to know which tokens were read, as `seen.tokens`."""

    @property
    def reads_tokens(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class Grouping(Policy, Protocol):
    """A policy whose entries belong together."""

    def groups(self, seen: Seen) -> torch.Tensor:
        """The number of the group that each entry is in (sequence, head, entry); all of a group have one score.

        Of a group that does not fit whole, only what is protected or pinned is kept.
        """
        ...
