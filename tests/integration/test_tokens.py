"""Tokens of an issuer in place of API keys: what is taken, and every attack that is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from backend.api.admission import bearer_tokens, signing_keys
from backend.api.server.process import serve_api
from backend.config import ConfigurationError, Settings
from tests.integration.apis import ORDER, UNREACHABLE_NODE, RunningApi, open_api
from tests.integration.stored_keys import STREAM, receive_close, send, show_key
from tests.integration.token_issuer import (
    AUDIENCE,
    ISSUER,
    build_claims,
    build_jwk,
    build_jwks,
    forge_token,
    get_private_key,
    serve_jwks,
    sign_token,
)

KIDS = ("RS256-1", "ES256-1", "EdDSA-1")
LONG_AGO = 1_000_000_000
FAR_AHEAD = 99_999_999_999


def open_issued_api(
    database_url: str, redis_url: str, jwks: object, **options: object
) -> AbstractAsyncContextManager[RunningApi]:
    tokens = {"jwt_jwks": str(jwks), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    return open_api(database_url, redis_url, **tokens, **options)


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(build_jwks(*KIDS))
    return path


async def test_a_token_of_each_algorithm_is_its_owner_with_its_scopes(
    database_url: str, redis_url: str, jwks: Path
) -> None:
    async with open_issued_api(database_url, redis_url, jwks) as api:
        for kid in KIDS:
            token = show_key(sign_token(kid, sub=kid))
            await api.post("/api/orders/execute", dict(ORDER), headers=token)
            _, answer = await send(api, "/api/orders", token)
            assert len(answer["orders"]) == 1
            reader = show_key(sign_token(kid, sub=kid, scope="read else", aud=["x", AUDIENCE]))
            assert (await send(api, "/api/orders", reader))[0] == 200
            status, problem = await send(
                api, "/api/orders/execute", reader, method="POST", body=dict(ORDER)
            )
            assert (status, problem["scopes"]) == (403, ["trade"])
            status, problem = await send(api, headers=show_key(sign_token(kid, scope=None)))
            assert (status, problem["scopes"]) == (403, ["read"])
        assert (await send(api))[0] == 401


def hmac_with_public_key() -> str:
    """A token whose signature is an HMAC with the bytes of the issuer's public key."""
    public = get_private_key(KIDS[0]).public_key()
    secret = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return forge_token({"alg": "HS256", "kid": KIDS[0]}, build_claims(), secret)


