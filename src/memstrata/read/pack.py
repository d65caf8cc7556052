"""Pack hits into one text of cited passages that fits a token budget.

Passages are chosen by rank and laid out by time, so that the same memories give the same text. Of a long one only
the part that answers is given; a short answer brings the question before it; the same words are not given twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from itertools import groupby
from typing import Final, Literal

from memstrata.read.extract import Extractor
from memstrata.store import caption_of
from memstrata.text.sentences import sentences, standing
from memstrata.text.terms import MONTHS
from memstrata.types import Hit, LeftOut, Memory, Passage

SHORT: Final = 40  # characters: a shorter turn seldom says by itself what it is about

LONGEST_QUESTION: Final = 240  # characters: of a longer turn the end is where it asks
EXTRACT: Final = 90  # tokens: a longer passage gives the part that answers; turns of a talk stay whole
SHARE: Final = 16  # of a budget, beyond which a passage is long however large the budget
LEAST: Final = 6  # tokens: what is worth saying has more, with its number
CHARACTERS: Final = 8  # of a token, at the most that text in words comes to
LEFT_OUT: Final = "…"
REPLACED: Final = "(no longer)"
INDENT: Final = "\n    "
WORD: Final = re.compile(r"\S+")

Count = Callable[[str], int]
Reason = Literal["hit", "neighbour", "whole"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A memory's passage on its way into a context."""

    memory: Memory
    start: int
    stop: int
    reason: Reason
    replaced: bool = False  # by what holds instead

    @property
    def text(self) -> str:
        """The passage."""
        return self.memory.text[self.start : self.stop].strip()

    @property
    def day(self) -> date:
        """When it was said, where it was said."""
        return self.memory.at.date()

    def beside(self, other: Piece) -> bool:
        """Whether both are of one memory, with nothing but blanks between them."""
        if self.memory.id != other.memory.id:
            return False
        first, second = sorted((self, other), key=lambda piece: piece.start)
        return not self.memory.text[first.stop : second.start].strip()

    def joined(self, other: Piece) -> Piece:
        """One piece in place of two that are beside each other."""
        start, stop = min(self.start, other.start), max(self.stop, other.stop)
        reason = "hit" if "hit" in (self.reason, other.reason) else self.reason
        return Piece(self.memory, start, stop, reason, self.replaced or other.replaced)


def whole(memories: Iterable[tuple[Memory, bool]]) -> list[Piece]:
    """Everything there is, as pieces; each memory comes with whether it was replaced."""
    return [Piece(memory, 0, len(memory.text), "whole", replaced) for memory, replaced in memories]


def wants_question(hit: Hit) -> bool:
    """Whether a hit needs the turn before it to be understood."""
    return hit.memory.kind == "turn" and len(hit.memory.text) < SHORT and hit.memory.scope.session_id is not None


# ── choosing ──


def chosen(
    hits: Sequence[Hit], questions: dict[str, Memory], extractor: Extractor, *, budget: int
) -> tuple[list[Piece], list[LeftOut]]:
    """The pieces that fit, taken in the order of their rank, and what was left out.

    `hits` may hold several passages of one memory. `questions` holds, by the id of a hit, the turn before it where
    that is needed.
    """
    taken = Taken(budget, extractor)
    left_out: dict[str, LeftOut] = {}
    for hit in hits:
        question = questions.get(hit.memory.id)
        reason = taken.offer(hit, None if question is None else _asking(question))
        if reason is not None:
            left_out.setdefault(hit.memory.id, LeftOut(hit.memory.id, reason))
    pieces, cut = _fitting(taken.pieces, budget=budget, count=extractor.count)
    left_out = {one.id: one for one in cut} | left_out
    given = {piece.memory.id for piece in pieces}
    return pieces, [one for one in left_out.values() if one.id not in given]


