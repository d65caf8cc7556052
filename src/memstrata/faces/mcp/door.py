"""Let a request to the MCP service in, with who asks, or refuse it: the door before everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
from anyio import to_thread
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from memstrata.access.admission import Admission
from memstrata.access.reach import Caller
from memstrata.errors import Unauthenticated
from memstrata.faces.entrance.limits import Limits
from memstrata.faces.entrance.refusals import Json, refusal
from memstrata.faces.entrance.visitors import UNREAD, Answering, Entrance, replayed

CALLER: Final = "memstrata.caller"  # where the door leaves who asks, in the request's scope
METADATA: Final = "/.well-known/oauth-protected-resource"
LOOK_S: Final = 1.0  # between two looks whether the key of an open stream still holds


@dataclass(frozen=True, slots=True)
class Authority:
    """Whose tokens are taken, so that clients find out by themselves (RFC 9728): the issuer, and the audience.

    They are told where the audience is the address of this service, as MCP's authorization wants it (RFC 8707).
    """

    issuer: str
    audience: str

    @property
    def told(self) -> bool:
        """Whether clients can be told."""
        return self.audience.startswith(("https://", "http://"))

    @property
    def metadata_url(self) -> str:
        """Where it is told."""
        scheme, _, rest = self.audience.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host}{METADATA}{slash}{path}".rstrip("/")

    @property
    def metadata(self) -> dict[str, object]:
        """What is told."""
        return {
            "resource": self.audience, "authorization_servers": [self.issuer], "bearer_methods_supported": ["header"]
        }  # fmt: skip


def caller(request: object) -> Caller:
    """Who sent a request, as the door has found out."""
    assert isinstance(request, Request)
    found: Caller = request.scope[CALLER]
    return found


class Door:
    """Everything that is refused is refused here, before it costs anything."""

    def __init__(self, app: ASGIApp, admission: Admission, limits: Limits, authority: Authority | None) -> None:
        self._app = app
        self._admission = admission
        self._limits = limits
        self._authority = authority if authority is not None and authority.told else None
        self._entrance = Entrance(admission, limits, to_thread.run_sync)

    @property
    def header_s(self) -> float:
        """How long a connection may be open without a whole request."""
        return self._limits.header_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = Answering(send, self._limits.write_s)
        try:
            if self._authority is not None and scope["path"].startswith(METADATA):
                await self._entrance.caller(HTTPConnection(scope), free=True)
                await Json(self._authority.metadata)(scope, receive, answering.send)
                return
            found = await self._let_in(scope)
            body = await self._entrance.body(HTTPConnection(scope), receive)
            await self._while_it_holds(found, lambda: self._app(scope, replayed(body, receive), answering.send))
        except Exception as exc:  # noqa: BLE001 - the outermost place: what failed is answered, and logged without words
            if not answering.begun:
                await self._refuse(exc, scope, receive, answering)

    async def _let_in(self, scope: Scope) -> Caller:
        """Leave who asks in the scope, for us, and for the SDK, which lets nobody else go on with a session."""
        found = await self._entrance.caller(HTTPConnection(scope))
        scope[CALLER] = found
        scope["user"] = AuthenticatedUser(AccessToken(token="", client_id=found.credential, scopes=[]))
        return found

    async def _while_it_holds(self, found: Caller, work: Callable[[], Awaitable[None]]) -> None:
        """Deal with a request, and break off what is still open when its key or token ends."""

        async def watched() -> None:
            while True:
                await anyio.sleep(LOOK_S)
                if not self._admission.holds(found):
                    tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watched)
            await work()
            tasks.cancel_scope.cancel()

    async def _refuse(self, exc: Exception, scope: Scope, receive: Receive, answering: Answering) -> None:
        response = refusal(exc)
        if isinstance(exc, UNREAD):
            response.headers["Connection"] = "close"
        if isinstance(exc, Unauthenticated) and self._authority is not None:
            response.headers["WWW-Authenticate"] = f'Bearer resource_metadata="{self._authority.metadata_url}"'
        await response(scope, receive, answering.send)
