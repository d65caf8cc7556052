"""Turn a Markdown file into documents, one a section."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memstrata.clock import moment
from memstrata.errors import InvalidInput
from memstrata.types import Event
from memstrata.write.formats import MAX_PIECE, Found, lines, pieces

SUFFIXES: Final = frozenset({".md", ".markdown", ".mdown", ".mkd"})
HEADING: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
PROPERTY: Final = re.compile(r"([A-Za-z_][\w .-]*):(?:[ \t]+(.*))?")
ITEM: Final = re.compile(r"[ \t]*-[ \t]+(.*)")
TIMES: Final = ("date", "created", "created_at")  # names of the front matter that say when a note was written
FRONT_LINES: Final = 200

Line = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading, the heading's own line included."""

    line: int
    headings: tuple[str, ...]
    text: str
    bare: bool  # nothing but the heading


class Markdown:
    """Sections under their headings; front matter of plain `name: value` lines becomes attributes."""

    name = "markdown"

    def recognises(self, path: Path, head: str) -> bool:
        """By the ending."""
        return path.suffix.lower() in SUFFIXES and "\0" not in head

    def events(self, path: Path) -> Iterator[Found]:
        """One document a section, with the path of its headings as the attribute `heading`: `Trips > Porto`."""
        properties, body = _front_matter(lines(path))
        at = _written_at(properties)
        for section in _worth_keeping(_sections(body)):
            attributes = dict(properties)
            if section.headings:
                attributes["heading"] = " > ".join(section.headings)
            for piece in pieces(section.text):
                if piece.strip():
                    yield Found(Event(piece, "document", at=at, attributes=attributes), f"line {section.line}")


# ── front matter ──


def _front_matter(source: Iterator[Line]) -> tuple[dict[str, Any], Iterator[Line]]:  # Any: JSON
    """The properties at the top of a file, and the lines after them; without a closing line it is all text."""
    held: list[Line] = []
    for line in source:
        held.append(line)
        if held[0][1].rstrip() != "---" or len(held) > FRONT_LINES:
            break
        if len(held) > 1 and line[1].rstrip() in ("---", "..."):
            return _properties([text for _, text in held[1:-1]]), source
    return {}, _chained(held, source)


def _chained(first: list[Line], rest: Iterator[Line]) -> Iterator[Line]:
    yield from first
    yield from rest


def _properties(front: list[str]) -> dict[str, Any]:  # Any: JSON
    found: dict[str, Any] = {}
    last = ""
    for line in front:
        if (match := PROPERTY.fullmatch(line.rstrip())) is not None:
            last = match[1].strip()
            found[last] = _value(match[2] or "")
        elif last and (match := ITEM.fullmatch(line.rstrip())) is not None:
            found[last] = [*(found[last] if isinstance(found[last], list) else []), _plain(match[1])]
    return {name: value for name, value in found.items() if value not in ("", [])}


def _value(text: str) -> str | list[str]:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_plain(part) for part in text[1:-1].split(",") if part.strip()]
    return _plain(text)


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _written_at(properties: Mapping[str, Any]) -> str | None:  # Any: JSON
    """When the note says it was written, if that can be read as a time; if not, it stays an attribute only."""
    for name in TIMES:
        value = properties.get(name)
        if isinstance(value, str):
            try:
                moment(value)
            except InvalidInput:
                continue
            return value
    return None


# ── sections ──


def _sections(body: Iterator[Line]) -> Iterator[Section]:
    headings: list[tuple[int, str]] = []  # level and title of each heading that the present line stands under
    held: list[str] = []
    first, size, bare, fence = 0, 0, False, ""
    for number, line in body:
        fence = _fence_after(fence, line)
        heading = None if fence else HEADING.fullmatch(line)
        if held and (heading is not None or size + len(line) > MAX_PIECE):
            yield _section(first, headings, held, bare=bare)
            held, size = [], 0
        if heading is not None:
            level = len(heading[1])
            headings = [one for one in headings if one[0] < level] + [(level, (heading[2] or "").strip())]
        if held or line.strip():
            first = first if held else number
            bare = heading is not None if not held else bare and not line.strip()
            held.append(line.rstrip())
            size += len(line) + 1
    if held:
        yield _section(first, headings, held, bare=bare)


def _fence_after(fence: str, line: str) -> str:
    """The mark of the code block that stays open after a line, or nothing; inside one, `#` starts no heading."""
    match = FENCE.match(line)
    if match is None:
        return fence
    if not fence:
        return match[1]
    closes = match[1].startswith(fence) and not line.strip().strip(fence[0])
    return "" if closes else fence


def _section(line: int, headings: list[tuple[int, str]], held: list[str], *, bare: bool) -> Section:
    return Section(line, tuple(title for _, title in headings if title), "\n".join(held).strip("\n"), bare)


def _worth_keeping(sections: Iterator[Section]) -> Iterator[Section]:
    """Leave out a heading with nothing under it but deeper headings, for those carry it in their path."""
    waiting: Section | None = None
    for section in sections:
        if waiting is not None and section.headings[: len(waiting.headings)] != waiting.headings:
            yield waiting
        waiting = section if section.bare else None
        if waiting is None:
            yield section
    if waiting is not None:
        yield waiting
