"""No key, token or ticket is in anything that an API process writes: searched for, everywhere."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex

import asyncpg
import pytest
from redis.asyncio import Redis

from backend.api.application.route_table import ROUTES
from tests.conftest import TABLES
from tests.integration.apis import ORDER, RunningApi, open_api
from tests.integration.stored_keys import (
    STREAM,
    UPGRADE,
    make_key,
    open_keys,
    receive_close,
    send,
    show_key,
)
from tests.integration.token_issuer import AUDIENCE, ISSUER, build_jwks, sign_token


async def dump_rows(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    try:
        rows = [await connection.fetch(f"SELECT t::text AS row FROM {name} t") for name in TABLES]  # noqa: S608
        return "\n".join(row["row"] for each in rows for row in each)
    finally:
        await connection.close()


async def dump_redis(redis_url: str) -> bytes:
    async with Redis.from_url(redis_url) as redis:
        names = [name async for name in redis.scan_iter()]
        return b"\n".join([*names, *[await redis.dump(name) or b"" for name in names]])


async def show_everywhere(api: RunningApi, secret: str) -> list[str]:
    """Send a secret wherever clients put one; returns the texts of all answers."""
    ways: list[tuple[str, str, dict[str, str]]] = [
        *((route.method, route.path, show_key(secret)) for route in ROUTES),
        ("GET", "/api/orders", {"X-API-Key": secret}),
        ("GET", "/api/orders", {"Authorization": f"Basic {secret}"}),
        ("GET", "/api/orders", {"Authorization": secret}),
        ("GET", "/api/orders", {"Authorization": f"Bearer {secret}x"}),
        ("GET", "/api/orders", {"Authorization": "Bearer other", "X-API-Key": secret}),
        ("GET", f"/api/orders?key={secret}", {}),
        ("GET", f"{STREAM}?access_token={secret}", UPGRADE),
        ("GET", f"{STREAM}?ticket={secret}", UPGRADE),
        ("GET", "/api/orders/execute", UPGRADE | show_key(f"{secret}x")),
    ]
    texts = []
    for method, path, headers in ways:
        body: object = {} if method in {"POST", "PATCH"} else None
        async with api.session.request(method, path, headers=headers, json=body) as response:
            texts.append(f"{response.headers}{await response.text()}")
    return texts


async def test_no_secret_is_in_a_log_an_answer_a_metric_a_row_or_redis(
    database_url: str, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jwks.json").write_text(build_jwks("ES256-1"))
    stored, revoked = await make_key(database_url), await make_key(database_url)
    token = sign_token("ES256-1")
    secrets = [f"configured-{token_hex(12)}", stored.key, revoked.key, token, f"no-{token_hex(12)}"]
    settings = {
        "api_keys": f"carl:{secrets[0]}",
        "jwt_jwks": str(tmp_path / "jwks.json"),
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "log_level": "debug",
        "metrics_access": "key",
    }
    async with (
        open_api(database_url, redis_url, **settings) as api,
        open_keys(database_url) as keys,
    ):
        written = [text for secret in secrets for text in await show_everywhere(api, secret)]
        await api.post("/api/orders/execute", dict(ORDER), headers=show_key(stored))
        _, answer = await send(api, "/api/tickets", show_key(stored), method="POST")
        unused = answer["ticket"]
        async with api.session.ws_connect(STREAM, headers=show_key(revoked)) as socket:
            await keys.revoke(revoked.row.id)
            written.append(str(await receive_close(socket)))
        async with api.session.get("/metrics", headers=show_key(stored)) as response:
            assert response.status == 200
            written.append(await response.text())
        written += [str(await keys.list_keys()), await dump_rows(database_url)]
        in_redis = await dump_redis(redis_url)
    written += capsys.readouterr()
    # Of a key its id is shown; of a token each part counts.
    canaries = [secrets[0], secrets[4], *(key.key.rpartition("_")[2] for key in (stored, revoked))]
    canaries += [*token.split("."), unused]
    assert stored.row.id in "".join(written)
    assert [each for each in canaries for text in written if each in text] == []
    assert [each for each in canaries if each.encode() in in_redis] == []
