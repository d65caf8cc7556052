"""Turn a plain text into documents, a few paragraphs each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from memstrata.types import Event
from memstrata.write.formats import MAX_PIECE, Found, lines, pieces

SUFFIXES: Final = frozenset({".txt", ".text", ".log", ".rst", ".org", ".tex", ".srt", ".vtt"})
BLOCK: Final = 1_200  # characters: what stays one passage, so that a hit is a block and not a page

Paragraph = tuple[int, str]  # the number of its first line, and its text


class PlainText:
    """Paragraphs parted by blank lines; neighbours share one document as long as they stay short together."""

    name = "text"

    def recognises(self, path: Path, head: str) -> bool:
        """By the ending."""
        return path.suffix.lower() in SUFFIXES and "\0" not in head

    def events(self, path: Path) -> Iterator[Found]:
        """One document a block, with the number of its first line as the attribute `line`."""
        for number, block in _blocks(_paragraphs(path)):
            for piece in pieces(block):
                if piece.strip():
                    yield Found(Event(piece, "document", attributes={"line": number}), f"line {number}")


def _paragraphs(path: Path) -> Iterator[Paragraph]:
    held: list[str] = []
    first = size = 0
    for number, line in lines(path):
        if held and (not line.strip() or size + len(line) > MAX_PIECE):
            yield first, "\n".join(held)
            held, size = [], 0
        if line.strip():
            first = first if held else number
            held.append(line.rstrip())
            size += len(line) + 1
    if held:
        yield first, "\n".join(held)


def _blocks(paragraphs: Iterator[Paragraph]) -> Iterator[Paragraph]:
    held: list[str] = []
    first = size = 0
    for number, paragraph in paragraphs:
        if held and size + len(paragraph) > BLOCK:
            yield first, "\n\n".join(held)
            held, size = [], 0
        first = first if held else number
        held.append(paragraph)
        size += len(paragraph) + 2
    if held:
        yield first, "\n\n".join(held)