ATTACKS: dict[str, tuple[Callable[[], str], str]] = {
    "none": (lambda: forge_token({"alg": "none", "kid": KIDS[0]}, build_claims()), "algorithm"),
    "none in capitals": (
        lambda: forge_token({"alg": "NoNe", "kid": KIDS[0]}, build_claims()),
        "algorithm",
    ),
    "HMAC with the public key": (hmac_with_public_key, "algorithm"),
    "HMAC with a known word": (
        lambda: forge_token({"alg": "HS256", "kid": "oct-1"}, build_claims(), b"secret"),
        "does not have",
    ),
    "foreign kid": (lambda: sign_token("RS256-foreign"), "does not have"),
    "key of another with a known kid": (
        lambda: sign_token("RS256-foreign", header={"kid": KIDS[0]}),
        "wrong signature",
    ),
    "algorithm of another key": (
        lambda: sign_token(KIDS[1], header={"kid": KIDS[0]}),
        "algorithm",
    ),
    "no kid": (lambda: sign_token(KIDS[0], header={"kid": None}), "no kid"),
    "kid that is no text": (
        lambda: forge_token({"alg": "RS256", "kid": [KIDS[0]]}, build_claims(), b"x"),
        "malformed",
    ),
    "kid that is a path": (
        lambda: forge_token({"alg": "HS256", "kid": "../../dev/null"}, build_claims(), b"x"),
        "does not have",
    ),
    "own key in the header": (
        lambda: sign_token("RS256-foreign", header={"jwk": build_jwk("RS256-foreign")}),
        "does not have",
    ),
    "expired": (lambda: sign_token(KIDS[0], exp=LONG_AGO), "expired"),
    "without an end": (lambda: sign_token(KIDS[0], exp=None), "lacks"),
    "end that is no time": (lambda: sign_token(KIDS[0], exp="soon"), "malformed"),
    "endless": (
        lambda: forge_token({"alg": "RS256", "kid": KIDS[0]}, build_claims(exp=1e999), b"x"),
        "wrong signature",
    ),
    "not yet valid": (lambda: sign_token(KIDS[0], nbf=FAR_AHEAD, exp=FAR_AHEAD + 1), "yet"),
    "wrong audience": (lambda: sign_token(KIDS[0], aud="others"), "audience"),
    "without an audience": (lambda: sign_token(KIDS[0], aud=None), "lacks"),
    "wrong issuer": (lambda: sign_token(KIDS[0], iss="https://other.example"), "issuer"),
    "without an owner": (lambda: sign_token(KIDS[0], sub=None), "lacks"),
    "owner that is empty": (lambda: sign_token(KIDS[0], sub=" "), "sub"),
    "owner of many lines": (lambda: sign_token(KIDS[0], sub="anna\nbert"), "sub"),
    "unknown critical header": (
        lambda: sign_token(KIDS[0], header={"crit": ["exp"], "exp": FAR_AHEAD}),
        "malformed",
    ),
    "detached payload": (
        lambda: forge_token(
            {"alg": "RS256", "kid": KIDS[0], "crit": ["b64"], "b64": False}, build_claims()
        ),
        "critical",
    ),
    "giant": (lambda: sign_token(KIDS[0], padding="x" * 8_192), "longer"),
    "scopes that are a list": (lambda: sign_token(KIDS[0], scope=["read"]), "scope"),
    "altered": (lambda: sign_token(KIDS[0])[:-4] + "AAAA", "wrong signature"),
    "claims of another": (
        lambda: swap_claims(sign_token(KIDS[0]), sign_token(KIDS[0], sub="bert")),
        "wrong signature",
    ),
    "nothing between dots": (lambda: "..", "malformed"),
    "deep header": (lambda: "W1tb" * 500 + ".e30.e30", "malformed"),
}


