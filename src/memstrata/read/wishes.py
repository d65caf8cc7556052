"""Bring with the wishes that answer a request what else was wished of the same thing, later ones before earlier ones.

"Warm up the wheel" is answered by what people wanted of the wheel before, and they said it in words of their own:
"five is fine", "my hands are freezing, crank it up to 9". Such wishes resemble each other more than the request, so
the best that were found speak for those like them (feedback without a judge: Rocchio 1971, here by the nearest of the
best and not by their mean). Likeness is no statement: it moves hits, and never says that one replaced another.

A question is left alone: it asks for one thing, and what resembles the answer is not the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.providers.embedders import Embedder, embedded
from memstrata.read.query import Query
from memstrata.read.rank import Ranked
from memstrata.store import Reading, number_of, space_of
from memstrata.types import Signal

LOOKED_AT: Final = 100  # of the best
SPEAKING: Final = 5  # of the best, for those like them
LIKENESS: Final = 0.25  # what being just like one of them counts, where the best hit counts 1
LATENESS: Final = 0.05  # what being the last said counts beside the first
SAME: Final = 0.5  # cosine from which on two wishes of one person are of the same thing
APART_US: Final = 30 * 60 * 1_000_000  # within it people correct themselves in one breath; both parts belong together
LONGEST: Final = 300  # characters of a passage whose point may be a wish

WISH: Final = re.compile(
    r"\b(?:set|turn|switch|prefer|preferred|want|like|need|change|adjust|make|put|too|keep|please|should be|instead|"
    r"let['’]s|use)\b",
    re.IGNORECASE,
)
QUESTION: Final = re.compile(
    r"\W*(?:(?:in|on|at|for|to|by|from|under|with) )?(?:what|which|who|whom|whose|where|when|why|how|is|are|was|were|"
    r"do|does|did|can|could|will|would|should|has|have|had|am|may|might)\b",
    re.IGNORECASE,
)


def requests(text: str) -> bool:
    """Whether a query wants something done, and asks nothing.

    >>> requests("Turn the heating up, I like it warm"), requests("Which seat heating do I like?")
    (True, False)
    """
    return "?" not in text and WISH.search(text) is not None and QUESTION.match(text) is None


@dataclass(frozen=True, slots=True)
class Wishes:
    """Those of the best hits that wish something: their `places`, and of each its vector, its time and who wished it.

    `vectors` (n, dimensions) of unit length or zero; `at` (n,) microseconds; `speakers` (n,) numbers, 0 for nobody.
    """

    places: NDArray[np.int64]
    vectors: NDArray[np.float32]
    at: NDArray[np.int64]
    speakers: NDArray[np.int64]


def followed(
    query: Query, best: Sequence[Ranked], views: Sequence[SpaceView], reading: Reading, embedder: Embedder
) -> list[Ranked]:
    """The same hits, those wishes moved up that are like the best ones where the query is a request."""
    if query.vector is None or not best or not requests(query.text):
        return list(best)
    top = best[:LOOKED_AT]
    wishes = _among(top, views, reading, embedder)
    if len(wishes.places) < 2:
        return list(best)
    scores = np.array([one.score for one in top])
    gained = _gained(wishes, scores)
    scores[wishes.places] += gained
    places = _later_first(np.argsort(-scores, kind="stable").tolist(), wishes)
    falling = np.minimum.accumulate(scores[places] / scores.max()).tolist()
    said = _signals(wishes, gained)
    moved = [
        replace(top[place], score=score, signals={**top[place].signals, **said.get(place, {})})
        for place, score in zip(places, falling, strict=True)
    ]
    return [*moved, *(replace(one, score=min(one.score, falling[-1])) for one in best[LOOKED_AT:])]


def _among(top: Sequence[Ranked], views: Sequence[SpaceView], reading: Reading, embedder: Embedder) -> Wishes:
    """The wishes among hits, by the words of the passages that were found."""
    spans = reading.segment_texts(one.id for one in top)
    places = [place for place, one in enumerate(top) if one.id in spans and _wishes(spans[one.id].text)]
    ids = [top[place].id for place in places]
    if embedder.inline:  # the vectors that are kept also say who spoke, and on which day
        vectors = embedded([spans[id].text for id in ids], embedder)
    else:
        vectors = reading.vectors(ids, dimensions=embedder.dimensions).astype(np.float32)
    caches = {view.space: view.cache for view in views}
    where = [(caches[space_of(id)], number_of(id)) for id in ids]
    return Wishes(
        np.array(places, np.int64),
        vectors,
        np.array([cache.at[number] for cache, number in where], np.int64),
        np.array([cache.speakers[number] for cache, number in where], np.int64),
    )


def _wishes(text: str) -> bool:
    return len(text) < LONGEST and WISH.search(text) is not None


def _gained(wishes: Wishes, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each wish (n,) gains by being like one of the best hits, and by being said late."""
    speaking = np.flatnonzero(wishes.places < SPEAKING)
    alike = wishes.vectors @ wishes.vectors[speaking].T
    alike[speaking, np.arange(len(speaking))] = 0.0  # none speaks for itself
    weights = np.sqrt(scores[wishes.places[speaking]] / scores[0])
    likeness = (np.maximum(alike, 0.0) * weights).max(axis=1, initial=0.0)
    late = (wishes.at - wishes.at.min()) / max(1, np.ptp(wishes.at))
    return np.asarray(LIKENESS * likeness + LATENESS * late, np.float64)


def _signals(wishes: Wishes, gained: NDArray[np.float64]) -> dict[int, dict[str, Signal]]:
    """What is said of each wish, by its place: how much it gained, and which of them gained most."""
    order = np.argsort(-gained, kind="stable").tolist()
    return {
        int(wishes.places[one]): {"wishes": Signal(float(gained[one]), rank)} for rank, one in enumerate(order, start=1)
    }


def _later_first(places: list[int], wishes: Wishes) -> list[int]:
    """The same places, with the latest wish of a person for a thing moved before those that came earlier."""
    own = {place: number for number, place in enumerate(wishes.places.tolist())}
    later = _later(wishes)
    ordered: list[int] = []
    left = dict.fromkeys(places)
    for place in places:
        if place not in left:
            continue
        del left[place]
        after = [] if place not in own else [one for one in left if one in own and later[own[one], own[place]]]
        if after:
            latest = max(after, key=lambda one: int(wishes.at[own[one]]))
            del left[latest]
            ordered.append(latest)
        ordered.append(place)
    return ordered


def _later(wishes: Wishes) -> NDArray[np.bool_]:
    """Whether one wish is a later one of the same person for the same thing as another, (one, other)."""
    alike = wishes.vectors @ wishes.vectors.T >= SAME
    same = wishes.speakers[:, None] == wishes.speakers[None, :]
    return np.asarray(alike & same & (wishes.at[:, None] > wishes.at[None, :] + APART_US), np.bool_)
