"""Turn texts into bags of token ids, many texts in one row, as `torch` adds them up fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from teach import MAX_TOKENS

from memstrata.text.wordpiece import WordPiece


@dataclass(frozen=True, slots=True)
class Bags:
    """Texts as token ids, one after another in `flat`."""

    flat: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor

    def __len__(self) -> int:
        return len(self.starts)

    def of(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The ids of the chosen texts in one row, and where each text starts."""
        lengths = self.lengths[at]
        ends = lengths.cumsum(0)
        starts = ends - lengths
        shift = torch.repeat_interleave(self.starts[at] - starts, lengths)
        return self.flat[torch.arange(int(ends[-1])) + shift], starts


class Reader:
    """Turns texts into bags, none of them empty."""

    def __init__(self, pieces: WordPiece) -> None:
        self._pieces = pieces

    def ids(self, text: str) -> list[int]:
        """Known tokens, no more than the teacher reads."""
        return [i for i in self._pieces.ids(text)[: MAX_TOKENS - 2] if i != self._pieces.unknown]

    def bags(self, texts: Sequence[str]) -> Bags:
        """One bag a text; a text without known tokens is an unknown one."""
        return bags([self.ids(text) or [self._pieces.unknown] for text in texts])


def bags(ids: Sequence[Sequence[int]]) -> Bags:
    """Lists of ids, put one after another."""
    lengths = torch.tensor([len(one) for one in ids])
    return Bags(torch.tensor([i for one in ids for i in one]), lengths.cumsum(0) - lengths, lengths)
