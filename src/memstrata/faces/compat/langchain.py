"""Be a vector store for LangChain: documents are durable memories, found by Memstrata or by an embedder of yours.

Needs `pip install "memstrata[langchain]"`.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

import numpy as np

from memstrata.engine import Memstrata
from memstrata.errors import InvalidInput, MissingExtra
from memstrata.faces.compat.items import Item, Items, Namespace, Put, nearest
from memstrata.types import Scope
from memstrata.wiring import open_memory

try:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore
except ImportError as exc:
    raise MissingExtra("vector stores for LangChain", "langchain") from exc

SCOPE: Final = Scope(app_id="langchain")
COLLECTION: Final = "documents"

Metadata = Mapping[str, Any]  # Any: JSON


class MemstrataVectorStore(VectorStore):
    """Documents in a directory, or in a memory that is open; processes may share it.

    Without an `embedding` queries are answered by Memstrata's own search by words and meaning, and documents that it
    does not find are left out. With one they are answered by the cosine of its vectors, and every document is scored.

    >>> store = MemstrataVectorStore(path=directory)
    >>> store.add_texts(["Ana prefers the window seat."], ids=["seat"])
    ['seat']
    >>> store.similarity_search("where does she like to sit?", k=1)[0].page_content
    'Ana prefers the window seat.'
    >>> store.close()

    Args:
        collection: documents of one are apart from those of another.
        scope: the tenant, app and user whose memory the documents are; nothing else there is touched or shown.

    Raises:
        InvalidInput: not exactly one of path and memory was given, or the scope names more than tenant, app and user.
    """

    def __init__(
        self,
        embedding: Embeddings | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        memory: Memstrata | None = None,
        collection: str = COLLECTION,
        scope: Scope = SCOPE,
    ) -> None:
        if (path is None) == (memory is None):
            raise InvalidInput("a vector store lies in a path or in a memory that is open; pass one of them")
        self._embedding = embedding
        self._namespace: Namespace = (collection,)
        self._own = open_memory(path) if memory is None else None
        self._items = Items(memory or self._own, scope)  # type: ignore[arg-type]  # one of them is there

    @property
    def embeddings(self) -> Embeddings | None:
        """The embedder that was given."""
        return self._embedding

    def close(self) -> None:
        """Let go of the directory, unless the memory was opened by others."""
        if self._own is not None:
            self._own.close()

    # ── write ──

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,  # Any: LangChain's signature
    ) -> list[str]:
        """Keep texts in one commit, and return their ids; a text under an id that is known takes its place."""
        contents = list(texts)
        vectors = self._embedding.embed_documents(contents) if self._embedding is not None and contents else None
        return self._added(contents, metadatas, ids, vectors)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,  # Any: LangChain's signature
    ) -> list[str]:
        """As `add_texts`."""
        contents = list(texts)
        embedding = self._embedding
        vectors = await embedding.aembed_documents(contents) if embedding is not None and contents else None
        return await asyncio.to_thread(self._added, contents, metadatas, ids, vectors)

    def _added(
        self,
        texts: Sequence[str],
        metadatas: Sequence[Metadata] | None,
        ids: Sequence[str | None] | None,
        vectors: Sequence[Sequence[float]] | None,
    ) -> list[str]:
        about: Sequence[Metadata] = [{} for _ in texts] if metadatas is None else metadatas
        named = [id or str(uuid.uuid4()) for id in (ids or [None] * len(texts))]
        rows: Sequence[Sequence[float] | None] = [None] * len(texts) if vectors is None else vectors
        if not len(texts) == len(about) == len(named) == len(rows):
            raise InvalidInput(
                f"there are {len(texts)} texts, {len(about)} metadatas, {len(named)} ids and {len(rows)} vectors; "
                "pass one of each for every text"
            )
        self._items.write(
            Put(
                self._namespace, id, {"page_content": text, "metadata": dict(metadata)}, texts=[text],
                vectors=None if vector is None else np.array([vector], np.float32),
            )
            for text, metadata, id, vector in zip(texts, about, named, rows, strict=True)
        )  # fmt: skip
        return named

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:  # Any: LangChain's signature
        """Delete documents by id, or all of the collection; those that are not there do not matter."""
        gone = [item.key for item in self._items.under(self._namespace)] if ids is None else ids
        self._items.write(Put(self._namespace, id, None) for id in gone)
        return True

    # ── read ──

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids, in their order; those that are not there are left out."""
        found = [self._items.get(self._namespace, id) for id in ids]
        return [_document(item) for item in found if item is not None]

    def similarity_search(
        self,
        query: str,
        k: int = 4,
        *,
        filter: Metadata | None = None,
        **kwargs: Any,  # Any: LangChain's signature
    ) -> list[Document]:
        """The documents that answer a query, best first; `filter` names values that their metadata must have."""
        return [document for document, _ in self.similarity_search_with_score(query, k, filter=filter)]

    async def asimilarity_search(
        self,
        query: str,
        k: int = 4,
        *,
        filter: Metadata | None = None,
        **kwargs: Any,  # Any: LangChain's signature
    ) -> list[Document]:
        """As `similarity_search`."""
        return [document for document, _ in await self.asimilarity_search_with_score(query, k, filter=filter)]

    def similarity_search_with_score(  # type: ignore[override]  # LangChain's takes anything
        self, query: str, k: int = 4, *, filter: Metadata | None = None
    ) -> list[tuple[Document, float]]:
        """As `similarity_search`, each with its score: the higher, the nearer."""
        vector = None if self._embedding is None else self._embedding.embed_query(query)
        return self._found(query, vector, k, filter)

    async def asimilarity_search_with_score(  # type: ignore[override]  # as above
        self, query: str, k: int = 4, *, filter: Metadata | None = None
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`."""
        vector = None if self._embedding is None else await self._embedding.aembed_query(query)
        return await asyncio.to_thread(self._found, query, vector, k, filter)

    def similarity_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: Metadata | None = None,
        **kwargs: Any,  # Any: LangChain's signature
    ) -> list[Document]:
        """The documents whose vectors are nearest to one, best first."""
        return [document for document, _ in self._found("", embedding, k, filter)]

    def _found(
        self, query: str, vector: Sequence[float] | None, k: int, filter: Metadata | None
    ) -> list[tuple[Document, float]]:
        among = [item for item in self._items.under(self._namespace) if _has(item, filter or {})]
        if vector is not None:
            ranked = nearest(vector, among)
        else:
            ranked = self._items.asked(query, self._namespace, among, first=k) if query.strip() else []
        return [(_document(item), score) for score, item in ranked if score is not None][:k]

    def _select_relevance_score_fn(self) -> Any:  # Any: a function of one number
        """Cosines, and the scores of our search, are the relevance already, from 0 to 1."""
        return lambda score: min(1.0, max(0.0, score))

    # ── made of texts ──

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str | os.PathLike[str] | None = None,
        memory: Memstrata | None = None,
        collection: str = COLLECTION,
        scope: Scope = SCOPE,
        **kwargs: Any,  # Any: LangChain's signature
    ) -> Self:
        """A vector store with some texts in it."""
        store = cls(embedding, path=path, memory=memory, collection=collection, scope=scope)
        store.add_texts(texts, metadatas, ids=ids)
        return store


def _document(item: Item) -> Document:
    value = item.value
    return Document(id=item.key, page_content=value["page_content"], metadata=value["metadata"])


def _has(item: Item, wanted: Metadata) -> bool:
    metadata = item.value["metadata"] if wanted else {}
    return all(name in metadata and metadata[name] == one for name, one in wanted.items())
