"""Count the tokens of a text, exactly as the model it is meant for would."""

from __future__ import annotations

import math
from typing import Protocol

from memstrata.errors import InvalidConfig, MissingExtra
from memstrata.text.wordpiece import WordPiece


class Counter(Protocol):
    """Counts tokens."""

    @property
    def name(self) -> str:
        """What the ledger calls the unit."""
        ...

    def count(self, text: str) -> int:
        """How many tokens the text is; 0 for the empty one."""
        ...


class WordPieceCounter:
    """Tokens of the built-in embedder's vocabulary: a fair guide to most models, and always there."""

    name = "wordpiece"

    def __init__(self, pieces: WordPiece) -> None:
        self._pieces = pieces

    def count(self, text: str) -> int:
        """Word pieces, without special tokens."""
        return len(self._pieces.ids(text))


class CharacterCounter:
    """A quarter of the characters, rounded up: the usual rule of thumb where no tokeniser is at hand."""

    name = "characters/4"

    def count(self, text: str) -> int:
        """Four characters make a token."""
        return math.ceil(len(text) / 4)


class TiktokenCounter:
    """Tokens of an OpenAI encoding; needs `memstrata[tiktoken]`."""

    def __init__(self, encoding: str = "o200k_base") -> None:
        try:
            import tiktoken
        except ImportError as exc:
            raise MissingExtra("exact counts for OpenAI models", "tiktoken") from exc
        try:
            self._encoding = tiktoken.get_encoding(encoding)
        except Exception as exc:  # tiktoken raises whatever its download of the encoding raised
            raise InvalidConfig(f"the tiktoken encoding {encoding!r} cannot be had: {type(exc).__name__}") from exc
        self.name = f"tiktoken/{encoding}"

    def count(self, text: str) -> int:
        """Tokens, with special tokens counted as plain text."""
        return len(self._encoding.encode(text, disallowed_special=()))
