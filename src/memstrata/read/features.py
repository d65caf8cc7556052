"""Describe every candidate by what speaks for it: its words, its meaning, and its neighbourhood.

Evidence in a conversation is spread out: a question names the person, the next turn the thing, the one after it
says "yes, on Tuesday". So a candidate is described by its own words and vector, by those of the turns around it,
and by the best of its session. All of it comes from arrays over the space; no text is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.read.query import Query
from memstrata.read.retrieve import Matches
from memstrata.text.terms import word_code
from memstrata.text.traits import Trait, asked

Floats = NDArray[np.float32]

FEATURES: Final[Mapping[str, str]] = {  # each with the group that it is switched on and off with in measurements
    "lexical": "words",
    "cosine": "meaning",
    "cosine_z": "meaning",
    "lexical_rank": "words",
    "cosine_rank": "meaning",
    "coverage": "words",
    "lexical_before_2": "neighbours",
    "lexical_before": "neighbours",
    "lexical_after": "neighbours",
    "lexical_after_2": "neighbours",
    "cosine_before_2": "neighbours",
    "cosine_before": "neighbours",
    "cosine_after": "neighbours",
    "cosine_after_2": "neighbours",
    "coverage_around": "neighbours",
    "session_lexical": "session",
    "session_cosine": "session",
    "session_coverage": "session",
    "speaker": "speaker",
    "length": "form",
    "question": "form",
    "answer": "form",
    "number": "form",
    "time": "form",
    "assistant": "form",
    "statement": "form",
    "when": "time",
}
NAMES: Final = tuple(FEATURES)
GROUPS: Final[Mapping[str, tuple[int, ...]]] = {  # the columns of each group
    group: tuple(place for place, name in enumerate(NAMES) if FEATURES[name] == group)
    for group in dict.fromkeys(FEATURES.values())
}
RANK_SCALE: Final = 10
LEAST_TOP: Final = 1.0  # a best score below it is of words that nearly every passage has, and says little
FOCUS: Final = (0.25, 0.45)  # coverage by the best candidate between which the neighbourhood comes to count


def features(
    query: Query,
    view: SpaceView,
    matches: Matches,
    numbers: NDArray[np.int64],
    cosines: Floats,
    during: NDArray[np.bool_] | None = None,
) -> Floats:
    """One row for each candidate (n, len(NAMES)).

    `numbers` (n,) are segments of the view's space, `cosines` (n,) their exact similarity to the query, all zero
    where the query has no vector; `during` (size,) says which segments lie in a time that the query names.
    """
    found: dict[str, NDArray[np.generic]] = {}
    top = max(float(matches.scores[numbers].max(initial=0.0)), LEAST_TOP)
    lexical = matches.scores[numbers] / np.float32(top)
    own = matches.coverage(matches.words[numbers])
    found["lexical"] = lexical
    found["cosine"] = cosines
    found["cosine_z"] = (cosines - cosines.mean()) / (cosines.std() + np.float32(1e-6))
    found["lexical_rank"] = np.where(lexical > 0, _by_rank(lexical), 0)
    found["cosine_rank"] = _by_rank(cosines) * bool(cosines.any())
    found["coverage"] = own
    sides = _neighbours(view, numbers)
    around = _around(query, view, matches, numbers, sides, lexical, cosines, top)
    focus = _between(float(own.max(initial=0.0)), *FOCUS)
    found |= {name: column * np.float32(focus) for name, column in around.items()}
    found |= _form(query, view, numbers, sides["before"])
    found["when"] = np.zeros(len(numbers), np.float32) if during is None else during[numbers]
    return np.stack([found[name].astype(np.float32) for name in NAMES], axis=1)


def _by_rank(scores: Floats) -> Floats:
    """From 10/11 for the best down towards 0."""
    ranks = np.empty(len(scores), np.float32)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return np.float32(RANK_SCALE) / (RANK_SCALE + ranks)


def _between(value: float, low: float, high: float) -> float:
    """How far a value lies between two bounds, 0 to 1."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _around(
    query: Query,
    view: SpaceView,
    matches: Matches,
    numbers: NDArray[np.int64],
    sides: dict[str, NDArray[np.int64]],
    lexical: Floats,
    cosines: Floats,
    top: float,
) -> dict[str, Floats]:
    """What the turns around each candidate, and its whole session, add."""
    found: dict[str, Floats] = {}
    near = matches.words[numbers]
    all_words, best_lexical, best_cosine = near.copy(), lexical.copy(), cosines.copy()
    for name, beside in sides.items():
        there = beside > 0
        side_lexical = np.where(there, matches.scores[beside] / np.float32(top), 0).astype(np.float32)
        side_cosine = np.where(there, _similar(query, view, beside), 0).astype(np.float32)
        words = np.where(there, matches.words[beside], 0).astype(np.uint64)
        found[f"lexical_{name}"], found[f"cosine_{name}"] = side_lexical, side_cosine
        near = near | words if name in ("before", "after") else near
        all_words |= words
        best_lexical = np.maximum(best_lexical, side_lexical)
        best_cosine = np.maximum(best_cosine, side_cosine)
    found["coverage_around"] = matches.coverage(near)
    found |= _session(view, matches, numbers, all_words, best_lexical, best_cosine)
    found["speaker"] = _named(matches, view, numbers)
    return found


