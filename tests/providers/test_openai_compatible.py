"""The OpenAI-compatible embedder against a real server on this machine that speaks the embeddings JSON."""

from __future__ import annotations

import json
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from memstrata.errors import EmbedderMismatch, EmbedderUnavailable, InvalidInput, MissingExtra
from memstrata.providers.embedders.openai_compatible import LONGEST_WAIT_S, OpenAICompatible

pytest.importorskip("httpx", reason='asks over httpx: pip install "memstrata[openai]"')

KEY = "sk-very-secret-key"
SAID = "my diary says tea"
Reply = tuple[int, dict[str, str], Any]  # status, headers, JSON body; Any: whatever a server may answer
Answer = Callable[[dict[str, Any]], Reply]  # Any: a JSON request


def vectors(request: dict[str, Any]) -> Reply:
    """What a good server answers: the text's length in three dimensions, in reverse order."""
    rows = [
        {"index": at, "object": "embedding", "embedding": [float(len(text)), 2.0, -1.0]}
        for at, text in enumerate(request["input"])
    ]
    return 200, {}, {"object": "list", "data": rows[::-1], "model": request["model"]}


@dataclass
class Endpoint:
    """What the server was asked, and what it answers next; when the list is used up, good vectors."""

    url: str = ""
    answers: list[Answer | Reply] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def embedder(self, **settings: Any) -> OpenAICompatible:  # Any: passed on
        """An embedder that asks here and does not sleep."""
        usual: dict[str, Any] = {  # Any: as above
            "base_url": self.url,
            "model": "tiny",
            "api_key": KEY,
            "sleep": self.slept.append,
        }
        return OpenAICompatible(**usual | settings)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            state.asked.append(request)
            state.keys.append(self.headers["authorization"])
            state.paths.append(self.path)
            answer = state.answers.pop(0) if state.answers else vectors
            status, headers, body = answer(request) if callable(answer) else answer
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_rows_are_unit_length_and_in_the_order_of_the_texts(endpoint: Endpoint) -> None:
    rows = endpoint.embedder().embed(["a", "bbbb", "cc"])
    assert rows.dtype == np.float32
    expected = np.array([[1, 2, -1], [4, 2, -1], [2, 2, -1]], float)
    np.testing.assert_allclose(rows, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)


def test_texts_go_out_in_batches_with_the_key(endpoint: Endpoint) -> None:
    endpoint.embedder(batch=2).embed(["a", "b", "c", "d", "e"])
    assert [asked["input"] for asked in endpoint.asked] == [["a", "b"], ["c", "d"], ["e"]]
    assert set(endpoint.keys) == {f"Bearer {KEY}"}
    assert set(endpoint.paths) == {"/v1/embeddings"}
    assert all("dimensions" not in asked for asked in endpoint.asked)


def test_blank_texts_are_not_sent_and_give_zero_rows(endpoint: Endpoint) -> None:
    rows = endpoint.embedder().embed(["", "tea", " \n"])
    assert [asked["input"] for asked in endpoint.asked] == [["tea"]]
    assert not rows[0].any() and rows[1].any() and not rows[2].any()


def test_blank_texts_alone_have_the_right_shape(endpoint: Endpoint) -> None:
    assert endpoint.embedder(dimensions=3).embed([""]).shape == (1, 3)
    assert endpoint.asked == []
    assert endpoint.embedder().embed([]).shape == (0, 3)


def test_dimension_is_learnt_once_and_part_of_the_identity(endpoint: Endpoint) -> None:
    embedder = endpoint.embedder()
    port = endpoint.url.split(":")[2].split("/")[0]
    assert embedder.identity == f"openai:tiny@127.0.0.1:{port}/3"
    assert embedder.dimensions == 3
    assert len(endpoint.asked) == 1
    assert not embedder.inline


def test_prefixes_mark_the_role_and_change_the_identity(endpoint: Endpoint) -> None:
    plain = endpoint.embedder(dimensions=3)
    marked = endpoint.embedder(dimensions=3, query_prefix="query: ", passage_prefix="passage: ")
    marked.embed(["tea"], role="query")
    marked.embed(["tea"])
    assert [asked["input"] for asked in endpoint.asked] == [["query: tea"], ["passage: tea"]]
    assert marked.identity != plain.identity


def test_shorten_asks_for_the_dimension(endpoint: Endpoint) -> None:
    endpoint.embedder(dimensions=3, shorten=True).embed(["tea"])
    assert endpoint.asked[0]["dimensions"] == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again_after_longer_waits(endpoint: Endpoint, status: int) -> None:
    endpoint.answers = [(status, {}, {}), (status, {}, {}), vectors]
    assert endpoint.embedder().embed(["tea"]).any()
    assert endpoint.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "3600"}, LONGEST_WAIT_S),
        ({"retry-after": "soon"}, 0.5),
        ({"retry-after": "-1"}, 0.5),
    ],
)
def test_retry_after_is_honoured_up_to_a_bound(endpoint: Endpoint, asked: dict[str, str], waited: float) -> None:
    endpoint.answers = [(429, asked, {}), vectors]
    endpoint.embedder().embed(["tea"])
    assert endpoint.slept == [waited]


