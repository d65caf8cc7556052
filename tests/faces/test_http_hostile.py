"""Prove that hostile callers are refused clearly, learn nothing, and cost others nothing."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="memstrata[server] is not installed")

from serving import Served, served

from memstrata.faces.entrance.visitors import Buckets


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with served(home, max_body_bytes=10_000, body_s=0.5, header_s=0.6, write_s=0.5) as running:
        yield running


def said(server: Served, request: bytes, *, more: bytes = b"", wait_s: float = 0.0) -> bytes:
    """Everything that comes back to bytes sent as they are."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(request)
        if more:
            time.sleep(wait_s)
            line.sendall(more)
        pieces = []
        while piece := line.recv(65_536):
            pieces.append(piece)
        return b"".join(pieces)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"
JSON = b"Content-Type: application/json\r\n"


# ── too large, too slow ──


def test_a_body_that_is_too_large_is_refused_said_or_not(server: Served) -> None:
    big = b'{"content": "' + b"x" * 20_000 + b'"}'
    told = b"POST /v1/memories HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: %d\r\n\r\n" % len(big)
    answer = said(server, told)
    assert status(answer) == 413 and b'"TooLarge"' in answer
    chunked = b"POST /v1/memories HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    pieces = b"".join(b"%x\r\n%s\r\n" % (4_000, b"x" * 4_000) for _ in range(5))
    assert status(said(server, chunked + pieces)) == 413
    assert list(server.memory.list()) == []


def test_an_import_is_bounded_too(home: Path) -> None:
    with served(home, max_import_bytes=1_000) as server, server.client() as client:
        answer = client.post("/v1/import", params={"name": "x.txt"}, content=b"x" * 2_000)
        assert (answer.status_code, answer.json()["error"]) == (413, "TooLarge")
        assert client.post("/v1/import", params={"name": "x.txt"}, content=b"short").status_code == 200


def test_slow_bodies_and_silent_connections_are_closed(server: Served) -> None:
    head = b"POST /v1/memories HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 20\r\n\r\n"
    answer = said(server, head + b'{"con')
    assert status(answer) == 408 and b'"TooSlow"' in answer
    for opening in (b"", b"GET /v1/health HTTP/1.1\r\nHost:"):
        assert said(server, opening) in (b"", answer[:0])


def test_a_connection_that_is_used_stays_open(server: Served) -> None:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    line.connect()
    line.auto_open = 0  # it is not to connect again by itself
    until = time.monotonic() + 4 * 0.6
    while time.monotonic() < until:
        line.request("GET", "/v1/health")
        assert line.getresponse().read() == b'{"status":"ok"}'
    line.close()


def test_answers_do_not_wait_for_acknowledgements(server: Served) -> None:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    took = []
    for _ in range(20):
        begun = time.monotonic()
        line.request("POST", "/v1/search", b'{"query": "x"}', {"Content-Type": "application/json"})
        line.getresponse().read()
        took.append(time.monotonic() - begun)
    line.close()
    assert min(took[1:]) < 0.03


def test_many_slow_clients_keep_nobody_else_out(server: Served) -> None:
    head = b"POST /v1/memories HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 20\r\n\r\n"
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(40)]
    for line in lines:
        line.sendall(head)
    with server.client() as client:
        assert client.post("/v1/memories", json={"content": "x"}).status_code == 201
    for line in lines:
        line.close()


def test_a_client_that_does_not_read_is_let_go(server: Served) -> None:
    for number in range(40):
        server.memory.add(f"{number} " + "words " * 30_000, user_id="ana")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.sendall(b"GET /v1/export?user_id=ana HTTP/1.1\r\n" + HOST + b"\r\n")
        with server.client() as client:
            while 'route="moving.export",status="408"' not in (figures := client.get("/v1/metrics").text):
                assert 'route="moving.export",status="200"' not in figures


# ── headers and paths ──


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (b"Host: 127.0.0.1\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n", 400),
        (b"Host: 127.0.0.1\r\nX-API-Key: a\r\nX-API-Key: b\r\n", 400),
        (b"Host: 127.0.0.1\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n", 400),
        (b"Host : 127.0.0.1\r\n", 400),
        (b"Host: 127.0.0.1\r\nX: a\r\n b\r\nX\x00: c\r\n", 400),
        (b"Host: 127.0.0.1\r\nContent-Length: 5, 6\r\n", 400),
        (b"Host: 127.0.0.1\r\nContent-Length: -1\r\n", 400),
        (b"Host: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n", 400),
        (b"Host: 127.0.0.1\r\nHost: evil.example.org\r\n", 400),
        (b"Host: evil.example.org\r\n", 403),
        (b"Host: 127.0.0.1.evil.example.org\r\n", 403),
        (b"Host: 127.0.0.1\r\nOrigin: https://evil.example.org\r\n", 403),
        (b"Host: 127.0.0.1\r\nOrigin: null\r\n", 403),
        (b"Host: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: evil\r\n", 200),
        (b"Host: localhost:%d\r\nOrigin: http://localhost:%d\r\n", 200),
        (b"", 400),
        (b"Host: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n", 400),
    ],
)
def test_header_tricks_are_refused(server: Served, headers: bytes, expected: int) -> None:
    headers = headers.replace(b"%d", b"%d" % server.port)
    answer = said(server, b"GET /v1/stats HTTP/1.1\r\n" + headers + b"Connection: close\r\n\r\n")
    assert status(answer) == expected
    assert b"Traceback" not in answer


