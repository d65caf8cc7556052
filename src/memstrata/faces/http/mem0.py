"""Speak the protocol of mem0's clients: `MemoryClient`, `AsyncMemoryClient`, `mem0` on the command line.

Their paths end in a slash, and ours do not, so both live under `/v1`; the paths of mem0's own open server have no
version. `user_id` and `app_id` are ours, `run_id` is our session, `metadata` our attributes. Texts are kept as they
come: no model is called, so `infer` and instructions for one change nothing.
"""

from __future__ import annotations

import ast
import base64
import binascii
import hashlib
import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request

from memstrata.errors import InvalidFilter, InvalidInput
from memstrata.faces.entrance.refusals import Json
from memstrata.faces.http.desk import At, Desk
from memstrata.faces.http.mem0_filters import Known, end_of_day, left_of, named
from memstrata.faces.http.settings import MAX_FILTER, MAX_PAGE
from memstrata.types import ANY, Hit, Memory, Scope, Tally, Version

router: Final = APIRouter()

Object = dict[str, Any]  # Any: JSON
Sent = Annotated[Object, Body()]

SCOPE: Final = {"user_id": "user_id", "app_id": "app_id", "agent_id": "agent_id", "run_id": "session_id"}
KINDS: Final = {"user": "user_id", "agent": "agent_id", "app": "app_id", "run": "run_id"}
SPOKEN: Final = ("role", "content", "name")
TOP_K: Final = 10
PAGE: Final = 100
MOST_SPACES: Final = 200  # searched for one question
MOST_COUNTED: Final = 100_000
EVENTS: Final = 50
PROJECT: Final = {"org_id": "memstrata", "project_id": "memstrata"}
NOT_OFFERED: Final = (
    "/v1/feedback/", "/v1/summary/", "/v2/profiles/{rest:path}", "/v2/entities/{kind}/{name}/profile/",
    "/api/v1/{rest:path}", "/v1/agent-rush/{rest:path}",
)  # fmt: skip


@router.get("/v1/ping/")
async def ping(_at: At) -> Json:
    """Say that the key is right."""
    return Json({"status": "ok", "message": "pong", **PROJECT, "user_email": None})


# ── keep ──


@router.post("/v3/memories/add/")
@router.post("/v1/memories/")
@router.post("/memories")
async def add(body: Sent, at: At) -> Json:
    """Keep messages, one memory each, in one commit."""
    at.caller.write()
    scope = at.scope(_scope(body | _object(body.get("filters"), "filters")))
    messages = _messages(body.get("messages"))
    attributes = _attributes(body)
    at.caller.check_signatures(messages)

    def added() -> list[Object]:
        receipt = at.memory.add(
            messages, at=body.get("timestamp"), attributes=attributes, expires_at=_expiry(body.get("expiration_date")),
            contributor=at.caller.name, scope=scope,
        )  # fmt: skip
        versions = [at.memory.history(id, scope=scope)[-1] for id in receipt.ids]  # also of what has expired already
        return [_row(one.memory) | {"event": "ADD"} for one in versions if one.memory is not None]

    results = await at.run("add", added)
    return Json({"results": results, "event_id": results[0]["id"] if results else None, "status": "SUCCEEDED"})


def _messages(found: object) -> list[Object]:
    if isinstance(found, str):
        found = [{"role": "user", "content": found}]
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput("messages takes a list of objects with role and content")
    kept = [{name: one[name] for name in SPOKEN if one.get(name) is not None} for one in found]
    kept = [one for one in kept if one.get("content")]
    if not kept:
        raise InvalidInput("messages says nothing; give at least one with content")
    return kept


def _attributes(body: Object) -> Object:
    found = _object(body.get("metadata"), "metadata")
    given = body.get("categories")
    return found | {"categories": given} if given else found


def _expiry(given: object) -> datetime | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise InvalidInput("expiration_date is a day such as 2025-12-31")
    return end_of_day(given)


# ── find ──