def test_retry_after_may_be_a_date() -> None:
    from memstrata.providers.embedders.openai_compatible import _retry_after_s

    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:09 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert _retry_after_s(headers) == 9.0


def test_it_gives_up_after_the_last_try(endpoint: Endpoint) -> None:
    endpoint.answers = [(503, {}, {})] * 3
    with pytest.raises(EmbedderUnavailable, match="503"):
        endpoint.embedder(retries=2).embed(["tea"])
    assert len(endpoint.asked) == 3 and len(endpoint.slept) == 2


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413])
def test_a_refusal_is_not_repeated(endpoint: Endpoint, status: int) -> None:
    endpoint.answers = [(status, {}, {"error": {"message": f"bad key {KEY} for {SAID}"}})]
    with pytest.raises(EmbedderUnavailable, match=str(status)) as caught:
        endpoint.embedder().embed([SAID])
    assert len(endpoint.asked) == 1
    assert_silent(caught.value)


def test_an_endpoint_that_is_not_there_is_reported_after_retries() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        state = Endpoint(url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        with pytest.raises(EmbedderUnavailable, match="cannot be reached") as caught:
            state.embedder(retries=2).embed([SAID])
    assert state.slept == [0.5, 1.0]
    assert_silent(caught.value)


def test_a_connection_that_breaks_is_tried_again(endpoint: Endpoint) -> None:
    endpoint.answers = [(200, {"content-length": "999", "connection": "close"}, {}), vectors]
    assert endpoint.embedder().embed(["tea"]).any()
    assert endpoint.slept == [0.5]


def test_another_dimension_is_refused(endpoint: Endpoint) -> None:
    with pytest.raises(EmbedderMismatch, match=r"3 dimensions, expected 4"):
        endpoint.embedder(dimensions=4).embed(["tea"])


def test_a_dimension_that_changes_later_is_refused(endpoint: Endpoint) -> None:
    embedder = endpoint.embedder()
    embedder.embed(["tea"])
    endpoint.answers = [data([[1.0, 2.0]])]
    with pytest.raises(EmbedderMismatch):
        embedder.embed(["tea"])


def data(rows: list[Any]) -> Reply:  # Any: good and bad rows
    return 200, {}, {"data": [{"index": at, "embedding": row} for at, row in enumerate(rows)]}


@pytest.mark.parametrize(
    "reply",
    [
        data([]),
        data([[1.0, 2.0, 3.0]] * 3),
        data([[1.0, 2.0], [1.0]]),
        data([[], []]),
        data(["dGVh", "dGVh"]),
        data([[1.0, float("nan")], [1.0, 2.0]]),
        data([[1.0, float("inf")], [1.0, 2.0]]),
        data([[1.0, None], [1.0, 2.0]]),
        data([[1, 10**400], [1, 2]]),
        (200, {}, {"data": [{"index": 0, "embedding": [1.0]}] * 2}),
        (200, {}, {"data": None}),
        (200, {}, {"data": {"embedding": [1.0]}}),
        (200, {}, ["not", "an", "object"]),
        (200, {}, b"<html>\xff"),
    ],
    ids=repr,
)
def test_an_answer_that_is_no_list_of_vectors_is_refused(endpoint: Endpoint, reply: Reply) -> None:
    endpoint.answers = [reply]
    with pytest.raises(EmbedderUnavailable) as caught:
        endpoint.embedder().embed([SAID, SAID])
    assert_silent(caught.value)


def test_answers_without_an_index_count_as_in_order(endpoint: Endpoint) -> None:
    endpoint.answers = [(200, {}, {"data": [{"embedding": [3.0, 0.0]}, {"embedding": [0.0, 2.0]}]})]
    assert endpoint.embedder().embed(["a", "b"]).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_lone_surrogates_are_sent_as_question_marks(endpoint: Endpoint) -> None:
    endpoint.embedder().embed(["tea \ud800"])
    assert endpoint.asked[0]["input"] == ["tea ?"]


def test_nothing_is_logged_that_was_said(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    endpoint.answers = [(500, {}, {}), vectors]
    endpoint.embedder().embed([SAID])
    assert KEY not in caplog.text and SAID not in caplog.text


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "api.openai.com/v1"},
        {"base_url": "ftp://example.org"},
        {"base_url": "http://"},
        {"base_url": "http://host:port"},
        {"batch": 0},
        {"retries": -1},
        {"dimensions": 0},
        {"shorten": True},
        {"api_key": KEY + "\n"},
    ],
    ids=repr,
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        Endpoint(url="http://127.0.0.1:1/v1").embedder(**settings)
    assert_silent(caught.value)


def test_a_single_string_is_refused() -> None:
    with pytest.raises(InvalidInput, match="sequence"):
        Endpoint(url="http://127.0.0.1:1/v1").embedder().embed("tea")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtra, match=r"memstrata\[openai\]"):
        OpenAICompatible(base_url="http://127.0.0.1:1", model="tiny")


def assert_silent(error: BaseException) -> None:
    """Neither the key nor what was said is in the error's text, nor in that of its causes."""
    told = "".join(traceback.format_exception(error))
    assert KEY not in told
    assert SAID not in told
