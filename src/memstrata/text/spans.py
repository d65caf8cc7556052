"""Cut a long text into passages that can be found and cited on their own."""

from __future__ import annotations

import re
from typing import Final

PASSAGE: Final = 800  # characters aimed at: about 150 words, what a passage embedding still holds
LONGEST: Final = 1_200  # a text up to this length stays whole
BREAKS: Final = tuple(
    re.compile(pattern)
    for pattern in (r"\n\s*\n", r"\n", r"(?<=[.!?。！？])[\"'”’)\]]*\s*(?=\S)", r"(?<=[;:,])\s", r"\s+")
)


def passages(text: str) -> list[tuple[int, int]]:
    """Spans (start, stop) that cover the text in order, cut at paragraphs, lines, sentences or words.

    >>> passages("short")
    [(0, 5)]
    """
    found: list[tuple[int, int]] = []
    start = 0
    while len(text) - start > LONGEST:
        stop = _cut(text, start)
        found.append((start, stop))
        start = stop
    return [*found, (start, len(text))]


def _cut(text: str, start: int) -> int:
    """The best place to end a passage: the strongest break in the window around the length aimed at."""
    earliest, latest = start + PASSAGE // 2, start + LONGEST
    for pattern in BREAKS:
        ends = [match.end() for match in pattern.finditer(text, earliest, latest) if match.end() < latest]
        if ends:
            return min(ends, key=lambda end: abs(end - start - PASSAGE))
    return start + PASSAGE
