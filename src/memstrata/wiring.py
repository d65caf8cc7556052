"""Put a memory together from its settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memstrata import config, plugins
from memstrata.clock import RandomIds, SystemClock
from memstrata.config import Config
from memstrata.engine import Clock, Memstrata, Parts
from memstrata.errors import EmbedderMismatch, InvalidConfig
from memstrata.plan.counters import Counter, WordPieceCounter
from memstrata.providers.embedders import Embedder
from memstrata.store import FileStore
from memstrata.store.spaces import Spaces

CACHES = "caches"


def open_memory(
    path: str | os.PathLike[str] | None = None,
    *,
    embedder: Embedder | str | None = None,
    counter: Counter | str | None = None,
    vector_cache: str | None = None,
    lock_timeout_s: float | None = None,
    reembed: bool = False,
    clock: Clock | None = None,
) -> Memstrata:
    """Open the memory in a directory, and make it when it is not there.

    Args:
        path: the directory; `MEMSTRATA_HOME`, or the platform's data folder, when left out.
        embedder: what turns texts into vectors: an object with the shape of `Embedder`, or a name:
            `builtin`, `openai:MODEL`, `sentence-transformers:MODEL`, or one that a package registered. When
            left out, `MEMSTRATA_EMBEDDER`, or the built-in one.
        counter: what counts tokens for `context`: an object with `count(text)`, or `wordpiece`,
            `characters`, `tiktoken:ENCODING`.
        vector_cache: `exact`, or `turbovec` for spaces of many millions.
        lock_timeout_s: how long a writer waits for another before it says `StoreLocked`.
        reembed: accept another embedder than the store's; call `Memstrata.reembed()` next.
        clock: tells the time, for tests.

    Raises:
        StoreUnavailable: the directory cannot be made, read or written.
        StoreCorrupt: its files are damaged or missing.
        StoreTooNew: a newer Memstrata wrote it.
        EmbedderMismatch: its vectors come from another embedder.
        InvalidConfig: a setting cannot be used.
    """
    named_embedder = embedder if isinstance(embedder, str) else None
    named_counter = counter if isinstance(counter, str) else None
    settings = config.read(
        path, embedder=named_embedder, counter=named_counter, vector_cache=vector_cache, lock_timeout_s=lock_timeout_s
    )
    ticking = clock or SystemClock()
    store: FileStore = plugins.find("stores", "sqlite")(
        settings.home, clock=ticking, ids=RandomIds(), lock_timeout_s=settings.lock_timeout_s
    )
    try:
        chosen = embedder if embedder is not None and not isinstance(embedder, str) else _embedder(settings)
        _check_shape("embedder", chosen, ("identity", "dimensions", "inline", "embed"))
        _check_shape("counter", counter or "", () if isinstance(counter, str | None) else ("name", "count"))
        _agree(store, chosen, reembed=reembed)
        return Memstrata(
            Parts(
                store=store,
                spaces=_spaces(settings, store, chosen),
                embedder=chosen,
                retrievers={name: plugins.find("retrievers", name)() for name in plugins.names("retrievers")},
                ranker=plugins.find("rankers", "linear")(),
                counter=counter if counter is not None and not isinstance(counter, str) else _counter(settings.counter),
                clock=ticking,
            )
        )
    except BaseException:
        store.close()
        raise


def _embedder(settings: Config) -> Embedder:
    """The embedder that the settings name, or the built-in one."""
    name, _, model = (settings.embedder or "builtin").partition(":")
    found = plugins.find("embedders", name)
    if name == "openai":
        return _openai(found, settings, model)
    embedder: Embedder = found(model) if model else found()
    return embedder


def _openai(found: Any, settings: Config, model: str) -> Embedder:  # Any: a class, imported by its name
    if not settings.embedder_url or not model:
        raise InvalidConfig(
            "an OpenAI-compatible embedder needs a model and an address: "
            "MEMSTRATA_EMBEDDER=openai:MODEL and MEMSTRATA_EMBEDDER_URL=http://…/v1"
        )
    embedder: Embedder = found(base_url=settings.embedder_url, model=model, api_key=settings.embedder_key)
    return embedder


def _check_shape(what: str, part: object, members: Sequence[str]) -> None:
    """See that an object that was passed in has what its protocol asks for."""
    missing = [name for name in members if not hasattr(type(part), name) and not hasattr(part, name)]
    if missing:
        raise InvalidConfig(
            f"{what}={type(part).__name__} has no {', '.join(missing)}; pass a name, or an object with them"
        )


def _agree(store: FileStore, embedder: Embedder, *, reembed: bool) -> None:
    """See that the store's vectors are the embedder's; a new store takes its name."""
    with store.reading() as reading:
        known = reading.meta("embedder")
    if known == embedder.identity or reembed:
        return
    if known is not None:
        raise EmbedderMismatch(
            f"{store.directory} holds vectors of {known!r}, and this is {embedder.identity!r}: open it with the "
            "first, or run `memstrata reembed --embedder NAME` (`builtin` for the one that ships) to make all vectors "
            "anew with the other"
        )
    with store.writing() as writing:
        if writing.meta("embedder") is None:
            writing.set_meta("embedder", embedder.identity)
            writing.set_meta("dimensions", embedder.dimensions)


def _spaces(settings: Config, store: FileStore, embedder: Embedder) -> Spaces:
    cache = plugins.find("vector_caches", settings.vector_cache)
    cache(embedder.dimensions)  # says now, and not at the first search, when its extra is missing
    with store.reading() as reading:
        store_id = str(reading.meta("store_id"))
    return Spaces(
        Path(store.directory) / CACHES,
        store_id=store_id,
        embedder=embedder.identity,
        dimensions=embedder.dimensions,
        cache=None if settings.vector_cache == "exact" else cache,
    )


def _counter(name: str) -> Counter:
    kind, _, detail = name.partition(":")
    found = plugins.find("counters", kind)
    if found is WordPieceCounter:
        from memstrata.providers.embedders.builtin import pieces  # late: it opens the vocabulary

        return WordPieceCounter(pieces())
    counter: Counter = found(detail) if detail else found()
    return counter