@router.post("/v3/memories/search/")
@router.post("/v2/memories/search/")
@router.post("/v1/memories/search/")
@router.post("/search")
async def search(body: Sent, at: At) -> Json:
    """The memories that answer a question, best first."""
    query = body.get("query")
    if not isinstance(query, str):
        raise InvalidInput("query takes a text")
    _check_expired(body)
    filters = _filters(body)
    limit = _whole(body.get("top_k", body.get("limit", TOP_K)), "top_k", most=MAX_PAGE)
    threshold = _number(body.get("threshold"), "threshold")
    as_of = body.get("reference_date")

    def found() -> list[tuple[float, Hit]]:
        places = list(_places(at, filters))
        if len(places) > MOST_SPACES:
            raise InvalidFilter(
                f"the filter leaves {len(places):,} users to search, and {MOST_SPACES} are searched at once; "
                "name a user_id in it"
            )
        hits = [
            hit
            for scope, left in places
            for hit in at.memory.search(query, limit=limit, filters=left, as_of=as_of, scope=scope)
            if not (body.get("latest_only") and hit.replaced_by)
        ]
        return _compared(hits)[:limit]

    hits = await at.run("search", found)
    rows = [_row(hit.memory) | {"score": round(score, 6)} for score, hit in hits if score >= threshold]
    return Json({"results": [_only(row, body.get("fields")) for row in rows]})


def _compared(hits: Sequence[Hit]) -> list[tuple[float, Hit]]:
    """Hits of several searches for the same question, best first, with scores that are 1 for the best of them all.

    A hit's own score says how far it is behind the best of its search, and its level how good that one is.
    """
    best = max((hit.level for hit in hits), default=0.0)
    scores = [hit.score and 1 / (1 / hit.score + best - hit.level) for hit in hits]
    return sorted(zip(scores, hits, strict=True), key=itemgetter(0), reverse=True)


@router.post("/v3/memories/")
@router.post("/v2/memories/")
async def get_all(
    request: Request, at: At, body: Annotated[Object | None, Body()] = None, page: int = 1, page_size: int = PAGE
) -> Json:
    """A page of memories, newest first."""
    asked = body or {}
    _check_expired(asked)
    return Json(await _page(at, request, _filters(asked), page=page, size=page_size))


@router.get("/memories")
@router.get("/v1/memories/")
async def list_(request: Request, at: At, top_k: int = PAGE, page: int = 1, page_size: int | None = None) -> Json:
    """The same, asked for in the address."""
    filters = _in_address(request)
    return Json(await _page(at, request, filters, page=page, size=top_k if page_size is None else page_size))


async def _page(at: Desk, request: Request, filters: Object, *, page: int, size: int) -> Object:
    first = _whole(page, "page", most=MOST_COUNTED) - 1
    size = _whole(size, "page_size", most=MAX_PAGE)

    def paged() -> tuple[list[Object], int]:
        memories = _all(at, filters)
        passed = sum(1 for _ in islice(memories, first * size))
        rows = [_row(memory) for memory in islice(memories, size)]
        return rows, passed + len(rows) + sum(1 for _ in islice(memories, MOST_COUNTED))

    rows, count = await at.run("list", paged)
    link = f"{request.url.path}?page={{}}&page_size={size}"
    return {
        "count": count,
        "next": link.format(page + 1) if (first + 1) * size < count else None,
        "previous": link.format(page - 1) if page > 1 else None,
        "results": rows,
    }


def _all(at: Desk, filters: Object) -> Iterator[Memory]:
    """Every memory that a filter passes, in whatever space, newest first."""
    streams = [at.memory.list(filters=left, newest_first=True, scope=scope) for scope, left in _places(at, filters)]
    return heapq.merge(*streams, key=lambda memory: memory.at, reverse=True)


def _places(at: Desk, filters: Object) -> Iterator[tuple[Scope, Object | None]]:
    """The spaces within reach that a filter may pass something of, each with what it still asks there."""
    for space in at.memory.scopes(scope=_within(at, filters)):
        left = left_of(filters, space)
        if isinstance(left, Known):
            if left.holds:
                yield space, None
        else:
            yield space, left


def _within(at: Desk, filters: Object) -> Scope:
    """The spaces to look at: what the filter names outright, and whatever else the caller reaches.

    mem0 knows no tenants: who reaches them all means the one without a name.
    """
    asked = Scope(None, named(filters, "app_id") or ANY, named(filters, "user_id") or ANY)
    return at.scope(asked)


# ── one ──


