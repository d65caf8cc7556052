"""Prove that clients of MCP's reference memory server find here what they know, and that two lose nothing."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the extra memstrata[mcp] is not installed")

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.subscriptions import ResourceUpdated
from mcp_clients import Client, content, over_stdio, ran, said, shown

import memstrata
from memstrata import Memstrata, Scope
from memstrata.faces.mcp.graph import GraphTools
from memstrata.faces.mcp.server import Offer, build
from memstrata.faces.mcp.whose import Whose
from memstrata.plan.counters import CharacterCounter
from memstrata.testing import FakeEmbedder, SteppingClock

GRAPH = Offer("server-memory")
ANA = {"name": "Ana", "entityType": "person", "observations": ["lives in Porto", "likes trams"]}
PORTO = {"name": "Porto", "entityType": "city", "observations": []}
LIVES = {"from": "Ana", "to": "Porto", "relationType": "lives_in"}


def done(memory: Memstrata, name: str, **arguments: Any) -> Any:
    return content(said(build(memory, offer=GRAPH), name, **arguments))


@pytest.fixture
def graph(memory: Memstrata) -> Memstrata:
    """A memory with two entities and a relation."""
    assert done(memory, "create_entities", entities=[ANA, PORTO]) == {"entities": [ANA, PORTO]}
    assert done(memory, "create_relations", relations=[LIVES]) == {"relations": [LIVES]}
    return memory


def test_the_whole_graph_comes_back_in_the_order_it_was_made(graph: Memstrata) -> None:
    assert done(graph, "read_graph") == {"entities": [ANA, PORTO], "relations": [LIVES]}


def test_the_text_of_a_result_is_what_the_reference_server_gives_as_text(graph: Memstrata) -> None:
    server = build(graph, offer=GRAPH)
    bo = {"name": "Bo", "entityType": "person", "observations": []}
    assert json.loads(shown(said(server, "create_entities", entities=[bo]))) == [bo]
    assert json.loads(shown(said(server, "create_relations", relations=[LIVES]))) == []
    added = said(server, "add_observations", observations=[{"entityName": "Bo", "contents": ["hums"]}])
    assert json.loads(shown(added)) == [{"entityName": "Bo", "addedObservations": ["hums"]}]
    assert json.loads(shown(said(server, "open_nodes", names=["Bo"])))["entities"][0]["observations"] == ["hums"]
    assert shown(said(server, "delete_entities", entityNames=["Bo"])) == "Entities deleted successfully"


def test_what_is_there_already_is_not_made_again(graph: Memstrata) -> None:
    other = {"name": "Ana", "entityType": "robot", "observations": ["beeps"]}
    assert done(graph, "create_entities", entities=[other, PORTO]) == {"entities": []}
    assert done(graph, "create_relations", relations=[LIVES, LIVES]) == {"relations": []}
    more = [{"entityName": "Ana", "contents": ["likes trams", "sails", "sails"]}]
    assert done(graph, "add_observations", observations=more)["results"] == [
        {"entityName": "Ana", "addedObservations": ["sails"]}
    ]
    assert done(graph, "open_nodes", names=["Ana"])["entities"] == [
        ANA | {"observations": ["lives in Porto", "likes trams", "sails"]}
    ]


def test_observations_of_an_entity_that_is_not_there_are_refused_whole(graph: Memstrata) -> None:
    more = [{"entityName": "Ana", "contents": ["sails"]}, {"entityName": "Zoe", "contents": ["rows"]}]
    refused = said(build(graph, offer=GRAPH), "add_observations", observations=more)
    assert refused.is_error
    assert shown(refused).startswith("Entity with name Zoe not found")
    assert done(graph, "read_graph")["entities"] == [ANA, PORTO]


def test_what_is_deleted_is_gone_and_may_come_again(graph: Memstrata) -> None:
    taken = [{"entityName": "Ana", "observations": ["likes trams", "never said"]}]
    assert done(graph, "delete_observations", deletions=taken)["success"]
    assert done(graph, "read_graph")["entities"][0]["observations"] == ["lives in Porto"]
    assert done(graph, "delete_relations", relations=[LIVES, LIVES | {"to": "Faro"}])["success"]
    assert done(graph, "read_graph")["relations"] == []
    assert done(graph, "create_relations", relations=[LIVES]) == {"relations": [LIVES]}
    assert done(graph, "delete_entities", entityNames=["Ana", "Nobody"])["success"]
    assert done(graph, "read_graph") == {"entities": [PORTO], "relations": []}
    assert done(graph, "create_entities", entities=[ANA]) == {"entities": [ANA]}


def test_nodes_are_found_by_any_of_their_texts_with_their_relations(graph: Memstrata) -> None:
    both = {"entities": [ANA], "relations": [LIVES]}
    assert done(graph, "search_nodes", query="TRAMS") == both
    assert done(graph, "search_nodes", query="person") == both
    assert done(graph, "open_nodes", names=["Ana", "Nobody"]) == both
    assert done(graph, "search_nodes", query="submarine") == {"entities": [], "relations": []}


def test_names_and_texts_may_be_anything_that_can_be_kept(memory: Memstrata) -> None:
    odd = [
        {"name": "a: b", "entityType": "", "observations": ["c: d", "", " "]},
        {"name": "", "entityType": "x", "observations": ["'); DROP TABLE memory; --"]},
        {"name": "Ünï‮", "entityType": "\n", "observations": ["*", "🦀" * 200]},
    ]
    relation = {"from": "", "to": "*", "relationType": "_"}
    assert done(memory, "create_entities", entities=odd) == {"entities": odd}
    assert done(memory, "create_relations", relations=[relation]) == {"relations": [relation]}
    assert done(memory, "read_graph") == {"entities": odd, "relations": [relation]}
    done(memory, "delete_entities", entityNames=["a: b"])
    assert done(memory, "read_graph") == {"entities": odd[1:], "relations": [relation]}


def test_other_memories_are_no_part_of_the_graph_and_stay_when_it_goes(graph: Memstrata) -> None:
    id = graph.add("Ana likes trams.", attributes={"entity": "Ana"}).id
    assert done(graph, "read_graph")["entities"] == [ANA, PORTO]
    done(graph, "delete_entities", entityNames=["Ana", "Porto"])
    assert [kept.id for kept in graph.list()] == [id]


def test_an_imported_graph_is_there_to_be_read_and_changed(memory: Memstrata, tmp_path: Path) -> None:
    file = tmp_path / "memory.jsonl"
    lines = [{"type": "entity", **ANA}, {"type": "entity", **PORTO}, {"type": "relation", **LIVES}]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    memory.import_(file)
    assert done(memory, "read_graph") == {"entities": [ANA, PORTO], "relations": [LIVES]}
    assert done(memory, "create_entities", entities=[ANA]) == {"entities": []}
    assert done(memory, "create_relations", relations=[LIVES]) == {"relations": []}
    done(memory, "delete_observations", deletions=[{"entityName": "Ana", "observations": ["likes trams"]}])
    more = [{"entityName": "Ana", "contents": ["lives in Porto", "sails"]}]
    assert done(memory, "add_observations", observations=more)["results"][0]["addedObservations"] == ["sails"]
    assert done(memory, "open_nodes", names=["Ana"])["entities"][0]["observations"] == ["lives in Porto", "sails"]


def test_the_graph_of_one_user_is_not_that_of_another(memory: Memstrata) -> None:
    ana, bo = (build(memory, Whose(Scope(user_id=user)), GRAPH) for user in ("ana", "bo"))
    content(said(ana, "create_entities", entities=[ANA]))
    assert content(said(bo, "read_graph"))["entities"] == []
    content(said(bo, "delete_entities", entityNames=["Ana"]))
    assert content(said(ana, "read_graph"))["entities"] == [ANA]


def test_the_graph_is_a_resource_that_can_be_followed(graph: Memstrata) -> None:
    async def main() -> tuple[Any, Any]:
        async with Client(build(graph, offer=GRAPH)) as client:
            (resource,) = (await client.list_resources()).resources
            async with client.listen(resource_subscriptions=[resource.uri]) as news:
                await client.call_tool("delete_relations", {"relations": [LIVES]})
                event = await anext(news)
            (block,) = (await client.read_resource(resource.uri)).contents
            return event, json.loads(block.text)  # type: ignore[union-attr]  # the graph is text

    event, found = ran(main)
    assert event == ResourceUpdated("memory://knowledge-graph")
    assert found == {"entities": [ANA, PORTO], "relations": []}


# ── more than one at once ──


def test_two_processes_that_create_at_once_lose_nothing(home: Path) -> None:
    """The lost update of modelcontextprotocol/servers issue 4797: there, each process wrote the whole file back."""

    async def main() -> Any:
        async with (
            over_stdio(home, "--compat", "server-memory") as one,
            over_stdio(home, "--compat", "server-memory") as two,
        ):

            async def create(client: Client, name: str) -> None:
                for number in range(20):
                    entity = {"name": f"{name} {number}", "entityType": "test", "observations": [f"by {name}"]}
                    content(await client.call_tool("create_entities", {"entities": [entity]}))
                    own = {"from": f"{name} {number}", "to": "both", "relationType": "is_one_of"}
                    content(await client.call_tool("create_relations", {"relations": [own]}))
                    both = {"name": f"both {number}", "entityType": "test", "observations": []}
                    content(await client.call_tool("create_entities", {"entities": [both]}))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(create, one, "first")
                tasks.start_soon(create, two, "second")
            return content(await one.call_tool("read_graph", {}))

    found = ran(main)
    names = sorted(entity["name"] for entity in found["entities"])
    assert names == sorted(f"{who} {number}" for who in ("first", "second", "both") for number in range(20))
    assert all(entity["observations"] for entity in found["entities"] if not entity["name"].startswith("both"))
    assert len(found["relations"]) == 40


def test_of_many_that_create_the_same_only_one_is_told_that_it_did(memory: Memstrata) -> None:
    created: list[int] = []
    gate = threading.Barrier(8)
    tools = GraphTools(memory, Whose())
    create = next(tool for tool in tools.tools() if tool.name == "create_entities")

    def one() -> None:
        gate.wait()
        created.append(len(content(create.called({"entities": [ANA]}))["entities"]))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [0] * 7 + [1]
    assert done(memory, "read_graph")["entities"] == [ANA]


NAMES = st.sampled_from(["a", "b", "a: x"])
TEXTS = st.lists(st.sampled_from(["x", "y", "x: y"]), max_size=3, unique=True)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create_entities"), NAMES, TEXTS),
        st.tuples(st.just("add_observations"), NAMES, TEXTS),
        st.tuples(st.just("delete_observations"), NAMES, TEXTS),
        st.tuples(st.just("delete_entities"), NAMES, TEXTS),
        st.tuples(st.just("create_relations"), NAMES, NAMES),
        st.tuples(st.just("delete_relations"), NAMES, NAMES),
    ),
    max_size=12,
)


@settings(max_examples=15)
@given(steps=STEPS)
def test_any_steps_leave_the_graph_that_a_plain_one_would_be(
    tmp_path_factory: pytest.TempPathFactory, steps: Any
) -> None:
    entities: dict[str, list[str]] = {}
    relations: list[tuple[str, str]] = []
    path = tmp_path_factory.mktemp("graph")
    with memstrata.open(path, embedder=FakeEmbedder(), counter=CharacterCounter(), clock=SteppingClock()) as memory:
        tools = {tool.name: tool for tool in GraphTools(memory, Whose()).tools()}
        for name, subject, more in steps:
            tools[name].called(arguments_of(name, subject, more))
            step(entities, relations, name, subject, more)
        found = content(tools["read_graph"].called({}))
    assert {one["name"]: one["observations"] for one in found["entities"]} == entities
    assert [(one["from"], one["to"]) for one in found["relations"]] == relations


def arguments_of(name: str, subject: str, more: Any) -> dict[str, Any]:
    match name:
        case "create_entities":
            return {"entities": [{"name": subject, "entityType": "t", "observations": more}]}
        case "add_observations":
            return {"observations": [{"entityName": subject, "contents": more}]}
        case "delete_observations":
            return {"deletions": [{"entityName": subject, "observations": more}]}
        case "delete_entities":
            return {"entityNames": [subject]}
        case _:
            return {"relations": [{"from": subject, "to": more, "relationType": "r"}]}


def step(entities: dict[str, list[str]], relations: list[tuple[str, str]], name: str, subject: str, more: Any) -> None:
    """The same step in plain dictionaries."""
    match name:
        case "create_entities":
            entities.setdefault(subject, list(more))
        case "add_observations" if subject in entities:
            entities[subject] += [one for one in more if one not in entities[subject]]
        case "delete_observations" if subject in entities:
            entities[subject] = [one for one in entities[subject] if one not in more]
        case "delete_entities":
            entities.pop(subject, None)
            relations[:] = [one for one in relations if subject not in one]
        case "create_relations" if (subject, more) not in relations:
            relations.append((subject, more))
        case "delete_relations" if (subject, more) in relations:
            relations.remove((subject, more))
