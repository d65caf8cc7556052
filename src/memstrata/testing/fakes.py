"""Stand in for what is slow, costs money or cannot be steered: an embedder, a clock, a place on disk."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import shake_128
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.clock import micros
from memstrata.engine import Memstrata
from memstrata.errors import InvalidInput
from memstrata.plan.counters import CharacterCounter, Counter
from memstrata.providers.embedders import Role
from memstrata.providers.rerankers import Reranker
from memstrata.read.rankers import Ranker
from memstrata.read.retrieve import Retriever
from memstrata.text.terms import terms
from memstrata.wiring import open_memory

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
SECOND: Final = 1_000_000  # microseconds


class FakeEmbedder:
    """A bag of words, each word a direction that its hash says: the same everywhere, and no model behind it.

    Texts that share words are near to each other; texts that share none are near to orthogonal, the nearer
    the more dimensions there are. With `inline=False` embeddings are owed work, as with a remote model.

    >>> tea, drink = FakeEmbedder(dimensions=64).embed(["green tea", "the tea is green"])
    >>> float(tea @ drink) > 0.99
    True
    """

    def __init__(self, *, dimensions: int = 64, inline: bool = True, name: str = "fake") -> None:
        self._dimensions = dimensions
        self._inline = inline
        self._name = name

    @property
    def identity(self) -> str:
        """The name, and the dimension."""
        return f"{self._name}/{self._dimensions}"

    @property
    def dimensions(self) -> int:
        """As it was made."""
        return self._dimensions

    @property
    def inline(self) -> bool:
        """As it was made."""
        return self._inline

    def embed(
        self,
        texts: Sequence[str],
        *,
        role: Role = "passage",  # noqa: ARG002  # both roles are alike here
    ) -> NDArray[np.float32]:
        """Unit rows (len(texts), dimensions); all zero where a text has no words."""
        if isinstance(texts, str):
            raise InvalidInput('embed takes a sequence of texts: write ["…"] around a single one')
        vectors = np.zeros((len(texts), self._dimensions), np.float32)
        for place, text in enumerate(texts):
            for word in terms(text):
                vectors[place] += self._direction(word)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(length == 0, 1, length)
        return vectors

    def _direction(self, word: str) -> NDArray[np.float32]:
        seed = f"{self._name} {word}".encode("utf-8", "surrogatepass")
        bits = np.frombuffer(shake_128(seed).digest(self._dimensions // 8 + 1), np.uint8)
        return np.unpackbits(bits)[: self._dimensions].astype(np.float32) * 2 - 1


class FakeReranker:
    """Counts the words of the query that a passage has: the same everywhere, and no model behind it.

    >>> FakeReranker().scores("green tea", ["black tea", "tea that is green", "coffee"]).tolist()
    [1.0, 2.0, 0.0]
    """

    name = "fake"

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """How many different words each passage shares with the query (n,)."""
        wanted = set(terms(query))
        return np.array([len(wanted & set(terms(passage))) for passage in passages], np.float32)


class FakeModel:
    """A language model that answers in other words each time, as models do, and counts how often it was asked.

    `seconds` is how long an answer takes. Threads may share one.

    >>> model = FakeModel()
    >>> model("plan the roof"), model("plan the roof"), model.calls
    ('answer 1 to: plan the roof', 'answer 2 to: plan the roof', 2)
    """

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.prompts: list[str] = []
        self._seconds = seconds
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        """How often it was asked."""
        return len(self.prompts)

    def __call__(self, prompt: str) -> str:
        """An answer."""
        time.sleep(self._seconds)
        with self._lock:
            self.prompts.append(prompt)
            return f"answer {len(self.prompts)} to: {prompt}"


class SteppingClock:
    """Time that stands still until it is moved, in either direction.

    >>> clock = SteppingClock()
    >>> before = clock.now()
    >>> clock.advance(90)
    >>> (clock.now() - before) // 1_000_000
    90
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = micros(start)

    def now(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Go to a moment."""
        self._now = micros(moment)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += round(seconds * SECOND)

    def back(self, seconds: float) -> None:
        """Turn the clock back, as time servers and people do."""
        self.advance(-seconds)


@contextmanager
def temporary_memory(
    *,
    embedder: FakeEmbedder | None = None,
    counter: Counter | None = None,
    retrievers: Sequence[Retriever | str] = (),
    ranker: Ranker | str = "linear",
    reranker: Reranker | str = "none",
    clock: SteppingClock | None = None,
) -> Iterator[Memstrata]:
    """A real memory in a folder that is gone afterwards; quick to open, because nothing in it is large.

    >>> with temporary_memory() as memory:
    ...     receipt = memory.add("Ana likes green tea.", user_id="ana")
    ...     len(memory.search("tea", user_id="ana"))
    1
    """
    with (
        tempfile.TemporaryDirectory(prefix="memstrata-") as folder,
        open_memory(
            Path(folder) / "memory",
            embedder=embedder or FakeEmbedder(),
            counter=counter or CharacterCounter(),
            retrievers=retrievers,
            ranker=ranker,
            reranker=reranker,
            clock=clock,
        ) as memory,
    ):
        yield memory
