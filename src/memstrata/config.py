"""Read the settings: arguments first, then the environment, then what suits most people.

This is the only module that looks at the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memstrata.errors import InvalidConfig

PREFIX: Final = "MEMSTRATA_"
NONE: Final = "none"  # no reranker, whatever the environment says
RERANK_BEST: Final = 50
MAX_RERANK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set from outside.

    Environment: `MEMSTRATA_HOME` (the directory), `MEMSTRATA_EMBEDDER` (`builtin`, `openai:MODEL` or
    `sentence-transformers:MODEL`), `MEMSTRATA_EMBEDDER_URL`, `MEMSTRATA_EMBEDDER_KEY`,
    `MEMSTRATA_VECTOR_CACHE` (`exact` or `turbovec`), `MEMSTRATA_COUNTER` (`wordpiece`, `characters` or
    `tiktoken:ENCODING`), `MEMSTRATA_LOCK_TIMEOUT` (seconds), `MEMSTRATA_RETRIEVERS` (names with commas between, asked
    beside those that ship), `MEMSTRATA_RANKER` (a name), `MEMSTRATA_RERANKER` (`onnx:FOLDER` or `cross-encoder:MODEL`),
    `MEMSTRATA_RERANK_BEST` (how many of the best it sees).
    """

    home: Path
    embedder: str | None = None
    embedder_url: str | None = None
    embedder_key: str | None = None
    vector_cache: str = "exact"
    counter: str = "wordpiece"
    lock_timeout_s: float = 30.0
    retrievers: tuple[str, ...] = ()
    ranker: str = "linear"
    reranker: str | None = None
    rerank_best: int = RERANK_BEST

    def __repr__(self) -> str:  # the key stays out of logs and tracebacks
        return f"Config(home={str(self.home)!r}, embedder={self.embedder!r}, vector_cache={self.vector_cache!r})"


def read(
    path: str | os.PathLike[str] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    embedder: str | None = None,
    vector_cache: str | None = None,
    counter: str | None = None,
    lock_timeout_s: float | None = None,
    retrievers: Sequence[str] | None = None,
    ranker: str | None = None,
    reranker: str | None = None,
    rerank_best: int | None = None,
) -> Config:
    """The settings for a memory.

    Raises:
        InvalidConfig: a value cannot be read; names the setting and what it takes.
    """
    found = {
        name.removeprefix(PREFIX): value
        for name, value in (os.environ if environment is None else environment).items()
        if name.startswith(PREFIX) and value
    }
    return Config(
        home=_home(path, found.get("HOME")),
        embedder=embedder or found.get("EMBEDDER"),
        embedder_url=found.get("EMBEDDER_URL"),
        embedder_key=found.get("EMBEDDER_KEY"),
        vector_cache=vector_cache or found.get("VECTOR_CACHE", "exact"),
        counter=counter or found.get("COUNTER", "wordpiece"),
        lock_timeout_s=_seconds(lock_timeout_s, found.get("LOCK_TIMEOUT")),
        retrievers=_names(found.get("RETRIEVERS", "")) if retrievers is None else tuple(retrievers),
        ranker=ranker or found.get("RANKER", "linear"),
        reranker=_unless_none(reranker or found.get("RERANKER")),
        rerank_best=_how_many(rerank_best, found.get("RERANK_BEST")),
    )


def _home(path: str | os.PathLike[str] | None, from_environment: str | None) -> Path:
    chosen = path if path is not None else from_environment
    if chosen is None:
        from platformdirs import user_data_path  # late: most callers name a path

        return user_data_path("memstrata", appauthor=False)
    if not isinstance(chosen, str | os.PathLike) or not _possible(os.fspath(chosen)):
        raise InvalidConfig(f"{chosen!r} is no directory; pass a path, or set MEMSTRATA_HOME")
    return Path(chosen).expanduser().absolute()


def _possible(path: object) -> bool:
    """Whether a path could name a file at all."""
    try:
        return isinstance(path, str) and bool(path) and b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _seconds(given: float | None, from_environment: str | None) -> float:
    value = from_environment if given is None else given
    try:
        seconds = 30.0 if value is None else float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86_400:
        raise InvalidConfig(f"the lock timeout is {value!r}; it takes seconds between 0 and 86,400")
    return seconds


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _unless_none(name: str | None) -> str | None:
    return None if name == NONE else name


def _how_many(given: int | None, from_environment: str | None) -> int:
    value = from_environment if given is None else given
    try:
        count = RERANK_BEST if value is None else int(value)
    except (TypeError, ValueError):
        count = 0
    if not 1 <= count <= MAX_RERANK:
        raise InvalidConfig(f"rerank_best is {value!r:.80}; a reranker sees the best 1 to {MAX_RERANK:,} hits")
    return count
