"""WebSockets whose first message authenticates their caller: with the scopes of its key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backend.domain.access.scopes import Scope
from backend.domain.access.signatures import SigningMethod
from tests.integration.apis import ORDER, WAIT_S, Json, RunningApi, open_api, receive_hello
from tests.integration.stored_keys import (
    STREAM,
    make_key,
    open_keys,
    receive_close,
    show_key,
)
from tests.integration.token_issuer import AUDIENCE, ISSUER, build_jwks, sign_token

EXECUTE = "/api/orders/execute"
BY_MESSAGE = {"auth": "message"}


def show(key: str) -> Json:
    return {"authorization": f"Bearer {key}"}


def connect(api: RunningApi, path: str, **options: Any) -> Any:
    return api.session.ws_connect(path, params=BY_MESSAGE, **options)


async def refuse(api: RunningApi, path: str, message: object) -> tuple[Json, tuple[int, str]]:
    """The problem that a socket answers a first message with, and how it is closed."""
    async with connect(api, path) as socket, asyncio.timeout(WAIT_S):
        if isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            await (
                socket.send_str(message) if isinstance(message, str) else socket.send_json(message)
            )
        return dict(await socket.receive_json()), await receive_close(socket)


async def test_a_key_in_the_first_message_permits_what_its_scopes_permit(
    database_url: str, redis_url: str
) -> None:
    reader = (await make_key(database_url, "anna", Scope.READ)).key
    trader = (await make_key(database_url, "anna", Scope.TRADE)).key
    async with open_api(database_url, redis_url) as api:
        async with connect(api, EXECUTE) as socket, asyncio.timeout(WAIT_S):
            await socket.send_json(show(trader))
            await socket.send_json(dict(ORDER))
            queued = await socket.receive_json()
            assert (await socket.receive_json())["seq"] == 1
        async with connect(api, f"/api/orders/upgrade/{queued['orderId']}") as socket:
            await socket.send_json(show(reader))
            assert (await socket.receive_json(timeout=WAIT_S))["orderId"] == queued["orderId"]
        async with connect(api, STREAM) as socket:
            await socket.send_json(show(reader))
            await receive_hello(socket)
        for path, key, missing in ((EXECUTE, reader, "trade"), (STREAM, trader, "read")):
            problem, close = await refuse(api, path, show(key))
            assert (problem["code"], problem["scopes"]) == ("insufficient_scope", [missing])
            assert close == (1008, "refused")
        unknown = "/api/orders/upgrade/01a20172-0000-7000-8000-000000000001"
        problem, close = await refuse(api, unknown, show(reader))
        assert (problem["code"], close) == ("order_not_found", (1008, "refused"))
        assert len((await get_orders(api, reader))["orders"]) == 1


async def get_orders(api: RunningApi, key: str) -> Json:
    async with api.session.get("/api/orders", headers=show_key(key)) as response:
        return dict(await response.json())


async def test_a_socket_ends_with_the_key_of_its_first_message(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "jwks.json").write_text(build_jwks("ES256-1"))
    issuer = {
        "jwt_jwks": str(tmp_path / "jwks.json"),
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
    }
    stored = await make_key(database_url)
    async with (
        open_api(database_url, redis_url, **issuer) as api,
        open_keys(database_url) as keys,
        connect(api, STREAM) as by_key,
        connect(api, STREAM) as by_token,
    ):
        await by_key.send_json(show(stored.key))
        await by_token.send_json(show(sign_token("ES256-1")))
        for socket in (by_key, by_token):
            await receive_hello(socket)
        await keys.revoke(stored.row.id)
        assert await receive_close(by_key) == (1008, "access_ended")
        assert not by_token.closed
        problem, _ = await refuse(api, STREAM, show(stored.key))
        assert problem["code"] == "unauthorized"


async def test_what_is_no_key_is_refused_and_told_nowhere(
    database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    signing = await make_key(database_url, "anna", signing=SigningMethod.HMAC)
    secret = "a-key-that-nobody-has"
    messages: list[tuple[object, str]] = [
        (show(secret), "unauthorized"),
        ({"authorization": f"Basic {secret}"}, "unauthorized"),
        ({"authorization": [secret]}, "unauthorized"),
        ({"key": secret}, "unauthorized"),
        ({**show(secret), **ORDER}, "unauthorized"),
        ([secret], "unauthorized"),
        (dict(ORDER), "unauthorized"),
        (show(signing.key), "unauthorized"),
        (show("a.b.c"), "unauthorized"),
        ("not JSON", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
    ]
    async with open_api(database_url, redis_url, log_level="debug") as api:
        for message, code in messages:
            problem, close = await refuse(api, EXECUTE, message)
            assert (problem["code"], close) == (code, (1008, "refused")), message
            assert secret not in str(problem)
    assert secret not in str(capsys.readouterr())


async def test_the_handshake_is_refused_with_other_credentials_or_from_a_foreign_page(
    database_url: str, redis_url: str
) -> None:
    key = await make_key(database_url)
    async with open_api(database_url, redis_url) as api:
        refusals: list[tuple[str, dict[str, str], int]] = [
            (f"{STREAM}?auth=message", show_key(key), 400),
            (f"{STREAM}?auth=message&ticket={'x' * 43}", {}, 400),
            (f"{STREAM}?auth=message&auth=message", {}, 400),
            (f"{STREAM}?auth=message&key={key.key}", {}, 401),
            (f"{STREAM}?auth=message&other=1", {}, 400),
            (f"{STREAM}?auth=header", {}, 401),
            (f"{STREAM}?auth=message", {"Origin": "https://evil.example"}, 403),
        ]
        for path, headers, status in refusals:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await api.session.ws_connect(path, headers=headers)
            assert refused.value.status == status, path


async def test_a_client_that_says_nothing_is_closed_and_has_not_opened_a_socket(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.api.admission.first_messages.AUTHENTICATION_TIMEOUT_S", 0.05)
    key = (await make_key(database_url)).key
    async with (
        open_api(database_url, redis_url, sockets_max=1) as api,
        connect(api, STREAM) as silent,
        asyncio.timeout(WAIT_S),
    ):
        async with api.session.ws_connect(STREAM, headers=show_key(key)) as socket:
            await receive_hello(socket)
        assert (await silent.receive_json())["code"] == "request_timeout"
        assert await receive_close(silent) == (1008, "refused")


async def test_without_keys_the_first_message_is_taken_as_well(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, connect(api, STREAM) as socket:
        await socket.send_json(show("any"))
        await receive_hello(socket)
