"""Turn texts into vectors with the table that ships: no download, no key, no model run.

A text's vector is the normalised weighted sum of one row a token. The rows were fitted so that these sums
point where a sentence transformer's vectors point; what a token counts, in a passage and in a question, was learned
from questions. `tools/embedder` holds the scripts, `static/about.json` says what went in. Word order is lost on the
way; words the vocabulary lacks, and emoji, add nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import InvalidInput
from memstrata.providers.embedders import Role
from memstrata.text.wordpiece import WordPiece

_TOKENS_AT_ONCE: Final = 2_048  # rows unpacked to float32 in one go: 2 MB, which stays in a core's cache


class Builtin:
    """The embedder that is always there; open it as often as you like, all share one read-only table.

    The table is mapped on first use, so that processes share its pages.

    >>> embedder = Builtin()
    >>> tea, drink, car = embedder.embed(["green tea", "a hot drink", "change the tyres"])
    >>> bool(tea @ drink > tea @ car)
    True
    """

    @property
    def identity(self) -> str:
        """The name, dimension and the start of a sha256 over the files, which a test holds against them."""
        return str(_about()["identity"])

    @property
    def dimensions(self) -> int:
        """256."""
        return int(_about()["dimensions"])

    @property
    def inline(self) -> bool:
        """True: 0.03 ms for a text of twenty words, measured on one core."""
        return True

    def embed(
        self,
        texts: Sequence[str],
        *,
        role: Role = "passage",
    ) -> NDArray[np.float32]:
        """Unit rows, (len(texts), 256); all zero where no token is known.

        Tokens count differently in a query than in a passage: "what" says little there. A text counts whole, however
        long. Raises InvalidInput for a single string.
        """
        if isinstance(texts, str):
            raise InvalidInput('embed takes a sequence of texts: write ["…"] around a single one')
        table = _table()
        scale = table.scales[role]
        vectors = np.zeros((len(texts), table.rows.shape[1]), np.float32)
        ids: list[int] = []
        starts: list[int] = []
        places: list[int] = []
        for place, text in enumerate(texts):
            found = table.pieces.ids(text)
            if not found:
                continue
            if len(ids) + len(found) > _TOKENS_AT_ONCE and ids:
                vectors[places] = table.sums(ids, starts, scale)
                ids, starts, places = [], [], []
            if len(found) > _TOKENS_AT_ONCE:
                vectors[place] = table.long_sum(found, scale)
                continue
            starts.append(len(ids))
            places.append(place)
            ids += found
        if ids:
            vectors[places] = table.sums(ids, starts, scale)
        return _normalised(vectors)


@dataclass(frozen=True, slots=True)
class _Table:
    """The tokeniser and what each token adds."""

    pieces: WordPiece
    rows: NDArray[np.int8]  # (token, dimension), mapped from the file
    scales: Mapping[Role, NDArray[np.float32]]  # (token, 1): the token's weight and the step of its int8 row in one

    def sums(self, ids: list[int], starts: list[int], scale: NDArray[np.float32]) -> NDArray[np.float32]:
        """The weighted sums of consecutive runs of `ids`, (len(starts), dimension); no run is empty."""
        at = np.array(ids)
        added: NDArray[np.float32] = np.add.reduceat(self.rows[at] * scale[at], starts, axis=0)
        return added

    def long_sum(self, ids: list[int], scale: NDArray[np.float32]) -> NDArray[np.float32]:
        """The weighted sum of one text of any length, in bounded memory."""
        total = np.zeros(self.rows.shape[1], np.float32)
        for start in range(0, len(ids), _TOKENS_AT_ONCE):
            total += self.sums(ids[start : start + _TOKENS_AT_ONCE], [0], scale)[0]
        return total


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    length[length == 0] = 1
    vectors /= length[:, None]
    return vectors


@cache
def _about() -> dict[str, Any]:  # Any: values of a JSON file
    found: dict[str, Any] = json.loads(_resource("about.json").read_text(encoding="utf-8"))  # Any: as above
    return found


@cache
def _table() -> _Table:
    """Everything needed to embed; two threads that come first at once both open it, which does no harm."""
    vocabulary = _resource("vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    scales: dict[Role, NDArray[np.float32]] = {
        "passage": _array("scale.npy")[:, None],
        "query": _array("query_scale.npy")[:, None],
    }
    return _Table(WordPiece(vocabulary), _array("table.npy"), scales)


def pieces() -> WordPiece:
    """The tokeniser of the table's vocabulary, shared with whoever counts tokens."""
    return _table().pieces


def _array(name: str) -> NDArray[Any]:  # Any: int8 or float32, as the file says
    """Map a file of numbers; read it where it is no file, as in a zipped package."""
    resource = _resource(name)
    if isinstance(resource, Path):
        return np.asarray(np.load(resource, mmap_mode="r", allow_pickle=False))
    found: NDArray[Any] = np.load(io.BytesIO(resource.read_bytes()), allow_pickle=False)  # Any: as above
    return found


def _resource(name: str) -> Traversable:
    return files("memstrata.providers.embedders") / "static" / name