class Taken:
    """What has been taken so far, and what it costs."""

    def __init__(self, budget: int, extractor: Extractor) -> None:
        self.pieces: list[Piece] = []  # in the order in which they were taken
        self._extractor = extractor
        self._count = cache(extractor.count)
        self._longest = max(EXTRACT, budget // SHARE)
        self._left = budget
        self._said: set[str] = set()
        self._headed: set[date | int] = set()  # days that have a line, and years that one of them names

    def offer(self, hit: Hit, question: Piece | None) -> Literal["budget", "duplicate"] | None:
        """Take a hit's passage, with the question before it, if there is room; or say why not."""
        if self.pieces and self._left < LEAST:
            return "budget"
        whole = Piece(hit.memory, hit.start, hit.stop, "hit", hit.replaced_by is not None)
        if any(_within(whole, piece) for piece in self.pieces):
            return None
        if _plain(whole.text) in self._said:
            return "duplicate"
        piece = self._extract(whole)
        if piece is not None and _plain(piece.text) in self._said:
            return "duplicate"
        if piece is None or not self._take([piece] if question is None else [question, piece]):
            return "budget"
        return None

    def _extract(self, whole: Piece) -> Piece | None:
        """The part of a passage that answers; None where there is room for too little of it."""
        room = min(self._longest, self._left)
        little = bool(self.pieces) and room < self._longest // 2
        if little and len(whole.text) > room * CHARACTERS:
            return None
        if self._count(_line(100, whole)) <= self._longest:
            return whole
        if little:
            return None
        text = whole.memory.text
        start, stop = self._extractor.of(text, whole.start, whole.stop, tokens=room)
        blanks = len(text[start:stop]) - len(text[start:stop].rstrip())
        return replace(whole, start=start, stop=stop - blanks)

    def _take(self, pieces: list[Piece]) -> bool:
        """Take some pieces, the last of which matters; without the others rather than not at all."""
        for some in (pieces, pieces[-1:]):
            cost = self._cost(some)
            if cost <= self._left:
                self._put(some, cost)
                return True
        if self.pieces:
            return False
        cut = self._cut(pieces[-1])  # the best hit is cut rather than left out
        if cut.text:
            self._put([cut], self._cost([cut]))
        return bool(cut.text)

    def _put(self, pieces: Iterable[Piece], cost: int) -> None:
        for piece in pieces:
            if _plain(piece.text) in self._said:
                continue
            beside = [one for one in self.pieces if one.beside(piece)]
            for one in beside:
                self.pieces.remove(one)
                piece = one.joined(piece)
            self.pieces.append(piece)
            self._said |= {_plain(piece.text)}
            self._headed |= {piece.day, piece.day.year}
        self._left -= cost

    def _cost(self, pieces: Iterable[Piece]) -> int:
        """Tokens of the lines of some pieces, less those of what they join, and of their days where these are new."""
        total = 0
        headed = set(self._headed)
        for piece in pieces:
            if _plain(piece.text) in self._said:
                continue
            beside = [one for one in self.pieces if one.beside(piece)]
            for one in beside:
                total -= self._count(_line(100, one))
                piece = one.joined(piece)
            total += self._count(_line(100, piece))
            if piece.day not in headed:
                total += self._count(_heading(piece.day, named=piece.day.year in headed))
            headed |= {piece.day, piece.day.year}
        return total

    def _cut(self, piece: Piece) -> Piece:
        """As much of a passage, from its beginning, as a budget holds; whole words."""
        ends = [match.end() for match in WORD.finditer(piece.memory.text, piece.start, piece.stop)]
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self._cost([replace(piece, stop=ends[middle - 1])]) <= self._left
            low, high = (middle, high) if fits else (low, middle - 1)
        return replace(piece, stop=ends[low - 1] if low else piece.start)


def _within(inner: Piece, outer: Piece) -> bool:
    return inner.memory.id == outer.memory.id and outer.start <= inner.start and inner.stop <= outer.stop


def _asking(question: Memory) -> Piece:
    """The sentence with which a turn asks: its last, with those that it cannot stand without."""
    length = len(question.text)
    spans = sentences(question.text, max(0, length - LONGEST_QUESTION), length)
    first, _ = standing(question.text, spans, len(spans) - 1, len(spans))
    return Piece(question, spans[first][0], length, "neighbour")


def _fitting(pieces: Sequence[Piece], *, budget: int, count: Count) -> tuple[list[Piece], list[LeftOut]]:
    """The pieces by time, less the last ones taken where a counter finds the whole longer than its lines."""
    kept = list(pieces)
    left_out: list[LeftOut] = []
    while kept and count(render(numbered(_laid_out(kept)))) > budget:
        left_out.append(LeftOut(kept.pop().memory.id, "budget"))
    return _laid_out(kept), left_out


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


# ── laying out ──


def _laid_out(pieces: Iterable[Piece]) -> list[Piece]:
    return sorted(pieces, key=lambda piece: (piece.memory.at, piece.memory.id, piece.start))


def numbered(pieces: Sequence[Piece]) -> tuple[Passage, ...]:
    """Pieces as passages to be cited by number, from 1."""
    return tuple(
        Passage(number, piece.memory, piece.start, piece.stop, piece.reason, piece.replaced)
        for number, piece in enumerate(pieces, 1)
    )


def render(passages: Sequence[Passage]) -> str:
    """The passages as one text: a line for each day, then each passage with its number and speaker.

    A day begins with a letter and names its year where that is another than before; a passage begins with a digit,
    and its further lines are indented: so no stored text can pass for a passage or a day of its own. Whatever ends
    a line for some reader does so here. Where text is left out before or after a passage stands "…", and before
    what was replaced "(no longer)".
    """
    lines: list[str] = []
    year = None
    for day, of_day in groupby(passages, key=lambda passage: passage.memory.at.date()):
        lines.append(_heading(day, named=day.year == year))
        lines += [_line(passage.number, passage) for passage in of_day]
        year = day.year
    return "\n".join(lines)


def _heading(day: date, *, named: bool) -> str:
    """A day's line; with its year, unless that has been named."""
    month = f"{MONTHS[day.month - 1]} {day.day}"
    return month if named else f"{month}, {day.year}"


def _line(number: int, passage: Passage | Piece) -> str:
    memory = passage.memory
    who = " ".join((memory.speaker or memory.role or "").replace(":", " ").split())
    caption = caption_of(memory.attributes)
    text = passage.text.strip()
    before = LEFT_OUT if memory.text[: passage.start].strip() else ""
    after = LEFT_OUT if memory.text[passage.stop :].strip() else ""
    mark = REPLACED if passage.replaced else ""
    said = " ".join(part for part in (mark, before, text, after, f"[{caption}]" if caption else "") if part)
    said = INDENT.join(line.rstrip() for line in said.splitlines() if line.strip())
    return f"{number} {who}: {said}" if who else f"{number}: {said}"
