"""Signed requests: each is for one method, path, time and body, and is taken once."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from nacl.signing import SigningKey
from redis.asyncio import Redis

from backend.api.admission.signed_requests import NONCE_TTL_MS, WINDOW_MS
from backend.domain.access.scopes import Scope
from backend.domain.access.signatures import SigningMethod
from backend.domain.errors import Rejected
from tests.conftest import ROOT
from tests.integration.apis import ORDER, RunningApi, has_at_least, open_api, receive_stream
from tests.integration.request_signing import sign_request
from tests.integration.stored_keys import (
    STREAM,
    make_key,
    open_keys,
    receive_close,
    send,
    show_key,
)

EXECUTE = "/api/orders/execute"
BODY = json.dumps(ORDER).encode()
NOWHERE = "redis://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs, and its secret."""

    key: str | SigningKey
    key_id: str

    def sign(
        self, method: str, target: str, body: bytes = b"", *, skew_ms: int = 0
    ) -> dict[str, str]:
        return sign_request(self.key, self.key_id, method, target, body, skew_ms=skew_ms)


async def make_signer(database_url: str, method: SigningMethod) -> Signer:
    if method is SigningMethod.ED25519:
        key = SigningKey.generate()
        public_key = bytes(key.verify_key)
        created = await make_key(database_url, signing=method, public_key=public_key)
        return Signer(key, created.row.id)
    created = await make_key(database_url, signing=method)
    return Signer(created.key, created.row.id)


async def post(
    api: RunningApi, headers: Mapping[str, str], body: bytes = BODY, path: str = EXECUTE
) -> tuple[int, str]:
    """The status of a request with a body, and the code of its problem."""
    json_headers = {**headers, "Content-Type": "application/json"}
    async with api.session.post(path, data=body, headers=json_headers) as response:
        return response.status, str((await response.json(content_type=None)).get("code"))


@pytest.mark.parametrize("method", list(SigningMethod))
async def test_a_signed_request_is_taken_once_by_all_processes_together(
    database_url: str, redis_url: str, method: SigningMethod
) -> None:
    signer = await make_signer(database_url, method)
    async with (
        open_api(database_url, redis_url) as one,
        open_api(database_url, redis_url) as two,
    ):
        headers = signer.sign("POST", EXECUTE, BODY)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(post(api, headers)) for api in (one, two) * 10]
        statuses = sorted(task.result() for task in tasks)
        assert statuses == [(202, "None"), *[(401, "invalid_signature")] * 19]
        target = "/api/orders?tokenIn=SOL&limit=5"
        status, answer = await send(two, target, signer.sign("GET", target))
        assert (status, len(answer["orders"])) == (200, 1)


