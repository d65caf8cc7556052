"""Turn texts into vectors with a local sentence-transformers model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import EmbedderUnavailable, InvalidInput, MissingExtra
from memstrata.providers.embedders import Role


class SentenceTransformers:
    """A model of the sentence-transformers library, loaded once, here.

    Models that mark queries and passages do so by themselves: `role` chooses between the library's
    `encode_query` and `encode_document`.
    """

    def __init__(self, model: str, *, device: str | None = None, batch: int = 64) -> None:
        """Load `model`, a name on the hub or a folder; raises MissingExtra or EmbedderUnavailable.

        `device` as torch writes it ("cpu", "cuda:0"); None takes the best there is.
        """
        if batch < 1:
            raise InvalidInput(f"batch is {batch}, it must be 1 or more")
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as exc:
            raise MissingExtra("sentence-transformers embedders", "sentence-transformers") from exc
        try:
            self._model = SentenceTransformer(model, device=device)
        except (OSError, ValueError, RuntimeError) as exc:  # no such model, no network, no such device
            raise EmbedderUnavailable(f"{model} could not be loaded on {device or 'any device'}") from exc
        dimensions = self._model.get_embedding_dimension()
        if not dimensions:
            raise EmbedderUnavailable(f"{model} does not say how long its vectors are")
        self._name: Final = model
        self._dimensions: Final = int(dimensions)
        self._batch: Final = batch

    @property
    def identity(self) -> str:
        """`sentence-transformers:{model}/{dimensions}`."""
        return f"sentence-transformers:{self._name}/{self._dimensions}"

    @property
    def dimensions(self) -> int:
        """As the model says."""
        return self._dimensions

    @property
    def inline(self) -> bool:
        """False: a model run takes too long for `add`."""
        return False

    def embed(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows, (len(texts), dimensions); an empty or blank text gives an all-zero row.

        Raises EmbedderUnavailable when the model fails, InvalidInput for a single string.
        """
        if isinstance(texts, str):
            raise InvalidInput('embed takes a sequence of texts: write ["…"] around a single one')
        vectors = np.zeros((len(texts), self._dimensions), np.float32)
        places = [place for place, text in enumerate(texts) if text.strip()]
        if not places:
            return vectors
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        try:
            vectors[places] = encode(
                [texts[place].encode("utf-8", "replace").decode() for place in places],
                batch_size=self._batch,
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=True,
            )
        except (RuntimeError, ValueError) as exc:  # out of memory, a device that went away
            raise EmbedderUnavailable(f"{self._name} failed on {len(places)} texts") from exc
        if not np.isfinite(vectors).all():
            raise EmbedderUnavailable(f"{self._name} gave vectors that hold NaN or infinity")
        return vectors
