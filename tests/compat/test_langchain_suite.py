"""Prove that LangChain's standard tests of vector stores pass with ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("langchain_tests.integration_tests", reason="needs the dependency group `compat`: make test-compat")
pytest.importorskip("pytest_asyncio", reason="needs the dependency group `compat`: make test-compat")

from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from memstrata.faces.compat.langchain import MemstrataVectorStore


class TestVectorStore(VectorStoreIntegrationTests):
    """Their suite, synchronous and asynchronous, with the embedder it brings."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        """An empty store."""
        store = MemstrataVectorStore(self.get_embeddings(), path=tmp_path)
        yield store
        store.close()
