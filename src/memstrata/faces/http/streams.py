"""Turn the feed of changes into answers: one page, server-sent events, or a WebSocket.

All three go on from a position that the caller keeps: nothing is missed, and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AbstractContextManager, suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, WebSocket
from pydantic import ValidationError
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect, WebSocketState

from memstrata.errors import InvalidInput, MemstrataError, Unauthenticated
from memstrata.faces.entrance.refusals import Json, noted
from memstrata.faces.http import bodies
from memstrata.faces.http.desk import At, Desk, filters_in
from memstrata.faces.http.faults import answer
from memstrata.faces.http.feed import Subject, Told
from memstrata.faces.plain import plain

router: Final = APIRouter(tags=["changes"])
sockets: Final = APIRouter()

REFUSED: Final = 1008  # WebSocket: against the rules
GOING_AWAY: Final = 1001
FAILED: Final = 1011

Subscription = AbstractContextManager[Subject]


@router.get("/changes", response_model=bodies.Events)
async def changes(asked: Annotated[bodies.Following, Query()], at: At) -> Json:
    """What has changed after a position; without one nothing, only where to begin.

    With `seconds` it waits so long for something to come. 410 with `PositionExpired` when the list no longer
    reaches back that far: read everything, and go on from now.
    """
    scope = at.scope(asked.scope, all_users=asked.all_users)
    filters = filters_in(asked.filters)
    after = asked.after

    def page() -> Any:  # Any: changes
        return at.memory.changes(after, limit=asked.limit, filters=filters, scope=scope)

    found = await at.run("changes", page)
    if after is None or found.changes or not asked.seconds:
        return Json(plain(found))
    feed, until = at.service.feed, asyncio.get_running_loop().time() + asked.seconds
    with feed.subscribed(scope, filters):
        while not found.changes and (left := until - asyncio.get_running_loop().time()) > 0 and not feed.closing:
            if await feed.moved(found.position, seconds=left):
                after = found.position
                found = await at.run("changes", page)
    return Json(plain(found))


# ── server-sent events ──


@router.get("/stream", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream(
    asked: Annotated[bodies.Subscribing, Query()],
    at: At,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Changes as they come, as server-sent events; `id` is the position, and `Last-Event-ID` goes on from there.

    The same path takes WebSocket connections, with the same parameters.
    """
    after = asked.after if last_event_id is None else _position(last_event_id)
    subscription, subject = _subscribe(at, asked)
    try:
        first, position = await at.service.feed.after(subject, after)
    except BaseException:
        subscription.__exit__(None, None, None)
        raise
    return Events(_events(at, subject, first, position), subscription)


class Events(StreamingResponse):
    """A stream that lets go of its subscription however it ends, begun or not."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[str], subscription: Subscription) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._subscription.__exit__(None, None, None)


async def _events(at: Desk, subject: Subject, first: list[Told], position: int) -> AsyncIterator[str]:
    begin = first[0].position - 1 if first else position
    yield _event("position", json.dumps({"position": begin}), begin)
    try:
        async for told, here in _changes(at, subject, first, position):
            if told:
                yield "".join(_event(one.operation, one.json, one.position) for one in told)
            yield f"id: {here}\n: \n\n"  # also keeps the line open
    except MemstrataError as exc:
        yield _event("error", json.dumps(_complaint(exc)))
        return
    yield _event("closing", json.dumps({"detail": "the server stops; connect again and go on from the last id"}))


def _event(name: str, data: str, id: int | None = None) -> str:
    line = "" if id is None else f"id: {id}\n"
    return f"{line}event: {name}\ndata: {data}\n\n"


async def _changes(
    at: Desk, subject: Subject, first: list[Told], position: int
) -> AsyncIterator[tuple[list[Told], int]]:
    """Pages of changes with the position after each, until the server stops; an empty one now and then.

    Raises:
        PositionExpired: the subscriber has fallen too far behind.
        Unauthenticated: the key has been revoked, or the token has run out.
    """
    feed, heartbeat_s = at.service.feed, at.service.settings.heartbeat_s
    if first:
        yield first, position
    while not feed.closing:
        moved = await feed.moved(position, seconds=heartbeat_s)
        if not at.service.admission.holds(at.caller):
            raise Unauthenticated("the key or token has ended")
        told: list[Told] = []
        if moved and not feed.closing:
            told, position = await feed.after(subject, position)
        if told or not moved:
            yield told, position


def _subscribe(at: Desk, asked: bodies.Subscribing) -> tuple[Subscription, Subject]:
    scope = at.scope(asked.scope, all_users=asked.all_users)
    subscription = at.service.feed.subscribed(scope, filters_in(asked.filters))
    return subscription, subscription.__enter__()


def _position(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidInput("Last-Event-ID is no position; send the last id that came, or none")
    return int(text)


def _complaint(exc: MemstrataError) -> dict[str, str]:
    detail: dict[str, str] = json.loads(bytes(answer(exc).body))
    return detail


# ── WebSocket ──


@sockets.websocket("/stream")
async def socket(socket: WebSocket, at: At) -> None:
    """Changes as they come, as JSON messages; the first says the position that they begin after."""
    try:
        asked = bodies.Subscribing.model_validate(dict(socket.query_params))
    except ValidationError:
        await socket.send_denial_response(answer(InvalidInput("the address has parameters that are not known here")))
        return
    try:
        subscription, subject = _subscribe(at, asked)
    except MemstrataError as exc:
        await socket.send_denial_response(answer(exc))
        return
    try:
        await _serve(socket, at, subject, asked.after)
    finally:
        subscription.__exit__(None, None, None)


async def _serve(socket: WebSocket, at: Desk, subject: Subject, after: int | None) -> None:
    try:
        first, position = await at.service.feed.after(subject, after)
    except MemstrataError as exc:
        await socket.send_denial_response(answer(exc))
        return
    await socket.accept()
    sending = asyncio.create_task(_send(socket, at, subject, first, position))
    listening = asyncio.create_task(_listen(socket))
    done, others = await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for failed in (task.exception() for task in done):
        if failed is not None and not isinstance(failed, WebSocketDisconnect | OSError):
            noted(failed)
            await _close(socket, FAILED)


async def _send(socket: WebSocket, at: Desk, subject: Subject, first: list[Told], position: int) -> None:
    begin = first[0].position - 1 if first else position
    await _tell(socket, at, json.dumps({"position": begin}))
    try:
        async for told, here in _changes(at, subject, first, position):
            for one in told:
                await _tell(socket, at, one.json)
            if not told:
                await _tell(socket, at, json.dumps({"position": here}))
    except MemstrataError as exc:
        await _tell(socket, at, json.dumps(_complaint(exc)))
        await _close(socket, REFUSED)
        return
    await _close(socket, GOING_AWAY)


async def _tell(socket: WebSocket, at: Desk, text: str) -> None:
    """Send a message, or give up on a subscriber who does not read."""
    try:
        await asyncio.wait_for(socket.send_text(text), at.service.settings.write_s)
    except TimeoutError as exc:
        raise WebSocketDisconnect(FAILED) from exc


async def _listen(socket: WebSocket) -> None:
    """Hear when the subscriber goes; what else it says means nothing."""
    while True:
        message: MutableMapping[str, Any] = await socket.receive()  # Any: as ASGI has it
        if message["type"] == "websocket.disconnect":
            return


async def _close(socket: WebSocket, code: int) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        with suppress(RuntimeError, WebSocketDisconnect, OSError):  # gone already
            await asyncio.wait_for(socket.close(code), 5.0)
