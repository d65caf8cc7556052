"""Prove that subscribers hear every change once and in order, whoever made it and whatever happens to them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="memstrata[server] is not installed")
httpx = pytest.importorskip("httpx")
websockets = pytest.importorskip("websockets.sync.client")

from serving import Served, process, served
from websockets.exceptions import ConnectionClosed, InvalidStatus

import memstrata
from memstrata.access.keys import Keys
from memstrata.clock import SystemClock
from memstrata.plan.counters import CharacterCounter
from memstrata.testing import FakeEmbedder, SteppingClock


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with served(home, heartbeat_s=0.2) as running:
        yield running


class Listener:
    """A subscriber over server-sent events, as a browser's EventSource reads them."""

    def __init__(self, url: str, *, last: str | None = None, key: str | None = None, **asked: Any) -> None:
        headers = {} if last is None else {"Last-Event-ID": last}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._client = httpx.Client(timeout=30)
        self._context = self._client.stream("GET", f"{url}/v1/stream", params=asked, headers=headers)
        self.response = self._context.__enter__()
        self.lines = self.response.iter_lines()
        self.last = last
        self.events = self._events()

    def _events(self) -> Iterator[tuple[str, Any]]:
        name, data = "message", ""
        for line in self.lines:
            field, _, value = line.partition(":")
            match field:
                case "id":
                    self.last = value.strip()
                case "event":
                    name = value.strip()
                case "data":
                    data += value.strip()
                case "" if not line:
                    if data:
                        yield name, json.loads(data)
                    name, data = "message", ""

    def texts(self, count: int) -> list[str]:
        """The texts of the next changes."""
        found = []
        for name, data in self.events:
            if name in ("add", "update"):
                found.append(data["memory"]["text"])
                if len(found) == count:
                    break
        return found

    def close(self) -> None:
        self._context.__exit__(None, None, None)
        self._client.close()


def test_a_subscriber_hears_what_comes_in_its_scope_and_passes_its_filter(server: Served) -> None:
    listener = Listener(server.url, user_id="ana", filters=json.dumps({"kind": "fact"}))
    assert next(listener.events)[0] == "position"
    server.memory.add("not hers", user_id="bo", kind="fact")
    server.memory.add("not a fact", user_id="ana")
    id = server.memory.add("a fact", user_id="ana", kind="fact").id
    name, change = next(listener.events)
    assert (name, change["memory"]["text"], change["memory_id"]) == ("add", "a fact", id)
    server.memory.update(id, text="another fact")
    assert next(listener.events)[1]["memory"]["text"] == "another fact"
    server.memory.delete(id)
    name, change = next(listener.events)
    assert (name, change["memory_id"], change["memory"]) == ("delete", id, None)
    listener.close()


def test_a_subscriber_that_was_away_goes_on_where_it_was(server: Served) -> None:
    listener = Listener(server.url, user_id="ana")
    next(listener.events)
    server.memory.add("one", user_id="ana")
    assert listener.texts(1) == ["one"]
    listener.close()
    server.memory.add("two", user_id="ana")
    server.memory.add("three", user_id="ana")
    again = Listener(server.url, user_id="ana", last=listener.last)
    assert again.texts(2) == ["two", "three"]
    again.close()
    third = Listener(server.url, user_id="ana", after=0)
    assert third.texts(3) == ["one", "two", "three"]
    third.close()


def test_an_idle_subscriber_keeps_up_with_the_position(server: Served) -> None:
    listener = Listener(server.url, user_id="ana")
    next(listener.events)
    position = server.memory.add("elsewhere", user_id="bo").position
    while (line := next(listener.lines)) != f"id: {position}":
        assert not line.startswith("data:")
    listener.close()


