"""Prove that the server does what the engine does, over a real socket, and says what went wrong."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="memstrata[server] is not installed")
httpx = pytest.importorskip("httpx")

from opentelemetry import trace
from serving import Served, process, served

import memstrata
from memstrata.engine import Memstrata
from memstrata.faces.http import desk


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with served(home) as running:
        yield running


@pytest.fixture
def client(server: Served) -> Iterator[Any]:
    with server.client() as one:
        yield one


def added(client: Any, content: object = "The spare key hangs behind the blue door.", **more: object) -> str:
    answer = client.post("/v1/memories", json={"content": content, "user_id": "ana"} | more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ids"][0])


# ── every verb ──


def test_what_is_added_is_found_by_search_context_list_and_id(client: Any) -> None:
    id = added(client, speaker="Ana", at="2024-05-20T10:00:00+02:00", attributes={"room": "hall"})
    asked = {"query": "where is the spare key", "user_id": "ana"}
    hit = client.post("/v1/search", json=asked).json()[0]
    assert (hit["memory"]["id"], hit["passage"]) == (id, "The spare key hangs behind the blue door.")
    assert "evidence" not in hit
    packed = client.post("/v1/context", json=asked | {"budget": 200}).json()
    assert "blue door" in packed["text"] and packed["passages"][0]["memory"]["id"] == id
    found = client.get(f"/v1/memories/{id}").json()
    assert (found["at"], found["attributes"], found["speaker"]) == (
        "2024-05-20T10:00:00+02:00", {"room": "hall"}, "Ana",
    )  # fmt: skip
    assert client.get("/v1/memories", params={"user_id": "ana"}).json() == {"memories": [found], "next_offset": None}
    assert client.get("/v1/memories", params={"user_id": "rui"}).json()["memories"] == []
    explained = client.post("/v1/explain", json=asked | {"id": id}).json()
    assert explained["hits"][0]["memory"]["id"] == id and explained["verdict"]


def test_pages_hold_everything_once(client: Any) -> None:
    events = [{"text": f"note {n}", "at": n, "attributes": {"even": n % 2 == 0}} for n in range(25)]
    kept = client.post("/v1/memories/batch", json={"events": events, "user_id": "ana"})
    assert (kept.status_code, kept.json()["added"]) == (201, 25)
    texts, offset = [], 0
    while offset is not None:
        page = client.get("/v1/memories", params={"user_id": "ana", "limit": 10, "offset": offset}).json()
        texts += [one["text"] for one in page["memories"]]
        offset = page["next_offset"]
    assert texts == [f"note {n}" for n in range(25)]
    asked = {"user_id": "ana", "filters": json.dumps({"even": True}), "newest_first": True, "limit": 2}
    assert [one["text"] for one in client.get("/v1/memories", params=asked).json()["memories"]] == [
        "note 24",
        "note 22",
    ]


def test_a_memory_is_changed_followed_and_deleted(client: Any) -> None:
    id = added(client, speaker="Ana")
    changed = client.patch(f"/v1/memories/{id}", json={"text": "The key is gone.", "speaker": None})
    assert (changed.json()["version"], changed.json()["speaker"]) == (2, None)
    steps = client.get(f"/v1/memories/{id}/history").json()
    assert [(one["number"], one["memory"]["text"]) for one in steps] == [
        (1, "The spare key hangs behind the blue door."), (2, "The key is gone."),
    ]  # fmt: skip
    assert client.delete(f"/v1/memories/{id}").json()["memories"] == 1
    gone = client.get(f"/v1/memories/{id}")
    assert (gone.status_code, gone.json()["error"]) == (404, "NotFound")


def test_what_is_stated_is_told_and_taken_back(client: Any) -> None:
    first = added(client, "The capital of Malta is Mdina.", at="2023-01-01")
    added(client, "The capital of Malta is Valletta.", at="2023-02-01")
    asked = {"subject": "Malta", "attribute": "capital", "user_id": "ana"}
    assert [one["value"] for one in client.get("/v1/state", params=asked).json()] == ["Valletta"]
    then = client.get("/v1/state", params=asked | {"as_of": "2023-01-15"}).json()
    assert [one["value"] for one in then] == ["Mdina"]
    assert "Malta" in client.get("/v1/profile", params={"user_id": "ana"}).json()["subjects"]
    assert client.post(f"/v1/memories/{first}/undo").json() == {"holding": 1}


def test_memories_are_merged_judged_counted_and_named(client: Any) -> None:
    ids = [added(client, f"Bread needs {what}.") for what in ("flour", "water")]
    merged = client.post("/v1/memories/merge", json={"ids": ids, "user_id": "ana"})
    assert (merged.status_code, merged.json()["text"]) == (201, "Bread needs flour.\nBread needs water.")
    judged = {"query": "bread flour", "id": merged.json()["id"], "useful": True, "user_id": "ana"}
    assert client.post("/v1/feedback", json=judged).status_code == 200
    assert client.post("/v1/feedback", json=judged | {"id": ids[0]}).status_code == 404
    assert client.get("/v1/stats", params={"user_id": "ana"}).json()["memories"] == 1
    assert client.get("/v1/scopes").json() == [{"tenant_id": None, "app_id": None, "user_id": "ana"}]


def test_a_scope_is_deleted_only_when_it_is_named(client: Any, server: Served) -> None:
    added(client)
    server.memory.add("Rui rows.", user_id="rui")
    assert client.delete("/v1/memories").status_code == 400
    assert client.delete("/v1/memories", params={"user_id": "ana"}).json()["memories"] == 1
    assert client.delete("/v1/memories", params={"all_users": True}).json()["memories"] == 1


def test_the_store_is_settled_purged_and_checked(client: Any) -> None:
    client.delete(f"/v1/memories/{added(client)}")
    assert client.post("/v1/purge").json()["memories"] == 1
    assert "settled" in client.post("/v1/upkeep", json={"seconds": 1}).json()
    assert client.post("/v1/check").json()["ok"] is True


# ── import and export ──


def test_an_import_says_how_far_it_is_and_an_export_comes_back_whole(client: Any, tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": f"line {n}", "user_id": "ana"}) + "\n" for n in range(2_500))
    answer = client.post("/v1/import", params={"name": "notes.jsonl", "user_id": "ana"}, content=lines.encode())
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["kept"] for one in told[:-1]] == [1_000, 2_000, 2_500]
    assert told[-1]["receipt"]["added"] == 2_500
    again = client.post("/v1/import", params={"name": "notes.jsonl", "user_id": "ana"}, content=lines.encode())
    assert json.loads(again.text.splitlines()[-1])["receipt"] == {
        "added": 0, "repeated": 2_500, "position": told[-1]["receipt"]["position"],
    }  # fmt: skip
    exported = client.get("/v1/export", params={"all_users": True})
    (tmp_path / "back.jsonl").write_bytes(exported.content)
    with memstrata.open(tmp_path / "other") as other:
        assert other.import_(tmp_path / "back.jsonl").added == 2_500


def test_an_import_that_cannot_be_read_says_where_and_names_no_folder(client: Any, server: Served) -> None:
    answer = client.post("/v1/import", params={"name": "notes.jsonl"}, content=b'{"text": "one"}\n{"text": \n')
    told = json.loads(answer.text.splitlines()[-1])
    assert told["error"] == "InvalidInput" and told["detail"].startswith("notes.jsonl")
    for name in ("../x", "/etc/passwd", "a/b.txt", ".hidden", ""):
        assert client.post("/v1/import", params={"name": name}, content=b"x").status_code == 400
    assert list(server.memory.list(user_id="ana")) == []


# ── agents beside each other ──


def test_a_step_sent_twice_is_one_memory(client: Any) -> None:
    body = {"content": "step 7 is done", "user_id": "team", "key": "plan/7"}
    first, second = (client.post("/v1/memories", json=body) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["ids"] == second.json()["ids"]
    named = client.post("/v1/memories", json=body | {"key": None}, headers={"Idempotency-Key": "plan/7"})
    assert named.json()["ids"] == first.json()["ids"]
    other = client.post("/v1/memories", json=body | {"content": "step 7 is not done"})
    assert (other.status_code, other.json()["error"]) == (409, "KeyConflict")


def test_a_step_is_claimed_by_one_waited_for_and_given_up(client: Any, server: Served) -> None:
    mine = client.post("/v1/claims", json={"key": "plan", "user_id": "ana"}).json()
    assert (mine["state"], mine["memory"]) == ("yours", None)
    other = {"key": "plan", "holder": "maid", "user_id": "ana"}
    taken = client.post("/v1/claims", json=other).json()
    assert (taken["state"], taken["holder"], taken["until"]) == ("taken", mine["holder"], mine["until"])
    assert client.post("/v1/claims", json=other | {"wait": 0.1}).json()["state"] == "taken"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: client.post("/v1/claims", json=other | {"wait": 30}).json())
        server.memory.add("First the roof.", key="plan", user_id="ana")
        done = waiting.result(30)
    assert (done["state"], done["memory"]["text"]) == ("done", "First the roof.")
    late = client.post("/v1/memories", json={"content": "The cellar.", "key": "plan", "once": True, "user_id": "ana"})
    assert (late.status_code, late.json()["ids"]) == (200, [done["memory"]["id"]])
    held = client.post("/v1/claims", json={"key": "list", "holder": "cook", "user_id": "ana"}).json()
    assert held["holder"] == "cook"
    for holder, released in (("maid", False), ("cook", True), ("cook", False)):
        given = client.post("/v1/claims/release", json={"key": "list", "holder": holder, "user_id": "ana"}).json()
        assert given == {"released": released}


def test_whoever_waits_for_a_step_keeps_nobody_else_waiting(client: Any, server: Served) -> None:
    client.post("/v1/claims", json={"key": "plan"})
    with ThreadPoolExecutor(20) as pool:  # more than the server has threads
        waiting = [
            pool.submit(lambda: client.post("/v1/claims", json={"key": "plan", "wait": 20}).json()) for _ in range(20)
        ]
        id = client.post("/v1/memories", json={"content": "First the roof.", "key": "plan"}).json()["ids"][0]
        assert {one.result(30)["memory"]["id"] for one in waiting} == {id}


def test_memories_are_counted_for_each_user_agent_and_session(client: Any) -> None:
    for more in ({"agent_id": "cook"}, {}, {}):
        client.post("/v1/memories", json={"content": "Tea at five.", "user_id": "ana", **more})
    rows = client.get("/v1/tally").json()
    assert [(row["user_id"], row["agent_id"], row["memories"]) for row in rows] == [
        ("ana", None, 2),
        ("ana", "cook", 1),
    ]


def test_a_change_over_another_version_is_refused(client: Any) -> None:
    id = added(client, "0")
    assert client.patch(f"/v1/memories/{id}", json={"text": "1", "expected_version": 1}).status_code == 200
    late = client.patch(f"/v1/memories/{id}", json={"text": "2", "expected_version": 1})
    assert (late.status_code, late.json()["error"]) == (409, "VersionConflict")
    assert client.get(f"/v1/memories/{id}").json()["text"] == "1"


# ── what goes wrong ──


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/v1/memories", {"content": ""}, 400, "InvalidInput"),
        ("POST", "/v1/memories", {"content": "x", "kind": "poem"}, 422, "InvalidInput"),
        ("POST", "/v1/memories", {"content": "x", "user": "ana"}, 422, "InvalidInput"),
        ("POST", "/v1/memories", {"content": "x", "user_id": ""}, 400, "InvalidInput"),
        ("POST", "/v1/search", {"query": "x", "limit": 0}, 422, "InvalidInput"),
        ("POST", "/v1/search", {"query": "x", "shared": 0}, 422, "InvalidInput"),
        ("POST", "/v1/upkeep", {"seconds": False}, 422, "InvalidInput"),
        ("POST", "/v1/search", {"query": "x", "filters": {"a": {"like": 1}}}, 400, "InvalidFilter"),
        ("GET", "/v1/memories?filters=%7B", None, 400, "InvalidFilter"),
        ("GET", "/v1/memories?user=ana", None, 422, "InvalidInput"),
        ("GET", "/v1/memories/01a1fecd-dfdb-774b-9c4b-1b329d958365", None, 404, "NotFound"),
        ("GET", "/v1/memories/%2e%2e%2fkeys.json", None, 404, "NoRoute"),
        ("PUT", "/v1/search", {"query": "x"}, 405, "NoRoute"),
        ("GET", "/nothing", None, 404, "NoRoute"),
    ],
)  # fmt: skip
def test_a_mistake_gets_its_status_a_class_and_a_sentence(
    client: Any, method: str, path: str, body: object, status: int, error: str
) -> None:
    answer = client.request(method, path, json=body) if body is not None else client.request(method, path)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["detail"] and set(answer.json()) == {"detail", "error"}


def test_a_fault_of_ours_is_answered_without_its_words(
    server: Served, client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr(Memstrata, "search", broken)
    answer = client.post("/v1/search", json={"query": "my password is hunter2"})
    assert (answer.status_code, answer.json()["error"]) == (500, "InternalError")
    for secret in ("1234", "hunter2"):
        assert secret not in answer.text and secret not in caplog.text
    assert "RuntimeError" in caplog.text and "Traceback" not in caplog.text


def test_no_text_and_no_id_reaches_log_or_figures(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        id = added(client, "canary-7f3a")
        client.post("/v1/search", json={"query": "canary-7f3a", "user_id": "ana-canary"})
        client.get(f"/v1/memories/{id}")
        client.post("/v1/search", json={"query": "canary-7f3a", "limit": -1})
    figures = client.get("/v1/metrics").text
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    for quiet in (figures, ours):
        assert "canary" not in quiet and id not in quiet
    assert 'memstrata_requests_total{method="GET",route="memories.get",status="200"} 1.0' in figures
    assert 'memstrata_request_seconds_count{route="asking.search"} 2.0' in figures


class Recorded:
    """A tracer that notes what it is told."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, dict[str, object]]] = []

    @contextmanager
    def start_as_current_span(self, name: str, **_: object) -> Iterator[trace.Span]:
        noted: dict[str, object] = {}
        self.spans.append((name, noted))

        class Span(trace.NonRecordingSpan):
            def set_attribute(self, key: str, value: object) -> None:
                noted[key] = value

            def set_status(self, status: Any, description: str | None = None) -> None:
                noted["status"] = status.description

        yield Span(trace.INVALID_SPAN_CONTEXT)


