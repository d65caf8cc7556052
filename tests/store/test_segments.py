"""Prove that long texts are cut without loss, found at the exact place, and bounded."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstrata import Memstrata
from memstrata.errors import InvalidInput
from memstrata.text.spans import LONGEST, passages
from memstrata.write.event import MAX_TEXT_BYTES

SIGNS = st.sampled_from(["word ", "。", "雨", "\n\n", "\n", ". ", "x" * 300, "👍🏽", "\u2028", ", ", "é", "' ", "\r\n"])
LONG = st.lists(SIGNS, max_size=400).map("".join)


@settings(max_examples=200)
@given(LONG)
def test_passages_cover_a_text_end_to_end(text: str) -> None:
    spans = passages(text)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert all(0 < stop - start <= LONGEST for start, stop in spans) or text == ""


@settings(max_examples=15)
@given(before=LONG, after=LONG)
def test_a_hit_cites_the_place_of_the_words(memory: Memstrata, before: str, after: str) -> None:
    memory.delete_all(user_id="ana")
    text = f"{before} zanzibar quixotic {after}"
    id = memory.add(text, user_id="ana").id
    (hit, *_) = memory.search("quixotic zanzibar", user_id="ana")
    assert hit.memory.id == id
    assert "quixotic" in hit.passage
    assert hit.passage == text[hit.start : hit.stop]


def test_every_part_of_a_long_text_is_found_at_its_place(memory: Memstrata) -> None:
    words = [f"uniq{chr(97 + n // 26)}{chr(97 + n % 26)}word" for n in range(200)]
    text = " ".join(f"The {word} stands beside the 雨 house, and nothing else happens there." for word in words)
    memory.add(text, user_id="ana")
    memory.add("something short", user_id="ana")
    for word in words[::7]:
        (hit,) = [hit for hit in memory.search(word, user_id="ana") if hit.memory.text == text]
        assert word in hit.passage
        assert text[hit.start : hit.stop] == hit.passage
        passage = next(one for one in memory.context(word, user_id="ana", budget=400).passages if word in one.text)
        assert text[passage.start : passage.stop] == passage.text


def test_a_text_of_one_megabyte_is_kept_and_one_byte_more_is_refused(memory: Memstrata) -> None:
    text = ("filler sentence number nine. " * 40_000)[: MAX_TEXT_BYTES - 9] + " zanzibar"
    assert len(text) == MAX_TEXT_BYTES
    id = memory.add(text, user_id="ana").id
    assert memory.get(id).text == text
    (hit, *_) = memory.search("zanzibar", user_id="ana")
    assert hit.stop == len(text)
    before = memory.stats().position
    with pytest.raises(InvalidInput, match="1,048,577 bytes"):
        memory.add(text + "!", user_id="ana")
    with pytest.raises(InvalidInput, match="1,048,576"):
        memory.add("雨" * (MAX_TEXT_BYTES // 3 + 1), user_id="ana")
    assert memory.stats().position == before
    assert memory.update(id, text="short now").version == 2
    assert memory.search("zanzibar", user_id="ana", filters={"text": {"contains": "zanzibar"}}) == []
    assert memory.delete(id).memories == 1
    assert memory.check().ok


def test_the_worst_text_of_one_megabyte_stays_within_the_segments_a_memory_may_have(memory: Memstrata) -> None:
    text = ("a" * 399 + "\n\n") * (MAX_TEXT_BYTES // 401)
    id = memory.add(text, user_id="ana").id
    with memory._parts.store.reading() as reading:
        (space,) = reading.spaces("", "", "ana")
        assert reading.state(space).segments < 4_096
    assert memory.check().ok
    memory.delete(id)
    assert memory.stats(user_id="ana").segments == 0
