"""Score passages next to a query with a local cross-encoder of the sentence-transformers library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import InvalidInput, MissingExtra, RerankerUnavailable
from memstrata.providers.rerankers import relevance


class CrossEncoder:
    """A model of the library, a name on the hub or a folder, loaded once, here."""

    name = "cross-encoder"

    def __init__(self, model: str, *, device: str | None = None, batch: int = 32) -> None:
        """Load `model`, and ask it once; raises MissingExtra or RerankerUnavailable.

        `device` as torch writes it ("cpu", "cuda:0"); None takes the best there is.
        """
        if batch < 1:
            raise InvalidInput(f"batch is {batch}, it must be 1 or more")
        try:
            import sentence_transformers
        except ImportError as exc:
            raise MissingExtra("cross-encoder rerankers", "sentence-transformers") from exc
        try:
            self._model = sentence_transformers.CrossEncoder(model, device=device)
        except (OSError, ValueError, RuntimeError) as exc:  # no such model, no network, no such device
            raise RerankerUnavailable(f"{model} could not be loaded on {device or 'any device'}") from exc
        self._batch: Final = batch
        self.scores("which", ["one", "the other"])

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """What the model says of each passage (n,), before any squashing; raises RerankerUnavailable when it fails."""
        if isinstance(passages, str):
            raise InvalidInput('scores takes a sequence of passages: write ["…"] around a single one')
        if not passages:
            return np.empty(0, np.float32)
        try:
            answers = self._model.predict(
                [(_clean(query), _clean(passage)) for passage in passages],
                batch_size=self._batch,
                show_progress_bar=False,
                activation_fn=_as_it_is,
                convert_to_numpy=True,
            )
        except (RuntimeError, ValueError) as exc:  # out of memory, a device that went away
            raise RerankerUnavailable(f"the cross-encoder failed on {len(passages)} passages") from exc
        return relevance(np.asarray(answers))


def _as_it_is(answers: Any) -> Any:  # Any: a tensor of torch, which is not loaded here
    """The model's own numbers: squashed into 0 to 1, the best ones could hardly be told apart."""
    return answers


def _clean(text: str) -> str:
    """The text without halves of surrogate pairs, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()
