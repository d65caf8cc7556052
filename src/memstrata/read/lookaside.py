"""Answer a question again that was just asked, in the same words or nearly, while nothing has changed.

An answer is kept with the last change of every space it came from, and with the time for which it holds: from the
moment it was found until the first memory of these spaces expires. A reader looks at both in its own moment, so that
what it gets is never older than what it would find. Only whole answers are kept, for which there was time and every
part worked: they hold for a question in a hurry too. In the same words means that case, spaces and the mark at the end
do not count; nearly, that the gist is the same (`read/gist.py`) and the vectors of both questions lie close.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from memstrata import access
from memstrata.read.gist import END_MARKS, Gist, gist
from memstrata.read.pipeline import Search
from memstrata.read.query import Query
from memstrata.store import Reading
from memstrata.text.terms import HUMP
from memstrata.types import Context, Hit, Memory

KEPT: Final = 256  # answers of each kind
LARGEST: Final = 16 << 20  # characters of the memories in them
NEAR: Final = (
    0.5  # cosine of two questions with the same gist: a net only, for by vectors "who called Ana" is near anything
)

Given = TypeVar("Given")
Mark = tuple[tuple[int, int], ...]  # each space with its last change
Words = tuple[str, Hashable]  # a question's words, and its place


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with all that its answer depends on: `tokens` is the budget of a context."""

    text: str
    search: Search
    tokens: int | None = None

    @property
    def place(self) -> Hashable:
        """What two questions must share besides their words."""
        return replace(self.search, now=0, latency_ms=None), self.tokens

    @property
    def words(self) -> Words:
        """What makes two questions the same: case, spaces and the mark at the end do not count.

        In `parseHeader` case does count, for there it parts words.
        """
        text = self.text if HUMP.search(self.text) else self.text.casefold()
        return " ".join(text.split()).rstrip(END_MARKS) or self.text, self.place


@dataclass(frozen=True, slots=True)
class Answer(Generic[Given]):
    """What was given, what it was given for, and what must still be so for it to hold."""

    given: Given
    gist: Gist | None
    vector: NDArray[np.float32]
    mark: Mark
    since: int
    until: int | None
    size: int  # in characters

    def holds(self, asked: Search, reading: Reading) -> bool:
        """Whether a search at this reader's moment would find the same."""
        early = asked.now < self.since or (self.until is not None and self.until <= asked.now)
        return not early and self.mark == _mark(asked, reading)


class Lookaside(Generic[Given]):
    """The answers given last, of one kind; threads may share it.

    `own` copies an answer, so that a caller may change what it gets, and `memories` names those it is made of.
    """

    def __init__(self, own: Callable[[Given], Given], memories: Callable[[Given], Iterable[Memory]]) -> None:
        self._own = own
        self._memories = memories
        self._answers: OrderedDict[Words, Answer[Given]] = OrderedDict()
        self._alike: dict[Hashable, Words] = {}  # from the key of a gist to the words it was last asked in
        self._size = 0
        self._lock = Lock()

    def known(self, asked: Asked, reading: Reading) -> Given | None:
        """The answer to a question in the same words; None when it must be looked for."""
        words = asked.words
        with self._lock:
            answer = self._answers.get(words)
            if answer is not None:
                self._answers.move_to_end(words)
        if answer is None or not answer.holds(asked.search, reading):
            return None
        return self._own(answer.given)

    def near(self, query: Query, asked: Asked, reading: Reading) -> Given | None:
        """The answer to a question in other words that asks the same; None when it must be looked for."""
        wanted = gist(query.text)
        if wanted is None or query.vector is None:
            return None
        with self._lock:
            words = self._alike.get((wanted.key, asked.place))
            answer = None if words is None else self._answers.get(words)
        if answer is None or answer.gist is None or not wanted.same(answer.gist):
            return None
        if float(answer.vector @ query.vector) < NEAR or not answer.holds(asked.search, reading):
            return None
        with self._lock:  # asked in these words again, it is found without looking at them closely
            self._put(asked.words, answer)
        return self._own(answer.given)

    def keep(self, query: Query, asked: Asked, given: Given, reading: Reading) -> None:
        """Remember an answer that was found at this reader's moment."""
        if query.vector is None:  # an answer without vectors is not worth keeping: they may come back
            return
        if query.times:  # "yesterday" is another day tomorrow
            return
        mark = _mark(asked.search, reading)
        ends = [reading.next_lapse(space, now=asked.search.now) for space, _ in mark]
        until = min((end for end in ends if end is not None), default=None)
        size = sum(len(memory.text) for memory in self._memories(given))
        meant = gist(query.text)
        answer = Answer(self._own(given), meant, query.vector, mark, asked.search.now, until, size)
        with self._lock:
            if self._put(asked.words, answer) and meant is not None:
                self._alike[meant.key, asked.place] = asked.words

    def _put(self, words: Words, answer: Answer[Given]) -> bool:
        """Keep an answer under these words, and let the oldest go; whether it is small enough to be kept."""
        self._drop(words)
        if answer.size > LARGEST // 4:
            return False
        self._answers[words] = answer
        self._size += answer.size
        while len(self._answers) > KEPT or self._size > LARGEST:
            self._drop(next(iter(self._answers)))
        return True

    def _drop(self, words: Words) -> None:
        answer = self._answers.pop(words, None)
        if answer is None:
            return
        self._size -= answer.size
        if answer.gist is not None and self._alike.get((answer.gist.key, words[1])) == words:
            del self._alike[answer.gist.key, words[1]]


def of_hits() -> Lookaside[list[Hit]]:
    """A lookaside of what searches found."""
    return Lookaside(lambda hits: [_own_hit(hit) for hit in hits], lambda hits: (hit.memory for hit in hits))


def of_contexts() -> Lookaside[Context]:
    """A lookaside of packed contexts."""
    return Lookaside(_own_context, lambda context: (passage.memory for passage in context.passages))


def _own_hit(hit: Hit) -> Hit:
    return replace(hit, memory=_own_memory(hit.memory), signals=dict(hit.signals))


def _own_context(context: Context) -> Context:
    passages = tuple(replace(passage, memory=_own_memory(passage.memory)) for passage in context.passages)
    return replace(context, passages=passages)


def _own_memory(memory: Memory) -> Memory:
    return replace(memory, attributes=deepcopy(dict(memory.attributes))) if memory.attributes else memory


def _mark(asked: Search, reading: Reading) -> Mark:
    places = access.one_space(reading, asked.scope, shared=asked.shared)
    return tuple((place.space, reading.state(place.space).position) for place in places)
