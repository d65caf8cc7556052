"""Turn files of others into events: the one shape that every format has, and how one is chosen.

A format reads one kind of file. It names no user, unless the file does, and makes no keys: `write.intake` does both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from memstrata import plugins
from memstrata.errors import InvalidInput
from memstrata.types import Json
from memstrata.write.event import MAX_TEXT_BYTES, Message

HEAD_BYTES: Final = 64 << 10
MAX_LINE_BYTES: Final = 8 << 20  # one event's text may be 1 MB, and six times that when JSON escapes every letter
MAX_JSON_BYTES: Final = 512 << 20  # such a file is read whole; Python needs several times its size
MAX_PIECE: Final = MAX_TEXT_BYTES // 4  # characters; none takes more than four bytes
KEY: Final = re.compile(r'"(\w+)"\s*:')


@dataclass(frozen=True, slots=True)
class Found:
    """One event of a file, the place it stood at, and whose it is when the file says so."""

    event: Message
    place: str
    user_id: str | None = None


class Format(Protocol):
    """Whatever turns one kind of file into events, in the order of the file and without holding all of them."""

    @property
    def name(self) -> str:
        """What a caller types to choose it."""
        ...

    def recognises(self, path: Path, head: str) -> bool:
        """Whether a file is of this kind, by its name and its first 64 KiB."""
        ...

    def events(self, path: Path) -> Iterator[Found]:
        """The events of a file.

        Raises InvalidInput when it cannot be read; names the file and the line.
        """
        ...


def format_of(path: Path, head: str, *, name: str | None = None) -> Format | None:
    """The format to read a file with: the one named, or the one that recognises it; None when none does.

    Raises:
        InvalidConfig: nothing is registered under the name.
        InvalidInput: several recognise the file.
    """
    if name is not None:
        named: Format = plugins.find("formats", name)()
        return named
    known: list[Format] = [plugins.find("formats", one)() for one in plugins.names("formats")]
    found = [format for format in known if format.recognises(path, head)]
    if len(found) > 1:
        names = " and ".join(format.name for format in found)
        raise InvalidInput(f"{path} looks like {names}; say which, with format=… or --format")
    return found[0] if found else None


# ── what formats read with ──


def head_of(path: Path) -> str:
    """The first 64 KiB of a file as text, as far as it is text.

    Raises:
        InvalidInput: the file is not there, or may not be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(HEAD_BYTES).decode("utf-8-sig", "replace")
    except OSError as exc:
        raise InvalidInput(f"cannot read {path}: {exc.strerror}") from exc


def keys(head: str) -> frozenset[str]:
    """The names in the first JSON object of a file's head; of all objects in it, when the first is cut off.

    >>> sorted(keys('[{"role": "user", "content": "hi"}]'))
    ['content', 'role']
    """
    start = head.lstrip("\ufeff \t\r\n[")
    if not start.startswith("{"):
        return frozenset()
    try:
        first, _ = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return frozenset(KEY.findall(head))
    return frozenset(first)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers from 1, without their ends.

    Raises:
        InvalidInput: the file cannot be read, is not UTF-8, or has a line over 8 MiB; names the line.
    """
    try:
        with open(path, "rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                yield number, _line(raw, path, number)
    except OSError as exc:
        raise InvalidInput(f"cannot read {path}: {exc.strerror}") from exc


def _line(raw: bytes, path: Path, number: int) -> str:
    if len(raw) > MAX_LINE_BYTES:
        raise InvalidInput(
            f"{path}, line {number}: the line is longer than {MAX_LINE_BYTES:,} bytes; "
            "is it a text file? If so, break the line into several"
        )
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidInput(
            f"{path}, line {number}: byte {exc.start + 1} is not UTF-8; save the file as UTF-8 and try again"
        ) from exc
    return text.rstrip("\r\n")


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """The JSON objects of a file that has one a line; blank lines are passed over.

    Raises:
        InvalidInput: a line is no JSON object; names it.
    """
    for number, line in lines(path):
        if line.strip():
            yield number, json_object(_parsed(line, f"{path}, line {number}"), f"{path}, line {number}")


def json_file(path: Path) -> Json:
    """The one JSON value that a file holds.

    Raises:
        InvalidInput: it is no JSON, not UTF-8, or larger than 512 MiB.
    """
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise InvalidInput(
                f"{path} has {size:,} bytes; one JSON value may have {MAX_JSON_BYTES:,}: split the file, or bring it "
                "into the form of one JSON object a line"
            )
        raw = path.read_bytes()
    except OSError as exc:
        raise InvalidInput(f"cannot read {path}: {exc.strerror}") from exc
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise InvalidInput(f"{path}, line {line}: not UTF-8; save the file as UTF-8 and try again") from exc
    return _parsed(text, str(path))


def _parsed(text: str, place: str) -> Json:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        where = f"{place}, line {exc.lineno}" if exc.lineno > 1 else place
        raise InvalidInput(f"{where}: broken JSON at column {exc.colno}: {exc.msg}") from exc
    except (ValueError, RecursionError) as exc:  # a number of thousands of digits, or nesting without end
        raise InvalidInput(f"{place}: this JSON cannot be read ({type(exc).__name__})") from exc


def json_object(value: Json, place: str) -> dict[str, Json]:
    """The value itself, when it is a JSON object.

    Raises:
        InvalidInput: it is something else; names the place.
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"{place}: a JSON object is wanted here, not {type(value).__name__}")
    return value


def pieces(text: str) -> Iterator[str]:
    """A text as it is, or, when it is too long for one event, in several cut at paragraphs, lines or words."""
    start = 0
    while len(text) - start > MAX_PIECE:
        stop = next(
            (
                cut + len(mark)
                for mark in ("\n\n", "\n", " ")
                if (cut := text.rfind(mark, start + 1, start + MAX_PIECE)) > 0
            ),
            start + MAX_PIECE,
        )
        yield text[start:stop].strip("\n")
        start = stop
    yield text[start:]
