"""Turn questions into calls: search, context, explain, state, profile."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query

from memstrata.faces.entrance.refusals import Json
from memstrata.faces.http import bodies, shown
from memstrata.faces.http.desk import At
from memstrata.faces.plain import plain
from memstrata.types import Budget, Explanation

router: Final = APIRouter(tags=["asking"])


@router.post("/search", response_model=list[bodies.Found])
async def search(body: bodies.Searching, at: At) -> Json:
    """The memories that answer a question, best first."""
    scope, shared = at.scope(body.scope), at.caller.share(shared=body.shared)
    found = await at.run(
        "search",
        lambda: at.memory.search(
            body.query, limit=body.limit, filters=body.filters, as_of=body.as_of, known_at=body.known_at,
            hops=body.hops, precise=body.precise, shared=shared, latency_ms=body.latency_ms, scope=scope,
        ),
    )  # fmt: skip
    return Json(shown.hits(found))


@router.post("/context", response_model=bodies.Packed)
async def context(body: bodies.Packing, at: At) -> Json:
    """What a language model should read before it answers: cited passages within a token budget."""
    scope, shared = at.scope(body.scope), at.caller.share(shared=body.shared)
    found = await at.run(
        "context",
        lambda: at.memory.context(
            body.query, budget=Budget(body.budget, body.latency_ms), filters=body.filters, as_of=body.as_of,
            known_at=body.known_at, hops=body.hops, precise=body.precise, shared=shared, scope=scope,
        ),
    )  # fmt: skip
    return Json(plain(found))


@router.post("/explain", response_model=bodies.Attributes)
async def explain(body: bodies.Explaining, at: At) -> Json:
    """Why a search answers as it does; with an id, also why that memory came or did not."""
    scope, shared = at.scope(body.scope), at.caller.share(shared=body.shared)

    def explained() -> Explanation:
        if body.id is not None:
            at.own(body.id, scope)
        return at.memory.explain(
            body.query, id=body.id, limit=body.limit, filters=body.filters, as_of=body.as_of, known_at=body.known_at,
            hops=body.hops, precise=body.precise, shared=shared, latency_ms=body.latency_ms, scope=scope,
        )  # fmt: skip

    found = await at.run("explain", explained)
    return Json(shown.explanation(found))


@router.get("/state", response_model=list[bodies.Stated])
async def state(asked: Annotated[bodies.Stating, Query()], at: At) -> Json:
    """What holds of a subject, or of one attribute of it, with sources and history."""
    scope = at.scope(asked.scope)
    found = await at.run(
        "state",
        lambda: at.memory.state(
            asked.subject, asked.attribute, as_of=asked.as_of, known_at=asked.known_at, scope=scope
        ),
    )
    return Json(plain(found))


@router.get("/profile", response_model=bodies.Profiled)
async def profile(asked: Annotated[bodies.Whose, Query()], at: At) -> Json:
    """What currently holds in a scope, grouped by whom it is said of."""
    scope = at.scope(asked.scope)
    return Json(plain(await at.run("profile", lambda: at.memory.profile(scope=scope))))
