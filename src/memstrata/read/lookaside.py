"""Answer a question again that was just asked, while nothing has changed.

An answer is kept with the last change of every space it came from, and until the first of their memories expires. A
reader looks at both in its own moment, so that what it gets is never older than what it would find. Only whole answers
are kept, for which there was time and every part worked: they hold for a question in a hurry too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final

from memstrata import access
from memstrata.read.pipeline import Search
from memstrata.store import Reading
from memstrata.types import Hit

KEPT: Final = 256  # answers
END_MARKS: Final = " ?!.。？！…"

Mark = tuple[tuple[int, int], ...]  # each space with its last change


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, the spaces' last changes they were found at, and the moment until which they hold."""

    hits: tuple[Hit, ...]
    mark: Mark
    until: int | None


class Lookaside:
    """The answers given last; threads may share it."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._lock = Lock()

    def known(self, query: str, asked: Search, reading: Reading) -> list[Hit] | None:
        """The answer to the same question, when nothing has changed since; None when it must be searched for."""
        with self._lock:
            answer = self._answers.get(_key(query, asked))
        if answer is None or answer.mark != _mark(asked, reading):
            return None
        if answer.until is not None and answer.until <= asked.now:
            return None
        return [_own(hit) for hit in answer.hits]

    def keep(self, query: str, asked: Search, hits: Sequence[Hit], reading: Reading) -> None:
        """Remember an answer that was found at this reader's moment."""
        mark = _mark(asked, reading)
        ends = [reading.next_expiry(space, now=asked.now) for space, _ in mark]
        until = min((end for end in ends if end is not None), default=None)
        with self._lock:
            self._answers[_key(query, asked)] = Answer(tuple(_own(hit) for hit in hits), mark, until)
            self._answers.move_to_end(_key(query, asked))
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)


def _own(hit: Hit) -> Hit:
    """A copy that a caller may change without changing what the next one gets."""
    memory = replace(hit.memory, attributes=deepcopy(dict(hit.memory.attributes)))
    return replace(hit, memory=memory, signals=dict(hit.signals))


def _key(query: str, asked: Search) -> Hashable:
    """What makes two questions the same: case, spaces and the mark at the end do not count."""
    plain = " ".join(query.casefold().split()).rstrip(END_MARKS)
    return plain or query, asked.scope, asked.where, asked.limit, asked.shared


def _mark(asked: Search, reading: Reading) -> Mark:
    places = access.one_space(reading, asked.scope, shared=asked.shared)
    return tuple((place.space, reading.state(place.space).position) for place in places)
