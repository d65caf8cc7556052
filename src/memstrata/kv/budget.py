"""Turn a budget of bytes, tokens or a ratio into the number of entries that a cache may keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

from memstrata.errors import InvalidInput
from memstrata.types import Budget


@dataclass(frozen=True, slots=True)
class KVBudget:
    """How much of what was read may be kept; exactly one of the three is given, and it holds for the whole cache.

    `tokens` is kept of each sequence, in each layer and head on average. `ratio` is the share that is kept: 0.25 keeps a
    quarter of what was read so far. `bytes` is a ceiling for everything that the cache holds at any moment, the chunk of
    the prompt that is being read included.

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

    `entry` is one entry of one head of one sequence with everything that belongs to it; `fixed` is held whatever is kept.
    """

    entry: int
    sequences: int
    heads: int  # of all layers that can let go of entries, together
    fixed: int = 0


def entries_per_head(budget: KVBudget, *, length: int, costs: Costs, arriving: int) -> int:
    """How many entries each head of each layer may keep on average.

    `length` is how many tokens the cache will have seen, `arriving` how many entries beyond them one moment may add in
    all layers and heads of a sequence together. Only a budget of bytes counts those: it is a ceiling at any moment.

    >>> costs = Costs(entry=100, sequences=1, heads=4, fixed=400)
    >>> entries_per_head(KVBudget(bytes=10_000), length=500, costs=costs, arriving=16)
    20
    """
    if budget.tokens is not None:
        return budget.tokens
    if budget.ratio is not None:
        return max(1, math.ceil(budget.ratio * length))
    assert budget.bytes is not None
    room = (budget.bytes - costs.fixed) // (costs.entry * costs.sequences) - arriving
    return room // costs.heads
