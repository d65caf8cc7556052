"""Put a memory together from its settings."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memstrata import config, plugins
from memstrata.clock import RandomIds, SystemClock
from memstrata.config import Config
from memstrata.engine import Clock, Memstrata, Parts
from memstrata.errors import EmbedderMismatch, InvalidConfig, MemstrataError
from memstrata.plan.counters import Counter, WordPieceCounter
from memstrata.providers.embedders import Embedder
from memstrata.providers.rerankers import Reranker
from memstrata.read.rankers import Ranker
from memstrata.read.rerank import Second
from memstrata.read.retrieve import WEIGHT, Retriever, Weighed
from memstrata.store import FileStore
from memstrata.store.spaces import Spaces

CACHES = "caches"


def open_memory(
    path: str | os.PathLike[str] | None = None,
    *,
    embedder: Embedder | str | None = None,
    counter: Counter | str | None = None,
    vector_cache: str | None = None,
    retrievers: Sequence[Retriever | str] | None = None,
    ranker: Ranker | str | None = None,
    reranker: Reranker | str | None = None,
    rerank_best: int | None = None,
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
        retrievers: what every search asks beside the retrievers that ship: objects with the shape of `Retriever`, or
            names that packages registered; `docs/bring-your-own.md` has an example. When left out,
            `MEMSTRATA_RETRIEVERS`, or none.
        ranker: what puts candidates in order: an object with the shape of `Ranker`, or a name. When left out,
            `MEMSTRATA_RANKER`, or `linear`.
        reranker: what reads the best hits once more next to the query: an object with the shape of `Reranker`, or
            `onnx:FOLDER`, `cross-encoder:MODEL`, or one that a package registered; `none` for none. When left out,
            `MEMSTRATA_RERANKER`, or none.
        rerank_best: how many of the best hits it reads, 50 when left out.
        lock_timeout_s: how long a writer waits for another before it says `StoreLocked`.
        reembed: accept another embedder than the store's; call `Memstrata.reembed()` next.
        clock: tells the time, for tests.

    Raises:
        StoreUnavailable: the directory cannot be made, read or written.
        StoreCorrupt: its files are damaged or missing.
        StoreTooNew: a newer Memstrata wrote it.
        EmbedderMismatch: its vectors come from another embedder.
        RerankerUnavailable: the reranker's model cannot be loaded.
        MissingExtra: a part needs a package that is not installed.
        InvalidConfig: a setting cannot be used.
    """
    settings = config.read(
        path, embedder=_named(embedder), counter=_named(counter), vector_cache=vector_cache, ranker=_named(ranker),
        reranker=_named(reranker), rerank_best=rerank_best, lock_timeout_s=lock_timeout_s,
    )  # fmt: skip
    asked, also = _retrievers(settings.retrievers if retrievers is None else retrievers)
    ranking: Ranker = _part("rankers", _chosen(ranker, settings.ranker), ("name", "scores"))
    second = _second(settings, reranker, taken=asked)
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
                retrievers=asked,
                also=also,
                ranker=ranking,
                second=second,
                counter=counter if counter is not None and not isinstance(counter, str) else _counter(settings.counter),
                clock=ticking,
            )
        )
    except BaseException:
        store.close()
        raise


def _named(part: object) -> str | None:
    return part if isinstance(part, str) else None


def _chosen(part: object, setting: str | None) -> object:
    """A part that was passed in, or what the settings name, which know of names passed in."""
    return setting if part is None or isinstance(part, str) else part


def _retrievers(chosen: Sequence[Retriever | str]) -> tuple[dict[str, Retriever], dict[str, float]]:
    """The retrievers that may be asked: those that ship and those chosen; and what the chosen ones count."""
    if isinstance(chosen, str) or not isinstance(chosen, Sequence):
        raise InvalidConfig(f"retrievers={chosen!r:.80} is no list; pass names or retrievers in one")
    asked: dict[str, Retriever] = {
        name: plugins.find("retrievers", name)() for name in plugins.REGISTERED["retrievers"]
    }
    also: dict[str, float] = {}
    for one in chosen:
        if isinstance(one, str) and one in plugins.REGISTERED["retrievers"]:
            also[one] = WEIGHT
            continue
        found: Retriever = _part("retrievers", one, ("name", "retrieve"))
        if found.name in asked:
            raise InvalidConfig(f"two retrievers are named {found.name!r}; give each a name of its own")
        asked[found.name] = found
        also[found.name] = _weight(found)
    return asked, also


def _weight(retriever: Retriever) -> float:
    weight = retriever.weight if isinstance(retriever, Weighed) else WEIGHT
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
        raise InvalidConfig(
            f"the retriever {retriever.name!r} has the weight {weight!r:.80}; it takes a number above 0"
        )
    return float(weight)


def _second(settings: Config, given: Reranker | str | None, *, taken: Mapping[str, Retriever]) -> Second | None:
    """The reranking that was chosen; None for none."""
    chosen = _chosen(given, settings.reranker)
    if chosen is None:
        return None
    reranker: Reranker = _part("rerankers", chosen, ("name", "scores"))
    if reranker.name in taken:
        raise InvalidConfig(f"a retriever is named {reranker.name!r} too; give the reranker a name of its own")
    return Second(reranker, settings.rerank_best)


def _part(kind: str, chosen: object, members: Sequence[str]) -> Any:  # Any: of the protocol whose members are named
    """A part as it was passed in, or the one of that name; with what its protocol asks for."""
    found: Any = _made(kind, chosen) if isinstance(chosen, str) else chosen  # Any: as above
    what = plugins.one_of(kind)
    _check_shape(what, found, members)
    if "name" in members and not (isinstance(found.name, str) and found.name):
        raise InvalidConfig(f"the {what} {type(found).__name__} has no name; give it a text as `name`")
    return found


def _made(kind: str, setting: str) -> Any:  # Any: as above
    """The part that a setting names; what follows a colon is handed to it."""
    name, _, detail = setting.partition(":")
    found = plugins.find(kind, name)
    try:
        return found(detail) if detail else found()
    except MemstrataError:
        raise
    except Exception as exc:
        hint = "" if detail else f"; what it needs may go behind a colon, as in {name}:…"
        raise InvalidConfig(
            f"the {plugins.one_of(kind)} {setting!r} cannot be made: {type(exc).__name__}: {exc}{hint}"
        ) from exc


def _embedder(settings: Config) -> Embedder:
    """The embedder that the settings name, or the built-in one."""
    name, _, model = (settings.embedder or "builtin").partition(":")
    if name == "openai":
        return _openai(plugins.find("embedders", name), settings, model)
    embedder: Embedder = _made("embedders", settings.embedder or "builtin")
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
    if missing or isinstance(part, type):
        lacks = "is a class" if isinstance(part, type) else f"has no {', '.join(missing)}"
        of = part.__name__ if isinstance(part, type) else type(part).__name__
        raise InvalidConfig(f"{what}={of} {lacks}; pass a name, or an object with {', '.join(members)}")


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