@router.get("/v1/memories/{id}/")
@router.get("/memories/{id}")
async def get(id: str, at: At) -> Json:
    """One memory."""
    return Json(_row(await _of_one(at, "get", id, lambda scope: at.memory.get(id, scope=scope))))


@router.put("/v1/memories/{id}/")
@router.put("/memories/{id}")
async def update(id: str, body: Sent, at: At) -> Json:
    """Write a new version."""
    at.caller.write()
    changes = _changes(body)
    memory = await _of_one(at, "update", id, lambda scope: at.memory.update(id, scope=scope, **changes))
    return Json(_row(memory) | {"message": "Memory updated successfully!"})


def _changes(body: Object) -> Object:
    changes: Object = {}
    text = body.get("text", body.get("data"))
    if text is not None:
        changes["text"] = text
    if body.get("metadata") is not None:
        changes["attributes"] = _object(body["metadata"], "metadata")
    if body.get("timestamp") is not None:
        changes["at"] = body["timestamp"]
    if "expiration_date" in body:
        changes["expires_at"] = _expiry(body["expiration_date"])
    if not changes:
        raise InvalidInput("there is nothing to change; give text, metadata, timestamp or expiration_date")
    return changes


@router.delete("/v1/memories/{id}/")
@router.delete("/memories/{id}")
async def delete(id: str, at: At, delete_linked: bool = False) -> Json:
    """Delete one memory."""
    at.caller.write()
    if delete_linked:
        raise InvalidInput("delete_linked is not known here: what a memory replaced is deleted by its own id")
    await _of_one(at, "delete", id, lambda scope: at.memory.delete(id, scope=scope))
    return Json({"message": "Memory deleted successfully!"})


@router.get("/v1/memories/{id}/history/")
@router.get("/memories/{id}/history")
async def history(id: str, at: At) -> Json:
    """What became of one memory, oldest first."""
    versions = await _of_one(at, "history", id, lambda scope: at.memory.history(id, scope=scope))
    return Json(list(_steps(id, versions)))


def _steps(id: str, versions: list[Version]) -> Iterator[Object]:
    before: Memory | None = None
    for version in versions:
        memory = version.memory
        event = "DELETE" if memory is None else "ADD" if before is None else "UPDATE"
        when = version.recorded_at.isoformat()
        yield {
            "id": f"{id}/{version.number}", "memory_id": id, "event": event,
            "old_memory": None if before is None else before.text,
            "new_memory": None if memory is None else memory.text,
            "metadata": None if memory is None else dict(memory.attributes), "created_at": when, "updated_at": when,
            "user_id": None if memory is None else memory.scope.user_id,
        }  # fmt: skip
        before = memory or before


async def _of_one(at: Desk, verb: str, id: str, work: Callable[[Scope], Any]) -> Any:  # Any: of the verb
    scope = at.scope(Scope())

    def worked() -> Any:  # Any: as above
        at.own(id, scope)
        return work(scope)

    return await at.run(verb, worked)


# ── many ──


@router.delete("/v1/memories/")
@router.delete("/memories")
async def delete_all(request: Request, at: At) -> Json:
    """Delete all memories of a user, agent, app or run; `*` for all of them."""
    at.caller.write()
    filters = _in_address(request)
    if not filters:
        raise InvalidInput("say whose: user_id, agent_id, app_id or run_id")
    await at.run("delete_all", lambda: _deleted(at, filters))
    return Json({"message": "Memories deleted successfully!"})


def _deleted(at: Desk, filters: Object) -> int:
    return sum(at.memory.delete_all(filters=left, scope=scope).memories for scope, left in list(_places(at, filters)))


@router.put("/v1/batch/")
async def batch_update(body: Sent, at: At) -> Json:
    """Write new versions of several memories; none when one of them is not there."""
    at.caller.write()
    changes = {id: _changes(one) for id, one in _batch(body).items()}

    def updated() -> None:
        scope = _all_there(at, changes)
        for id, change in changes.items():
            at.memory.update(id, scope=scope, **change)

    await at.run("update", updated)
    return Json({"message": f"Successfully updated {len(changes)} memories"})


