"""Choose which retrievers a query goes to, and how much each of them counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from memstrata.read.query import Query

RECENT: Final = 20.0  # outweighs every feature: what came last is what is asked for


@dataclass(frozen=True, slots=True)
class Route:
    """Weights by retriever in the order they are asked; what is not named is not asked."""

    weights: Mapping[str, float]
    candidates: int


def route(query: Query, *, limit: int, also: Mapping[str, float]) -> Route:
    """Ask by words and by meaning, and by time where the query names one.

    A query without words of its own ("and then?") gets what came last. `also` are the retrievers that whoever opened
    the memory wants asked for every query, after the others.
    """
    shipped = _shipped(query)
    others = {name: weight for name, weight in also.items() if name not in shipped}
    return Route(shipped | others, max(200, 2 * limit))


def _shipped(query: Query) -> dict[str, float]:
    time = {"time": 1.0} if query.times else {}
    if not query.words:
        return {"vector": 1.0, **(time or {"recent": RECENT})}
    if query.vector is None:
        return {"lexical": 1.0, **time}
    return {"lexical": 1.0, "vector": 1.0, **time}
