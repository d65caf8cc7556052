"""Hold what one layer keeps of a sequence: entries go in, are kept or dropped, and know where they came from.

An entry is a key and a value with its *column*, its index in the sequence. Heads and sequences may keep different
numbers of entries: while they are worked with, the shorter ones stand behind holes; at rest there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

HOLE = -1


@dataclass(frozen=True, slots=True)
class Entries:
    """Keys and values of one layer, in the order they were read; shorter heads begin with holes."""

    keys: Tensor  # (sequence, head, entry, dim)
    values: Tensor  # (sequence, head, entry, dim)
    columns: Tensor  # (sequence, head, entry) int32
    marks: Mapping[str, Tensor] = field(default_factory=dict)  # (sequence, head, entry): what the policy notes of each
    holes: bool = False  # whether there may be any

    @property
    def width(self) -> int:
        """How many entries the longest head has."""
        return self.columns.shape[-1]

    @property
    def alive(self) -> Tensor:
        """Which are entries and no holes (sequence, head, entry)."""
        return self.columns >= 0

    def counts(self) -> Tensor:
        """How many entries each head has (sequence, head)."""
        return self.alive.sum(-1)

    def appended(self, keys: Tensor, values: Tensor, start: int) -> Entries:
        """With entries of the next tokens, whose columns begin at `start`."""
        sequences, heads, arriving, _ = keys.shape
        columns = torch.arange(start, start + arriving, dtype=torch.int32, device=keys.device)
        return replace(
            self,
            keys=torch.cat([self.keys, keys], dim=2),
            values=torch.cat([self.values, values], dim=2),
            columns=torch.cat([self.columns, columns.expand(sequences, heads, arriving)], dim=2),
            marks={name: torch.nn.functional.pad(mark, (0, arriving)) for name, mark in self.marks.items()},
        )

    def kept(self, keep: Tensor) -> Entries:
        """Those of them (sequence, head, entry) and no others, in the same order, as narrow as the longest head."""
        counts = keep.sum(-1)
        width = int(counts.max()) if counts.numel() else 0
        order = keep.to(torch.uint8).argsort(dim=-1, stable=True)[..., self.width - width :]
        chosen = self._each(lambda tensor: _taken(tensor, order))
        here = keep.gather(-1, order)
        if bool(here.all()):
            return replace(chosen, holes=False)
        return replace(
            chosen,
            keys=chosen.keys * here[..., None],
            values=chosen.values * here[..., None],
            columns=chosen.columns.masked_fill(~here, HOLE),
            holes=True,
        )

    def cropped(self, length: int) -> Entries:
        """What was kept of the first `length` tokens."""
        return self.kept(self.alive & (self.columns < length))

    def unpadded(self, pads: Tensor) -> Entries:
        """With holes for the newest tokens that are pads (sequence, token)."""
        arriving = pads.shape[-1]
        newest = self.columns[..., -arriving:].masked_fill(pads[:, None], HOLE)
        return replace(self, columns=torch.cat([self.columns[..., :-arriving], newest], dim=-1), holes=True)

    def sequences(self, chosen: Tensor) -> Entries:
        """Those of the sequences `chosen` (index,), in that order."""
        return self._each(lambda tensor: tensor.index_select(0, chosen.to(tensor.device)))

    def tensors(self) -> Iterator[Tensor]:
        """Everything that takes up memory."""
        yield from (self.keys, self.values, self.columns, *self.marks.values())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Entries:
        return replace(
            self,
            keys=change(self.keys),
            values=change(self.values),
            columns=change(self.columns),
            marks={name: change(mark) for name, mark in self.marks.items()},
        )


@dataclass(frozen=True, slots=True)
class Packed:
    """The same without holes: every head takes up what it has and no more."""

    keys: Tensor  # (all entries of all heads of all sequences, dim)
    values: Tensor  # (all entries, dim)
    columns: Tensor  # (all entries,)
    marks: Mapping[str, Tensor]  # (all entries,)
    counts: Tensor  # (sequence, head) int32

    def padded(self) -> Entries:
        """As they are worked with: as wide as the longest head, the others behind holes."""
        width = int(self.counts.max()) if self.counts.numel() else 0
        from_the_end = torch.arange(width - 1, -1, -1, device=self.counts.device)
        slots = from_the_end < self.counts[..., None]
        return Entries(
            keys=_spread(self.keys, slots),
            values=_spread(self.values, slots),
            columns=_spread(self.columns, slots, fill=HOLE),
            marks={name: _spread(mark, slots) for name, mark in self.marks.items()},
            holes=not bool(slots.all()),
        )

    def tensors(self) -> Iterator[Tensor]:
        """Everything that takes up memory."""
        yield from (self.keys, self.values, self.columns, self.counts, *self.marks.values())


def packed(entries: Entries) -> Packed:
    """Entries without the holes between them."""
    alive = entries.alive
    return Packed(
        keys=entries.keys[alive],
        values=entries.values[alive],
        columns=entries.columns[alive],
        marks={name: mark[alive] for name, mark in entries.marks.items()},
        counts=alive.sum(-1, dtype=torch.int32),
    )


def nothing(keys: Tensor, values: Tensor) -> Entries:
    """No entries, of the shapes, types and device of these."""
    columns = torch.empty((*keys.shape[:2], 0), dtype=torch.int32, device=keys.device)
    return Entries(keys[:, :, :0], values[:, :, :0], columns)


def size_bytes(tensors: Iterator[Tensor]) -> int:
    """How many bytes tensors take up."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _taken(tensor: Tensor, order: Tensor) -> Tensor:
    """The entries `order` (sequence, head, entry) of a tensor (sequence, head, entry, ...)."""
    return tensor.gather(2, order if tensor.ndim == 3 else order[..., None].expand(*order.shape, tensor.shape[-1]))


def _spread(tensor: Tensor, slots: Tensor, *, fill: int = 0) -> Tensor:
    """A tensor (entry, ...) laid out where `slots` (sequence, head, entry) are, `fill` elsewhere."""
    laid = tensor.new_full((*slots.shape, *tensor.shape[1:]), fill)
    laid[slots] = tensor
    return laid
