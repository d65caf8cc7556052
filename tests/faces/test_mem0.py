"""Prove that mem0's own clients, as they are shipped, work with our server."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="memstrata[server] is not installed")
if importlib.util.find_spec("mem0") is None:
    pytest.skip("mem0ai is not installed", allow_module_level=True)

from serving import Served, served

CLI = Path(sys.executable).with_name("mem0")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """mem0's client module, with nothing sent home and nothing kept in the user's folder."""
    folder = tmp_path_factory.mktemp("mem0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEM0_TELEMETRY", "False")
        patch.setenv("MEM0_DIR", str(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs, about their own dependencies
            yield importlib.import_module("mem0.client.main")


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with served(home) as running:
        yield running


@pytest.fixture
def client(server: Served, clients: Any) -> Iterator[Any]:
    one = clients.MemoryClient(api_key="anything", host=server.url)
    yield one
    one.client.close()


def texts(answer: Any) -> list[str]:
    return [row["memory"] for row in answer["results"]]


# ── the client's verbs ──


def test_messages_are_kept_found_listed_and_shown(client: Any) -> None:
    messages = [
        {"role": "user", "content": "I moved to Porto, and I am allergic to nuts."},
        {"role": "assistant", "content": "Noted: no nuts for you."},
    ]
    kept = client.add(messages, user_id="ana", metadata={"topic": "health"}, infer=False)
    assert [row["event"] for row in kept["results"]] == ["ADD", "ADD"]
    found = client.search("what is she allergic to?", filters={"user_id": "ana"}, top_k=1)["results"][0]
    assert found["memory"] in (messages[0]["content"], messages[1]["content"])
    assert (found["user_id"], found["metadata"]) == ("ana", {"topic": "health"}) and 0 < found["score"] <= 1
    everything = client.get_all(filters={"user_id": "ana"})
    assert (everything["count"], everything["next"], everything["previous"]) == (2, None, None)
    assert sorted(texts(everything)) == sorted(one["content"] for one in messages)
    assert client.get(kept["results"][0]["id"])["memory"] == messages[0]["content"]
    assert client.search("what is she allergic to?", filters={"user_id": "rui"}) == {"results": []}


def test_whose_it_is_may_stand_in_filters_or_beside(client: Any) -> None:
    client.add("I row.", filters={"user_id": "rui", "run_id": "r1"})
    client.add("I swim.", user_id="rui", run_id="r2", app_id="sports", agent_id="coach")
    assert texts(client.get_all(filters={"run_id": "r1"})) == ["I row."]
    assert sorted(texts(client.get_all(filters={"user_id": "rui"}))) == ["I row.", "I swim."]
    row = client.get_all(filters={"AND": [{"user_id": "rui"}, {"app_id": "sports"}]})["results"][0]
    assert [row[name] for name in ("user_id", "run_id", "app_id", "agent_id")] == ["rui", "r2", "sports", "coach"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"user_id": "*"}, ["a0", "a1", "b0"]),
        ({"OR": [{"user_id": "ana", "room": "attic"}, {"user_id": "bo"}]}, ["a1", "b0"]),
        ({"NOT": [{"user_id": "ana"}]}, ["b0"]),
        ({"AND": [{"user_id": {"in": ["ana", "eve"]}}, {"NOT": {"room": "attic"}}]}, ["a0"]),
        ({"user_id": {"ne": "ana"}}, ["b0"]),
        ({"metadata": {"room": "hall"}}, ["a0", "b0"]),
        ({"user_id": "ana", "metadata": {"size": {"gte": 2}}}, ["a1"]),
        ({"categories": {"contains": "tools"}}, ["a1"]),
        ({"categories": {"in": ["tools", "toys"]}}, ["a1", "b0"]),
        ({"user_id": "ana", "keywords": {"icontains": "A1"}}, ["a1"]),
        ({"created_at": {"gte": "2024-02-01", "lt": "2024-03-01"}}, ["a1"]),
        ({"user_id": "nobody"}, []),
    ],
)  # fmt: skip
def test_filters_mean_what_they_mean_to_mem0(
    client: Any, filters: dict[str, object], expected: list[str], server: Served
) -> None:
    january, february, march = 1_704_067_200, 1_706_745_600, 1_709_251_200
    client.add("a0", user_id="ana", metadata={"room": "hall", "size": 1}, timestamp=january)
    client.add(
        "a1", user_id="ana", metadata={"room": "attic", "size": 2, "categories": ["tools", "old"]}, timestamp=february
    )
    client.add("b0", user_id="bo", metadata={"room": "hall", "categories": ["toys"]}, timestamp=march)
    assert sorted(texts(client.get_all(filters=filters))) == expected
    found = client.search("a0 a1 b0", filters=filters, top_k=10)
    assert sorted(texts(found)) == expected


def test_scores_of_several_users_compare(client: Any) -> None:
    client.add("Cake on Sundays.", user_id="bo")
    client.add("The tram to the mill leaves at nine.", user_id="ana")
    client.add("Another tram to the mill leaves at ten.", user_id="eve")
    rows = client.search("the tram to the mill", filters={"user_id": "*"}, top_k=10)["results"]
    assert {row["user_id"] for row in rows[:2]} == {"ana", "eve"}
    assert rows[0]["score"] == 1 and rows[1]["score"] > rows[-1]["score"]
    few = client.search("the tram to the mill", filters={"user_id": "*"}, top_k=10, threshold=rows[1]["score"])
    assert {row["user_id"] for row in few["results"]} == {"ana", "eve"}


def test_pages_are_newest_first_and_hold_everything_once(client: Any) -> None:
    for number in range(7):
        client.add(f"n{number}", user_id="ana", timestamp=1_700_000_000 + number)
    pages = [client.get_all(filters={"user_id": "ana"}, page=page, page_size=3) for page in (1, 2, 3)]
    assert [texts(page) for page in pages] == [["n6", "n5", "n4"], ["n3", "n2", "n1"], ["n0"]]
    assert [page["count"] for page in pages] == [7, 7, 7]
    assert [page["next"] is None for page in pages] == [False, False, True]
    assert pages[1]["previous"]


def test_a_memory_is_changed_and_its_history_told(client: Any) -> None:
    id = client.add("I drink coffee.", user_id="ana")["results"][0]["id"]
    assert client.update(id, text="I drink tea.", metadata={"hot": True})["memory"] == "I drink tea."
    client.update(id, expiration_date="2999-12-31")
    row = client.get(id)
    assert (row["memory"], row["metadata"], row["expiration_date"]) == ("I drink tea.", {"hot": True}, "2999-12-31")
    client.update(id, expiration_date=None)
    assert client.get(id)["expiration_date"] is None
    told = client.history(id)
    assert [one["event"] for one in told] == ["ADD", "UPDATE", "UPDATE", "UPDATE"]
    assert (told[1]["old_memory"], told[1]["new_memory"]) == ("I drink coffee.", "I drink tea.")


def test_what_has_expired_is_found_no_more(client: Any) -> None:
    client.add("The code is 1234.", user_id="ana", expiration_date="2020-01-01")
    assert client.get_all(filters={"user_id": "ana"})["count"] == 0


def test_users_agents_and_runs_are_listed_and_deleted(client: Any) -> None:
    client.add("one", user_id="ana", agent_id="cook")
    client.add("two", user_id="ana", run_id="r1")
    client.add("three", user_id="bo")
    known = {(one["type"], one["name"]): one["total_memories"] for one in client.users()["results"]}
    assert known == {("user", "ana"): 2, ("user", "bo"): 1, ("agent", "cook"): 1, ("run", "r1"): 1}
    client.delete_users(agent_id="cook")
    assert sorted(texts(client.get_all(filters={"user_id": "*"}))) == ["three", "two"]
    client.delete_users(user_id="bo")
    assert texts(client.get_all(filters={"user_id": "*"})) == ["two"]


def test_deleting_says_whose(client: Any, clients: Any) -> None:
    ids = [client.add(text, user_id="ana")["results"][0]["id"] for text in ("one", "two")]
    client.add("three", user_id="bo")
    client.delete(ids[0])
    with pytest.raises(Exception, match="no such memory"):
        client.get(ids[0])
    client.delete_all(user_id="ana")
    assert texts(client.get_all(filters={"user_id": "*"})) == ["three"]
    with pytest.raises(Exception, match="say whose"):
        client.delete_all()
    client.delete_all(filters={"user_id": "bo"})
    assert client.get_all(filters={"user_id": "*"})["count"] == 0


def test_batches_are_done_whole_or_not_at_all(client: Any) -> None:
    ids = [client.add(text, user_id="ana")["results"][0]["id"] for text in ("one", "two")]
    client.batch_update([{"memory_id": id, "text": f"new {place}"} for place, id in enumerate(ids)])
    assert [client.get(id)["memory"] for id in ids] == ["new 0", "new 1"]
    unknown = {"memory_id": "01a1fecd-dfdb-774b-9c4b-1b329d958365", "text": "x"}
    with pytest.raises(Exception, match="no such memory"):
        client.batch_update([{"memory_id": ids[0], "text": "changed"}, unknown])
    assert client.get(ids[0])["memory"] == "new 0"
    client.batch_delete([{"memory_id": id} for id in ids])
    assert client.get_all(filters={"user_id": "ana"})["count"] == 0


def test_an_export_holds_what_was_asked_for(client: Any) -> None:
    client.add("one", user_id="ana")
    client.add("two", user_id="bo")
    made = client.create_memory_export(schema=json.dumps({"type": "object"}), filters={"user_id": "ana"})
    assert [row["memory"] for row in client.get_memory_export(memory_export_id=made["id"])["memories"]] == ["one"]
    assert [row["memory"] for row in client.get_memory_export(user_id="bo")["memories"]] == ["two"]


def test_everything_is_reset_by_deleting_everybody(client: Any) -> None:
    client.add("one", user_id="ana")
    client.add("two", user_id="bo", agent_id="cook")
    client.delete_users(user_id="ana")
    client.reset()
    assert client.users()["results"] == []


def test_what_is_not_offered_is_said(client: Any) -> None:
    for call in (lambda: client.get_summary(filters={"user_id": "ana"}), lambda: client.get_profile("ana")):
        with pytest.raises(Exception, match="not offered"):
            call()
    with pytest.raises(Exception, match="show_expired"):
        client.get_all(filters={"user_id": "ana"}, show_expired=True)


def test_the_asynchronous_client_does_the_same(server: Served, clients: Any) -> None:
    async def used() -> None:
        async with clients.AsyncMemoryClient(api_key="anything", host=server.url) as client:
            id = (await client.add("I play the oboe.", user_id="ana"))["results"][0]["id"]
            assert texts(await client.search("oboe", filters={"user_id": "ana"})) == ["I play the oboe."]
            assert texts(await client.get_all(filters={"user_id": "ana"}, page=1, page_size=5)) == ["I play the oboe."]
            await client.update(id, text="I play the bassoon.")
            assert [one["event"] for one in await client.history(id)] == ["ADD", "UPDATE"]
            assert (await client.users())["count"] == 1
            await client.batch_update([{"memory_id": id, "text": "I play the flute."}])
            assert (await client.get(id))["memory"] == "I play the flute."
            await client.delete(id)
            await client.add("I sing.", user_id="ana")
            await client.delete_all(user_id="ana")
            assert (await client.get_all(filters={"user_id": "ana"}))["count"] == 0

    asyncio.run(used())


# ── with keys ──


def test_a_key_is_asked_for_and_keeps_to_its_user(server: Served, clients: Any) -> None:
    server.memory.add("Rui rows.", user_id="rui")
    key = server.key(user_id="ana")
    with pytest.raises(ValueError, match="not known here"):
        clients.MemoryClient(api_key="anything", host=server.url)
    client = clients.MemoryClient(api_key=key, host=server.url)
    client.add("Ana sings.", user_id="ana")
    assert texts(client.get_all(filters={"user_id": "*"})) == ["Ana sings."]
    assert [one["name"] for one in client.users()["results"]] == ["ana"]
    for call in (
        lambda: client.get_all(filters={"user_id": "rui"}),
        lambda: client.search("rows", filters={"user_id": "rui"}),
        lambda: client.add("Rui swims.", user_id="rui"),
        lambda: client.delete_all(user_id="rui"),
        lambda: client.get(server.memory.scopes(user_id="rui") and next(server.memory.list(user_id="rui")).id),
    ):
        with pytest.raises(Exception, match="no such memory"):
            call()
    client.delete_all(user_id="*")
    assert [one.text for one in server.memory.list(user_id="rui")] == ["Rui rows."]
    client.client.close()


# ── mem0's own open server, and its command line ──


def test_the_paths_of_its_open_server_work(server: Served) -> None:
    with server.client(headers={"X-API-Key": "anything"}) as client:
        body = {"messages": [{"role": "user", "content": "I keep bees."}], "user_id": "ana"}
        id = client.post("/memories", json=body).json()["results"][0]["id"]
        assert texts(client.post("/search", json={"query": "bees", "user_id": "ana"}).json()) == ["I keep bees."]
        assert texts(client.get("/memories", params={"user_id": "ana"}).json()) == ["I keep bees."]
        assert client.put(f"/memories/{id}", json={"text": "I keep goats."}).json()["memory"] == "I keep goats."
        assert len(client.get(f"/memories/{id}/history").json()) == 2
        assert client.delete("/memories", params={"user_id": "ana"}).status_code == 200
        assert client.get(f"/memories/{id}").status_code == 404


@pytest.mark.skipif(shutil.which(str(CLI)) is None, reason="mem0-cli is not installed")
def test_its_command_line_works(server: Served, tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "MEM0_TELEMETRY": "False", "MEM0_DIR": str(tmp_path / ".mem0")}

    def mem0(*arguments: str) -> Any:
        command = [str(CLI), *arguments, "--base-url", server.url, "--api-key", "anything"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    mem0("add", "I keep bees on the roof.", "--user-id", "ana", "--metadata", '{"room": "roof"}')
    assert "bees" in mem0("search", "bees", "--user-id", "ana")
    row = json.loads(mem0("list", "--user-id", "ana", "--output", "json"))
    row = row[0] if isinstance(row, list) else row.get("results", row.get("data"))[0]
    assert row["memory"] == "I keep bees on the roof."
    assert "bees" in mem0("get", row["id"])
    mem0("update", row["id"], "I keep goats.")
    assert server.memory.get(row["id"]).text == "I keep goats."
    assert "ana" in mem0("entity", "list", "users")
    mem0("event", "list")
    mem0("delete", row["id"], "--force")
    mem0("add", "I keep hens.", "--user-id", "ana")
    mem0("delete", "--all", "--user-id", "ana", "--force")
    assert list(server.memory.list(user_id="ana")) == []


def test_a_time_given_is_kept(client: Any) -> None:
    client.add("then", user_id="ana", timestamp=1_700_000_000)
    client.add("now", user_id="ana")
    rows = client.get_all(filters={"user_id": "ana"})["results"]
    assert [row["memory"] for row in rows] == ["now", "then"]
    assert rows[1]["created_at"].startswith("2023-11-14T22:13:20")