def swap_claims(token: str, other: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{other.split('.')[1]}.{signature}"


async def test_every_attack_is_refused_with_its_reason(
    database_url: str, redis_url: str, jwks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_issued_api(database_url, redis_url, jwks) as api:
        for name, (build, reason) in ATTACKS.items():
            token = build()
            status, problem = await send(api, headers=show_key(token))
            assert (status, problem["code"]) == (401, "invalid_token"), name
            assert reason in problem["detail"], (name, problem["detail"])
            parts = [part for part in token.split(".") if len(part) > 8]
            assert not [part for part in parts if part in str(problem)], name
        assert (await send(api, headers=show_key(sign_token(KIDS[0]))))[0] == 200
    assert "Traceback" not in (output := "".join(capsys.readouterr()))
    assert "eyJ" not in output


async def test_clocks_may_differ_by_the_stated_skew(
    database_url: str, redis_url: str, jwks: Path
) -> None:
    now = build_claims()["exp"] - 600
    async with open_issued_api(database_url, redis_url, jwks, jwt_skew_s=60) as api:
        for claims, status in (
            ({"exp": now - 20}, 200),
            ({"exp": now - 100}, 401),
            ({"nbf": now + 20}, 200),
            ({"nbf": now + 200}, 401),
        ):
            assert (await send(api, headers=show_key(sign_token(KIDS[2], **claims))))[0] == status


async def test_the_sockets_of_a_token_are_closed_when_it_expires(
    database_url: str, redis_url: str, jwks: Path
) -> None:
    async with open_issued_api(database_url, redis_url, jwks, jwt_skew_s=0) as api:
        token = show_key(sign_token(KIDS[1], exp=build_claims()["exp"] - 596))
        _, answer = await send(api, "/api/tickets", token, method="POST")
        async with (
            api.session.ws_connect(STREAM, headers=token) as socket,
            api.session.ws_connect(f"{STREAM}?ticket={answer['ticket']}") as by_ticket,
        ):
            assert await receive_close(socket) == (1008, "access_ended")
            assert await receive_close(by_ticket) == (1008, "access_ended")
        status, problem = await send(api, headers=token)
        assert (status, problem["code"]) == (401, "invalid_token")


async def test_a_rotated_key_is_taken_and_one_that_is_gone_is_not(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serve_jwks("ES256-1") as server,
        open_issued_api(database_url, redis_url, server.url) as api,
    ):
        old, new = show_key(sign_token("ES256-1")), show_key(sign_token("ES256-2"))
        assert (await send(api, headers=old))[0] == 200
        server.document = build_jwks("ES256-2")
        # The document was read a moment ago: whatever a token names, it is not read again.
        for kid in ("ES256-2", "RS256-foreign"):
            assert (await send(api, headers=show_key(sign_token(kid))))[0] == 401
        assert server.requests == 1
        async with api.session.ws_connect(STREAM, headers=old) as socket:
            monkeypatch.setattr(signing_keys, "INTERVAL_MIN_S", 0)
            assert (await send(api, headers=new))[0] == 200
            assert server.requests == 2
            assert (await send(api, headers=old))[0] == 401
            assert await receive_close(socket) == (1008, "access_ended")
        # While the document cannot be read, the known keys are used on.
        server.document = ""
        assert (await send(api, headers=show_key(sign_token("ES256-3"))))[0] == 401
        assert (await send(api, headers=new))[0] == 200
        monkeypatch.setattr(signing_keys, "KEEP_MAX_S", -1)
        status, problem = await send(api, headers=new)
        assert (status, problem["code"]) == (503, "issuer_unavailable")


async def test_a_token_is_verified_once(
    database_url: str, redis_url: str, jwks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_issued_api(database_url, redis_url, jwks) as api:
        token = show_key(sign_token(KIDS[0]))
        assert (await send(api, headers=token))[0] == 200
        # Nothing decodes a token any more: what was verified is known, and nothing else is.
        monkeypatch.delattr(jwt, "decode")
        assert (await send(api, headers=token))[0] == 200
        assert (await send(api, headers=show_key(sign_token(KIDS[0], jti="2"))))[0] == 500


async def test_the_tokens_that_are_kept_are_bounded(
    database_url: str, redis_url: str, jwks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bearer_tokens, "TOKENS_MAX", 4)
    async with open_issued_api(database_url, redis_url, jwks) as api:
        tokens = [show_key(sign_token(KIDS[2], jti=str(n))) for n in range(9)]
        for token in tokens * 2:
            assert (await send(api, headers=token))[0] == 200


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"keys": {}}',
        '{"keys": []}',
        '{"keys": [{"kty": "oct", "kid": "1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXM"}]}',
        json.dumps({"keys": [build_jwk("RS256-weak")]}),
        json.dumps({"keys": [{**build_jwk("ES256-1"), "use": "enc"}]}),
        json.dumps({"keys": [{**build_jwk("ES256-1"), "kid": 1}]}),
    ],
)
def test_a_document_without_a_key_to_verify_by_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"it (is no JWKS document|has no key)"):
        signing_keys.parse_keys(document.encode())


async def test_settings_that_would_take_the_tokens_of_others_are_refused(
    database_url: str, redis_url: str, jwks: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("{}")
    good: dict[str, Any] = {
        "jwt_jwks": str(jwks),
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "database_url": database_url,
        "redis_url": redis_url,
        "solana_rpc_url": UNREACHABLE_NODE,
        "port": 0,
    }
    for changes, name in (
        ({"jwt_issuer": ""}, "ORDER_ENGINE_JWT_ISSUER"),
        ({"jwt_audience": " "}, "ORDER_ENGINE_JWT_AUDIENCE"),
        ({"jwt_jwks": "http://issuer.example/jwks"}, "https://"),
        ({"jwt_jwks": str(tmp_path / "missing")}, "ORDER_ENGINE_JWT_JWKS"),
        ({"jwt_jwks": str(tmp_path / "empty")}, "no JWKS document"),
    ):
        with pytest.raises(ConfigurationError, match=name):
            await serve_api(
                Settings.load(**{**good, **changes}),
                on_ready=lambda _: None,
                stop=asyncio.Event(),
            )
