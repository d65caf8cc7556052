"""Prove that over HTTP a key or token bounds what MCP's tools, resources and news may see, and that hosts need one."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the extra memstrata[mcp] is not installed")

import anyio
import httpx
from anyio.from_thread import start_blocking_portal
from issuing import KeySet, issuer
from mcp.client.streamable_http import streamable_http_client
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_clients import Client, MCPError, content, over_http, ran, shown

import memstrata
from memstrata import Memstrata, Scope
from memstrata.access.keys import Keys
from memstrata.clock import SystemClock
from memstrata.errors import InvalidConfig
from memstrata.faces.entrance.limits import Limits
from memstrata.faces.entrance.listening import admitted
from memstrata.faces.mcp import door, serve
from memstrata.faces.mcp.server import build

__all__ = ["issuer"]  # a fixture

NEVER = "01a1fecd-dfdb-774b-9c4b-1b329d958366"
HIDDEN = "the vault code is 4-8-15-16-23"
INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}  # fmt: skip
ACCEPTED = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@dataclass(frozen=True)
class Wide:
    """A server that any machine could reach, and the store behind it."""

    url: str
    home: Path
    memory: Memstrata

    def key(self, name: str = "tests", *, read_only: bool = False, **scope: str) -> str:
        return self.made(name, read_only=read_only, **scope)[1]

    def made(self, name: str = "tests", *, read_only: bool = False, **scope: str) -> tuple[str, str]:
        key, token = Keys(self.home).add(name, Scope(**scope), read_only=read_only, now=SystemClock().now())
        return key.id, token

    def post(self, body: object = INITIALIZE, **headers: str) -> httpx.Response:
        return httpx.post(self.url, content=json.dumps(body), headers=ACCEPTED | headers, timeout=30)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wide]:
    home = tmp_path_factory.mktemp("wide") / "home"
    Keys(home).add("first", Scope(), now=SystemClock().now())
    with memstrata.open(home) as memory, over_http(home, "--host", "0.0.0.0") as url:
        yield Wide(url.replace("0.0.0.0", "127.0.0.1"), home, memory)


@asynccontextmanager
async def client_of(url: str, token: str, **options: Any) -> AsyncIterator[Client]:
    """The official client, with a key."""
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http), **options) as client,
    ):
        yield client


def called(wide: Wide, token: str, name: str, mode: str = "auto", **arguments: Any) -> Any:
    async def main() -> Any:
        async with client_of(wide.url, token, mode=mode) as client:
            return await client.call_tool(name, arguments)

    return ran(main)


# ── who comes in ──


def test_nobody_comes_in_without_a_key_that_holds(wide: Wide) -> None:
    id, ended = wide.made()
    Keys(wide.home).revoke(id, now=SystemClock().now())
    for headers in ({}, {"Authorization": "Bearer msk_000000000000_" + "x" * 43}, {"Authorization": f"Bearer {ended}"},
                    {"Authorization": "Basic dGVzdHM6eA=="}):  # fmt: skip
        refused = wide.post(**headers)
        assert (refused.status_code, refused.json()["error"]) == (401, "Unauthenticated"), headers
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert wide.post(Authorization=f"Bearer {wide.key()}").status_code == 200
    assert wide.post(**{"X-API-Key": wide.key()}).status_code == 200


def test_on_this_machine_keys_count_as_soon_as_there_is_one(home: Path) -> None:
    with over_http(home) as url:
        assert httpx.post(url, json=INITIALIZE, headers=ACCEPTED).status_code == 200
        Keys(home).add("first", Scope(), now=SystemClock().now())
        assert httpx.post(url, json=INITIALIZE, headers=ACCEPTED).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_a_wider_host_needs_a_key_or_an_issuer(home: Path, host: str) -> None:
    limits = Limits(host)
    with pytest.raises(InvalidConfig, match="no keys"):
        admitted(home, limits, issuer=None, claims=None, now=SystemClock().now)
    Keys(home).add("first", Scope(), now=SystemClock().now())
    assert admitted(home, limits, issuer=None, claims=None, now=SystemClock().now).guarded


# ── what they reach ──


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_what_lies_outside_a_keys_reach_is_answered_as_what_never_was(wide: Wide, mode: str) -> None:
    tenant = f"reach-{mode}"
    own = wide.memory.add("The key of Ana.", tenant_id=tenant, user_id="ana").id
    others = [
        wide.memory.add(HIDDEN, **scope).id
        for scope in ({"tenant_id": tenant, "user_id": "bo"}, {"tenant_id": "rival", "user_id": "ana"},
                      {"user_id": "ana"}, {"tenant_id": tenant}, {"tenant_id": tenant, "app_id": "x", "user_id": "ana"})
    ]  # fmt: skip
    token = wide.key(tenant_id=tenant, user_id="ana")

    async def main() -> None:
        async with client_of(wide.url, token, mode=mode) as client:
            found = content(await client.call_tool("search_memories", {"query": "key vault code"}))["hits"]
            assert [hit["id"] for hit in found] == [own]
            assert content(await client.call_tool("get_memory", {"id": own}))["text"] == "The key of Ana."
            for name, more in (("get_memory", {}), ("update_memory", {"content": "mine"}), ("delete_memory", {})):
                answers = [shown(await client.call_tool(name, {"id": id, **more})) for id in (*others, NEVER)]
                assert {answer.replace(NEVER, "") for answer in answers} == {answers[-1]}, answers
                assert "within reach" in answers[-1]
            for name in ("search_memories", "recall"):
                refused = await client.call_tool(name, {"query": "vault", "user_id": "bo"})
                assert refused.is_error and "within reach" in shown(refused)
            listed = [resource.uri for resource in (await client.list_resources()).resources]
            assert [str(uri) for uri in listed] == ["memstrata://profile/ana", f"memstrata://memory/{own}"]
            for uri in (*(f"memstrata://memory/{id}" for id in others), "memstrata://profile/bo"):
                with pytest.raises(MCPError, match="within reach"):
                    await client.read_resource(uri)
            kept = content(await client.call_tool("add_memory", {"content": "Tea at five."}))["id"]
            memory = wide.memory.get(kept)
            assert (memory.scope, memory.contributor) == (Scope(tenant, None, "ana"), "key:tests")

    ran(main)
    assert {wide.memory.get(id).text for id in others} == {HIDDEN}


def test_a_key_of_a_tenant_reaches_all_of_its_users_and_nobody_else(wide: Wide) -> None:
    wide.memory.add("The barn key of Ana.", tenant_id="farm", user_id="ana")
    wide.memory.add("The barn key of all.", tenant_id="farm")
    wide.memory.add("The barn key of Eve.", user_id="eve")
    token = wide.key(tenant_id="farm")
    for user, expected in (("ana", ["The barn key of Ana."]), ("eve", []), (None, ["The barn key of all."])):
        named = {} if user is None else {"user_id": user}
        hits = content(called(wide, token, "search_memories", query="barn key", **named))["hits"]
        assert [hit["text"] for hit in hits] == expected


def test_a_key_that_reads_is_offered_nothing_that_writes(wide: Wide) -> None:
    token = wide.key(read_only=True, tenant_id="library")

    async def main() -> list[str]:
        async with client_of(wide.url, token) as client:
            refused = await client.call_tool("add_memory", {"content": "x"})
            assert refused.is_error and "may read" in shown(refused)
            return [tool.name for tool in (await client.list_tools()).tools]

    assert ran(main) == ["search_memories", "get_memory", "recall"]
    assert list(wide.memory.list(tenant_id="library")) == []


def test_news_stay_within_reach_and_end_with_the_key(wide: Wide) -> None:
    id, token = wide.made(tenant_id="news")
    theirs = wide.memory.add(HIDDEN, tenant_id="rival-news", user_id="ana").id
    own = wide.memory.add("Tea at five.", tenant_id="news", user_id="ana").id
    uris = [f"memstrata://memory/{one}" for one in (theirs, own)]

    heard: list[object] = []

    async def main() -> None:
        async with (
            client_of(wide.url, token) as client,
            client.listen(resources_list_changed=True, resource_subscriptions=uris) as news,
        ):
            wide.memory.update(theirs, text="changed")
            wide.memory.add("more", tenant_id="rival-news")
            wide.memory.update(own, text="Tea at six.")
            heard.append(await anext(news))
            Keys(wide.home).revoke(id, now=SystemClock().now())
            with anyio.fail_after(10):  # it ends, and brings nothing more
                heard.extend([event async for event in news])

    try:
        ran(main)
    except BaseExceptionGroup as group:  # the client may say so when its stream is cut off
        assert group.split(TimeoutError)[0] is None, "the stream went on"
    assert heard == [ResourceUpdated(uris[1])]
    assert wide.post(Authorization=f"Bearer {token}").status_code == 401


def test_a_session_is_for_the_key_that_began_it(wide: Wide) -> None:
    mine, other = wide.key("mine", tenant_id="one"), wide.key("other", tenant_id="two")
    session = wide.post(Authorization=f"Bearer {mine}").headers["mcp-session-id"]
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    for key, expected in ((other, 404), (mine, 200)):
        answer = wide.post(listing, Authorization=f"Bearer {key}", **{"mcp-session-id": session})
        assert answer.status_code == expected
    assert wide.post(listing, Authorization=f"Bearer {mine}", **{"mcp-session-id": "0" * 32}).status_code == 404
    gone = httpx.delete(wide.url, headers=ACCEPTED | {"Authorization": f"Bearer {other}", "mcp-session-id": session})
    assert gone.status_code == 404


def test_two_keys_have_two_graphs_and_bring_one_thing_in_once(home: Path) -> None:
    keys = Keys(home)
    tokens = {
        name: keys.add(name, Scope(tenant_id=tenant), now=SystemClock().now())[1]
        for name, tenant in (("ana", "one"), ("bo", "one"), ("eve", "two"))
    }
    entity = {"name": "Porto", "entityType": "city", "observations": ["has a bridge"]}
    with over_http(home, "--compat", "server-memory") as url:

        async def main(name: str) -> tuple[int, Any]:
            async with client_of(url, tokens[name]) as client:
                before = content(await client.call_tool("read_graph", {}))["entities"]
                new = content(await client.call_tool("create_entities", {"entities": [entity]}))["entities"]
                return len(before), len(new)

        assert [ran(lambda name=name: main(name)) for name in ("ana", "bo", "eve")] == [(0, 1), (1, 0), (0, 1)]


def test_a_confined_server_is_not_for_another_users_key(home: Path) -> None:
    keys = Keys(home)
    tokens = {
        user: keys.add("k", Scope(**scope), now=SystemClock().now())[1]
        for user, scope in (("ana", {"user_id": "ana"}), ("bo", {"user_id": "bo"}), ("all", {}))
    }
    with over_http(home, "--user-id", "ana", "--confine") as url:

        async def main(user: str) -> bool:
            async with client_of(url, tokens[user]) as client:
                try:
                    return not (await client.call_tool("search_memories", {"query": "tea"})).is_error
                except MCPError as exc:
                    assert "does not reach" in str(exc)
                    return False

        assert [ran(lambda user=user: main(user)) for user in ("ana", "all", "bo")] == [True, True, False]


# ── tokens ──


def test_a_token_reaches_what_its_claims_say_and_clients_find_its_issuer(home: Path, issuer: KeySet) -> None:
    options = (
        "--oidc-issuer", "https://id.example.org", "--oidc-audience", "https://memory.example.org/mcp",
        "--oidc-keys", issuer.url, "--oidc-claim", "tenant_id=org", "--oidc-claim", "user_id=sub",
        "--oidc-write-scope", "memory:write",
    )  # fmt: skip
    with memstrata.open(home) as memory, over_http(home, "--host", "0.0.0.0", *options) as url:
        url = url.replace("0.0.0.0", "127.0.0.1")
        memory.add("The gate key of Bo.", tenant_id="acme", user_id="bo")

        async def main(scope: str) -> Any:
            token = issuer.token(aud="https://memory.example.org/mcp", scope=scope)
            async with client_of(url, token) as client:
                added = await client.call_tool("add_memory", {"content": "The gate key of Ana."})
                hits = content(await client.call_tool("search_memories", {"query": "gate key"}))["hits"]
                return added.is_error, [hit["text"] for hit in hits]

        assert ran(lambda: main("openid memory:write")) == (False, ["The gate key of Ana."])
        assert ran(lambda: main("openid")) == (True, ["The gate key of Ana."])
        (kept,) = memory.list(tenant_id="acme", user_id="ana")
        assert kept.contributor == "oidc:ana"
        refused = httpx.post(url, json=INITIALIZE, headers=ACCEPTED | {"Authorization": f"Bearer {issuer.token()}"})
        assert refused.status_code == 401  # for another audience
        where = re.search(r'resource_metadata="https://memory\.example\.org(.+)"', refused.headers["WWW-Authenticate"])
        assert where is not None
        told = httpx.get(url.removesuffix("/mcp") + where[1]).json()
        assert (told["resource"], told["authorization_servers"]) == (
            "https://memory.example.org/mcp", ["https://id.example.org"]
        )  # fmt: skip


# ── hostile callers ──


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"origin": "https://evil.example.org"}, 403), ({"origin": "null"}, 403),
        ({"content-encoding": "gzip"}, 400), ({"content-type": "text/plain"}, 400),
        ({"authorization": "Bearer a", "x-api-key": "b"}, 401),
        ({"x-forwarded-for": "127.0.0.1", "x-forwarded-host": "localhost"}, 401),
    ],
)  # fmt: skip
def test_header_tricks_are_refused(wide: Wide, headers: dict[str, str], expected: int) -> None:
    own = {} if expected == 401 else {"authorization": f"Bearer {wide.key()}"}
    refused = wide.post(**own, **headers)
    assert refused.status_code == expected
    assert set(refused.json()) == {"detail", "error"}


def sent(wide: Wide, request: bytes) -> bytes:
    """Everything that comes back to bytes sent as they are."""
    with socket.create_connection(("127.0.0.1", httpx.URL(wide.url).port or 0), timeout=60) as line:
        line.sendall(request)
        pieces = []
        while piece := line.recv(65_536):
            pieces.append(piece)
        return b"".join(pieces)


def head(wide: Wide, *more: str) -> bytes:
    key = wide.key()
    lines = ["POST /mcp HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {key}", *more]
    return "\r\n".join([*lines, "Content-Type: application/json", "", ""]).encode()


def test_a_body_that_is_too_large_is_refused_said_or_not(wide: Wide) -> None:
    assert b" 413 " in sent(wide, head(wide, "Content-Length: 9999999")).split(b"\r\n")[0]
    piece = b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20))
    assert (
        b" 413 " in sent(wide, head(wide, "Transfer-Encoding: chunked") + 4 * piece + b"1\r\nx\r\n").split(b"\r\n")[0]
    )


def test_two_keys_in_one_request_are_one_too_many(wide: Wide) -> None:
    assert b" 400 " in sent(wide, head(wide, "Authorization: Bearer other", "Connection: close")).split(b"\r\n")[0]


def test_a_request_is_not_smuggled_in_the_body_of_another(wide: Wide) -> None:
    inner = head(wide, f"Content-Length: {len(json.dumps(INITIALIZE))}") + json.dumps(INITIALIZE).encode()
    outer = head(wide, f"Content-Length: {5 + len(inner)}", "Transfer-Encoding: chunked")
    answer = sent(wide, outer + b"0\r\n\r\n" + inner)
    assert b" 400 " in answer.split(b"\r\n")[0] and answer.count(b"HTTP/1.1") == 1


def test_silent_connections_and_slow_bodies_are_closed_and_keep_nobody_out(memory: Memstrata, home: Path) -> None:
    limits = Limits(port=0, header_s=0.6, body_s=0.5)
    admission = admitted(home, limits, issuer=None, claims=None, now=SystemClock().now)
    found = Queue[str]()
    with start_blocking_portal() as portal:
        running = portal.start_task_soon(
            partial(serve.http, build(memory, who=door.caller), admission, limits, ready=found.put)
        )
        url = found.get(timeout=30)
        lines = [socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), timeout=10) for _ in range(20)]
        for line in lines[10:]:
            line.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\n{")
        assert httpx.post(url, json=INITIALIZE, headers=ACCEPTED).status_code == 200
        assert [line.recv(65_536)[:12] for line in lines] == [b""] * 10 + [b"HTTP/1.1 408"] * 10
        running.cancel()


def test_guessing_keys_is_slowed_down(wide: Wide) -> None:
    def guess(number: int) -> int:
        return wide.post(Authorization=f"Bearer msk_{number:012x}_{'x' * 43}").status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(guess, range(100))) == {401, 429}
    assert wide.post(Authorization=f"Bearer {wide.key()}").status_code == 200
