"""The ONNX reranker, with a tiny model made here: nothing is downloaded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import cross_encoders
from memstrata.errors import InvalidInput, MissingExtra, RerankerUnavailable
from memstrata.providers.rerankers.onnx import Onnx

for package in ("onnxruntime", "tokenizers"):
    pytest.importorskip(package, reason='runs a model: pip install "memstrata[onnx]"')
onnx = pytest.importorskip("onnx", reason="makes a model: pip install onnx")

PASSAGES = ["Bo likes coffee", "Ana drinks green tea", "green", ""]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return cross_encoders.onnx_folder(tmp_path / "model")


def test_each_passage_gets_what_the_model_says_of_it(folder: Path) -> None:
    assert Onnx(str(folder)).scores("who drinks green tea", PASSAGES).tolist() == [0, 3, 1, 0]


def test_batches_of_any_size_give_the_same_scores(folder: Path) -> None:
    for batch in (1, 2, 3, 64):
        scores = Onnx(str(folder), batch=batch).scores("green tea", [*PASSAGES, *PASSAGES])
        assert scores.tolist() == [0, 2, 1, 0] * 2


def test_a_model_that_says_no_and_yes_is_read_as_how_much_more_yes(tmp_path: Path) -> None:
    folder = cross_encoders.onnx_folder(tmp_path / "two", labels=2)
    assert Onnx(str(folder)).scores("who drinks green tea", PASSAGES).tolist() == [0, 6, 2, 0]


def test_the_model_may_lie_where_exporters_put_it(folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    assert Onnx(str(folder)).scores("tea", ["tea"]).tolist() == [1]


def test_texts_are_cut_to_what_the_model_can_read(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 8}))
    passage = " ".join(["cup"] * 20 + ["tea"])
    assert Onnx(str(folder)).scores("tea", [passage]).tolist() == [0]
    assert Onnx(str(folder)).scores("tea", ["tea " + passage]).tolist() == [1]


def test_lone_surrogates_do_no_harm(folder: Path) -> None:
    assert Onnx(str(folder)).scores("tea \ud800", ["tea \udfff"]).tolist() == [1]


def test_a_folder_that_is_not_there_or_not_whole_says_what_is_missing(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RerankerUnavailable, match=r"absent is no folder; give one that holds model\.onnx"):
        Onnx(str(tmp_path / "absent"))
    (folder / "model.onnx").unlink()
    with pytest.raises(RerankerUnavailable, match=r"holds no model\.onnx; export"):
        Onnx(str(folder))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(RerankerUnavailable, match=r"no model\.onnx and no tokenizer\.json"):
        Onnx(str(folder))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_file_is_reported_when_it_is_loaded(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"not what it should be")
    with pytest.raises(RerankerUnavailable, match="could not be loaded"):
        Onnx(str(folder))


def test_a_model_with_other_inputs_or_outputs_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    strange = cross_encoders.onnx_folder(tmp_path / "strange", inputs=("input_ids", "token_type_ids", "position_ids"))
    with pytest.raises(RerankerUnavailable, match="asks for position_ids; it may ask for input_ids"):
        Onnx(str(strange))
    many = cross_encoders.onnx_folder(tmp_path / "many", labels=3)
    with pytest.raises(RerankerUnavailable, match=r"shape \(2, 3\) for 2 pairs"):
        Onnx(str(many))


def test_without_the_library_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"memstrata\[onnx\]"):
        Onnx(str(folder))


def test_a_single_string_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="sequence"):
        Onnx(str(folder)).scores("tea", "tea")
