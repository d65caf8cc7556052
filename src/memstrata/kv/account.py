"""Say what a cache holds, in bytes and entries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerAccount:
    """What one layer holds. `entries_by_head` (sequence, head) is empty for layers that cannot let go of entries."""

    bytes: int
    entries_by_head: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """What a cache holds now, held at its peak, and would hold had it kept all.

    Bytes include keys, values, their columns and what the policy remembers. `seen` is the length of the sequence, and
    `entries` how many entries are kept of it by all layers, heads and sequences together.
    """

    bytes: int
    peak_bytes: int
    full_bytes: int
    seen: int
    entries: int
    layers: tuple[LayerAccount, ...]
