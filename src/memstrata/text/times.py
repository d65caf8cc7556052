"""Resolve the times that a text speaks of against the moment and zone it was said in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spoken:
    """`text[start:stop]` means [since, until), in microseconds since 1970 UTC."""

    start: int
    stop: int
    since: int
    until: int


def spoken(text: str, *, at: int, at_offset: int) -> list[Spoken]:
    """The times in a text."""
    return []