@router.delete("/v1/batch/")
async def batch_delete(body: Sent, at: At) -> Json:
    """Delete several memories; none when one of them is not there."""
    at.caller.write()
    ids = _batch(body)

    def deleted() -> None:
        scope = _all_there(at, ids)
        for id in ids:
            at.memory.delete(id, scope=scope)

    await at.run("delete", deleted)
    return Json({"message": f"Successfully deleted {len(ids)} memories"})


def _batch(body: Object) -> dict[str, Object]:
    memories = body.get("memories")
    if not isinstance(memories, list) or not 1 <= len(memories) <= MAX_PAGE:
        raise InvalidInput(f"memories takes a list of 1 to {MAX_PAGE:,}")
    found: dict[str, Object] = {}
    for one in memories:
        if not isinstance(one, dict) or not isinstance(one.get("memory_id"), str):
            raise InvalidInput("each memory of a batch names its memory_id")
        found[one["memory_id"]] = one
    return found


def _all_there(at: Desk, ids: Mapping[str, object]) -> Scope:
    scope = at.scope(Scope())
    for id in ids:
        at.own(id, scope)
        at.memory.get(id, scope=scope)
    return scope


# ── who ──


@router.get("/v1/entities/")
async def entities(at: At) -> Json:
    """The users, agents, apps and runs that have memories."""
    found = await at.run("scopes", lambda: _entities(at))
    return Json({"count": len(found), "total_users": len(found), "next": None, "previous": None, "results": found})


def _entities(at: Desk) -> list[Object]:
    known: dict[tuple[str, str], list[Tally]] = {}
    for tally in at.memory.tally(scope=_within(at, {})):
        for kind, part in KINDS.items():
            if isinstance(name := getattr(tally.scope, SCOPE[part]), str):
                known.setdefault((kind, name), []).append(tally)
    return [
        {
            "id": name, "name": name, "type": kind, "total_memories": sum(one.memories for one in tallies),
            "created_at": min(one.since for one in tallies).isoformat(),
            "updated_at": max(one.until for one in tallies).isoformat(),
        }
        for (kind, name), tallies in sorted(known.items(), key=itemgetter(0))
    ]  # fmt: skip


@router.delete("/v2/entities/{kind}/{name}/")
async def delete_entity(kind: str, name: str, at: At) -> Json:
    """Delete all memories of one user, agent, app or run; `reset` asks so of one after another, and some are gone."""
    at.caller.write()
    if kind not in KINDS:
        raise InvalidInput(f"there are {', '.join(KINDS)}, and no {kind[:80]!r}")
    await at.run("delete_all", lambda: _deleted(at, {KINDS[kind]: {"eq": name}}))
    return Json({"message": "Entity deleted successfully!"})


# ── export, events ──


@router.post("/v1/exports/")
async def create_export(body: Sent, at: At) -> Json:
    """Say where an export is to be had; what it is of is in its id, and nothing is kept for it."""
    filters = _filters(body)
    await at.run("list", lambda: next(_all(at, filters), None))
    id = base64.urlsafe_b64encode(json.dumps(filters).encode()).decode()
    return Json({"id": id, "message": "Memory export request received.", "status": "SUCCEEDED"})


@router.post("/v1/exports/get/")
async def get_export(body: Sent, at: At) -> Json:
    """All memories that a filter passes; they have our fields, whatever schema was asked for."""
    id = body.get("memory_export_id")
    filters = _filters(body) if id is None else _exported(id)
    rows = await at.run("export", lambda: [_row(memory) for memory in islice(_all(at, filters), MOST_COUNTED)])
    return Json({"memories": rows, "results": rows, "count": len(rows)})


def _exported(id: object) -> Object:
    try:
        if not isinstance(id, str) or len(id) > MAX_FILTER:
            raise ValueError
        return _object(json.loads(base64.urlsafe_b64decode(id.encode())), "the export")
    except (ValueError, binascii.Error, RecursionError) as exc:
        raise InvalidInput("memory_export_id is none that create_memory_export gave") from exc


@router.get("/v1/events/")
async def events(at: At) -> Json:
    """The newest memories as the events that made them; everything is done when it is answered."""
    rows = await at.run("list", lambda: [_event(one) for one in islice(_all(at, {}), EVENTS)])
    return Json({"count": len(rows), "next": None, "previous": None, "results": rows})


