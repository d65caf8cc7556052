"""Turn a text into its passages, each with the words it is found by."""

from __future__ import annotations

from collections.abc import Iterable

from memstrata.store import NewSegment
from memstrata.text.spans import passages
from memstrata.text.terms import Told, described, marked, terms
from memstrata.text.traits import given_traits, traits


def segments(text: str, told: Told, *, spans: Iterable[tuple[int, int]] | None = None) -> list[NewSegment]:
    """The passages of a text in order, without their vectors; `spans` are those it was cut into before."""
    found = []
    given = given_traits(pinned=told.pinned, given=told.given)
    for start, stop in passages(text) if spans is None else spans:
        passage = text[start:stop]
        words = terms(described(passage, told))
        form = int(traits(passage, role=told.role) | given)
        found.append(NewSegment(start, stop, len(words), form, marked(words), None))
    return found
