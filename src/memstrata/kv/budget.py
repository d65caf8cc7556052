"""Turn a budget of bytes, tokens or a ratio into the number of entries that a cache may keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from memstrata.errors import InvalidInput
from memstrata.types import Budget

LEAST: Final = 2  # entries that every head keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class KVBudget:
    """How much of what was read may be kept; exactly one of the three is given, and it holds for the whole cache.

    `tokens` is how many of each sequence stay, in each layer and head on average. `ratio` is the share that stays: 0.25
    keeps a quarter of what was read so far. `bytes` is a ceiling for everything that the cache holds at any moment, the
    chunk of the prompt that is being read included.

    >>> KVBudget(ratio=0.25)
    KVBudget(bytes=None, tokens=None, ratio=0.25)
    """

    bytes: int | None = None
    tokens: int | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name in ("bytes", "tokens", "ratio") if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            raise InvalidInput(f"a cache's budget is one of bytes, tokens or ratio; {given or 'none'} was given")
        for name, value in given.items():
            wanted, kind = ((int, float), "number") if name == "ratio" else (int, "whole number")
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise InvalidInput(f"a budget of {name} is a {kind}, not {value!r:.80}")
            if not value > 0 or not math.isfinite(value):
                raise InvalidInput(f"a budget is more than nothing; {name} is {value}")
        if self.ratio is not None and self.ratio > 1:
            raise InvalidInput(f"ratio is the share that is kept, at most 1; it is {self.ratio}")

    @classmethod
    def of(cls, budget: Budget) -> KVBudget:
        """The part of a memory's budget that a cache has to fit in: its `vram_bytes`.

        >>> KVBudget.of(Budget(vram_bytes=1_000_000)).bytes
        1000000
        """
        if budget.vram_bytes is None:
            raise InvalidInput("this budget sets no vram_bytes; give it some, or use KVBudget(tokens=...)")
        return cls(bytes=budget.vram_bytes)


@dataclass(frozen=True, slots=True)
class Costs:
    """What entries cost in the cache at hand, in bytes.

    `entry` is one entry of one head of one sequence with all that belongs to it; `fixed` is held whatever is kept.
    """

    entry: int
    sequences: int
    fixed: int = 0


def shares(
    budget: KVBudget, weights: Sequence[Sequence[float]], *, length: int, costs: Costs, arriving: int
) -> list[list[int]]:
    """How many entries each head of each layer may keep, by their weights (layer, head).

    `length` is how many tokens the cache has seen, or will have at the end of the prompt: nobody needs more places than
    that, and others get what is left over; all get 0 where the budget has not even LEAST for each. `arriving` is how
    many tokens one call may bring: only a budget of bytes counts those, in the one layer that is at work, as it is a
    ceiling at any moment.

    >>> shares(KVBudget(tokens=10), [[1, 1], [1, 3]], length=100, costs=Costs(100, 1), arriving=1)
    [[7, 7], [7, 18]]
    >>> shares(KVBudget(tokens=10), [[1, 1], [1, 3]], length=14, costs=Costs(100, 1), arriving=1)
    [[8, 8], [8, 14]]
    >>> shares(KVBudget(bytes=10_000), [[1, 1], [1, 1]], length=500, costs=Costs(100, 1, 400), arriving=8)
    [[20, 20], [20, 20]]
    """
    heads = sum(map(len, weights))
    if budget.bytes is None:
        average = budget.tokens or max(LEAST, math.ceil((budget.ratio or 0) * length))
        return _filled(weights, average * heads, length)
    room = (budget.bytes - costs.fixed) // (costs.entry * costs.sequences) - arriving * max(map(len, weights))
    total, found = room, _filled(weights, room, length)
    while total > 0 and (needed := sum(map(sum, found)) + _holes(found)) > room:
        total = min(total - 1, total * room // needed)
        found = _filled(weights, total, length)
    return found


def _filled(weights: Sequence[Sequence[float]], total: int, most: int) -> list[list[int]]:
    """A total divided by weights, from LEAST to `most` for each; what some cannot use goes to the others."""
    flat = [weight for layer in weights for weight in layer]
    given, left = [min(LEAST, most)] * len(flat), total - min(LEAST, most) * len(flat)
    if left < 0:
        return [[0] * len(layer) for layer in weights]
    open_to, room = set(range(len(flat))), max(0, most - LEAST)
    while open_to and left > 0:
        unit = left / sum(flat[place] for place in open_to)
        full = {place for place in open_to if flat[place] * unit >= room}
        for place in full or open_to:
            given[place] += room if full else int(flat[place] * unit)
        if not full:
            break
        left -= room * len(full)
        open_to -= full
    layers = iter(given)
    return [[next(layers) for _ in layer] for layer in weights]


def _holes(found: Sequence[Sequence[int]]) -> int:
    """How many places a layer adds while it is worked with: all its heads stand as wide as the longest."""
    return max(max(layer) * len(layer) - sum(layer) for layer in found)
