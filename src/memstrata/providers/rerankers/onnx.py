"""Score passages next to a query with a cross-encoder exported to ONNX, on the processor and without torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import InvalidInput, MissingExtra, RerankerUnavailable
from memstrata.providers.rerankers import relevance

MODELS: Final = ("model.onnx", "onnx/model.onnx")  # where exporters put it
TOKENIZER: Final = "tokenizer.json"
LONGEST: Final = 512  # tokens of query and passage together, where the model's files name no other bound
BATCH: Final = 16
PADDING: Final = ("[PAD]", "<pad>")
KNOWN: Final = ("input_ids", "attention_mask", "token_type_ids")
TYPES: Final[dict[str, np.dtype[Any]]] = {  # Any: of integers
    "tensor(int64)": np.dtype(np.int64),
    "tensor(int32)": np.dtype(np.int32),
}


class Onnx:
    """A folder with `model.onnx` and `tokenizer.json`, loaded once, here."""

    name = "onnx"

    def __init__(self, folder: str, *, batch: int = BATCH) -> None:
        """Load a folder, and ask the model once; raises MissingExtra or RerankerUnavailable."""
        if batch < 1:
            raise InvalidInput(f"batch is {batch}, it must be 1 or more")
        try:
            import onnxruntime
            import tokenizers
        except ImportError as exc:
            raise MissingExtra("ONNX rerankers", "onnx") from exc
        path = Path(folder).expanduser()
        model = _model_in(path)
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # waiting threads would use a core each
        try:
            self._session: Any = onnxruntime.InferenceSession(  # Any: onnxruntime ships no types
                str(model), options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path / TOKENIZER))
        except Exception as exc:  # neither library has a class of its own for a damaged file
            raise RerankerUnavailable(f"{path} could not be loaded: {type(exc).__name__}: {exc}") from exc
        padding = (self._tokenizer.token_to_id(token) for token in PADDING)
        self._tokenizer.enable_padding(pad_id=next((id for id in padding if id is not None), 0))
        self._tokenizer.enable_truncation(_longest(path))
        self._inputs: Final = _inputs(self._session, model)
        self._batch: Final = batch
        self.scores("which", ["one", "the other"])

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """What the model says of each passage (n,); raises RerankerUnavailable when it fails."""
        if isinstance(passages, str):
            raise InvalidInput('scores takes a sequence of passages: write ["…"] around a single one')
        order = sorted(
            range(len(passages)), key=lambda place: len(passages[place])
        )  # alike lengths pad each other less
        found = np.empty(len(passages), np.float32)
        for start in range(0, len(order), self._batch):
            places = order[start : start + self._batch]
            found[places] = self._scored([(_clean(query), _clean(passages[place])) for place in places])
        return found

    def _scored(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode_batch(list(pairs))
        known = {
            "input_ids": [one.ids for one in encoded],
            "attention_mask": [one.attention_mask for one in encoded],
            "token_type_ids": [one.type_ids for one in encoded],
        }
        try:
            answers = self._session.run(
                None, {name: np.array(known[name], kind) for name, kind in self._inputs.items()}
            )
        except Exception as exc:  # onnxruntime's errors have no class in common
            raise RerankerUnavailable(f"the ONNX model failed on {len(pairs)} pairs: {type(exc).__name__}") from exc
        return relevance(np.asarray(answers[0]))


def _model_in(folder: Path) -> Path:
    """The model's file; says what is missing where there is none."""
    if not folder.is_dir():
        raise RerankerUnavailable(f"{folder} is no folder; give one that holds {MODELS[0]} and {TOKENIZER}")
    model = next((folder / name for name in MODELS if (folder / name).is_file()), None)
    missing = [name for name, there in ((MODELS[0], model), (TOKENIZER, (folder / TOKENIZER).is_file())) if not there]
    if missing or model is None:
        raise RerankerUnavailable(f"{folder} holds no {' and no '.join(missing)}; export a cross-encoder into it")
    return model


def _inputs(session: Any, model: Path) -> dict[str, np.dtype[Any]]:  # Any: as above; of integers
    """What the model is fed, by name, each with its type."""
    asked = {one.name: one.type for one in session.get_inputs()}
    unknown = [name for name, kind in asked.items() if name not in KNOWN or kind not in TYPES]
    if unknown:
        raise RerankerUnavailable(
            f"{model} asks for {', '.join(unknown)}; it may ask for {', '.join(KNOWN)} as integers"
        )
    return {name: TYPES[kind] for name, kind in asked.items()}


def _longest(folder: Path) -> int:
    """Tokens that the model can read at once."""
    bounds = [LONGEST]
    for name, key in (("tokenizer_config.json", "model_max_length"), ("config.json", "max_position_embeddings")):
        try:
            bound = json.loads((folder / name).read_text(encoding="utf-8")).get(key)
        except (OSError, ValueError, AttributeError):
            continue  # these files are not always there, and only narrow the bound
        if isinstance(bound, int) and bound > 0:
            bounds.append(bound)
    return min(bounds)


def _clean(text: str) -> str:
    """The text without halves of surrogate pairs, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()
