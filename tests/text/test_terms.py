"""Words come in order, the same however a text is cut into chunks, and in time that grows with its length."""

from __future__ import annotations

import pytest

from memstrata.text.terms import terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The runners' café: parseHeader_v2!", ["runner", "cafe", "parseheaderv2", "pars", "header", "v", "2"]),
        ("tea,coffee;milk", ["tea", "coffe", "milk"]),
        ("don't Ana's", ["dont", "ana"]),
        ("日本語 x", ["日本", "本語", "x"]),
        ("  ", []),
    ],
)
def test_words_come_in_the_order_they_were_said(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize("text", ["a" * 1_000_000, "_a" * 500_000, "aB" * 500_000])
def test_one_enormous_word_takes_no_longer_than_many_small_ones(text: str) -> None:
    assert terms(text)  # a look-back over the whole word from each of its letters would take hours
