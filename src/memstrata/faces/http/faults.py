"""Turn what goes wrong behind the door into an answer; what the framework refuses is said as we say it."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from memstrata.errors import InvalidInput
from memstrata.faces.entrance.refusals import Json, refusal, told


def answer(exc: Exception) -> Json:
    """What a caller hears of a failure."""
    match exc:
        case RequestValidationError():
            return told(422, _complaints(exc), InvalidInput.__name__)
        case HTTPException():
            detail = exc.detail if exc.status_code not in (404, 405) else "there is nothing at this path and method"
            return told(exc.status_code, str(detail), "NoRoute", headers=exc.headers)
    return refusal(exc)


async def answered(_request: Request, exc: Exception) -> Response:
    """The same, as an exception handler."""
    return answer(exc)


def _complaints(exc: RequestValidationError) -> str:
    """What is wrong with a request's fields, without what stood in them."""
    said = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in exc.errors()[:5]]
    return "; ".join(said)[:1_000]
