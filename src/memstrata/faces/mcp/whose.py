"""Turn the ids that a call names into the scope that it means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from memstrata.errors import InvalidInput
from memstrata.types import ANY, Scope


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose memory a server means when a call names nobody; `confined` to it, calls may only narrow it."""

    default: Scope = Scope()  # noqa: RUF009 - frozen
    confined: bool = False

    def scope(self, *, user_id: str | None = None, agent_id: str | None = None, session_id: str | None = None) -> Scope:
        """The scope of one call.

        Raises:
            InvalidInput: the server is confined, and the call names somebody else.
        """
        named = {"user_id": user_id, "agent_id": agent_id, "session_id": session_id}
        given = {name: value for name, value in named.items() if value is not None}
        for name, value in given.items():
            own = getattr(self.default, name)
            if self.confined and value != own and (own is not None or name == "user_id"):
                raise InvalidInput(f"{name}={value!r:.80} is not this server's; leave {name} out")
        return replace(self.default, **given)

    @property
    def followed(self) -> Scope:
        """The scope whose changes the server tells of: all that its calls can reach."""
        own = self.default
        if self.confined:
            return own
        return Scope(own.tenant_id or ANY, own.app_id or ANY, ANY)