def test_many_subscribers_hear_everything_in_order_while_many_write(server: Served) -> None:
    many, writes = 6, 60
    listeners = [Listener(server.url, user_id="team") for _ in range(many)]
    for listener in listeners:
        next(listener.events)

    def write(agent: int) -> None:
        with server.client() as client:
            for number in range(writes // 4):
                body = {"content": f"{agent}/{number}", "user_id": "team", "agent_id": f"a{agent}"}
                assert client.post("/v1/memories", json=body).status_code == 201

    with ThreadPoolExecutor(4 + many) as pool:
        heard = [pool.submit(listener.texts, writes) for listener in listeners]
        for done in [pool.submit(write, agent) for agent in range(4)]:
            done.result()
        orders = [one.result() for one in heard]
    written = [one.memory.text for one in server.memory.changes(0, user_id="team").changes if one.memory]
    assert all(order == written for order in orders)
    for agent in range(4):
        assert [text for text in written if text.startswith(f"{agent}/")] == [
            f"{agent}/{n}" for n in range(writes // 4)
        ]
    for listener in listeners:
        listener.close()


def test_what_another_process_writes_is_heard_and_what_is_heard_is_not_lost(home: Path) -> None:
    with process(home) as (_, first), process(home) as (_, second):
        listener = Listener(first, user_id="ana")
        next(listener.events)
        with httpx.Client(base_url=second, timeout=60) as client:
            for number in range(5):
                client.post("/v1/memories", json={"content": f"note {number}", "user_id": "ana"})
        assert listener.texts(5) == [f"note {n}" for n in range(5)]
        listener.close()
        resumed = Listener(second, user_id="ana", last=str(int(listener.last or 0) - 2))
        assert resumed.texts(2) == ["note 3", "note 4"]
        resumed.close()


def test_parallel_teams_store_a_step_once(home: Path) -> None:
    with process(home) as (_, first), process(home) as (_, second):

        def work(url: str) -> int:
            with httpx.Client(base_url=url, timeout=60) as client:
                return sum(
                    client.post(
                        "/v1/memories", json={"content": f"step {n}", "user_id": "team", "key": f"s/{n}"}
                    ).status_code
                    == 201
                    for n in range(20)
                )

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(work, [first, second, first, second])) == 20
    with memstrata.open(home) as memory:
        assert sorted(one.text for one in memory.list(user_id="team")) == sorted(f"step {n}" for n in range(20))


def test_a_counter_raised_by_many_at_once_misses_no_step(server: Served) -> None:
    id = server.memory.add("0", user_id="team").id

    def raised(_: int) -> None:
        with server.client() as client:
            while True:
                now = client.get(f"/v1/memories/{id}").json()
                body = {"text": str(int(now["text"]) + 1), "expected_version": now["version"]}
                if client.patch(f"/v1/memories/{id}", json=body).status_code == 200:
                    return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(raised, range(24)))
    assert server.memory.get(id).text == "24"


# ── positions that cannot be gone on from ──


def test_a_position_that_has_expired_is_said_before_and_within_a_stream(home: Path) -> None:
    clock = SteppingClock()
    with memstrata.open(home, embedder=FakeEmbedder(), counter=CharacterCounter(), clock=clock) as memory:
        memory.add("old", user_id="ana")
        clock.advance(30 * 86_400)
        memory.add("new", user_id="ana")
        memory.upkeep()
    with served(home) as server, server.client() as client:
        for path in ("/v1/changes", "/v1/stream"):
            answer = client.get(path, params={"user_id": "ana", "after": 0})
            assert (answer.status_code, answer.json()["error"]) == (410, "PositionExpired"), path
        with pytest.raises(InvalidStatus) as refused, websockets.connect(f"{socket(server)}?user_id=ana&after=0"):
            pass
        assert refused.value.response.status_code == 410


@pytest.mark.parametrize("path", ["/v1/stream"])
def test_a_position_that_never_was_is_not_waited_for(server: Served, path: str) -> None:
    with server.client() as client:
        answer = client.get(path, params={"user_id": "ana", "after": 1_000})
        assert (answer.status_code, answer.json()["error"]) == (410, "PositionExpired")
        for wrong in ("-1", "x", "1e3", "9" * 40):
            assert client.get(path, params={"user_id": "ana"}, headers={"Last-Event-ID": wrong}).status_code == 400


def test_changes_can_be_waited_for(server: Served) -> None:
    with server.client() as client:
        start = client.get("/v1/changes", params={"user_id": "ana"}).json()["position"]
        asked = {"user_id": "ana", "after": start, "seconds": 20}
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.get, "/v1/changes", params=asked)
            server.memory.add("elsewhere", user_id="bo")
            server.memory.add("here", user_id="ana")
            assert [one["memory"]["text"] for one in waiting.result().json()["changes"]] == ["here"]
        assert client.get("/v1/changes", params=asked | {"after": 10**9, "seconds": 0}).json()["changes"] == []


# ── WebSocket ──


def socket(server: Served) -> str:
    return f"ws://127.0.0.1:{server.port}/v1/stream"


def test_a_websocket_hears_the_same(server: Served) -> None:
    with websockets.connect(f"{socket(server)}?user_id=ana&after=0") as one:
        assert json.loads(one.recv(timeout=20)) == {"position": 0}
        server.memory.add("hello", user_id="ana")
        while "memory" not in (told := json.loads(one.recv(timeout=20))):
            pass  # only the position has moved
        assert told["memory"]["text"] == "hello"
        one.send("nothing that matters")
        server.memory.add("still there", user_id="ana")
        while "memory" not in (told := json.loads(one.recv(timeout=20))):
            pass
        assert told["memory"]["text"] == "still there"


