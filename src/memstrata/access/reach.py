"""Turn what a caller names into the scope that the caller may reach, or refuse.

A reach is a scope in which `ANY` stands for what is free. It is a whole branch: of everything, of one tenant, of one
app, or of one user; what lies above a named part and has no name is the tenant or app without a name, never every one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from memstrata.access import scope_from
from memstrata.errors import Forbidden, InvalidInput, NotFound
from memstrata.types import ANY, Scope, ScopeIds, Version

EVERYWHERE: Final = Scope(ANY, ANY, ANY)
Level = Literal["tenant_id", "app_id", "user_id"]
LEVELS: Final[tuple[Level, ...]] = ("tenant_id", "app_id", "user_id")
NOT_HERE: Final = "there is no such memory here; it never was, was deleted, or is not within reach"
SIGNED: Final = ("key:", "oidc:")  # how contributors begin whom we vouch for


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a name to sign with, a credential to count by, what may be reached and done.

    `ends_at` is when the credential ends, in microseconds since 1970.
    """

    name: str | None = None
    credential: str = "anyone"
    reach: Scope = EVERYWHERE
    read_only: bool = False
    ends_at: int | None = None

    @property
    def everywhere(self) -> bool:
        """Whether nothing is out of reach."""
        return self.reach == EVERYWHERE

    def bound(self, assumed: Scope) -> Scope:
        """A scope with what the reach binds in the place of what stood there."""
        own = {name: getattr(self.reach, name) for name in LEVELS if getattr(self.reach, name) is not ANY}
        return replace(assumed, **own)

    def scope(self, asked: Scope) -> Scope:
        """The scope that is meant, with what the reach binds filled in.

        Raises:
            NotFound: it lies outside; the same as for what never was.
            InvalidInput: a part of it is no id.
        """
        checked = scope_from(asked, {})
        meant = self.bound(checked)
        for name in LEVELS:
            if getattr(checked, name) not in (None, ANY, getattr(meant, name)):
                raise NotFound(NOT_HERE)
        return meant

    def check(self, versions: Iterable[Version]) -> None:
        """See that a memory lies within reach, by its versions; the engine takes a part without a name for any.

        Raises:
            NotFound: it is not there, or not within reach.
        """
        if not self.everywhere and not any(one.memory and self.reaches(one.memory.scope) for one in versions):
            raise NotFound(NOT_HERE)

    def share(self, *, shared: bool) -> bool:
        """Whether to search what the app's users share as well.

        Raises:
            NotFound: it is asked for, and lies outside.
        """
        if shared and self.reach.user_id is not ANY:
            raise NotFound(NOT_HERE)
        return shared

    def reaches(self, scope: Scope) -> bool:
        """Whether a memory of this scope lies within reach."""
        return all(getattr(self.reach, name) in (ANY, getattr(scope, name)) for name in LEVELS)

    def write(self) -> None:
        """See that the caller may change something.

        Raises:
            Forbidden: the credential may only read.
        """
        if self.read_only:
            raise Forbidden("this key or token may read, and change nothing; ask for one that may write")

    def administer(self) -> None:
        """See that the caller may do what concerns the whole store.

        Raises:
            Forbidden: the credential is bound to a part of it.
        """
        if not self.everywhere:
            raise Forbidden("this concerns the whole store, and the key or token is for a part of it")

    def signed(self, contributor: str | None) -> str | None:
        """Who brought something in: as the caller says, or the caller's own name.

        Raises:
            InvalidInput: the name is one that only a credential gives.
        """
        if contributor is None or contributor == self.name:
            return self.name
        if contributor.startswith(SIGNED):
            raise InvalidInput("a contributor's name begins with 'key:' or 'oidc:' only where a credential vouches")
        return contributor

    def check_signatures(self, messages: Iterable[object]) -> None:
        """See that no message of a list names a contributor whom nobody vouches for."""
        for message in messages:
            if isinstance(message, dict) and isinstance(named := message.get("contributor"), str):
                self.signed(named)


def branch(scope: Scope) -> Scope:
    """The reach that a scope names: its deepest part and all below; everything when it names nothing.

    >>> branch(Scope(app_id="notes"))
    Scope(tenant_id=None, app_id='notes', user_id=memstrata.ANY, agent_id=None, session_id=None, namespace=None)

    Raises:
        InvalidInput: it names an agent, a session or a namespace, which narrow no reach.
    """
    checked = scope_from(scope, {})
    if (checked.agent_id, checked.session_id, checked.namespace) != (None, None, None):
        raise InvalidInput("a key reaches a tenant, an app or a user; agents, sessions and namespaces do not bound it")
    named = [name for name in LEVELS if getattr(checked, name) is not None]
    deepest = LEVELS.index(named[-1]) if named else -1
    free: ScopeIds = {}
    for name in LEVELS[deepest + 1 :]:
        free[name] = ANY
    return replace(checked, **free)


def everyone(scope: Scope) -> Scope:
    """The same for every user, and for every app and tenant that is not named."""
    return replace(scope, tenant_id=scope.tenant_id or ANY, app_id=scope.app_id or ANY, user_id=ANY)
