"""Prove what LangChain's own suite does not ask: durability, search without an embedder, filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("langchain_core.vectorstores", reason="needs memstrata[langchain]")

from langchain_core.embeddings import DeterministicFakeEmbedding

from memstrata import Memstrata
from memstrata.errors import InvalidInput
from memstrata.faces.compat.langchain import MemstrataVectorStore

TEXTS = ["Ana keeps bees.", "Bo repaired the blue boat.", "Cy drinks green tea."]
ABOUT = [{"who": "ana"}, {"who": "bo"}, {"who": "cy"}]


def test_without_an_embedder_documents_are_found_by_words_and_meaning(memory: Memstrata) -> None:
    store = MemstrataVectorStore(memory=memory)
    store.add_texts(TEXTS, ABOUT, ids=["1", "2", "3"])
    (document, score), *_ = store.similarity_search_with_score("who repaired the boat?")
    assert (document.id, document.page_content, document.metadata) == ("2", TEXTS[1], {"who": "bo"})
    assert 0 < score <= 1
    assert [one.id for one in store.similarity_search("the boat", filter={"who": "cy"})] in ([], ["3"])
    assert store.as_retriever(search_kwargs={"k": 1}).invoke("green tea")[0].id == "3"


def test_documents_stay_and_collections_are_apart(home: Path) -> None:
    embedding = DeterministicFakeEmbedding(size=8)
    store = MemstrataVectorStore.from_texts(TEXTS, embedding, ids=["1", "2", "3"], path=home)
    store.close()
    store = MemstrataVectorStore(embedding, path=home)
    assert store.similarity_search(TEXTS[2], k=1)[0].id == "3"
    assert store.similarity_search_by_vector(embedding.embed_query(TEXTS[0]), k=1)[0].id == "1"
    other = MemstrataVectorStore(embedding, memory=store._items.memory, collection="other")
    assert other.similarity_search(TEXTS[2]) == []
    store.delete()
    assert store.similarity_search(TEXTS[2]) == []
    store.close()


def test_texts_and_what_goes_with_them_must_be_as_many(opened: Callable[..., Memstrata], home: Path) -> None:
    store = MemstrataVectorStore(memory=opened())
    with pytest.raises(InvalidInput, match="3 texts, 1 metadatas"):
        store.add_texts(TEXTS, ABOUT[:1])
    with pytest.raises(InvalidInput, match="pass one of them"):
        MemstrataVectorStore()
