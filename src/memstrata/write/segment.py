"""Turn a text into its passages, each with the words it is found by."""

from __future__ import annotations

from collections.abc import Iterable

from memstrata.store import NewSegment
from memstrata.text.languages import foreign_terms
from memstrata.text.spans import passages
from memstrata.text.terms import Told, described, marked, terms
from memstrata.text.traits import given_traits, traits


def segments(text: str, told: Told, *, spans: Iterable[tuple[int, int]] | None = None) -> list[NewSegment]:
    """The passages of a text in order, without their vectors; `spans` are those it was cut into before."""
    found = []
    given = given_traits(pinned=told.pinned, given=told.given)
    for start, stop in passages(text) if spans is None else spans:
        passage = text[start:stop]
        length, words = indexed(passage, told)
        form = int(traits(passage, role=told.role) | given)
        found.append(NewSegment(start, stop, length, form, words, None))
    return found


def indexed(passage: str, told: Told) -> tuple[int, tuple[str, ...]]:
    """How many words a passage has, and what it is found by.

    The stems that its own language adds are not counted: how long a passage is does not depend on its language.
    """
    words = terms(described(passage, told))
    return len(words), marked([*words, *foreign_terms(passage)])
