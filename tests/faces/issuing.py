"""Give tests an issuer of bearer tokens on this machine, which publishes its keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa


class KeySet:
    """An issuer on this machine that publishes its keys."""

    def __init__(self) -> None:
        self.private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.asked = 0
        self.kid = "one"
        keyset = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keyset.asked += 1
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(keyset.private.public_key()))
                body = json.dumps({"keys": [public | {"kid": keyset.kid, "use": "sig", "alg": "RS256"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/jwks"

    def token(self, *, key: Any = None, algorithm: str = "RS256", kid: str | None = None, **claims: Any) -> str:
        now = datetime.now(UTC)
        said = {
            "iss": "https://id.example.org", "aud": "memstrata", "sub": "ana", "exp": now + timedelta(hours=1),
            "org": "acme", **claims,
        }  # fmt: skip
        said = {name: value for name, value in said.items() if value is not None}
        return str(jwt.encode(said, key or self.private, algorithm=algorithm, headers={"kid": kid or self.kid}))


@pytest.fixture
def issuer() -> Iterator[KeySet]:
    keys = KeySet()
    yield keys
    keys.server.shutdown()
    keys.server.server_close()