@router.get("/v1/event/{id}/")
async def event(id: str, at: At) -> Json:
    """The event that made a memory, which has its id."""
    return Json(_event(await _of_one(at, "get", id, lambda scope: at.memory.get(id, scope=scope))))


def _event(memory: Memory) -> Object:
    row = {"id": memory.id, "event": "ADD", "user_id": memory.scope.user_id, "data": {"memory": memory.text}}
    return {
        "id": memory.id, "event_type": "ADD", "status": "SUCCEEDED", "latency": None,
        "created_at": memory.created_at.isoformat(), "updated_at": memory.updated_at.isoformat(), "results": [row],
    }  # fmt: skip


async def not_offered(_at: At) -> Json:
    """Say that a path of mem0's platform is known, and not offered."""
    return Json({"detail": "this part of mem0's platform is not offered here", "error": "NotOffered"}, 501)


for _path in NOT_OFFERED:
    router.add_api_route(_path, not_offered, methods=["GET", "POST", "PATCH", "PUT", "DELETE"])


# ── values ──


def _row(memory: Memory) -> Object:
    """A memory as mem0's clients know it."""
    whose = memory.scope
    expires = memory.expires_at
    digest = hashlib.md5(memory.text.encode(), usedforsecurity=False)
    return {
        "id": memory.id, "memory": memory.text, "hash": digest.hexdigest(),
        "user_id": whose.user_id, "agent_id": whose.agent_id, "app_id": whose.app_id, "run_id": whose.session_id,
        "actor_id": memory.speaker, "role": memory.role, "metadata": dict(memory.attributes),
        "categories": memory.attributes.get("categories") or [], "contributor": memory.contributor,
        "created_at": memory.at.isoformat(), "updated_at": memory.updated_at.isoformat(),
        "expiration_date": None if expires is None else (expires - timedelta(microseconds=1)).date().isoformat(),
    }  # fmt: skip


def _only(row: Object, fields: object) -> Object:
    if fields is None:
        return row
    if not isinstance(fields, list):
        raise InvalidInput("fields takes a list of names")
    return {name: value for name, value in row.items() if name in ("id", "memory", "score") or name in fields}


def _scope(given: Mapping[str, Any]) -> Scope:  # Any: JSON
    named = {ours: given.get(theirs) for theirs, ours in SCOPE.items()}
    return Scope(**{name: value for name, value in named.items() if value is not None})


def _filters(body: Object) -> Object:
    """All that a request asks of memories, as one filter."""
    filters = _object(body.get("filters"), "filters")
    parts = [filters] if filters else []
    parts += [{name: body[name]} for name in SCOPE if body.get(name) is not None]
    if body.get("categories"):
        parts.append({"categories": {"in": body["categories"]}})
    if body.get("metadata"):
        parts.append({"metadata": _object(body["metadata"], "metadata")})
    for name, operator in (("start_date", "gte"), ("end_date", "lte")):
        if body.get(name) is not None:
            parts.append({"created_at": {operator: body[name]}})
    return parts[0] if len(parts) == 1 else {"AND": parts} if parts else {}


def _in_address(request: Request) -> Object:
    """The filter that an address carries: names, and `filters` as the client writes it there, which is Python's way."""
    given = dict(request.query_params)
    filters = given.get("filters")
    return _filters({name: given[name] for name in SCOPE if name in given} | {"filters": _literal(filters)})


def _literal(text: str | None) -> object:
    if text is None:
        return None
    if len(text) > MAX_FILTER:
        raise InvalidFilter(f"a filter in an address may have {MAX_FILTER:,} characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as exc:
        raise InvalidFilter("filters takes an object as JSON") from exc


def _object(found: object, name: str) -> Object:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise InvalidInput(f"{name} takes an object")
    return found


def _whole(found: object, name: str, *, most: int) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= most:
        raise InvalidInput(f"{name} takes a whole number from 1 to {most:,}")
    return found


def _number(found: object, name: str) -> float:
    if found is None:
        return 0.0
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise InvalidInput(f"{name} takes a number")
    return float(found)


def _check_expired(body: Object) -> None:
    if body.get("show_expired"):
        raise InvalidInput("show_expired is not known here: what has expired is found no more")