def test_spans_name_verbs_and_counts_and_no_contents(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded()
    monkeypatch.setattr(desk, "TRACER", recorded)
    added(client, "canary-7f3a")
    client.post("/v1/search", json={"query": "canary-7f3a", "user_id": "ana"})
    client.get("/v1/memories/canary-7f3a")
    assert recorded.spans == [
        ("memstrata.add", {"memstrata.verb": "add"}),
        ("memstrata.search", {"memstrata.verb": "search", "memstrata.count": 1}),
        ("memstrata.get", {"memstrata.verb": "get", "status": "NotFound"}),
    ]


# ── begin and end ──


def test_a_server_that_is_told_to_stop_finishes_and_leaves_the_store_whole(home: Path) -> None:
    with process(home) as (running, url), httpx.Client(base_url=url, timeout=60) as client:
        id = added(client)
        running.send_signal(signal.SIGTERM)
        running.wait(timeout=60)
    with memstrata.open(home) as memory:
        assert memory.get(id).text == "The spare key hangs behind the blue door."
        assert memory.check().ok


def test_a_server_killed_in_the_middle_loses_nothing_acknowledged(home: Path) -> None:
    acknowledged = []
    with process(home) as (running, url), httpx.Client(base_url=url, timeout=60) as client:
        for number in range(60):
            acknowledged.append(added(client, f"note {number}", key=f"n/{number}"))
            if number == 40:
                running.kill()
                break
    with memstrata.open(home) as memory:
        assert [memory.get(id).text for id in acknowledged] == [f"note {n}" for n in range(41)]
        assert memory.check().ok
