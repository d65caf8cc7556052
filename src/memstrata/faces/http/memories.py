"""Turn requests about memories into calls: keep, read, change, delete."""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query

from memstrata.engine import WAIT_S
from memstrata.errors import InvalidInput, NotFound
from memstrata.faces.entrance.refusals import Json
from memstrata.faces.http import bodies, shown
from memstrata.faces.http.desk import At, Desk, filters_in
from memstrata.faces.http.settings import MAX_OFFSET
from memstrata.faces.plain import plain
from memstrata.types import KEEP, Claim, Receipt, Scope

router: Final = APIRouter(tags=["memories"])

JUDGED: Final = 100  # hits among which a memory that is judged must be
SETTABLE: Final = tuple(
    name for name in bodies.Changing.model_fields if name not in (*bodies.SCOPE, "expected_version")
)
NEVER_NULL: Final = ("text", "kind", "at")
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key")]


@router.post("/memories", status_code=201, response_model=bodies.Kept, responses={200: {"model": bodies.Kept}})
async def add(body: bodies.Adding, at: At, idempotency_key: IdempotencyKey = None) -> Json:
    """Keep a text, a message, or a list of messages; answered once they are on disk, all or none.

    With a `key` (or the header `Idempotency-Key`) the same content sent again gives the first receipt, with 200.
    """
    at.caller.write()
    scope = at.scope(body.scope)
    contributor = at.caller.signed(body.contributor)
    at.caller.check_signatures(body.content if isinstance(body.content, list) else [body.content])
    receipt = await at.run(
        "add",
        lambda: at.memory.add(
            body.content, at=body.at, speaker=body.speaker, role=body.role, kind=body.kind,
            attributes=body.attributes, key=body.key or idempotency_key, valid_from=body.valid_from,
            valid_until=body.valid_until, expires_at=body.expires_at, sources=body.sources, contributor=contributor,
            resource=body.resource, once=body.once, scope=scope,
        ),
    )  # fmt: skip
    return Json(plain(receipt), 200 if receipt.repeated == len(receipt.ids) else 201)


@router.post("/claims", response_model=bodies.Claimed)
async def claim(body: bodies.Claiming, at: At) -> Json:
    """Claim what a key stands for, so that nobody else does it meanwhile; `state` says what to do.

    `yours`: do it, and add what came of it under the key. `done`: it is `memory`. `taken`: somebody else is at it.
    With `wait` it waits so many seconds for that one to be done or free.
    """
    at.caller.write()
    scope = at.scope(body.scope)
    holder = body.holder or uuid.uuid4().hex

    async def claimed() -> Claim:
        asked = partial(at.memory.claim, body.key, holder=holder, seconds=body.seconds, scope=scope)
        return await at.run("claim", asked)

    found = await claimed()
    if found.state == "taken" and body.wait:
        feed, until = at.service.feed, asyncio.get_running_loop().time() + body.wait
        with feed.subscribed(scope, None):
            while found.state == "taken" and (left := until - asyncio.get_running_loop().time()) > 0:
                await feed.moved(found.position, seconds=min(left, WAIT_S))
                found = await claimed()
                if feed.closing:
                    break
    return Json(plain(found))


@router.post("/claims/release", response_model=bodies.Released)
async def release(body: bodies.Releasing, at: At) -> Json:
    """Give up a claim before its time."""
    at.caller.write()
    scope = at.scope(body.scope)
    held = await at.run("release", lambda: at.memory.release(body.key, holder=body.holder, scope=scope))
    return Json({"released": held})


@router.post("/memories/batch", status_code=201, response_model=bodies.KeptMany)
async def add_many(body: bodies.AddingMany, at: At) -> Json:
    """Keep up to 1,000 events, each with its own key, time and attributes, in one commit."""
    at.caller.write()
    scope = at.scope(body.scope)
    contributor = at.caller.signed(body.contributor)
    at.caller.check_signatures(body.events)
    receipt = await at.run(
        "add_many",
        lambda: at.memory.add_many(
            body.events, kind=body.kind, contributor=contributor, resource=body.resource, scope=scope
        ),
    )
    return Json(plain(receipt), 201)


@router.get("/memories", response_model=bodies.Page)
async def list_(asked: Annotated[bodies.Listing, Query()], at: At) -> Json:
    """A page of a scope's memories in the order of their event time."""
    scope = at.scope(asked.scope, all_users=asked.all_users)
    filters = filters_in(asked.filters)
    start, stop = asked.offset, asked.offset + asked.limit

    def page() -> list[Any]:  # Any: memories as JSON
        memories = at.memory.list(limit=stop + 1, filters=filters, newest_first=asked.newest_first, scope=scope)
        return [plain(one) for one in islice(memories, start, None)]

    found = await at.run("list", page)
    following = stop if len(found) > asked.limit and stop <= MAX_OFFSET else None
    return Json({"memories": found[: asked.limit], "next_offset": following})


