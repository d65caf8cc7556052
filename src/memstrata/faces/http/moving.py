"""Turn whole files, and the store as a whole, into calls: import, export, upkeep, purge, check, health."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response, StreamingResponse

from memstrata.errors import InvalidInput, MemstrataError, TooLarge, TooMany, TooSlow
from memstrata.faces.entrance.refusals import Json, noted
from memstrata.faces.http import bodies
from memstrata.faces.http.desk import At, Desk
from memstrata.faces.http.faults import answer
from memstrata.faces.plain import plain
from memstrata.types import BulkReceipt, Scope

router: Final = APIRouter(tags=["store"])
health: Final = APIRouter(tags=["store"])

FILE: Final = re.compile(r"[\w][\w. -]{0,99}")
LINES: Final = "application/x-ndjson"
RAW: Final = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {}}}}}


@router.post("/import", response_class=StreamingResponse, responses={200: {"content": {LINES: {}}}}, openapi_extra=RAW)
async def import_(asked: Annotated[bodies.Importing, Query()], request: Request, at: At) -> StreamingResponse:
    """Take in a file: its bytes are the body, its name says what it is unless `format` does.

    Answers with lines of JSON: `{"kept": 1000}` for each commit, and a receipt or an error last.
    """
    at.caller.write()
    scope = at.scope(asked.scope)
    if not FILE.fullmatch(asked.name):
        raise InvalidInput("name is the plain name of a file, such as notes.md; it has no folders")
    imports = at.service.places.imports
    if imports.locked():
        raise TooMany("as many imports run as may; try again when one is done", seconds=30.0)
    with ExitStack() as stack:
        await imports.acquire()
        stack.callback(imports.release)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="memstrata-")))
        path = folder / asked.name
        await _received(request, path, at)
        news: asyncio.Queue[int | None] = asyncio.Queue()
        task = asyncio.create_task(at.run("import", _import(at, path, asked.format, scope, news)))
        done = stack.pop_all()  # from here on the work goes on, and cleans up, even when nobody listens any more

    def finished(_task: object) -> None:
        done.close()
        news.put_nowait(None)

    task.add_done_callback(finished)
    return StreamingResponse(_progress(task, news, path), media_type=LINES)


async def _received(request: Request, path: Path, at: Desk) -> None:
    """Write a body to a file as it comes, and no more of it than is taken."""
    settings = at.service.settings
    size = 0
    stream = request.stream().__aiter__()
    with open(path, "wb") as file:  # noqa: ASYNC230 - a local file; a piece is written in less than a thread takes
        while True:
            try:
                async with asyncio.timeout(settings.body_s):
                    piece = await anext(stream, None)
            except TimeoutError as exc:
                raise TooSlow(f"nothing came for {settings.body_s:g} s") from exc
            if piece is None:
                return
            size += len(piece)
            if size > settings.max_import_bytes:
                raise TooLarge(f"an import may have {settings.max_import_bytes:,} bytes; split it into several")
            file.write(piece)


def _import(
    at: Desk, path: Path, format: str | None, scope: Scope, news: asyncio.Queue[int | None]
) -> Callable[[], BulkReceipt]:
    """The work of an import, which says after each commit how much that was."""
    loop = asyncio.get_running_loop()

    def progress(count: int) -> None:
        loop.call_soon_threadsafe(news.put_nowait, count)

    return partial(at.memory.import_, path, format=format, contributor=at.caller.name, progress=progress, scope=scope)


async def _progress(task: asyncio.Task[BulkReceipt], news: asyncio.Queue[int | None], path: Path) -> AsyncIterator[str]:
    kept = 0
    while (count := await news.get()) is not None:
        kept += count
        yield json.dumps({"kept": kept}) + "\n"
    try:
        yield json.dumps({"receipt": plain(task.result())}) + "\n"
    except MemstrataError as exc:
        told = json.loads(bytes(answer(exc).body))
        yield json.dumps(told | {"detail": told["detail"].replace(str(path), path.name)}) + "\n"
    except Exception as exc:  # noqa: BLE001 - the answer has begun, so nothing above can say it
        noted(exc)
        yield json.dumps({"detail": "the import failed", "error": "InternalError"}) + "\n"


@router.get("/export", response_class=FileResponse, responses={200: {"content": {LINES: {}}}})
async def export(asked: Annotated[bodies.Many, Query()], at: At) -> Response:
    """A scope's memories with all versions, a line of JSON each; everything within reach with `all_users`."""
    scope = at.scope(asked.scope, all_users=asked.all_users)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="memstrata-")))
        path = folder / "memories.jsonl"
        await at.run("export", lambda: at.memory.export(path, scope=scope))
        done = stack.pop_all()
        return FileResponse(path, media_type=LINES, filename=path.name, background=BackgroundTask(done.close))
    raise AssertionError("unreachable")


@router.post("/upkeep", response_model=bodies.Attributes)
async def upkeep(body: bodies.Settling, at: At) -> Json:
    """Settle what is owed: expiry, embeddings, deletions. For keys that reach everything."""
    _manage(at)
    return Json(plain(await at.run("upkeep", lambda: at.memory.upkeep(body.seconds))))


@router.post("/purge", response_model=bodies.Attributes)
async def purge(at: At) -> Json:
    """Take everything deleted out of the files, now. For keys that reach everything."""
    _manage(at)
    return Json(plain(await at.run("purge", at.memory.purge)))


@router.post("/check", response_model=bodies.Attributes)
async def check(at: At) -> Json:
    """Compare rows, text index, vectors and caches; repairs nothing. For keys that reach everything."""
    _manage(at)
    report = await at.run("check", at.memory.check)
    return Json(plain(report) | {"ok": report.ok})


def _manage(at: Desk) -> None:
    at.caller.write()
    at.caller.administer()


@health.get("/health", response_model=bodies.Health)
async def healthy(request: Request) -> Json:
    """Whether the store answers; asks for no key and says nothing else."""
    service = request.app.state.service
    await service.run("changes", service.memory.changes)
    return Json({"status": "ok"})


@health.get("/metrics", response_class=Response, include_in_schema=False)
async def metrics(at: At) -> Response:
    """Figures for Prometheus. For keys that reach everything."""
    at.caller.administer()
    return Response(at.service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
