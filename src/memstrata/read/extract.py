"""Turn a long passage into the run of its sentences that answers a question.

A run and not a choice of sentences: what is quoted stands together in its source, and one span cites it. Sentences
are compared with the question by its words, weighed as the text index weighs them, and by their vectors where those
are worked out in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import EmbedderUnavailable
from memstrata.providers.embedders import Embedder, embedded
from memstrata.read.query import Query
from memstrata.text.sentences import Span, sentences, standing
from memstrata.text.terms import terms
from memstrata.types import TermUse

READ_ON: Final = 0.02  # what comes after is a little likelier to belong than what comes before


@dataclass(frozen=True, slots=True)
class Extractor:
    """Finds the part of a passage that answers one question.

    `weights` holds the question's words; without an `embedder` they alone are compared.
    """

    query: Query
    weights: dict[str, float]
    count: Callable[[str], int]
    embedder: Embedder | None = field(default=None)

    def of(self, text: str, start: int, stop: int, *, tokens: int) -> Span:
        """The run of whole sentences in `text[start:stop]` that fits into so many tokens.

        It is longer where the sentence that answers best is, with those that it cannot stand without.
        """
        spans = sentences(text, start, stop)
        if len(spans) == 1:
            return start, stop
        costs = [self.count(text[slice(*span)]) for span in spans]
        if sum(costs) <= tokens:
            return start, stop
        scores = self._scores(text, spans)
        best = int(np.argmax(scores))
        first, last = _grown(text, spans, costs, scores, best, tokens)
        return spans[first][0], spans[last - 1][1]

    def _scores(self, text: str, spans: Sequence[Span]) -> NDArray[np.float64]:
        parts = [text[slice(*span)] for span in spans]
        total = sum(self.weights.values()) or 1.0
        scores = np.array([sum(self.weights.get(term, 0.0) for term in set(terms(part))) / total for part in parts])
        if self.embedder is not None and self.query.vector is not None:
            with suppress(EmbedderUnavailable):  # the words alone still tell
                scores += embedded(parts, self.embedder) @ self.query.vector
        return scores


def extractor(query: Query, used: Sequence[TermUse], count: Callable[[str], int], embedder: Embedder) -> Extractor:
    """An extractor for a question; vectors of sentences count only where asking for them costs no round trip."""
    return Extractor(query, {use.term: use.weight for use in used}, count, embedder if embedder.inline else None)


def _grown(
    text: str, spans: Sequence[Span], costs: Sequence[int], scores: NDArray[np.float64], best: int, tokens: int
) -> tuple[int, int]:
    """The run around the best sentence, sentence by sentence on the better side, as long as it fits."""
    first, last = standing(text, spans, best, best + 1)
    while True:
        sides = []
        if first > 0:
            sides.append((scores[first - 1], standing(text, spans, first - 1, last)))
        if last < len(spans):
            sides.append((scores[last] + READ_ON, standing(text, spans, first, last + 1)))
        fitting = [(score, run) for score, run in sides if sum(costs[slice(*run)]) <= tokens]
        if not fitting:
            return first, last
        first, last = max(fitting)[1]
