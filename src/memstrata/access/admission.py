"""Turn what a request carries to prove itself into who asks.

With keys or an issuer of tokens, only those; with neither, anybody, where whoever serves says that only this machine
can ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

from memstrata.access.keys import Keys
from memstrata.access.reach import LEVELS, Caller, branch
from memstrata.errors import InvalidConfig, InvalidInput, Unauthenticated
from memstrata.types import Scope

WHO: Final = "send a key as 'Authorization: Bearer KEY'; `memstrata keys add` makes one"
DEFAULT_CLAIMS: Final = MappingProxyType({"user_id": "sub"})


class Issuer(Protocol):
    """Verifies bearer tokens."""

    def claims(self, token: str) -> Mapping[str, Any]:  # Any: JSON
        """What a token says, after its signature, times, issuer and audience were found right.

        Raises:
            Unauthenticated: something about it is wrong.
        """
        ...


@dataclass(frozen=True, slots=True)
class Claims:
    """Which claims of a token name its holder's reach, and which OAuth scope lets it write (None: every token may)."""

    reach: Mapping[str, str] = field(default_factory=lambda: DEFAULT_CLAIMS)
    write_scope: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.reach) - set(LEVELS))
        if unknown or not self.reach:
            raise InvalidConfig(f"claims are mapped to {', '.join(LEVELS)}, not {', '.join(unknown) or 'nothing'}")

    def caller(self, claims: Mapping[str, Any]) -> Caller:  # Any: JSON
        """Who holds a token.

        Raises:
            Unauthenticated: it has not the claims that say whose memory it is for.
        """
        named = {level: claims.get(claim) for level, claim in self.reach.items()}
        if not all(isinstance(value, str) and value for value in named.values()):
            raise Unauthenticated("the token does not say whose memory it is for")
        try:
            reach = branch(Scope(**named))
        except InvalidInput as exc:
            raise Unauthenticated("the token does not say whose memory it is for") from exc
        granted = claims.get("scope", claims.get("scp", ()))
        scopes = granted.split() if isinstance(granted, str) else granted
        read_only = self.write_scope is not None and not (isinstance(scopes, list) and self.write_scope in scopes)
        subject = f"oidc:{claims.get('sub')}"[:256]
        return Caller(subject, subject, reach, read_only, int(float(claims["exp"]) * 1e6))


class Admission:
    """Lets callers in, or not.

    Args:
        keys: the store's.
        issuer: verifies tokens, where there is one.
        claims: what its tokens mean.
        open: let anybody in while there are no keys and no issuer.
        now: microseconds since 1970.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: Issuer | None = None,
        claims: Claims | None = None,
        open: bool,
        now: Callable[[], int],
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._claims = claims or Claims()
        self._open = open
        self._now = now

    @property
    def guarded(self) -> bool:
        """Whether callers have to prove who they are."""
        return self._issuer is not None or self._keys.configured

    def quick(self, credential: str | None) -> Caller | None:
        """Who asks, when that is known without working anything out."""
        if self._open and not self.guarded:
            return Caller()
        key = None if credential is None else self._keys.remembered(credential, now=self._now())
        return None if key is None else key.caller()

    def caller(self, credential: str | None) -> Caller:
        """Who asks.

        Raises:
            Unauthenticated: nobody who is known here.
        """
        if (known := self.quick(credential)) is not None:
            return known
        if credential is None:
            raise Unauthenticated(f"who asks? {WHO}")
        if (key := self._keys.found(credential, now=self._now())) is not None:
            return key.caller()
        if self._issuer is None or credential.count(".") != 2:
            raise Unauthenticated(f"this key is not known here, or has ended; {WHO}")
        return self._claims.caller(self._issuer.claims(credential))

    def holds(self, caller: Caller) -> bool:
        """Whether a caller let in before would still be: the key not revoked, the token not run out."""
        if caller.ends_at is not None and self._now() >= caller.ends_at:
            return False
        if caller.credential.startswith("key:"):
            id = caller.credential.removeprefix("key:")
            return any(key.id == id and key.holds(self._now()) for key in self._keys.all())
        if caller.credential.startswith("oidc:"):
            return self._issuer is not None
        return self._open and not self.guarded
