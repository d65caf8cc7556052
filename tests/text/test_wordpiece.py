"""The tokeniser gives the ids that the `tokenizers` library gives, on everything."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstrata.errors import InvalidInput
from memstrata.text import wordpiece
from memstrata.text.wordpiece import WordPiece

VOCABULARY = (
    files("memstrata.providers.embedders").joinpath("static", "vocab.txt").read_text(encoding="utf-8").splitlines()
)

ORDINARY = [
    "I moved to Lisbon on 2024-05-07; my sister's flat is in Rua do Século.",
    "def parse_cache(user_id: int) -> None: return self._lock.commit()",
    "Tabs\tand\nnew lines\r\nand   runs  of spaces ",
    "it's 3:45 pm, $1,200.50 (20% off) — don't… “quote” ‘me’ ¿vale? ¡sí!",
    "[CLS] [UNK] ##ing [SEP]",
]
ACCENTS = [
    "Crème brûlée",
    "naïve façade",
    "İstanbul ISPARTA ı",
    "ΑΣ Σίσυφος",
    "Ångström ẞ ß",
    "e\u0301a\u0308",
    "Việt Nam",
    "q\u0323\u0307",
]
IDEOGRAPHS = [
    "我喜欢绿茶。",
    "東京とパリへ行く",
    "서울에 살아요",
    "a漢b字c",
    "\uf900\u2f81a 𠀀𪜀",
    "ｆｕｌｌ　ｗｉｄｔｈ",
]
PICTURES = ["I ❤️ tea 🍵", "👩‍👩‍👧‍👦 family", "🇵🇹🇩🇪", "thumbs👍🏽up", "😀"]
CONTROLS = [
    "a\x00b",
    "a\x0bb\x0cc",
    "a\x1cb\x1fc",
    "a\x85b",
    "a\u200bb\ufeff",
    "\ufffd",
    "soft\u00adhyphen",
    "a\u2028b\u2029c",
    "\x7f",
]
LONG = [
    "a" * 100,
    "a" * 101,
    "é" * 100,
    "é" * 101,
    "x" * 100_000,
    "http://example.org/" + "path/" * 50,
    "ab!" * 5_000,
]
MIXED = [
    "Привет, мир",
    "שלום עולם",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "ไทยแลนด์",
    "ʼn ǆ ﬁ ﬂ",
    "Ⅳ ① ½ x²",
    "\u2de0 \u1cdd \u06dd \u200e\u200f",
]
EMPTY = ["", " ", "\n\t", "\u200b", "\u0301"]


@pytest.fixture(scope="module")
def pieces() -> WordPiece:
    return WordPiece(VOCABULARY)


@pytest.fixture(scope="module")
def library() -> Any:  # Any: the library has no types
    tokenizers = pytest.importorskip(
        "tokenizers", reason="compares with the tokenizers library: pip install tokenizers"
    )
    model = tokenizers.models.WordPiece(
        {token: at for at, token in enumerate(VOCABULARY)}, unk_token="[UNK]", max_input_chars_per_word=100
    )
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return tokenizer


@pytest.mark.parametrize("text", ORDINARY + ACCENTS + IDEOGRAPHS + PICTURES + CONTROLS + LONG + MIXED + EMPTY)
def test_ids_equal_the_librarys(pieces: WordPiece, library: Any, text: str) -> None:
    assert pieces.ids(text) == library.encode(text, add_special_tokens=False).ids


def test_every_character_gives_the_librarys_ids(pieces: WordPiece, library: Any) -> None:
    for start in [*range(0, 0x20000, 64), *range(0xE0000, 0xE1000, 64), *range(0xF0000, 0x110000, 4096)]:
        line = " ".join(f"a{chr(code)}b" for code in range(start, start + 64) if not 0xD800 <= code < 0xE000)
        found = library.encode(line, add_special_tokens=False).ids
        assert pieces.ids(line) == found, f"U+{start:04X} to U+{start + 63:04X}"


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=80) | st.text("abcé ̈Σ漢!'\u200b\t\x0b0", max_size=30))
def test_any_text_gives_the_librarys_ids(pieces: WordPiece, library: Any, text: str) -> None:
    assert pieces.ids(text) == library.encode(text, add_special_tokens=False).ids


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(categories=["Cs", "L", "Zs", "P"]), max_size=20))
def test_lone_surrogates_count_as_nothing(pieces: WordPiece, text: str) -> None:
    without = "".join(character for character in text if not 0xD800 <= ord(character) < 0xE000)
    assert pieces.ids(text) == pieces.ids(without)


def test_ids_are_the_same_the_second_time_and_not_shared(pieces: WordPiece) -> None:
    first = pieces.ids("unforgettable tea")
    expected = list(first)
    first.clear()
    assert pieces.ids("unforgettable tea") == expected


def test_a_full_cache_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece, "CACHED_CHUNKS", 4)
    small, large = WordPiece(VOCABULARY), WordPiece(VOCABULARY)
    for number in range(50):
        small.ids(f"word{number}")
        assert len(small._chunks) <= 4
    assert small.ids("word7 tea") == large.ids("word7 tea")


def test_a_vocabulary_without_unknown_is_refused() -> None:
    with pytest.raises(InvalidInput, match="UNK"):
        WordPiece(["a", "b"])
