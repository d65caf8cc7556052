"""Honour what callers say of their memories by attributes: pinned, other names, and what holds instead.

`pinned: true` makes a memory come with every search that may see it. `aliases` are names by which a question may mean
it. `superseded_by` is the id or key of the memory that holds instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Final

import numpy as np

from memstrata.access import SpaceView
from memstrata.clock import micros
from memstrata.read.features import NAMES
from memstrata.read.fuse import Pool
from memstrata.read.query import Query
from memstrata.read.rank import Ranked
from memstrata.store import NUMBERS, SPACE_BITS, Reading, Stored, When, aliases_of, row_of, space_of, successor_of
from memstrata.text.facts.statements import key_of
from memstrata.text.terms import WORD, terms
from memstrata.text.traits import Trait
from memstrata.types import Hit

COVERED: Final = 0.5  # of what the words of a question weigh: a memory that holds so much of them is meant
NEAR: Final = 0.6  # a cosine that only what says the same reaches with the built-in embedder
MOST_GIVEN: Final = 1_000  # memories that are pinned, or have names to be compared with a question; the newest
SHORTEST: Final = 4  # letters of a word that may be misspelt: shorter ones are too near to others
PREFIX: Final = 2  # letters that are spelt right

COVERAGE, COSINE = NAMES.index("coverage"), NAMES.index("cosine")


# ── pinned ──


def pinned(best: Sequence[Ranked], views: Sequence[SpaceView]) -> list[int]:
    """Rows of the pinned memories that a reader may see: those that were found in order, then the one added last."""
    rows = [row for view in views for row in _rows(view, Trait.PINNED)][:MOST_GIVEN]
    places = {one.row: place for place, one in enumerate(best)} if rows else {}
    return sorted(rows, key=lambda row: (places.get(row, len(places)), -row))


def with_pinned(best: Sequence[Ranked], rows: Sequence[int], limit: int, *, first: bool) -> list[Ranked]:
    """The hits within a limit, in the order of rank, with the pinned ones at some rows among them.

    Those have half of the places, or with `first` as many as they need, and what the others leave free; one of them
    that was not found comes last.
    """
    if not rows:
        return list(best)
    wanted = set(rows)
    others = [one.row for one in best if one.row not in wanted]
    rows = rows[: limit if first else limit - min(len(others), limit - limit // 2)]
    kept = {*rows, *others[: limit - len(rows)]}
    found = [one for one in best if one.row in kept]
    there = {one.row for one in found}
    return [*found, *(brought(row) for row in rows if row not in there)]


def in_turn(hits: Sequence[Hit]) -> list[Hit]:
    """Hits with a pinned one and another by turns, so that a budget which runs out has been spent on both."""
    turns = zip_longest((hit for hit in hits if hit.pinned), (hit for hit in hits if not hit.pinned))
    return [hit for turn in turns for hit in turn if hit is not None]


def brought(row: int) -> Ranked:
    """A memory that no retriever found."""
    return Ranked(row, row, 0.0, {}, np.zeros(len(NAMES), np.float32))


def _rows(view: SpaceView, trait: Trait) -> list[int]:
    """Rows of the memories that a view shows with a trait, the one added last first."""
    numbers = np.flatnonzero(view.allowed & ((view.cache.traits & trait) > 0))
    owners = np.unique(view.cache.owners[numbers])[::-1]
    return [row_of(view.space, number) for number in owners.tolist()]


def _with(trait: Trait, rows: Iterable[int], views: Sequence[SpaceView]) -> list[int]:
    """Those of some rows whose memories have a trait."""
    wanted = np.fromiter(rows, np.int64)
    found: list[int] = []
    for view in views:
        own = wanted[(wanted >> SPACE_BITS == view.space) & ((wanted & NUMBERS) < view.cache.size)]
        found += own[(view.cache.traits[own & NUMBERS] & trait) > 0].tolist()
    return found


# ── what holds instead ──


def replaced(stored: Iterable[Stored], views: Sequence[SpaceView], reading: Reading, when: When) -> dict[int, int]:
    """The memory that holds instead of each for which its caller named one that is there, by row.

    One that the views do not show holds instead of nothing.
    """
    found: dict[int, int] = {}
    for one in stored:
        name = successor_of(one.memory.attributes)
        after = None if name is None else reading.named(space_of(one.row), name)
        if after is None or after.row == one.row or not _begun(after, when):
            continue
        if all(view.shows(after) for view in views if view.space == space_of(after.row)):
            found[one.row] = after.row
    return found


def _begun(stored: Stored, when: When) -> bool:
    """Whether a memory had been told and held at the moment that is asked about."""
    memory = stored.memory
    if when.known_at is not None and micros(memory.created_at) > when.known_at:
        return False
    since = memory.valid_from if when.as_of is None else memory.valid_from or memory.at
    at = when.now if when.as_of is None else when.as_of
    return since is None or micros(since) <= at


def successors(rows: Iterable[int], views: Sequence[SpaceView], reading: Reading, when: When) -> dict[int, int]:
    """The same for those of some rows whose attributes may name one."""
    given = _with(Trait.GIVEN, rows, views)
    return replaced(reading.memories(given).values(), views, reading, when) if given else {}


# ── names ──


def meant(
    best: Sequence[Ranked], pools: Sequence[Pool], query: Query, views: Sequence[SpaceView], reading: Reading
) -> list[Ranked]:
    """Those that the question names or clearly means, and no others.

    A memory with names comes when the question says one of them, with a letter wrong at most. One without comes when
    it holds most of the question's words by weight, or says nearly the same.
    """
    rows = [row for view in views for row in _rows(view, Trait.GIVEN)][:MOST_GIVEN]
    stored = reading.memories(rows) if rows else {}
    names = {row: aliases_of(one.memory.attributes) for row, one in stored.items()}
    words = _words(query.text)
    named = {row: any(_said(_words(name), words) for name in some) for row, some in names.items() if some}
    near = _near(pools)
    kept = [one for one in best if named.get(one.row, one.row in near)]
    there = {one.row for one in kept}
    return [*kept, *(brought(row) for row, said in named.items() if said and row not in there)]


def _near(pools: Sequence[Pool]) -> set[int]:
    """Rows of the memories of which a passage holds most of the question, or says nearly the same."""
    found: set[int] = set()
    for pool in pools:
        close = (pool.features[:, COVERAGE] >= COVERED) | (pool.features[:, COSINE] >= NEAR)
        found |= set(pool.rows[close].tolist())
    return found


def _said(name: Sequence[str], words: Sequence[str]) -> bool:
    """Whether the words of a name stand in a question, in order and side by side."""
    size = len(name)
    return size > 0 and any(
        all(same(*pair) for pair in zip(name, words[start : start + size], strict=True))
        for start in range(len(words) - size + 1)
    )


def _words(text: str) -> list[str]:
    """The words of a name as they are spelt: one that is misspelt has no stem to go by."""
    return [word.casefold() for word in WORD.findall(text)]


def same(word: str, other: str) -> bool:
    """Whether two words are forms of one, or one has a letter too many, too few, wrong, or two of them swapped.

    >>> same("typescript", "typsecript"), same("handles", "handling"), same("mongo", "mango")
    (True, True, False)
    """
    if word == other or (terms(word) == terms(other) != []):
        return True
    short, long = sorted((word, other), key=len)
    if len(short) < SHORTEST or short[:PREFIX] != long[:PREFIX] or len(long) - len(short) > 1:
        return False
    start = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start : start + 2] == long[start : start + 2][::-1] and short[start + 2 :] == long[start + 2 :]
    return short[start + 1 :] == long[start + 1 :] or swapped


def subjects_called(name: str, space: int, reading: Reading, shown: Callable[[Stored], bool]) -> list[str]:
    """What those memories state something of that may be shown and that have this name."""
    lists = [set(reading.postings(space, word, limit=MOST_GIVEN).tolist()) for word in terms(name)]
    numbers = set.intersection(*lists) if lists else set()
    passages = reading.segment_texts(row_of(space, number) for number in numbers).values()
    stored = reading.memories({passage.row for passage in passages})
    wanted = key_of(name)
    called = [
        row
        for row, one in stored.items()
        if wanted in {key_of(alias) for alias in aliases_of(one.memory.attributes)} and shown(one)
    ]
    return list(dict.fromkeys(one.subject for one in reading.statements_of(called)))