def _neighbours(view: SpaceView, numbers: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Numbers of the turns around each candidate in its session; 0 where there is none that may be seen."""
    image = view.cache
    before, after = _known(image.previous[numbers], view), _known(image.following[numbers], view)
    sides = {
        "before_2": _known(image.previous[before], view), "before": before,
        "after": after, "after_2": _known(image.following[after], view),
    }  # fmt: skip
    return {name: _shown(side, view) for name, side in sides.items()}


def turn_before(view: SpaceView, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the turns before some in their sessions; 0 where there is none that may be seen."""
    return _shown(_known(view.cache.previous[numbers], view), view)


def _shown(numbers: NDArray[np.int64], view: SpaceView) -> NDArray[np.int64]:
    """The numbers, less those that the reader may not see."""
    return np.where(view.allowed[numbers], numbers, 0).astype(np.int64)


def _known(numbers: NDArray[np.int64], view: SpaceView) -> NDArray[np.int64]:
    """The numbers, less those that another thread has added since this reader's moment."""
    return np.where(numbers < view.cache.size, numbers, 0)


def _similar(query: Query, view: SpaceView, numbers: NDArray[np.int64]) -> Floats:
    if query.vector is None:
        return np.zeros(len(numbers), np.float32)
    return view.cache.vectors.similarities(query.vector, numbers)


def _session(
    view: SpaceView,
    matches: Matches,
    numbers: NDArray[np.int64],
    words: NDArray[np.uint64],
    lexical: Floats,
    cosines: Floats,
) -> dict[str, Floats]:
    """The best of each candidate's session, as far as its candidates and their neighbours show it."""
    sessions, place = np.unique(view.cache.sessions[numbers], return_inverse=True)
    best_lexical = np.zeros(len(sessions), np.float32)
    np.maximum.at(best_lexical, place, lexical)
    best_cosine = np.full(len(sessions), -1, np.float32)
    np.maximum.at(best_cosine, place, cosines)
    together = np.zeros(len(sessions), np.uint64)
    np.bitwise_or.at(together, place, words)
    return {
        "session_lexical": best_lexical[place],
        "session_cosine": best_cosine[place],
        "session_coverage": matches.coverage(together)[place],
    }


def _named(matches: Matches, view: SpaceView, numbers: NDArray[np.int64]) -> Floats:
    """1 for who the query names, -1 for others; 0 for all where it names nobody, or everybody."""
    asked_for = np.array([word_code(term) for term in matches.terms], np.uint32)
    named = np.isin(view.cache.speakers[numbers], asked_for)
    if not named.any() or named.all():
        return np.zeros(len(numbers), np.float32)
    return np.where(named, 1, -1).astype(np.float32)


def _form(query: Query, view: SpaceView, numbers: NDArray[np.int64], before: NDArray[np.int64]) -> dict[str, Floats]:
    """What a candidate's form says, and whether that is what was asked for."""
    image = view.cache
    own = image.traits[numbers]
    wanted = asked(query.text)

    def has(values: NDArray[np.uint8], trait: Trait) -> Floats:
        return ((values & trait) > 0).astype(np.float32)

    return {
        "length": np.log1p(image.words[numbers]).astype(np.float32),
        "question": has(own, Trait.QUESTION),
        "answer": has(image.traits[before], Trait.QUESTION),
        "number": has(own, Trait.NUMBER) * bool(wanted & Trait.NUMBER),
        "time": has(own, Trait.TIME) * bool(wanted & Trait.TIME),
        "assistant": has(own, Trait.ASSISTANT),
        "statement": has(own, Trait.STATEMENT),
    }
