"""Put other stores through the same work, as far as they are installed.

Chroma gets the vectors of our built-in embedder, so that the stores are compared and not the models. LangGraph's
SQLite store searches by meaning only with a loadable SQLite extension, which many Pythons cannot load: without
one its search lists what lies under a namespace, which is what is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol

from memstrata.providers.embedders.builtin import Builtin
from memstrata.types import Event

LIMIT: Final = 10
USER: Final = "bench"


class Peer(Protocol):
    """A store that turns are put into and asked of."""

    note: str

    def add_many(self, events: Sequence[Event]) -> None:
        """Keep some thousands of turns."""
        ...

    def add(self, event: Event) -> None:
        """Keep one turn."""
        ...

    @property
    def searches(self) -> Mapping[str, Callable[[str], object]]:
        """Ways to ask for ten hits, by the name of their row."""
        ...

    def close(self) -> None:
        """Let go of its files."""
        ...


class Chroma:
    """chromadb in this process: cosine, its own defaults otherwise."""

    note = "vectors only, from the built-in embedder"

    def __init__(self, directory: Path) -> None:
        import chromadb

        settings = chromadb.Settings(anonymized_telemetry=False, allow_reset=False)
        self._client: Any = chromadb.PersistentClient(str(directory), settings)  # Any: an optional package
        self._turns: Any = self._client.create_collection(  # Any: as above
            "turns", embedding_function=None, metadata={"hnsw:space": "cosine"}
        )
        self._embedder = Builtin()
        self._added = 0

    def add_many(self, events: Sequence[Event]) -> None:
        """In batches as large as it takes."""
        most = int(self._client.get_max_batch_size())
        for start in range(0, len(events), most):
            self._put(events[start : start + most])

    def add(self, event: Event) -> None:
        """One call to `add`."""
        self._put([event])

    def _put(self, events: Sequence[Event]) -> None:
        texts = [event.text for event in events]
        ids = [str(self._added + place) for place in range(len(texts))]
        kept = [{"user_id": USER, "session_id": str(event.session_id)} for event in events]
        self._turns.add(ids=ids, embeddings=self._embedder.embed(texts), documents=texts, metadatas=kept)
        self._added += len(texts)

    @property
    def searches(self) -> Mapping[str, Callable[[str], object]]:
        """In the whole collection, and among one user's, told by metadata."""
        return {"search": self._search, "search_filtered": lambda query: self._search(query, {"user_id": USER})}

    def _search(self, query: str, where: Mapping[str, str] | None = None) -> object:
        vectors = self._embedder.embed([query], role="query")
        return self._turns.query(query_embeddings=vectors, n_results=LIMIT, where=where)

    def close(self) -> None:
        """It has no close of its own in every version."""
        close = getattr(self._client, "close", None)
        if close is not None:
            close()


class LangGraph:
    """LangGraph's SQLite store, without an embedding index."""

    note = "search lists a namespace: no words, no vectors"

    def __init__(self, directory: Path) -> None:
        from langgraph.store.base import PutOp
        from langgraph.store.sqlite import SqliteStore

        directory.mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        opened = SqliteStore.from_conn_string(str(directory / "store.db"))
        self._store: Any = self._open.enter_context(opened)  # Any: an optional package
        self._store.setup()
        self._put: Any = PutOp  # Any: as above
        self._added = 0

    def add_many(self, events: Sequence[Event]) -> None:
        """In one batch of operations."""
        keys = range(self._added, self._added + len(events))
        self._store.batch(
            [self._put(self._place, str(key), _value(one)) for key, one in zip(keys, events, strict=True)]
        )
        self._added += len(events)

    def add(self, event: Event) -> None:
        """One call to `put`."""
        self._store.put(self._place, str(self._added), _value(event))
        self._added += 1

    @property
    def searches(self) -> Mapping[str, Callable[[str], object]]:
        """Among one user's."""
        return {"search": lambda query: self._store.search(self._place, query=query, limit=LIMIT)}

    def close(self) -> None:
        """Close the database."""
        self._open.close()

    _place = ("memories", USER)


def _value(event: Event) -> dict[str, str | None]:
    return {"text": event.text, "speaker": event.speaker, "session_id": event.session_id}


PEERS: Final[Mapping[str, tuple[str, Callable[[Path], Peer]]]] = {
    "chromadb": ("chromadb", Chroma),
    "langgraph-sqlite": ("langgraph-checkpoint-sqlite", LangGraph),
}
