"""Turn texts into vectors: the one shape that every embedder has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import EmbedderMismatch, EmbedderUnavailable

Role = Literal["passage", "query"]
UNIT_TOLERANCE: Final = 0.01


class Embedder(Protocol):
    """Whatever turns texts into unit vectors, always the same vector for the same text.

    Nearness of two texts is the dot product of their vectors. A store keeps `identity` with every vector and
    never compares vectors of different identities.
    """

    @property
    def identity(self) -> str:
        """A name that changes whenever the vectors would: model, version, dimension.

        May raise EmbedderUnavailable where it has to ask the model first.
        """
        ...

    @property
    def dimensions(self) -> int:
        """The length of every vector. May raise EmbedderUnavailable where it has to ask the model first."""
        ...

    @property
    def inline(self) -> bool:
        """True: local, and fast enough to run inside `add` (< 1 ms a text); False: owed work."""
        ...

    def embed(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """One unit row a text, (len(texts), dimensions); all zero for a text with nothing to embed.

        `role` says whether the texts are kept or asked with; an embedder may treat the two differently.
        No texts give an array of no rows. Raises InvalidInput for a single string in place of a sequence,
        EmbedderUnavailable when the model does not answer usefully, EmbedderMismatch when it answers with
        another dimension than before. All or nothing: no row is ever missing.
        """
        ...


def embedded(texts: Sequence[str], embedder: Embedder, *, role: Role = "passage") -> NDArray[np.float32]:
    """What an embedder says of texts, (len(texts), dimensions), once it has been seen to be usable.

    Raises:
        EmbedderMismatch: it answers with another dimension than it says.
        EmbedderUnavailable: it answers with too few rows, or with some that are no unit vectors.
    """
    vectors = np.asarray(embedder.embed(texts, role=role))
    if vectors.ndim != 2 or vectors.shape[1] != embedder.dimensions:
        raise EmbedderMismatch(
            f"{embedder.identity} says {embedder.dimensions} dimensions and gave an array of shape {vectors.shape}"
        )
    found = vectors.astype(np.float32)
    with np.errstate(all="ignore"):  # what is not finite is refused below
        lengths = np.linalg.norm(found, axis=1)
    if len(found) != len(texts) or not np.all((np.abs(lengths - 1) < UNIT_TOLERANCE) | (lengths == 0)):
        raise EmbedderUnavailable(
            f"{embedder.identity} gave {len(found)} vectors for {len(texts)} texts, or some that are not of length 1"
        )
    return found