@router.delete("/memories", response_model=bodies.Deleted)
async def delete_all(asked: Annotated[bodies.Sweeping, Query()], at: At) -> Json:
    """Delete every memory of the scope named, or those that a filter passes."""
    at.caller.write()
    filters = filters_in(asked.filters)
    if asked.scope == Scope() and not filters and not asked.all_users:
        raise InvalidInput("say what: user_id=… or another part of the scope, filters=…, or all_users=true")
    scope = at.scope(asked.scope, all_users=asked.all_users)
    return Json(plain(await at.run("delete_all", lambda: at.memory.delete_all(filters=filters, scope=scope))))


@router.get("/memories/{id}", response_model=bodies.Remembered)
async def get(id: str, asked: Annotated[bodies.Whose, Query()], at: At) -> Json:
    """The current version of a memory."""
    return Json(plain(await _of_one(at, "get", id, asked, lambda scope: at.memory.get(id, scope=scope))))


@router.patch("/memories/{id}", response_model=bodies.Remembered)
async def update(id: str, body: bodies.Changing, at: At) -> Json:
    """Write a new version; with `expected_version` only over that one, and 409 when another came before."""
    at.caller.write()
    changes: dict[str, Any] = {name: getattr(body, name) for name in SETTABLE if name in body.model_fields_set}
    for name in NEVER_NULL:
        if name in changes and changes[name] is None:
            raise InvalidInput(f"{name} cannot be cleared; leave it out to keep it")
    return Json(
        plain(
            await _of_one(
                at, "update", id, body,
                lambda scope: at.memory.update(id, expected_version=body.expected_version, scope=scope, **changes),
            )
        )
    )  # fmt: skip


@router.delete("/memories/{id}", response_model=bodies.Deleted)
async def delete(id: str, asked: Annotated[bodies.Whose, Query()], at: At) -> Json:
    """Delete a memory with all its versions, and those merged into it."""
    at.caller.write()
    return Json(plain(await _of_one(at, "delete", id, asked, lambda scope: at.memory.delete(id, scope=scope))))


@router.get("/memories/{id}/history", response_model=list[bodies.Step])
async def history(id: str, asked: Annotated[bodies.Whose, Query()], at: At) -> Json:
    """Every version of a memory, oldest first."""
    return Json(plain(await _of_one(at, "history", id, asked, lambda scope: at.memory.history(id, scope=scope))))


@router.post("/memories/{id}/undo", response_model=bodies.Undone)
async def undo(id: str, asked: Annotated[bodies.Whose, Query()], at: At) -> Json:
    """Take back that what a memory states was replaced."""
    at.caller.write()
    held = await _of_one(at, "undo", id, asked, lambda scope: at.memory.undo(id, scope=scope))
    return Json({"holding": held})


@router.post("/memories/merge", status_code=201, response_model=bodies.Remembered)
async def merge(body: bodies.Merging, at: At) -> Json:
    """Make one memory out of several of one user."""
    at.caller.write()
    scope = at.scope(body.scope)

    def merged() -> Any:  # Any: a memory
        for id in body.ids:
            at.own(id, scope)
        return at.memory.merge(body.ids, text=KEEP if body.text is None else body.text, scope=scope)

    return Json(plain(await at.run("merge", merged)), 201)


@router.post("/feedback", response_model=bodies.Kept)
async def feedback(body: bodies.Judging, at: At) -> Json:
    """Say whether a memory that a question finds was of use, so that later searches learn from it."""
    at.caller.write()
    scope = at.scope(body.scope)

    def judged() -> Receipt:
        hits = at.memory.search(body.query, limit=JUDGED, scope=scope)
        hit = next((hit for hit in hits if hit.memory.id == body.id), None)
        if hit is None:
            raise NotFound("the question does not find it")
        return at.memory.feedback(hit, useful=body.useful, scope=scope)

    return Json(plain(await at.run("feedback", judged)))


@router.get("/stats", response_model=bodies.Counted)
async def stats(asked: Annotated[bodies.Many, Query()], at: At) -> Json:
    """How much a scope holds; without one, all that is within reach of a key for everything."""
    scope = at.scope(asked.scope, all_users=asked.all_users)
    return Json(shown.statistics(await at.run("stats", lambda: at.memory.stats(scope=scope)), at.caller))


@router.get("/scopes", response_model=list[bodies.Who])
async def scopes(asked: Annotated[bodies.Many, Query()], at: At) -> Json:
    """The tenants, apps and users who have memories, within reach."""
    every = asked.all_users or asked.scope == Scope()
    scope = at.scope(asked.scope, all_users=every)
    return Json([shown.space(one) for one in await at.run("scopes", lambda: at.memory.scopes(scope=scope))])


@router.get("/tally", response_model=list[bodies.Tallied])
async def tally(asked: Annotated[bodies.Many, Query()], at: At) -> Json:
    """How many memories each user, agent and session has, within reach."""
    every = asked.all_users or asked.scope == Scope()
    scope = at.scope(asked.scope, all_users=every)
    return Json([shown.tally(one) for one in await at.run("tally", lambda: at.memory.tally(scope=scope))])


async def _of_one(at: Desk, verb: str, id: str, asked: bodies.Whose, work: Any) -> Any:  # Any: of the verb
    """What a verb gives for a memory by its id, which must lie within reach."""
    scope = at.scope(asked.scope)

    def worked() -> Any:  # Any: as above
        at.own(id, scope)
        return work(scope)

    return await at.run(verb, worked)
