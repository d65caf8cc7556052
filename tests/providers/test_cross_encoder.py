"""The cross-encoder reranker, with a tiny model made here: nothing is downloaded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import cross_encoders
from memstrata.errors import InvalidInput, MissingExtra, RerankerUnavailable
from memstrata.providers.rerankers.cross_encoder import CrossEncoder
from memstrata.providers.rerankers.onnx import Onnx

pytest.importorskip("sentence_transformers", reason='runs a model: pip install "memstrata[sentence-transformers]"')

PASSAGES = ["Bo likes coffee", "Ana drinks green tea in the morning", "green", "", "cup " * 200]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cross_encoders.library_folder(tmp_path_factory.mktemp("model"))


def test_scores_are_the_models_own_numbers_and_not_squashed(folder: Path) -> None:
    import sentence_transformers
    import torch

    scores = CrossEncoder(str(folder), device="cpu").scores("green tea", PASSAGES)
    model = sentence_transformers.CrossEncoder(str(folder), device="cpu")
    squashed = model.predict([("green tea", passage) for passage in PASSAGES], activation_fn=torch.nn.Sigmoid())
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), squashed, atol=1e-5)
    assert scores.min() < 0 or scores.max() > 1


@pytest.mark.filterwarnings("ignore")  # the exporter is on its way out, and says so at length
def test_exported_to_onnx_it_says_the_same(folder: Path, tmp_path: Path) -> None:
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    import torch
    import transformers

    model = transformers.BertForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    fed = {name: torch.ones((2, 5), dtype=torch.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    names = {0: "batch", 1: "length"}
    torch.onnx.export(
        model, (), str(tmp_path / "model.onnx"), kwargs=fed, input_names=list(fed), output_names=["logits"],
        dynamic_axes={**dict.fromkeys(fed, names), "logits": {0: "batch"}}, dynamo=False,
    )  # fmt: skip
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    exported = Onnx(str(tmp_path)).scores("who drinks green tea", PASSAGES)
    np.testing.assert_allclose(exported, CrossEncoder(str(folder)).scores("who drinks green tea", PASSAGES), atol=1e-4)


def test_lone_surrogates_do_no_harm(folder: Path) -> None:
    assert CrossEncoder(str(folder), device="cpu").scores("tea \ud800", ["tea \udfff"]).shape == (1,)


def test_a_model_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RerankerUnavailable, match="could not be loaded"):
        CrossEncoder(str(tmp_path / "absent"), device="cpu")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r"memstrata\[sentence-transformers\]"):
        CrossEncoder("tiny")


def test_a_single_string_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="sequence"):
        CrossEncoder(str(folder), device="cpu").scores("tea", "tea")
