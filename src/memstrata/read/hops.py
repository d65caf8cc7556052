"""Follow what is stated of a question's subjects to the facts they name: "the capital of the country where Ana lives".

A search of several hops walks from statement to statement: it starts at what the question names, steps from a value to
what is stated of that value, and prefers the path whose attributes cover most of the question. Each step looks at what
held while the step before it did, so the place of a thing that was put down is where its carrier was at that time.
A question that looks back ("before the kitchen", "previously") is led one step further: to what held before that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.access import SpaceView
from memstrata.clock import LATEST
from memstrata.providers.embedders import Embedder
from memstrata.read.query import Query
from memstrata.read.rank import Ranked
from memstrata.store import Reading, StoredStatement
from memstrata.store.chains import chain, taken_back
from memstrata.text.facts.statements import key_of
from memstrata.text.terms import STOP_WORDS
from memstrata.types import Hit

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]

LONGEST_NAME: Final = 8  # words
BEAM: Final = 24  # paths kept at each step
NAMED_BY: Final = 24  # statements that have the thing as their value, the newest
ALIKE: Final = 0.35  # a cosine of words that unrelated ones reach
STEP_COST: Final = 0.02  # of two paths that cover as much the shorter one is better
BACKWARD_COST: Final = 0.05  # from a value to a subject
CONNECTING: Final = 1.0  # a path from one thing that the question names to another: what a whole word covers
LOOKS_BACK: Final = re.compile(
    r"\b(?:before|prior to|until|(?P<whatever>previous(?:ly)?|former(?:ly)?|originally|used to|earlier))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Path:
    """Statements that follow from one another, from the thing `start` to `thing`, which is looked at as of `at`."""

    start: str
    steps: tuple[StoredStatement, ...]
    thing: str
    at: int
    covered: Floats  # (word of the question,)
    score: float


def followed(
    query: Query, view: SpaceView, reading: Reading, embed: Embed, *, hops: int, limit: int
) -> list[tuple[int, tuple[int, ...]]]:
    """Rows of memories in the order of the best paths, each with the rows of the steps before it."""
    named = _named(query, view, reading)
    if not named:
        return []
    meanings = Meanings(_words(query.text, named), embed)
    looks_back = LOOKS_BACK.search(query.text)
    back = frozenset(named) if looks_back else frozenset()
    at = view.when.now if view.when.as_of is None else view.when.as_of
    beam = [Path(name, (), name, LATEST if view.when.as_of is None else at, meanings.nothing, 0.0) for name in named]
    whole: list[Path] = []
    for _ in range(hops):
        longer = [after for path in beam for after in _steps(path, view, reading, meanings, back)]
        longer.sort(key=lambda path: (-path.score, -path.steps[-1].since, path.steps[-1].key))
        beam = longer[:BEAM]
        whole += beam
    if looks_back:
        ends = None if looks_back["whatever"] else back
        whole += [earlier for path in whole for earlier in _earlier(path, ends, view, reading)]
    whole.sort(key=lambda path: (-path.score, -path.steps[-1].since))
    return _rows(whole, limit)


def reached(
    query: Query,
    best: Sequence[Ranked],
    views: Sequence[SpaceView],
    reading: Reading,
    embedder: Embedder,
    hops: int,
    limit: int,
) -> tuple[list[Ranked], dict[int, tuple[int, ...]]]:
    """What the paths lead to, best first, then what was found without them; and how each was come by."""
    if not best:
        return [], {}
    found: dict[int, tuple[int, ...]] = {}
    for view in views:
        found |= dict(followed(query, view, reading, embedder.embed, hops=hops, limit=limit))
    known = {one.row: one for one in best}
    led = [replace(known.get(row) or best[0].giving_way(row), score=1.0) for row in found]
    return [*led, *(one for one in best if one.row not in found)], found


def shown(
    hits: Mapping[int, Hit], rows: Mapping[int, int], via: Mapping[int, tuple[int, ...]], reading: Reading
) -> dict[int, Hit]:
    """The hits, each with the memories that led to it; `rows` are those of the hits' memories."""
    steps = {row for some in via.values() for row in some}
    ids = {row: stored.memory.id for row, stored in reading.memories(steps).items()} if steps else {}
    return {
        id: replace(hit, via=tuple(ids[step] for step in via.get(rows[id], ()) if step in ids))
        for id, hit in hits.items()
    }


def _rows(paths: Sequence[Path], limit: int) -> list[tuple[int, tuple[int, ...]]]:
    found: dict[int, tuple[int, ...]] = {}
    for path in paths:
        rows = [step.row for step in path.steps]
        for place in reversed(range(len(rows))):
            found.setdefault(rows[place], tuple(rows[:place]))
        if len(found) >= limit:
            break
    return list(found.items())[:limit]


class Meanings:
    """How much of each word of a question an attribute means, by stems and by the vectors of single words."""

    def __init__(self, words: Sequence[str], embed: Embed) -> None:
        self._words = list(words)
        self._keys = [key_of(word) for word in words]
        self._embed = embed
        self._rows = embed(self._words) if self._words else np.zeros((0, 1), np.float32)
        self._known: dict[str, Floats] = {}
        self.nothing: Floats = np.zeros(len(self._words), np.float32)

    def of(self, attributes: Sequence[tuple[str, str]]) -> list[Floats]:
        """For each attribute, as (said, key), how much of each word it means (word,), 0 to 1."""
        new = {said: key for said, key in attributes if said not in self._known}
        parts = sorted({word for said in new for word in said.casefold().split() if word not in STOP_WORDS})
        rows = dict(zip(parts, self._embed(parts), strict=True)) if parts and self._words else {}
        for said, key in new.items():
            own = [rows[word] for word in said.casefold().split() if word in rows]
            near = np.max(self._rows @ np.stack(own).T, axis=1) if own else self.nothing
            near = np.clip((near - ALIKE) / (1 - ALIKE), 0, 1)
            same = np.array([word in key.split() for word in self._keys], np.float32)
            self._known[said] = np.maximum(near, same).astype(np.float32)
        return [self._known[said] for said, _ in attributes]


