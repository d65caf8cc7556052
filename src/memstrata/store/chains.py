"""Put what was stated of one thing in order of time, and say what holds and what closed what.

A chain is a pure function of the statements known at a moment, so an as-of answer is a plain replay. Within one
attribute of one subject under one condition, a later value closes the earlier ones when the attribute has one value
at a time, or when the statement says that it no longer holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from memstrata.clock import LATEST
from memstrata.store import StoredStatement, Succession

Pair = tuple[tuple[int, int], tuple[int, int]]  # keys of an earlier and a later statement


@dataclass(frozen=True, slots=True)
class Chain:
    """What holds at a moment, oldest first, and which statement closed which until then."""

    holding: tuple[StoredStatement, ...]
    successions: tuple[Succession, ...]


def chain(
    statements: Iterable[StoredStatement], *, at: int = LATEST, known: int = LATEST, undone: Collection[Pair] = ()
) -> Chain:
    """Follow statements of one subject and attribute up to what was true `at` a moment and `known` at another.

    `undone` are successions that a caller took back: they close nothing.
    """
    open_: list[StoredStatement] = []
    made: list[Succession] = []
    for one in sorted(statements, key=lambda one: (one.since, one.row, one.place)):
        if one.since > at or one.known > known or (one.retired is not None and one.retired <= known):
            continue
        for earlier in [before for before in open_ if _closes(before, one) and (before.key, one.key) not in undone]:
            open_.remove(earlier)
            made.append(_succession(earlier, one))
        if not one.ends:
            open_.append(one)
    return Chain(tuple(one for one in open_ if one.until is None or one.until > at), tuple(made))


def _closes(earlier: StoredStatement, later: StoredStatement) -> bool:
    if earlier.condition != later.condition or earlier.row == later.row:
        return False
    if later.ends:
        return later.object in (earlier.object, "")  # "I quit my job" ends whichever it was
    return earlier.single and later.single and earlier.object != later.object


def _succession(earlier: StoredStatement, later: StoredStatement) -> Succession:
    reason = "it says that this no longer holds" if later.ends else "a later value of the same attribute"
    return Succession(earlier.key, later.key, reason, min(earlier.confidence, later.confidence), later.since)


def taken_back(links: Iterable[Succession]) -> set[Pair]:
    """Those of some successions that a caller took back, as `chain` wants them."""
    return {(one.old, one.new) for one in links if one.undone}


def changes(found: Sequence[Succession], kept: Sequence[Succession]) -> tuple[list[Succession], list[Succession]]:
    """Which successions are to be made, and which of those kept are to be ended, so that those found are kept."""
    wanted = {(one.old, one.new): one for one in found}
    there = {(one.old, one.new) for one in kept}
    made = [one for pair, one in wanted.items() if pair not in there]
    ended = [one for one in kept if not one.undone and (one.old, one.new) not in wanted]
    return made, ended
