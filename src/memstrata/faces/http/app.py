"""Put the parts of a server together: our paths, mem0's, and the door before them."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from memstrata import __version__
from memstrata.errors import MemstrataError
from memstrata.faces.http import asking, bodies, mem0, memories, moving, streams
from memstrata.faces.http.desk import Service
from memstrata.faces.http.door import Door
from memstrata.faces.http.faults import answered

FAILURES: Final = {
    400: "What was asked cannot be used; says what, and what to try.",
    401: "No key or token, or none that is known here.",
    403: "The key or token does not allow this.",
    404: "There is no such memory within reach.",
    408: "The body took too long.",
    409: "What is stored speaks against the change: another version, or another content under this key.",
    410: "The list of changes no longer reaches back to this position.",
    413: "The body is too large.",
    422: "A field is missing, unknown, or of the wrong kind.",
    429: "Too many requests; see Retry-After.",
    500: "A fault of the server.",
    501: "An optional part is not installed.",
    503: "The store does not answer now; see Retry-After.",
    507: "The disk is full; nothing was changed.",
}
ABOUT: Final = (
    "A memory for language models and agents. Every request names whose memory it means; texts come back as data, "
    "each with where it came from. With keys configured, send one as `Authorization: Bearer KEY`. Paths that end in a "
    "slash speak mem0's protocol and are not listed here."
)


def application(service: Service) -> ASGIApp:
    """What answers requests, behind its door."""
    return Door(routes(service), service)


def routes(service: Service) -> FastAPI:
    """What answers requests once they are let in."""
    app = FastAPI(
        title="Memstrata", version=__version__, description=ABOUT, openapi_url="/v1/openapi.json", docs_url=None,
        redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.service = service
    failures: dict[int | str, dict[str, object]] = {
        status: {"model": bodies.Failure, "description": text} for status, text in FAILURES.items()
    }
    for router in (memories.router, asking.router, streams.router, moving.router):
        app.include_router(router, prefix="/v1", responses=failures)
    app.include_router(streams.sockets, prefix="/v1")
    app.include_router(moving.health, prefix="/v1", responses={503: failures[503]})
    app.include_router(mem0.router, include_in_schema=False)
    for kind in (MemstrataError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answered)
    return app