def _named(query: Query, view: SpaceView, reading: Reading) -> list[str]:
    """Things that the question names and something is stated of, the longest names first, none inside another."""
    tokens = query.text.split()
    runs = {
        (start, stop): key_of(" ".join(tokens[start:stop]).strip(" ?!.,;:'\"’”“()"))
        for start in range(len(tokens))
        for stop in range(start + 1, min(len(tokens), start + LONGEST_NAME) + 1)
    }
    known = reading.known_names(view.space, {name for name in runs.values() if name})
    found: list[tuple[int, int]] = []
    for start, stop in sorted(
        (span for span, name in runs.items() if name in known), key=lambda span: span[0] - span[1]
    ):
        if not any(start >= first and stop <= last for first, last in found):
            found.append((start, stop))
    return list(dict.fromkeys(runs[span] for span in found))


def _words(text: str, named: Sequence[str]) -> list[str]:
    """The words of the question that are no names: what it asks for."""
    inside = {word for name in named for word in name.split()}
    plain = [word.strip(" ?!.,;:'\"’”“()") for word in text.casefold().split()]
    return list(
        dict.fromkeys(
            word for word in plain if word and word not in STOP_WORDS and not set(key_of(word).split()) & inside
        )
    )


def _steps(path: Path, view: SpaceView, reading: Reading, meanings: Meanings, back: frozenset[str]) -> list[Path]:
    """The path longer by each statement about its last thing, and by those that name it.

    When the question looks back, also by the last of those past ones whose value is one of the things in `back`.
    """
    stated = reading.statements_about(view.space, path.thing, None)
    about = _holding(stated, path.at, view, reading)
    if back and path.steps:
        about += _past(stated, path, back - {path.start}, about, view)
    naming = reading.statements_naming(view.space, [path.thing], limit=NAMED_BY, retired=view.when.retired)
    naming = _holding(naming, path.at, view, reading)
    forward = [(one, one.object, 0.0) for one in about]
    backward = [(one, one.subject, BACKWARD_COST) for one in naming if one.subject != path.thing]
    taken = {step.row for step in path.steps}
    steps = [step for step in (*forward, *backward) if step[0].row not in taken]
    covers = meanings.of([(one.said[1], one.attribute) for one, _, _ in steps])
    found = []
    for (one, thing, cost), cover in zip(steps, covers, strict=True):
        covered = np.maximum(path.covered, cover)
        score = float(covered.sum()) - (len(path.steps) + 1) * STEP_COST - cost
        found.append(Path(path.start, (*path.steps, one), thing, _until(one, path.at), covered, score))
    return found


def _past(
    stated: Sequence[StoredStatement],
    path: Path,
    back: frozenset[str],
    held: Sequence[StoredStatement],
    view: SpaceView,
) -> list[StoredStatement]:
    """The last statement of each thing in `back` that no longer held when the path looks."""
    past = {
        (one.attribute, one.object): one
        for one in _seen(stated, view)
        if one.object in back and one.since <= path.at and one.single and not one.ends
    }
    there = {one.key for one in held}
    return [one for one in past.values() if one.key not in there]


def _earlier(path: Path, ends: frozenset[str] | None, view: SpaceView, reading: Reading) -> list[Path]:
    """The path one step further: from a value among `ends`, or any when None, to the one that held before it."""
    last = path.steps[-1]
    if (ends is not None and last.object not in ends) or last.object == path.start or not last.single:
        return []
    stated = _seen(reading.statements_about(view.space, last.subject, last.attribute), view)
    before = [
        one
        for one in stated
        if one.key != last.key and one.since <= last.since and one.object != last.object and not one.ends
        and one.condition == last.condition
    ]  # fmt: skip
    if not before:
        return []
    one = max(before, key=lambda one: (one.since, one.row))
    return [replace(path, steps=(*path.steps, one), thing=one.object, score=path.score + CONNECTING)]


def _seen(stated: Sequence[StoredStatement], view: SpaceView) -> list[StoredStatement]:
    """Those of some statements that a reader may see."""
    return [one for one in stated if view.allows(one.row)]


def _until(one: StoredStatement, at: int) -> int:
    """When the thing that a statement leads to is looked at: an end was true when it was said."""
    return one.since if one.ends else at


def _holding(stated: Sequence[StoredStatement], at: int, view: SpaceView, reading: Reading) -> list[StoredStatement]:
    """Those of some statements that a reader may see and that held at a moment, ends included."""
    seen = _seen(stated, view)
    undone = taken_back(reading.successions({one.row for one in seen}))
    groups: dict[tuple[str, str], list[StoredStatement]] = {}
    for one in seen:
        groups.setdefault((one.subject, one.attribute), []).append(one)
    held: list[StoredStatement] = []
    for some in groups.values():
        told = chain(some, at=at, known=view.when.known, undone=undone)
        held += told.holding
        last = max(some, key=lambda one: (one.since, one.row))
        held += [last] if last.ends and last.since <= at else []
    return held
