"""Turn what goes wrong into an answer: a status, a class, and a sentence that tells nothing of what exists."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from memstrata import errors
from memstrata.access.reach import NOT_HERE

log: Final = logging.getLogger("memstrata.http")

STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (  # the first that fits
    (errors.InvalidInput, 400),
    (errors.InvalidConfig, 400),  # a name of a part, such as a format, that a request gave
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.TooSlow, 408),
    (errors.Conflict, 409),
    (errors.PositionExpired, 410),
    (errors.TooLarge, 413),
    (errors.TooMany, 429),
    (errors.MissingExtra, 501),
    (errors.StoreFull, 507),
    (errors.StoreLocked, 503),
    (errors.StoreError, 503),
    (errors.EmbedderUnavailable, 503),
    (errors.RerankerUnavailable, 503),
    (errors.MemstrataError, 500),
)
BUSY_S: Final = "2"
OURS: Final = 500  # from here on it is our fault, and what we would say may name files
INTERNAL: Final = "something failed in the server; its log says what kind of thing"


class Json(Response):
    """A JSON value; signs beyond ASCII are escaped, so that any text can be told."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:  # Any: JSON
        """The value as bytes."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def refusal(exc: Exception) -> Json:
    """What a caller hears of a failure."""
    if isinstance(exc, errors.MemstrataError):
        return _ours(exc)
    noted(exc)
    return told(500, INTERNAL, "InternalError")


def noted(exc: BaseException) -> None:
    """Log where something failed: the class and the line, and no word of what was said."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    log.error("a request failed with %s%s", type(exc).__name__, place)


def _ours(exc: errors.MemstrataError) -> Json:
    status = next(status for kind, status in STATUS if isinstance(exc, kind))
    headers: dict[str, str] = {}
    if isinstance(exc, errors.TooMany):
        headers["Retry-After"] = str(max(1, round(exc.seconds)))
    elif status == 503:
        headers["Retry-After"] = BUSY_S
    elif status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    detail = str(exc)
    if isinstance(exc, errors.NotFound):
        detail = NOT_HERE
    elif status >= OURS and not isinstance(exc, errors.MissingExtra):
        noted(exc)
        detail = (type(exc).__doc__ or INTERNAL).strip().split("\n")[0]
    return told(status, detail, type(exc).__name__, headers=headers)


def told(status: int, detail: str, name: str, *, headers: Mapping[str, str] | None = None) -> Json:
    """A failure with its status, its sentence and the name of its class."""
    return Json({"detail": detail, "error": name}, status, dict(headers or {}))
