"""Turn the ids that a call names into the scope that it means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from memstrata.access.reach import Caller
from memstrata.engine import Memstrata
from memstrata.errors import Forbidden, InvalidInput, NotFound
from memstrata.types import ANY, Scope

CONTRIBUTOR: Final = "mcp"  # of what comes without a key


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose memory a server means when a call names nobody; `confined` to it, calls may only narrow it.

    `caller` is who calls: over HTTP the holder of a key or token, whose reach bounds every call.
    """

    default: Scope = Scope()  # noqa: RUF009 - frozen
    confined: bool = False
    caller: Caller = Caller()  # noqa: RUF009 - frozen

    def of(self, caller: Caller) -> Whose:
        """The same for another caller: where the server assumes, and a key binds, the key is right.

        Raises:
            Forbidden: the server is confined to somebody whom the caller does not reach.
        """
        own = caller.bound(self.default)
        if self.confined and own != self.default:
            raise Forbidden("this server is for a user whom the key or token does not reach")
        return replace(self, default=own, caller=caller)

    def scope(self, *, user_id: str | None = None, agent_id: str | None = None, session_id: str | None = None) -> Scope:
        """The scope of one call.

        Raises:
            InvalidInput: the server is confined, and the call names somebody else.
            NotFound: it lies outside the caller's reach.
        """
        named = {"user_id": user_id, "agent_id": agent_id, "session_id": session_id}
        given = {name: value for name, value in named.items() if value is not None}
        for name, value in given.items():
            own = getattr(self.default, name)
            if self.confined and value != own and (own is not None or name == "user_id"):
                raise InvalidInput(f"{name}={value!r:.80} is not this server's; leave {name} out")
        return self.caller.scope(replace(self.default, **given))

    @property
    def followed(self) -> Scope:
        """The scope whose changes the server tells of: all that its calls can reach."""
        own = self.default
        if self.confined:
            return own
        return self.caller.bound(Scope(own.tenant_id or ANY, own.app_id or ANY, ANY))

    @property
    def contributor(self) -> str:
        """Who brought in what this caller adds."""
        return self.caller.name or CONTRIBUTOR

    def check(self, memory: Memstrata, id: str, scope: Scope) -> None:
        """See that a memory, past or present, lies within the caller's reach, before anything is done by its id.

        Raises:
            NotFound: it is not there, or not within reach.
        """
        if not self.caller.everywhere:
            try:
                versions = memory.history(id, scope=scope)
            except NotFound:
                versions = ()
            self.caller.check(versions)
