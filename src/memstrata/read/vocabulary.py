"""Hold the words of spaces by their first letter, as a reader's moment has them.

Only what a misspelt or unknown word needs is read, and kept until its space changes. What is kept may name words that
a reader may not see: whoever asks looks each of them up in her own view.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from memstrata.store import Reading
from memstrata.text.spelling import SHORTEST, Vocabulary

KEPT: Final = 128  # first letters of spaces; 5,000 words of one letter are about 1 MB


class Vocabularies:
    """The words of each space and first letter, read again when the space has changed; threads may share it."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, str], tuple[int, Vocabulary]] = OrderedDict()
        self._lock = Lock()

    def near(self, said: str, space: int, position: int, reading: Reading) -> list[list[str]]:
        """Words of the space that a folded word may stand for, in groups, the nearest first."""
        if len(said) < SHORTEST or not said.isalpha():
            return []
        key = (space, said[0])
        with self._lock:
            known = self._known.get(key)
        if known is None or known[0] != position:
            known = (position, Vocabulary(reading.words(space, said[0])))
            with self._lock:
                self._known[key] = known
                self._known.move_to_end(key)
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
        return known[1].near(said)
