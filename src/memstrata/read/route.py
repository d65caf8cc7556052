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


def route(query: Query, *, limit: int) -> Route:
    """Ask by words and by meaning; a query without words of its own ("and then?") gets what came last."""
    candidates = max(200, 2 * limit)
    if not query.words:
        return Route({"vector": 1.0, "recent": RECENT}, candidates)
    if query.vector is None:
        return Route({"lexical": 1.0}, candidates)
    return Route({"lexical": 1.0, "vector": 1.0}, candidates)
