"""Follow what is stated of a question's subjects to the facts they name: "the capital of the country where Ana lives".

A search of several hops walks from statement to statement: it starts at what the question names, steps from a value to
what is stated of that value, and prefers the path whose attributes cover most of the question. Each step looks at what
held while the step before it did, so the place of a thing that was put down is where its carrier was at that time.
"""

from __future__ import annotations

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
from memstrata.store import SPACE_BITS, Reading, StoredStatement
from memstrata.store.chains import Pair, chain
from memstrata.text.statements import key_of
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


@dataclass(frozen=True, slots=True)
class Path:
    """Statements that follow from one another; `at` is when the last one's thing is looked at, `thing` its name."""

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
    words = _words(query.text, named)
    meanings = Meanings(words, embed)
    at = view.when.now if view.when.as_of is None else view.when.as_of
    beam = [Path((), name, LATEST if view.when.as_of is None else at, meanings.nothing, 0.0) for name in named]
    whole: list[Path] = []
    for _ in range(hops):
        longer = [after for path in beam for after in _steps(path, view, reading, meanings)]
        longer.sort(key=lambda path: (-path.score, -path.steps[-1].since, path.steps[-1].key))
        beam = longer[:BEAM]
        whole += beam
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
    led = [replace(known.get(row, replace(best[0], row=row, id=row, signals={})), score=1.0) for row in found]
    return [*led, *(one for one in best if one.row not in found)], found


def shown(hits: Mapping[int, Hit], via: Mapping[int, tuple[int, ...]], reading: Reading) -> dict[int, Hit]:
    """The hits, each with the memories that led to it."""
    rows = {row for steps in via.values() for row in steps}
    ids = {row: stored.memory.id for row, stored in reading.memories(rows).items()} if rows else {}
    return {
        row: replace(hit, via=tuple(ids[step] for step in via.get(row, ()) if step in ids)) for row, hit in hits.items()
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


def _steps(path: Path, view: SpaceView, reading: Reading, meanings: Meanings) -> list[Path]:
    """The path longer by each statement about its last thing, and by those that name it."""
    about = _holding(reading.statements_about(view.space, path.thing, None), path.at, view, reading)
    naming = _holding(reading.statements_naming(view.space, [path.thing], limit=NAMED_BY), path.at, view, reading)
    forward = [(one, one.object, 0.0) for one in about]
    backward = [(one, one.subject, BACKWARD_COST) for one in naming if one.subject != path.thing]
    taken = {step.row for step in path.steps}
    steps = [step for step in (*forward, *backward) if step[0].row not in taken]
    covers = meanings.of([(one.said[1], one.attribute) for one, _, _ in steps])
    found = []
    for (one, thing, cost), cover in zip(steps, covers, strict=True):
        covered = np.maximum(path.covered, cover)
        score = float(covered.sum()) - (len(path.steps) + 1) * STEP_COST - cost
        found.append(Path((*path.steps, one), thing, _until(one, path.at), covered, score))
    return found


def _until(one: StoredStatement, at: int) -> int:
    """When the thing that a statement leads to is looked at: an end was true when it was said."""
    return one.since if one.ends else at


def _holding(stated: Sequence[StoredStatement], at: int, view: SpaceView, reading: Reading) -> list[StoredStatement]:
    """Those of some statements that a reader may see and that held at a moment, ends included."""
    size, mask = view.cache.size, (1 << SPACE_BITS) - 1
    seen = [one for one in stated if (number := one.row & mask) < size and view.allowed[number]]
    undone: set[Pair] = {(one.old, one.new) for one in reading.successions({one.row for one in seen}) if one.undone}
    groups: dict[tuple[str, str], list[StoredStatement]] = {}
    for one in seen:
        groups.setdefault((one.subject, one.attribute), []).append(one)
    held: list[StoredStatement] = []
    for some in groups.values():
        told = chain(some, at=at, undone=undone)
        held += told.holding
        last = max(some, key=lambda one: (one.since, one.row))
        held += [last] if last.ends and last.since <= at else []
    return held
