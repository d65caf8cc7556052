"""Turn a question into what the retrievers search with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import EmbedderUnavailable, InvalidInput
from memstrata.providers.embedders import Embedder, embedded
from memstrata.text.forms import Asked, asked
from memstrata.text.when.times import Spoken, spoken

MAX_QUERY: Final = 20_000  # characters
MAX_TERMS: Final = 64  # distinct words searched for; of a longer query the first

log = logging.getLogger("memstrata")


@dataclass(frozen=True, slots=True)
class Query:
    """A question taken apart: its words, its vector unless the embedder could not be reached, the times it names."""

    text: str
    words: tuple[Asked, ...]
    vector: NDArray[np.float32] | None
    times: tuple[Spoken, ...] = ()


def analysed(text: str, embedder: Embedder, *, at: int, at_offset: int = 0) -> Query:
    """Take a question apart; the times it names are meant as of a moment, in microseconds, and minutes of offset.

    Raises:
        InvalidInput: as `checked`.
    """
    text = checked(text).encode("utf-8", "replace").decode()  # half of a surrogate pair matches nothing
    times = tuple(spoken(text, at=at, at_offset=at_offset))
    return Query(text, tuple(asked(text)[:MAX_TERMS]), _vector(text, embedder), times)


def checked(text: str) -> str:
    """A question, when it is one.

    Raises:
        InvalidInput: it is empty, no text, or longer than a question is.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"the query is {type(text).__name__}; pass a str")
    if not text.strip():
        raise InvalidInput("the query is empty; ask in words, or use list() to walk through everything")
    if len(text) > MAX_QUERY:
        raise InvalidInput(f"the query has {len(text):,} characters; a query may have {MAX_QUERY:,}")
    return text


def _vector(text: str, embedder: Embedder) -> NDArray[np.float32] | None:
    try:
        vector = embedded([text], embedder, role="query")[0]
    except EmbedderUnavailable as exc:  # the words alone still answer; explain() and the log say so
        log.warning("searching without vectors: %s", type(exc).__name__)  # its message may repeat the question
        return None
    return vector if vector.any() else None