def test_a_websocket_is_refused_like_a_request(server: Served) -> None:
    server.key()
    for query, headers, status in (
        ("user_id=ana", {}, 401),
        ("user_id=ana", {"Authorization": "Bearer x"}, 401),
        ("user_id=ana", {"Authorization": f"Bearer {server.key(user_id='bo')}"}, 404),
        ("user=ana", {"Authorization": f"Bearer {server.key()}"}, 400),
        ("filters=x", {"Authorization": f"Bearer {server.key()}"}, 400),
        ("user_id=ana", {"Authorization": f"Bearer {server.key()}", "Origin": "https://evil.example.org"}, 403),
    ):
        address = f"{socket(server)}?{query}"
        with pytest.raises(InvalidStatus) as refused, websockets.connect(address, additional_headers=headers):
            pass
        assert refused.value.response.status_code == status, (query, headers)


# ── limits, and ends ──


def test_no_more_subscribe_than_may_and_who_goes_makes_room(home: Path) -> None:
    with served(home, max_subscribers=2) as server, server.client() as client:
        listeners = [Listener(server.url, user_id="ana") for _ in range(2)]
        for listener in listeners:
            next(listener.events)
        refused = client.get("/v1/stream", params={"user_id": "ana"})
        assert (refused.status_code, refused.json()["error"]) == (429, "TooMany")
        listeners[0].close()
        server.memory.add("wake up", user_id="ana")
        while True:
            with client.stream("GET", "/v1/stream", params={"user_id": "ana"}) as answer:
                if answer.status_code == 200:
                    break
        listeners[1].close()


@pytest.mark.parametrize("kind", ["events", "websocket"])
def test_a_subscription_ends_with_its_key(server: Served, kind: str) -> None:
    key = server.key(user_id="ana")
    revoke = lambda: Keys(server.home).revoke(Keys(server.home).all()[0].id, now=SystemClock().now())  # noqa: E731
    if kind == "events":
        listener = Listener(server.url, key=key)
        next(listener.events)
        revoke()
        server.memory.add("not for you", user_id="ana")
        told = list(listener.events)
        listener.close()
        assert [(name, data["error"]) for name, data in told] == [("error", "Unauthenticated")]
        return
    with websockets.connect(socket(server), additional_headers={"Authorization": f"Bearer {key}"}) as one:
        one.recv(timeout=20)
        revoke()
        server.memory.add("not for you", user_id="ana")
        told = []
        with pytest.raises(ConnectionClosed):
            while True:
                told.append(json.loads(one.recv(timeout=20)))
        assert told[-1]["error"] == "Unauthenticated" and not any("memory" in one for one in told)


def test_a_server_that_stops_sends_subscribers_home(home: Path) -> None:
    ended: list[list[tuple[str, Any]]] = []
    with ExitStack() as stack:
        with served(home) as server:
            listener = Listener(server.url, user_id="ana")
            next(listener.events)
            one = stack.enter_context(websockets.connect(f"{socket(server)}?user_id=ana"))
            one.recv(timeout=20)
            hearing = threading.Thread(target=lambda: ended.append(list(listener.events)))
            hearing.start()
        hearing.join(timeout=20)
        listener.close()
        assert [name for name, _ in ended[0]] == ["closing"]
        with pytest.raises(ConnectionClosed):
            one.recv(timeout=20)


def test_a_subscriber_hears_nothing_of_other_tenants(server: Served) -> None:
    listener = Listener(server.url, key=server.key(tenant_id="acme"), all_users=True)
    next(listener.events)
    id = server.memory.add("secret", tenant_id="umbrella", user_id="ana").id
    server.memory.delete(id)
    server.memory.add("nameless", user_id="ana")
    server.memory.add("ours", tenant_id="acme", app_id="notes", user_id="bo")
    name, change = next(listener.events)
    assert (name, change["memory"]["text"]) == ("add", "ours")
    assert change["memory"]["tenant_id"] == "acme"
    listener.close()


def test_a_scope_that_is_not_ones_own_is_not_subscribed_to(server: Served) -> None:
    with server.client(server.key(user_id="ana")) as client:
        assert client.get("/v1/stream", params={"user_id": "bo"}).status_code == 404
        assert client.get("/v1/changes", params={"user_id": "bo"}).status_code == 404