@pytest.mark.parametrize("order", [0, 1])
def test_a_request_is_not_smuggled_in_the_body_of_another(server: Served, order: int) -> None:
    """A body has one length: where two are said, nothing behind the shorter one is taken for a request."""
    inner = b"POST /v1/memories HTTP/1.1\r\n" + HOST + JSON + b'Content-Length: 16\r\n\r\n{"content": "x"}'
    body = b"0\r\n\r\n" + inner
    lengths = [b"Content-Length: %d\r\n" % len(body), b"Transfer-Encoding: chunked\r\n"]
    headers = lengths[order] + lengths[1 - order]
    answer = said(server, b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\n" + JSON + headers + b"\r\n" + body)
    assert status(answer) == 400 and answer.count(b"HTTP/1.1") == 1
    assert list(server.memory.list()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../keys.json", "//v1/memories", "/v1//memories", "/v1/memories/..%2f..%2fkeys.json", "/v1/memories/%00",
        "/v1/memories/%ff", "/%2e%2e/%2e%2e/etc/passwd", "/v1/memories;x=1", "/V1/MEMORIES",
        "/v1/memories/" + "a" * 9_000,
        "/v1/memories/'%20OR%201=1", "/v2/entities/user/..%2f/", "/docs", "/redoc", "/openapi.json",
    ],
)  # fmt: skip
def test_path_tricks_lead_nowhere(server: Served, path: str) -> None:
    answer = said(server, f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    assert status(answer) in (400, 404, 405)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] in ("NotFound", "NoRoute", "InvalidInput")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_what_a_page_could_send_without_asking_is_not_taken(server: Served, kind: str | None) -> None:
    with server.client() as client:
        headers = {} if kind is None else {"Content-Type": kind}
        answer = client.post("/v1/memories", content=b'{"content": "x"}', headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "InvalidInput")
        packed = client.post("/v1/memories", content=b"x", headers={"Content-Encoding": "gzip"})
        assert packed.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b'"x"', b"null", b"[" * 5_000, b'{"content": ' + b"9" * 5_000 + b"}", b"\xff\xfe",
        b'{"content": "\\ud800"}', b'{"content": "x\\u0000"}', b'{"content": "x", "attributes": {"a": NaN}}',
        b'{"content": "x", "at": 1e999}', b'{"content": "x", "content": 1}', b'{"content": {"text": {"text": 1}}}',
        b'{"content": "x", "attributes": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}", b'{"content": true}',
        b'{"content": "x", "user_id": {"$ne": null}}', b'{"content": "x", "namespace": "../../x"}',
    ],
)  # fmt: skip
def test_bodies_that_are_not_what_they_should_be_are_refused(server: Served, body: bytes) -> None:
    with server.client() as client:
        for path in ("/v1/memories", "/v1/search", "/v3/memories/add/", "/v3/memories/search/"):
            answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
            if path == "/v1/memories" and b"namespace" in body:
                assert answer.status_code == 201  # a name like any other: it is no path of files
                continue
            assert answer.status_code in (400, 422), (path, answer.text)
            assert set(answer.json()) == {"detail", "error"}


def test_a_format_that_is_not_known_is_the_callers_mistake(server: Served) -> None:
    with server.client() as client:
        answer = client.post("/v1/import", params={"name": "x.txt", "format": "poem"}, content=b"x")
        assert json.loads(answer.text.splitlines()[-1])["error"] == "InvalidConfig"


def test_mem0s_filters_are_read_and_never_run(server: Served) -> None:
    with server.client() as client:
        for text in (
            "__import__('os').system('x')",
            "(" * 5_000,
            "{" * 5_000,
            "[1]",
            "'a'*10**9",
            "{1: 2}",
            "x" * 60_000,
        ):
            assert client.delete("/v1/memories/", params={"filters": text}).status_code == 400


# ── too often ──


def test_each_key_has_a_rate_of_its_own(home: Path) -> None:
    with served(home, rate=1.0, burst=3.0) as server:
        eager, calm = server.key("eager"), server.key("calm")
        with server.client(eager) as client:
            answers = [client.get("/v1/stats") for _ in range(8)]
            assert [one.status_code for one in answers[:3]] == [200, 200, 200]
            late = next(one for one in answers if one.status_code == 429)
            assert late.json()["error"] == "TooMany" and int(late.headers["Retry-After"]) >= 1
        with server.client(calm) as client:
            assert client.get("/v1/stats").status_code == 200


def test_a_bucket_fills_with_time() -> None:
    buckets = Buckets(10.0, 2.0)
    assert [buckets.take("a", 0.0) > 0 for _ in range(3)] == [False, False, True]
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.0) == pytest.approx(0.1)
    assert buckets.take("a", 0.11) == 0 and buckets.take("a", 0.11) > 0
    assert Buckets(0.0, 0.0).take("a", 0.0) == 0


def test_answers_let_a_browser_do_nothing_with_them(server: Served) -> None:
    with server.client() as client:
        text = "<script>alert(1)</script>\u2028\x1b[31m"
        id = client.post("/v1/memories", json={"content": text}).json()["ids"][0]
        answer: Any = client.get(f"/v1/memories/{id}")
        assert answer.json()["text"] == text and answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store" and "server" not in answer.headers