@pytest.mark.parametrize("method", list(SigningMethod))
async def test_whatever_is_altered_is_refused(
    database_url: str, redis_url: str, method: SigningMethod
) -> None:
    signer = await make_signer(database_url, method)
    other = await make_signer(database_url, method)
    altered_body = BODY.replace(b"1.5", b"9.5")
    assert altered_body != BODY
    async with open_api(database_url, redis_url) as api:
        good = signer.sign("POST", EXECUTE, BODY)
        hash_of_altered = signer.sign("POST", EXECUTE, altered_body)["X-Content-SHA256"]
        refused: list[tuple[dict[str, str], bytes, str]] = [
            (good, altered_body, EXECUTE),
            (good | {"X-Content-SHA256": hash_of_altered}, altered_body, EXECUTE),
            (good, BODY, "/api/quotes"),
            (signer.sign("PUT", EXECUTE, BODY), BODY, EXECUTE),
            (signer.sign("POST", f"{EXECUTE}?x=1", BODY), BODY, EXECUTE),
            (good | {"X-Nonce": "another-nonce-0123"}, BODY, EXECUTE),
            (good | {"X-Timestamp": str(int(good["X-Timestamp"]) + 1)}, BODY, EXECUTE),
            (good | {"X-Key-Id": other.key_id}, BODY, EXECUTE),
            (good | {"X-Key-Id": "oek_000000000000"}, BODY, EXECUTE),
            (good | {"X-Signature": "00" * (len(good["X-Signature"]) // 2)}, BODY, EXECUTE),
            (good | {"X-Signature": good["X-Signature"][:62] + "00"}, BODY, EXECUTE),
            *(({**good, name: ""}, BODY, EXECUTE) for name in good),
            *(({**good, name: "ключ"}, BODY, EXECUTE) for name in good),
        ]
        for headers, body, path in refused:
            assert await post(api, headers, body, path) == (401, "invalid_signature"), headers
        assert await post(api, {}, BODY) == (401, "unauthorized")
        # What was refused before its body was read has not used up its nonce; a body has.
        assert await post(api, signer.sign("POST", EXECUTE, BODY)) == (202, "None")
        reader = signer.sign("GET", "/api/orders")
        assert len((await send(api, "/api/orders", reader))[1]["orders"]) == 1


async def test_a_request_is_of_now_or_refused(database_url: str, redis_url: str) -> None:
    signer = await make_signer(database_url, SigningMethod.HMAC)
    async with open_api(database_url, redis_url) as api:
        for skew_ms, status in ((-1_000, 202), (1_000, 202), (-60_000, 401), (60_000, 401)):
            headers = signer.sign("POST", EXECUTE, BODY, skew_ms=skew_ms)
            assert (await post(api, headers))[0] == status, skew_ms


async def test_a_nonce_is_known_for_as_long_as_its_request_could_come_again(
    database_url: str, redis_url: str
) -> None:
    signer = await make_signer(database_url, SigningMethod.HMAC)
    async with open_api(database_url, redis_url) as api, Redis.from_url(redis_url) as redis:
        assert (await post(api, signer.sign("POST", EXECUTE, BODY)))[0] == 202
        [name] = [key async for key in redis.scan_iter("order-engine:*:nonce:*")]
        assert 0 < await redis.pttl(name) <= NONCE_TTL_MS
    # From the earliest time at which it is taken to the latest, and a second for the clocks.
    assert NONCE_TTL_MS >= 2 * WINDOW_MS + 1_000


async def test_a_key_that_signs_is_never_taken_as_it_is(database_url: str, redis_url: str) -> None:
    signer = await make_signer(database_url, SigningMethod.HMAC)
    plain = await make_key(database_url)
    async with open_api(database_url, redis_url) as api:
        assert isinstance(signer.key, str)
        status, problem = await send(api, headers=show_key(signer.key))
        assert (status, "signs its requests" in problem["detail"]) == (401, True)
        both = signer.sign("GET", "/api/stats") | show_key(signer.key)
        assert (await send(api, headers=both))[0] == 401
        # A key that signs nothing cannot begin to.
        signed = sign_request(plain.key, plain.row.id, "GET", "/api/stats")
        assert (await send(api, headers=signed))[0] == 401


async def test_a_socket_is_opened_by_a_signature_and_closed_with_its_key(
    database_url: str, redis_url: str
) -> None:
    signer = await make_signer(database_url, SigningMethod.ED25519)
    async with open_api(database_url, redis_url) as api, open_keys(database_url) as keys:
        headers = signer.sign("GET", STREAM)
        _, answer = await send(
            api, "/api/tickets", signer.sign("POST", "/api/tickets"), method="POST"
        )
        async with (
            api.session.ws_connect(STREAM, headers=headers) as stream,
            api.session.ws_connect(f"{STREAM}?ticket={answer['ticket']}") as by_ticket,
        ):
            await post(api, signer.sign("POST", EXECUTE, BODY))
            await receive_stream(stream, has_at_least(1))
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await api.session.ws_connect(STREAM, headers=headers)
            await keys.revoke(signer.key_id)
            for socket in (stream, by_ticket):
                assert await receive_close(socket) == (1008, "access_ended")


async def test_without_redis_no_signed_request_is_taken(database_url: str) -> None:
    signer = await make_signer(database_url, SigningMethod.HMAC)
    async with open_api(database_url, NOWHERE) as api:
        status, problem = await send(api, headers=signer.sign("GET", "/api/stats"))
        assert (status, problem["code"]) == (503, "signatures_unavailable")


async def test_a_key_that_signs_by_a_secret_is_rotated_and_one_with_a_public_key_is_not(
    database_url: str, redis_url: str
) -> None:
    async with open_keys(database_url) as keys:
        first = await keys.create("anna", {Scope.READ}, signing=SigningMethod.HMAC)
        second = await keys.rotate(
            first.row.id, overlap=first.row.created_at - first.row.created_at
        )
        assert second.row.signing is SigningMethod.HMAC
        public_key = bytes(SigningKey.generate().verify_key)
        pair = await keys.create(
            "anna", {Scope.READ}, signing=SigningMethod.ED25519, public_key=public_key
        )
        with pytest.raises(Rejected):
            await keys.rotate(pair.row.id, overlap=timedelta(0))
    async with open_api(database_url, redis_url) as api:
        for created, status in ((first, 401), (second, 200)):
            headers = sign_request(created.key, created.row.id, "GET", "/api/orders")
            assert (await send(api, "/api/orders", headers))[0] == status


async def test_the_example_of_the_documents_signs_what_is_taken(
    database_url: str, redis_url: str
) -> None:
    page = (ROOT / "backend" / "api" / "ACCESS.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    example: dict[str, Any] = {}
    exec(code, example)  # noqa: S102 - our own document
    created = await make_key(database_url, signing=SigningMethod.HMAC)
    async with open_api(database_url, redis_url) as api:
        headers = example["sign_request"](created.key, "POST", EXECUTE, BODY)
        assert await post(api, headers) == (202, "None")
        headers = example["sign_request"](created.key, "GET", "/api/orders?limit=1")
        assert (await send(api, "/api/orders?limit=1", headers))[0] == 200
