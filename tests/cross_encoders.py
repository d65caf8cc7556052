"""Make tiny cross-encoders in a folder, as exported ones look: nothing is downloaded.

The ONNX one has no weights. It counts the words of the query that the passage has, so that tests know the order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = (
    "ana",
    "bo",
    "green",
    "black",
    "tea",
    "coffee",
    "drinks",
    "likes",
    "about",
    "turn",
    "cup",
    "morning",
    "what",
    "who",
)


def onnx_folder(
    folder: Path, *, inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"), labels: int = 1
) -> Path:
    """A folder with `model.onnx` and `tokenizer.json`; with two labels the model says "no" and "yes"."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder)
    save_model(folder, inputs, labels)
    return folder


def save_tokenizer(folder: Path) -> None:
    """Whole words, lower case; what is not among `WORDS` is unknown."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    vocabulary = {word: id for id, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64}))


def save_model(folder: Path, inputs: tuple[str, ...], labels: int) -> None:
    """The graph: which known words of the first text come in the second, and how many they are."""
    import onnx
    from onnx import TensorProto, helper

    def node(kind: str, given: list[str], made: str, **options: Any) -> Any:  # Any: onnx's attributes and nodes
        return helper.make_node(kind, given, [made], **options)

    nodes = [
        node("Greater", ["input_ids", "three"], "known"),  # past the special and the unknown
        node("Equal", ["token_type_ids", "zero"], "first"),
        node("Equal", ["token_type_ids", "one"], "second"),
        node("And", ["known", "first"], "asked"),
        node("And", ["known", "second"], "there"),
        node("Unsqueeze", ["input_ids", "last"], "down"),
        node("Unsqueeze", ["input_ids", "middle"], "across"),
        node("Equal", ["down", "across"], "alike"),
        node("Unsqueeze", ["there", "middle"], "there_across"),
        node("And", ["alike", "there_across"], "met"),
        node("Cast", ["met"], "met_number", to=TensorProto.FLOAT),
        node("ReduceMax", ["met_number", "last"], "found", keepdims=0),
        node("Cast", ["asked"], "asked_number", to=TensorProto.FLOAT),
        node("Mul", ["found", "asked_number"], "counted"),
        node("ReduceSum", ["counted", "middle"], "yes", keepdims=1),
        node("Neg", ["yes"], "no"),
        node("Concat", [*["no", "yes"][-labels:], *["yes"] * max(0, labels - 2)], "logits", axis=1),
    ]
    constants = [("zero", [], [0]), ("one", [], [1]), ("three", [], [3]), ("middle", [1], [1]), ("last", [1], [2])]
    graph = helper.make_graph(
        nodes,
        "shared words",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])],
        [helper.make_tensor(name, TensorProto.INT64, shape, values) for name, shape, values in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"))


def library_folder(folder: Path) -> Path:
    """A model of the sentence-transformers library with one layer of seeded random weights."""
    import sentence_transformers
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab={word: id for id, word in enumerate(words)})
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, num_labels=1, initializer_range=0.5,
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    sentence_transformers.CrossEncoder(str(folder), device="cpu").save_pretrained(str(folder))
    return folder
