"""Take one thing away, from the product or from what it found, to show what that thing brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.bench.measure import OURS
from memstrata.engine import Memstrata
from memstrata.read.features import GROUPS
from memstrata.read.query import Query
from memstrata.read.rankers import Ranker
from memstrata.read.retrieve import Candidates
from memstrata.store import Reading

RETRIEVERS: Final = ("lexical", "vector")
FIRST: Final = 100  # hits among which memories are taken away
TAKEN: Final = 10  # at a time


# ── from the product ──


@dataclass(frozen=True, slots=True)
class Blind:
    """A ranker to which some features are always zero."""

    ranker: Ranker
    hidden: tuple[int, ...]
    name: str = "blind"

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The ranker's scores (n,) of what it can still see."""
        seen = features.copy()
        seen[:, self.hidden] = 0
        return self.ranker.scores(seen)


@dataclass(frozen=True, slots=True)
class Silent:
    """A retriever that finds nothing."""

    name: str

    def retrieve(self, query: Query, view: SpaceView, reading: Reading, *, limit: int) -> Candidates:  # noqa: ARG002  # it looks at nothing
        """No candidates."""
        return Candidates(np.empty(0, np.int64), np.empty(0, np.float32))


def versions(memory: Memstrata) -> dict[str, Memstrata]:
    """The product over the same store, each time without one group of features or one retriever.

    They share the memory's store and are not closed. Without `lexical` no word of a text counts anywhere, for its
    evidence is what the features of words are made of; without `vector` nothing is found by meaning, and what was
    found by words is still weighed by it.
    """
    parts = memory._parts
    blind = {group: replace(parts, ranker=Blind(parts.ranker, columns)) for group, columns in GROUPS.items()}
    silent = {name: replace(parts, retrievers={**parts.retrievers, name: Silent(name)}) for name in RETRIEVERS}
    return {version_name(part): Memstrata(changed) for part, changed in {**blind, **silent}.items()}


def version_name(part: str) -> str:
    """What the rows of the product without a part are called."""
    return f"{OURS} -{part}"


def is_version(method: str) -> bool:
    """Whether rows of this name are of the product without something."""
    return method.startswith(version_name(""))


# ── from what it found ──


def taken(ids: Sequence[str], rng: np.random.Generator) -> Iterator[tuple[str, list[str]]]:
    """Which of the memories found, best first, are taken away, with what that is called."""
    yield "nothing", []
    yield f"1-{TAKEN}", list(ids[:TAKEN])
    yield f"{TAKEN + 1}-{2 * TAKEN}", list(ids[TAKEN : 2 * TAKEN])
    chosen = rng.permutation(len(ids))[:TAKEN]
    yield f"{TAKEN} of {FIRST}", [ids[place] for place in sorted(chosen.tolist())]


def next_contexts(
    memory: Memstrata, query: str, *, budget: int, user_id: str, rng: np.random.Generator
) -> Mapping[str, list[str]]:
    """The keys that a context holds once some of the memories found may not be used, by what was taken away."""
    ids = [hit.memory.id for hit in memory.search(query, limit=FIRST, user_id=user_id)]
    return {
        name: _held(memory, query, without, budget=budget, user_id=user_id) for name, without in taken(ids, rng)
    }  # fmt: skip


def _held(memory: Memstrata, query: str, without: Sequence[str], *, budget: int, user_id: str) -> list[str]:
    filters = {"id": {"nin": list(without)}} if without else None
    context = memory.context(query, budget=budget, filters=filters, user_id=user_id)
    return [str(passage.memory.key) for passage in context.passages]
