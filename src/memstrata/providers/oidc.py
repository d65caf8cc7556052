"""Turn a bearer token into what it says, verified with its issuer's published keys (OpenID Connect, RFC 7519)."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from memstrata.errors import InvalidConfig, MissingExtra, Unauthenticated

if TYPE_CHECKING:
    from jwt import PyJWK, PyJWKClient

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S: Final = 30
TIMEOUT_S: Final = 10
AGE_S: Final = 600  # how long a set of keys is used before it is fetched again
PATIENCE_S: Final = 10.0  # between two fetches for keys nobody has heard of
MAX_TOKEN: Final = 16_384  # characters
WRONG: Final = "the token is not valid here: its signature, issuer, audience or time is not right"


class OidcIssuer:
    """Whoever signs tokens, known by the set of keys that it publishes.

    Args:
        issuer: what the claim `iss` must be.
        audience: what the claim `aud` must have in it.
        keys_url: where the set of keys (JWKS) is; the issuer's usual place when left out.
    """

    def __init__(self, issuer: str, *, audience: str, keys_url: str | None = None) -> None:
        url = keys_url or f"{issuer.rstrip('/')}/.well-known/jwks.json"
        if not (urlsplit(url).scheme == "https" or _on_this_machine(url)):
            raise InvalidConfig(
                f"{url!r:.200} is no https address; keys that anybody on the way can change prove nothing"
            )
        try:
            from jwt import PyJWKClient
        except ImportError as exc:
            raise MissingExtra("bearer tokens", "server") from exc
        self._issuer = issuer
        self._audience = audience
        self._client: PyJWKClient = PyJWKClient(url, cache_jwk_set=True, lifespan=AGE_S, timeout=TIMEOUT_S)
        self._lock = threading.Lock()
        self._asked_again: float | None = None

    def claims(self, token: str) -> Mapping[str, Any]:  # Any: JSON
        """What a token says.

        Raises:
            Unauthenticated: it is no token of this issuer for this audience, or not now.
        """
        import jwt

        try:
            if len(token) > MAX_TOKEN:
                raise Unauthenticated(WRONG)
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise Unauthenticated(WRONG)
            claims: Mapping[str, Any] = jwt.decode(  # Any: JSON
                token, self._key(header.get("kid")), algorithms=list(ALGORITHMS), audience=self._audience,
                issuer=self._issuer, leeway=LEEWAY_S, options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError) as exc:
            raise Unauthenticated(WRONG) from exc
        return claims

    def _key(self, kid: object) -> PyJWK:
        """The issuer's key of a name; the set is fetched again for a new name, and not for every wrong one."""
        import jwt

        with self._lock:
            for again in (False, True):
                if again and not self._may_ask_again():
                    break
                keys = self._client.get_signing_keys(refresh=again)
                for key in keys:
                    if key.key_id == kid or (kid is None and len(keys) == 1):
                        return key
        raise jwt.InvalidKeyError("no key of this name")

    def _may_ask_again(self) -> bool:
        now = time.monotonic()
        if self._asked_again is not None and now - self._asked_again < PATIENCE_S:
            return False
        self._asked_again = now
        return True


def _on_this_machine(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http":
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
