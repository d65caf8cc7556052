"""Turn texts into vectors: the one shape that every embedder has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["passage", "query"]


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
