"""Pack hits into one text of cited passages that fits a token budget.

Passages are chosen by rank and laid out by time, so that the same memories give the same text. A short answer
brings the question before it; the same words are not given twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from memstrata.store import caption_of
from memstrata.types import Hit, LeftOut, Memory, Passage

SHORT: Final = 60  # characters: a shorter turn seldom says by itself what it is about

LONGEST_QUESTION: Final = 240  # characters: of a longer turn the end is where it asks
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

    @property
    def text(self) -> str:
        """The passage."""
        return self.memory.text[self.start : self.stop].strip()


def whole(memories: Iterable[Memory]) -> list[Piece]:
    """Everything there is, as pieces."""
    return [Piece(memory, 0, len(memory.text), "whole") for memory in memories]


def wants_question(hit: Hit) -> bool:
    """Whether a hit needs the turn before it to be understood."""
    return hit.memory.kind == "turn" and len(hit.memory.text) < SHORT and hit.memory.scope.session_id is not None


def chosen(
    hits: Sequence[Hit], questions: dict[str, Memory], *, budget: int, count: Count
) -> tuple[list[Piece], list[LeftOut]]:
    """The pieces that fit, taken in the order of their rank, and what was left out.

    `questions` holds, by the id of a hit, the turn before it where that is needed.
    """
    taken: dict[str, Piece] = {}
    said: set[str] = set()
    days: set[str] = set()
    left_out: list[LeftOut] = []
    spent = 0
    for hit in hits:
        if hit.memory.id in taken:  # it came whole, as the neighbour of a better hit
            continue
        question = questions.get(hit.memory.id)
        pieces = _pieces(hit, None if question is None or question.id in taken else question)
        if _plain(pieces[-1].text) in said:
            left_out.append(LeftOut(hit.memory.id, "duplicate"))
            continue
        new = list({_plain(piece.text): piece for piece in pieces if _plain(piece.text) not in said}.values())
        cost = sum(_cost(piece, days, count) for piece in new)
        if spent + cost > budget and len(new) > 1:  # better without its question than not at all
            new = new[-1:]
            cost = _cost(new[0], days, count)
        if spent + cost > budget and not taken:  # the best hit is cut rather than left out
            new = [_cut(new[-1], budget, count)]
            cost = _cost(new[0], days, count)
        if spent + cost > budget or not new[-1].text:
            left_out.append(LeftOut(hit.memory.id, "budget"))
            continue
        spent += cost
        days |= {_day(piece) for piece in new}
        said |= {_plain(piece.text) for piece in new}
        taken |= {piece.memory.id: piece for piece in new}
    return _fitting(list(taken.values()), left_out, budget=budget, count=count)


def _pieces(hit: Hit, question: Memory | None) -> list[Piece]:
    own = Piece(hit.memory, hit.start, hit.stop, "hit")
    if question is None:
        return [own]
    length = len(question.text)
    return [Piece(question, max(0, length - LONGEST_QUESTION), length, "neighbour"), own]


def _cut(piece: Piece, budget: int, count: Count) -> Piece:
    """As much of a passage, from its beginning, as a budget holds; whole words."""
    ends = [match.end() for match in WORD.finditer(piece.memory.text, piece.start, piece.stop)]
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high + 1) // 2
        fits = _cost(replace(piece, stop=ends[middle - 1]), set(), count) <= budget
        low, high = (middle, high) if fits else (low, middle - 1)
    return replace(piece, stop=ends[low - 1] if low else piece.start)


def _cost(piece: Piece, days: set[str], count: Count) -> int:
    """Tokens of a piece on a line of its own, and of its day's line where that is not there yet."""
    line = render((Passage(100, piece.memory, piece.start, piece.stop, piece.reason),))
    day = _day(piece)
    return count(line) - (count(day) if day in days else 0)


def _day(piece: Piece) -> str:
    return piece.memory.at.date().isoformat()


def _fitting(
    pieces: list[Piece], left_out: list[LeftOut], *, budget: int, count: Count
) -> tuple[list[Piece], list[LeftOut]]:
    """The pieces by time, less the last ones chosen where a counter finds the whole longer than its lines."""
    while pieces and count(render(numbered(_laid_out(pieces)))) > budget:
        left_out = [*left_out, LeftOut(pieces.pop().memory.id, "budget")]
    return _laid_out(pieces), left_out


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _laid_out(pieces: Iterable[Piece]) -> list[Piece]:
    return sorted(pieces, key=lambda piece: (piece.memory.at, piece.memory.id, piece.start))


def numbered(pieces: Sequence[Piece]) -> tuple[Passage, ...]:
    """Pieces as passages to be cited by number, from 1."""
    return tuple(
        Passage(number, piece.memory, piece.start, piece.stop, piece.reason) for number, piece in enumerate(pieces, 1)
    )


def render(passages: Sequence[Passage]) -> str:
    """The passages as one text: a line for each day, then each passage with its number and speaker.

    Lines inside a passage are indented, so that no stored text can pass for a passage of its own; whatever ends
    a line for some reader does so here.
    """
    lines: list[str] = []
    day = ""
    for passage in passages:
        memory = passage.memory
        if memory.at.date().isoformat() != day:
            day = memory.at.date().isoformat()
            lines.append(day)
        who = " ".join((memory.speaker or memory.role or "").split())
        caption = caption_of(memory.attributes)
        text = f"{passage.text.strip()} [{caption}]" if caption else passage.text.strip()
        text = "\n    ".join(text.splitlines())
        lines.append(f"[{passage.number}] {who}: {text}" if who else f"[{passage.number}] {text}")
    return "\n".join(lines)
