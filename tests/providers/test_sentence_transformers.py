"""The sentence-transformers embedder, with a tiny model made here: nothing is downloaded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from memstrata.errors import EmbedderUnavailable, InvalidInput, MissingExtra
from memstrata.providers.embedders.sentence_transformers import SentenceTransformers

library = pytest.importorskip(
    "sentence_transformers", reason='runs a model: pip install "memstrata[sentence-transformers]"'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of 40 words over a random projection, saved as the library saves models."""
    words = [f"word{number}" for number in range(40)]
    bag = library.sentence_transformer.modules.BoW(vocab=words)
    dense = library.sentence_transformer.modules.Dense(in_features=40, out_features=8)
    path = tmp_path_factory.mktemp("model")
    library.SentenceTransformer(modules=[bag, dense], device="cpu").save(str(path))
    return path


@pytest.fixture
def embedder(folder: Path) -> SentenceTransformers:
    return SentenceTransformers(str(folder), device="cpu")


def test_rows_are_unit_length_and_blank_texts_zero(embedder: SentenceTransformers) -> None:
    rows = embedder.embed(["word1 word2", "", "word3"])
    assert rows.shape == (3, embedder.dimensions) == (3, 8) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 0, 1], atol=1e-5)
    assert embedder.embed([]).shape == (0, 8)


def test_both_roles_work_and_lone_surrogates_do_no_harm(embedder: SentenceTransformers) -> None:
    assert embedder.embed(["word1 \ud800"], role="query").any()


def test_identity_names_model_and_dimension(embedder: SentenceTransformers, folder: Path) -> None:
    assert embedder.identity == f"sentence-transformers:{folder}/8"
    assert not embedder.inline


def test_a_model_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match="could not be loaded"):
        SentenceTransformers(str(tmp_path / "absent"), device="cpu")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r"memstrata\[sentence-transformers\]"):
        SentenceTransformers("tiny")


def test_a_single_string_is_refused(embedder: SentenceTransformers) -> None:
    with pytest.raises(InvalidInput, match="sequence"):
        embedder.embed("tea")
