"""An issuer of tokens for tests: keys of each kind, a JWKS document, and an address that has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import get_default_algorithms

ISSUER = "https://issuer.example"
AUDIENCE = "orders"

Json = dict[str, Any]


@cache
def get_private_key(name: str) -> Any:
    """A private key by its ``kid``, whose beginning is its algorithm."""
    if name.startswith("RS"):
        return generate_rsa(65_537, 1_024 if "weak" in name else 2_048)
    if name.startswith("ES"):
        return generate_private_key(SECP256R1())
    return Ed25519PrivateKey.generate()


def get_algorithm(kid: str) -> str:
    return kid.partition("-")[0]


def build_jwk(kid: str) -> Json:
    """The public key of this ``kid``, as a JWKS document has it."""
    algorithm: Any = get_default_algorithms()[get_algorithm(kid)]
    return {**algorithm.to_jwk(get_private_key(kid).public_key(), as_dict=True), "kid": kid}


def build_jwks(*kids: str) -> str:
    return json.dumps({"keys": [build_jwk(kid) for kid in kids]})


def build_claims(**changes: object) -> Json:
    """Claims that are taken, but for these changes; ``None`` leaves one out."""
    now = int(datetime.now(UTC).timestamp())  # noqa: TID251 - tokens are of the real time
    claims: Json = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "anna",
        "scope": "read trade cancel",
        "exp": now + 600,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def sign_token(kid: str, *, header: Mapping[str, object] | None = None, **changes: object) -> str:
    """A token that the key of this ``kid`` has signed; ``None`` leaves a header out."""
    headers = {
        name: value for name, value in {"kid": kid, **(header or {})}.items() if value is not None
    }
    key, algorithm = get_private_key(kid), get_algorithm(kid)
    return jwt.encode(build_claims(**changes), key, algorithm, headers=headers)


def forge_token(header: Json, claims: Json, secret: bytes = b"") -> str:
    """A token with any header, and the HMAC of a secret as its signature; or without one."""
    signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret else b""
    return f"{signed}.{_encode(mac)}"


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


class JwksServer:
    """Serves a JWKS document, and counts how often it is asked for."""

    def __init__(self) -> None:
        self.document = ""
        self.requests = 0
        self.url = ""

    async def respond(self, _: web.Request) -> web.Response:
        self.requests += 1
        return web.Response(text=self.document, status=200 if self.document else 500)


@asynccontextmanager
async def serve_jwks(*kids: str) -> AsyncIterator[JwksServer]:
    server = JwksServer()
    server.document = build_jwks(*kids)
    app = web.Application()
    app.router.add_get("/jwks", server.respond)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
        yield server
    finally:
        await runner.cleanup()
