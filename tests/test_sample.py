"""Prove that the shipped sample is as large, as varied and as consistent as its users rely on."""

import re
from collections import Counter
from datetime import datetime, timedelta

from memstrata import sample

CATEGORIES = {
    "single",
    "multi",
    "temporal",
    "change",
    "preference",
    "alias",
    "language",
    "photo",
    "detail",
    "neighbour",
}
TURN_FIELDS = {"key", "session_id", "speaker", "role", "at", "kind", "text"}
FOREIGN = {
    "Portuguese": re.compile(r"\b(?:não|também|é|já|uma)\b"),
    "German": re.compile(r"\b(?:und|nicht|ist|dann|auf)\b"),
    "French": re.compile(r"\b(?:avec|c'est|parce|elle|des)\b"),
    "Japanese": re.compile(r"[\u3041-\u309f\u4e00-\u9fff]"),
}


def turns() -> list[dict[str, object]]:
    return list(sample.conversation())


def texts() -> list[str]:
    return [str(turn["text"]) for turn in turns()]


def times() -> list[datetime]:
    return [datetime.fromisoformat(str(turn["at"])) for turn in turns()]


def test_conversation_is_a_year_of_sessions_among_four() -> None:
    assert len(turns()) >= 430
    assert len({turn["session_id"] for turn in turns()}) >= 20
    assert {turn["speaker"] for turn in turns()} == {"Ines", "Tilo", "Leonor", "Juno"}
    assert times()[-1] - times()[0] > timedelta(days=330)


def test_every_turn_has_the_fields_of_an_event() -> None:
    for turn in turns():
        assert set(turn) - {"attributes"} == TURN_FIELDS, turn["key"]
        assert turn["text"]
        assert turn["kind"] == "turn"
        assert turn["role"] == ("assistant" if turn["speaker"] == "Juno" else "user")
        assert isinstance(turn.get("attributes", {}), dict)


def test_keys_are_unique_and_begin_with_their_session() -> None:
    keys = [str(turn["key"]) for turn in turns()]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith(f"{turn['session_id']}:t") for key, turn in zip(keys, turns(), strict=True))


def test_times_carry_an_offset_and_are_in_order() -> None:
    assert all(at.utcoffset() is not None for at in times())
    assert times() == sorted(times())
    assert len({at.utcoffset() for at in times()}) >= 3


def test_some_turns_are_whole_in_other_languages() -> None:
    for language, words in FOREIGN.items():
        matches = [text for text in texts() if len(words.findall(text.lower())) >= 2]
        assert len(matches) >= 2, language


def test_two_turns_are_long_enough_to_hide_a_detail() -> None:
    assert sum(600 < len(text) <= 1500 for text in texts()) >= 2


def test_photos_are_told_by_caption() -> None:
    attributes = [turn["attributes"] for turn in turns() if "attributes" in turn]
    assert sum(isinstance(own, dict) and "caption" in own for own in attributes) >= 6


def test_every_category_has_enough_questions() -> None:
    counts = Counter(question.category for question in sample.questions())
    assert set(counts) == CATEGORIES
    assert min(counts.values()) >= 6
    assert counts.total() >= 84


def test_questions_are_asked_once_and_answered() -> None:
    asked = [question.question for question in sample.questions()]
    assert len(set(asked)) == len(asked)
    assert all(question.answer for question in sample.questions())


def test_evidence_names_turns_that_exist() -> None:
    keys = {turn["key"] for turn in turns()}
    for question in sample.questions():
        assert question.evidence, question.question
        assert set(question.evidence) <= keys, question.question
        assert len(set(question.evidence)) == len(question.evidence), question.question


def test_questions_over_several_turns_name_several() -> None:
    assert all(len(q.evidence) >= 2 for q in sample.questions() if q.category == "multi")


def test_most_questions_are_paraphrases_of_their_evidence() -> None:
    by_key = {turn["key"]: f"{turn['text']} {turn.get('attributes', '')}" for turn in turns()}
    paraphrased = 0
    for question in sample.questions():
        asked = long_words(question.question)
        told = long_words(" ".join(by_key[key] for key in question.evidence))
        paraphrased += len(asked & told) <= len(asked) * 0.4
    assert paraphrased >= len(list(sample.questions())) / 2


def long_words(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.lower()))
