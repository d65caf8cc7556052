"""Prove that whatever a caller hands in, the answer is a result or one of our errors, and nothing half stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import memstrata
from memstrata import ANY, Event, Memstrata, Scope
from memstrata.errors import (
    EmbedderError,
    EmbedderMismatch,
    EmbedderUnavailable,
    InvalidConfig,
    InvalidInput,
    MemstrataError,
    NotFound,
)
from memstrata.testing import FakeEmbedder, SteppingClock, temporary_memory

RECURSIVE: dict[str, Any] = {}
RECURSIVE["self"] = RECURSIVE
DEEP: dict[str, Any] = {}
_inner = DEEP
for _ in range(600):
    _inner["d"] = {}
    _inner = _inner["d"]
SURROGATE = "tea \ud83d here"

BAD_ADDS: dict[str, tuple[dict[str, Any], str]] = {
    "bytes": ({"content": b"tea"}, "bytes"),
    "nothing": ({"content": None}, "NoneType"),
    "a number": ({"content": 5}, "int"),
    "a number in a list": ({"content": ["tea", 5]}, "int"),
    "an empty list": ({"content": []}, "empty"),
    "an empty text": ({"content": ""}, "empty"),
    "white space": ({"content": " \n\t\u2003"}, "empty"),
    "NUL": ({"content": "tea\0"}, "NUL"),
    "half a pair": ({"content": SURROGATE}, "surrogate"),
    "ten megabytes": ({"content": "x" * 10_000_000}, "10,000,000 bytes"),
    "an object": ({"content": object()}, "object"),
    "a message without text": ({"content": {"role": "user"}}, "'text' or 'content'"),
    "a message with an unknown field": ({"content": {"text": "tea", "colour": "red"}}, "colour"),
    "a message with a field that is no name": ({"content": {"text": "tea", 5: "red"}}, "5"),
    "a message of parts without text": ({"content": {"role": "user", "content": [{"type": "image"}]}}, "empty"),
    "a message with bytes": ({"content": {"content": b"tea"}}, "bytes"),
    "a bad one at the end of a list": ({"content": ["tea", "rain", ""]}, "empty"),
    "an unknown kind": ({"kind": "opinion"}, "opinion"),
    "a kind that is none": ({"kind": None}, "kind"),
    "a kind that is a list": ({"kind": []}, "kind"),
    "an unknown keyword": ({"user": "ana"}, "'user'"),
    "an empty user": ({"user_id": ""}, "user_id"),
    "a user of a number": ({"user_id": 5}, "user_id=5"),
    "a user of bytes": ({"user_id": b"ana"}, "user_id"),
    "a user with NUL": ({"user_id": "a\0b"}, "user_id"),
    "half a user": ({"user_id": "a\ud800"}, "user_id"),
    "a long user": ({"user_id": "x" * 513}, "512"),
    "every user": ({"user_id": ANY}, "ANY"),
    "every tenant": ({"tenant_id": ANY}, "ANY"),
    "every session": ({"session_id": ANY}, "session_id"),
    "an empty session": ({"session_id": ""}, "session_id"),
    "a namespace with a hole": ({"namespace": "a//b"}, "namespace"),
    "a namespace of a slash": ({"namespace": "/"}, "namespace"),
    "a namespace of numbers": ({"namespace": (1, 2)}, "namespace"),
    "a namespace of a number": ({"namespace": 5}, "namespace"),
    "a namespace with NUL": ({"namespace": "a\0"}, "namespace"),
    "a long namespace": ({"namespace": "x/" * 2_000 + "x"}, "namespace"),
    "a scope of a text": ({"scope": "ana"}, "scope"),
    "a scope of a mapping": ({"scope": {"user_id": "ana"}}, "scope"),
    "a time in words": ({"at": "yesterday"}, "at='yesterday'"),
    "no time": ({"at": math.nan}, "at"),
    "endless time": ({"at": math.inf}, "at"),
    "a yes as time": ({"at": True}, "at"),
    "a day without a time of day": ({"at": date(2024, 1, 1)}, "at"),
    "a list as time": ({"at": []}, "at"),
    "before the first year": ({"at": "0001-01-01T00:00:00+05:00"}, "at"),
    "after the last year": ({"at": "9999-12-31T23:00:00-05:00"}, "at"),
    "a time far away": ({"at": 1e18}, "at"),
    "a bad validity": ({"valid_from": "x"}, "valid_from"),
    "a bad end": ({"expires_at": "x"}, "expires_at"),
    "attributes of a list": ({"attributes": ["a"]}, "attributes"),
    "attributes of a text": ({"attributes": "a"}, "attributes"),
    "attributes with NaN": ({"attributes": {"a": math.nan}}, "attributes"),
    "attributes with infinity": ({"attributes": {"a": [math.inf]}}, "attributes"),
    "attributes that hold themselves": ({"attributes": RECURSIVE}, "attributes"),
    "attributes too deep": ({"attributes": DEEP}, "attributes"),
    "attributes with an object": ({"attributes": {"a": object()}}, "attributes"),
    "attributes with bytes": ({"attributes": {"a": b"x"}}, "attributes"),
    "attributes with a set": ({"attributes": {"a": {1}}}, "attributes"),
    "attributes with a time": ({"attributes": {"a": datetime(2024, 1, 1, tzinfo=UTC)}}, "attributes"),
    "attributes with a name that is none": ({"attributes": {5: "x"}}, "attributes"),
    "attributes with half a pair": ({"attributes": {"a": SURROGATE}}, "attributes"),
    "attributes with NUL": ({"attributes": {"a\0": 1}}, "attributes"),
    "huge attributes": ({"attributes": {"a": "x" * 70_000}}, "65,536"),
    "a huge number": ({"attributes": {"a": 10**5_000}}, "attributes"),
    "an empty key": ({"key": ""}, "key"),
    "a key of a number": ({"key": 5}, "key=5"),
    "a long key": ({"key": "x" * 513}, "512"),
    "an empty speaker": ({"speaker": ""}, "speaker"),
    "a speaker of a number": ({"speaker": 5}, "speaker"),
    "a speaker with NUL": ({"speaker": "a\0"}, "speaker"),
    "half a speaker": ({"speaker": "\udfff"}, "speaker"),
    "sources of a text": ({"sources": "doc-1"}, "sources"),
    "sources of a number": ({"sources": 5}, "sources"),
    "sources with a number": ({"sources": [5]}, "source"),
    "too many sources": ({"sources": ["x"] * 10_001}, "10,000"),
    "a role of a list": ({"role": ["user"]}, "role"),
}


@pytest.mark.parametrize("name", BAD_ADDS)
def test_what_cannot_be_kept_is_refused_by_name_and_nothing_is_stored(memory: Memstrata, name: str) -> None:
    changes, said = BAD_ADDS[name]
    arguments = {"content": "tea", "user_id": "ana"} | changes
    memory.add("before", user_id="ana")
    before = memory.stats().position
    with pytest.raises(InvalidInput) as caught:
        memory.add(**arguments)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600, "the message names the problem, not the whole input"
    assert memory.stats().position == before
    assert memory.stats().memories == 1
    assert memory.stats().spaces == 1
    assert memory.check().ok


@pytest.mark.parametrize("name", [name for name, (changes, _) in BAD_ADDS.items() if "content" in changes])
def test_a_bad_event_takes_its_whole_batch_with_it(memory: Memstrata, name: str) -> None:
    bad = BAD_ADDS[name][0]["content"]
    if not isinstance(bad, list):
        with pytest.raises(InvalidInput):
            memory.add_many(["one", "two", "three", bad], user_id="ana", batch=2)
        assert [kept.text for kept in memory.list(user_id="ana")] == ["one", "two"]


@pytest.mark.parametrize("batch", [0, -1, "2", 1.5, None])
def test_a_batch_that_is_none_is_refused(memory: Memstrata, batch: Any) -> None:
    with pytest.raises(InvalidInput, match="batch"):
        memory.add_many(["one"], user_id="ana", batch=batch)
    with pytest.raises(InvalidInput):
        memory.add_many(5, user_id="ana")  # type: ignore[arg-type]


class Odd(tzinfo):
    """A zone whose offset is no whole minute."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=-3, seconds=-29)

    def dst(self, moment: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        (datetime(2024, 5, 1, 12), datetime(2024, 5, 1, 12, tzinfo=UTC)),  # noqa: DTZ001
        ("2024-05-01", datetime(2024, 5, 1, tzinfo=UTC)),
        ("2024-05-01T12:00:00Z", datetime(2024, 5, 1, 12, tzinfo=UTC)),
        (" 2024-05-01 12:00 ", datetime(2024, 5, 1, 12, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        (datetime.max, datetime.max.replace(tzinfo=UTC)),  # noqa: DTZ901
        ("9999-12-31T23:59:59.999999+14:00", datetime(9999, 12, 31, 9, 59, 59, 999_999, tzinfo=UTC)),
        (datetime(2024, 5, 1, 12, tzinfo=Odd()), datetime(2024, 5, 1, 15, 0, 29, tzinfo=UTC)),
        (datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=23))), datetime(2024, 4, 30, 1, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_every_honest_time_is_kept_to_the_microsecond(memory: Memstrata, at: Any, moment: datetime) -> None:
    id = memory.add("tea", user_id="ana", at=at).id
    assert memory.get(id).at == moment
    assert memory.search("tea", user_id="ana")[0].memory.at == moment
    assert memory.context("tea", user_id="ana").passages
    assert memory.check().ok


STRANGE_QUERIES = [
    "?", "!!! ...", "the and of", "and then?", "👍🏽", "雨が降る", "ا ل", "\ud83d", "tea \ud800", "\0", "tea\0", "'",
    '"', '"tea" OR "x', "NEAR(tea)", "tea*", "tea AND NOT rain", "-tea", "^tea", "terms:tea", "1_tea", "%", "*",
    "it's日本", "ﷺ", "⑴ ⒈ ½", "ͺ", "\u200b", "x" * 20_000, "a_b c__d _e_", "ﬁﬂ ŉ ß ẞ İ ı", "١٢٣",
]  # fmt: skip


@pytest.mark.parametrize("query", STRANGE_QUERIES, ids=range(len(STRANGE_QUERIES)))
def test_a_strange_query_is_answered(memory: Memstrata, query: str) -> None:
    memory.add("green tea", user_id="ana")
    memory.add("secret", user_id="bo")
    for hits in (memory.search(query, user_id="ana"), memory.explain(query, user_id="ana").hits):
        assert {hit.memory.text for hit in hits} <= {"green tea"}
    assert "secret" not in memory.context(query, user_id="ana").text
    if not any(sign in query for sign in "\0\ud83d\ud800") and query.strip():
        id = memory.add(query, user_id="cy").id
        memory.search(query, user_id="cy")
        assert memory.get(id).text == query
        assert memory.check().ok, memory.check().differences


@pytest.mark.parametrize("query", ["", "  ", None, b"tea", 5, ["tea"], "x" * 20_001, "tea " * 300_000])
def test_a_query_that_is_none_is_refused(memory: Memstrata, query: Any) -> None:
    memory.add("tea", user_id="ana")
    for ask in (memory.search, memory.context, memory.explain):
        with pytest.raises(InvalidInput, match="query"):
            ask(query, user_id="ana")


@pytest.mark.parametrize("limit", [0, -1, 1_001, 10_000, "5", 2.5, None, True, math.inf])
def test_a_limit_that_is_none_is_refused(memory: Memstrata, limit: Any) -> None:
    memory.add("tea", user_id="ana")
    for ask in (memory.search, memory.explain):
        with pytest.raises(InvalidInput, match="limit"):
            ask("tea", user_id="ana", limit=limit)
    if limit not in (0, None, 1_001, 10_000):
        with pytest.raises(InvalidInput, match="limit"):
            memory.list(user_id="ana", limit=limit)


def test_limits_that_are_some_are_kept(memory: Memstrata) -> None:
    memory.add_many([f"tea {n}" for n in range(600)], user_id="ana")
    assert list(memory.list(user_id="ana", limit=0)) == []
    assert len(list(memory.list(user_id="ana", limit=501))) == 501
    assert len(list(memory.list(user_id="ana", limit=10**30))) == 600
    assert len(memory.search("tea", user_id="ana", limit=1_000)) == 600
    assert len(memory.search("tea", user_id="ana", limit=1)) == 1


IDS = [
    "",
    "x",
    "*",
    "%",
    "' OR 1=1 --",
    "\0",
    "\ud800",
    "0" * 32,
    "é" * 32,
    "-" * 32,
    "00" * 17,
    None,
    5,
    b"x",
    [],
    ANY,
]


@pytest.mark.parametrize("id", IDS, ids=range(len(IDS)))
def test_an_id_that_is_nobodys_is_not_found(memory: Memstrata, id: Any) -> None:
    memory.add("tea", user_id="ana")
    for ask in (
        lambda: memory.get(id),
        lambda: memory.update(id, text="x"),
        lambda: memory.delete(id),
        lambda: memory.history(id),
    ):
        with pytest.raises(NotFound):
            ask()
    assert "no such memory" in str(memory.explain("tea", id=id, user_id="ana").verdict) or id is None
    assert memory.stats().memories == 1


@pytest.mark.parametrize(
    "user", ["*", "%", "_", "'", '"', "' OR '1'='1", "; DROP TABLE memory", "../..", "ana%", "ANA", " "]
)
def test_ids_are_plain_text(memory: Memstrata, user: str) -> None:
    memory.add("green tea of Ana", user_id="ana")
    assert memory.search("tea", user_id=user) == []
    id = memory.add("green tea of another", user_id=user, session_id=user, agent_id=user, key=user).id
    assert [hit.memory.id for hit in memory.search("tea", user_id=user, session_id=user)] == [id]
    assert memory.delete_all(user_id=user).memories == 1
    assert memory.stats().memories == 1


@settings(max_examples=60)
@given(text=st.text(min_size=1, max_size=300), name=st.text(max_size=40))
def test_any_text_is_kept_as_it_is_or_refused(memory: Memstrata, text: str, name: str) -> None:
    try:
        id = memory.add(text, user_id="ana", speaker=name or None, attributes={name: text}).id
    except InvalidInput:
        return
    kept = memory.get(id)
    assert (kept.text, kept.speaker, kept.attributes) == (text, name or None, {name: text})
    memory.search(text, user_id="ana")
    assert memory.check().ok, memory.check().differences


class Broken(FakeEmbedder):
    """An embedder that answers with whatever it was told to."""

    def __init__(self, *, inline: bool = True) -> None:
        super().__init__(dimensions=8, inline=inline)
        self.answer: Any = None

    def embed(self, texts: Any, *, role: Any = "passage") -> Any:
        good = super().embed(texts, role=role)
        return good if self.answer is None else self.answer(good)


def raising(error: Exception) -> Callable[[Any], Any]:
    def answer(good: Any) -> Any:
        raise error

    return answer


ANSWERS: dict[str, tuple[Callable[[Any], Any], type[Exception]]] = {
    "too wide": (lambda good: np.zeros((len(good), 9), np.float32), EmbedderMismatch),
    "flat": (lambda good: good[0], EmbedderMismatch),
    "too few": (lambda good: good[:-1], EmbedderUnavailable),
    "too many": (lambda good: np.concatenate([good, good]), EmbedderUnavailable),
    "NaN": (lambda good: good * np.float32("nan"), EmbedderUnavailable),
    "infinite": (lambda good: np.full_like(good, np.inf), EmbedderUnavailable),
    "too long": (lambda good: good * 1e6, EmbedderUnavailable),
    "not of unit length": (lambda good: good * 2, EmbedderUnavailable),
    "nothing": (lambda good: np.array(None), EmbedderError),
    "a list of lists": (lambda good: good.tolist(), EmbedderError),
    "a refusal": (raising(EmbedderUnavailable("no answer")), EmbedderUnavailable),
    "its own error": (raising(ConnectionError("no answer")), ConnectionError),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_vectors_that_are_none_are_refused_and_nothing_is_stored(opened: Callable[..., Memstrata], name: str) -> None:
    answer, error = ANSWERS[name]
    embedder = Broken()
    memory = opened(embedder=embedder)
    id = memory.add("green tea and rain", user_id="ana").id
    before = memory.stats().position
    embedder.answer = answer
    if name == "a list of lists":
        memory.add("black tea", user_id="ana")  # numbers are numbers
    else:
        for ask in (
            lambda: memory.add("black tea", user_id="ana"),
            lambda: memory.add_many(["one", "two"], user_id="ana"),
            lambda: memory.update(id, text="black tea"),
        ):
            with pytest.raises(error):
                ask()
        assert memory.stats().position == before
    if error in (ConnectionError, EmbedderMismatch, EmbedderError) and name != "a list of lists":
        with pytest.raises(error):
            memory.search("green tea", user_id="ana")
    else:
        assert memory.search("green tea", user_id="ana")[0].memory.id == id, "words alone still answer"
    embedder.answer = None
    assert memory.check().ok


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "a list of lists"])
def test_an_embedder_that_fails_later_leaves_the_work_owed(opened: Callable[..., Memstrata], name: str) -> None:
    answer, _ = ANSWERS[name]
    embedder = Broken(inline=False)
    embedder.answer = answer
    memory = opened(embedder=embedder)
    memory.add("green tea", user_id="ana")
    with suppress(EmbedderError, ConnectionError):
        memory.upkeep()
    assert memory.stats().owed == {"embed": 1}
    embedder.answer = None
    memory.upkeep()
    assert memory.stats().owed == {}
    assert memory.check().ok


def test_a_clock_that_goes_back_never_takes_recorded_time_with_it(memory: Memstrata, clock: SteppingClock) -> None:
    ids = []
    for step in (0, 3_600, -7_200, -86_400, 10):
        clock.advance(step)
        ids.append(memory.add(f"note {step}", user_id="ana").id)
        memory.update(ids[0], text=f"changed after {step}")
    assert len(set(ids)) == 5
    created = [memory.get(id).created_at for id in ids]
    assert created == sorted(set(created))
    recorded = [version.recorded_at for version in memory.history(ids[0])]
    assert recorded == sorted(set(recorded))


def test_ids_made_in_one_moment_are_all_different(memory: Memstrata) -> None:
    memory.add_many((f"note {n}" for n in range(3_000)), user_id="ana")
    assert len({kept.id for kept in memory.list(user_id="ana")}) == 3_000


@pytest.mark.parametrize(
    "options",
    [
        {"path": ""}, {"path": "a\0b"}, {"path": 5}, {"path": b"x"}, {"path": "\ud800"}, {"vector_cache": "none"},
        {"counter": "none"}, {"embedder": "none"}, {"embedder": "openai"}, {"lock_timeout_s": 0},
        {"lock_timeout_s": -1}, {"lock_timeout_s": "x"}, {"lock_timeout_s": math.nan},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        memstrata.open(**{"path": tmp_path / "home", "embedder": FakeEmbedder(), **options})


def test_every_error_is_one_of_ours() -> None:
    with temporary_memory() as memory:
        for ask in (
            lambda: memory.add(Event(5), user_id="ana"),  # type: ignore[arg-type]
            lambda: memory.search("tea", scope=Scope(user_id=5)),  # type: ignore[arg-type]
            lambda: memory.list(scope=5),  # type: ignore[arg-type]
            lambda: memory.delete_all(),
            lambda: memory.upkeep(seconds="x"),  # type: ignore[arg-type]
        ):
            with pytest.raises(MemstrataError):
                ask()
