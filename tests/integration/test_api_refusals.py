"""Bad requests: each response names the error, and none of them stores anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from yarl import URL

from tests.bad_orders import BAD_JSON, BAD_ORDERS
from tests.integration.apis import ORDER, Json, RunningApi, open_api, receive_events

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"
FORM_TYPE = "application/x-www-form-urlencoded"
"""The content type that ``curl -d`` sends by default."""
JSON_HEADERS = {"Content-Type": "application/json"}


async def post_bad(
    api: RunningApi, path: str, body: object, headers: Mapping[str, str] = JSON_HEADERS
) -> tuple[int, Json]:
    """Post a bad request; return the status and the problem of the response."""
    async with api.session.post(path, data=body, headers=headers) as response:
        assert response.content_type == "application/problem+json"
        problem = await response.json(content_type=None)
        assert problem["status"] == response.status
        assert problem["instance"] == path.partition("?")[0]
        assert {"type", "title", "detail", "code"} <= problem.keys()
        return response.status, problem


async def test_every_bad_order_is_refused_with_its_field_and_stores_nothing(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for name, bad in BAD_ORDERS.items():
            status, problem = await post_bad(api, EXECUTE, bad.text.encode())
            assert status == 422, name
            error = problem["errors"][0]
            assert (error["field"], error["code"]) == (bad.field, bad.code), name
            assert bad.words in error["reason"], name
        assert await api.count_stored() == 0


async def test_a_batch_of_bad_orders_has_a_problem_for_each_and_stores_nothing(
    database_url: str, redis_url: str
) -> None:
    texts = [bad.text for bad in BAD_ORDERS.values()]
    body = f'{{"orders":[{",".join(texts)}]}}'.encode()
    async with open_api(database_url, redis_url) as api:
        status, problem = await post_bad(api, BATCH, body)
        assert (status, problem["code"]) == (422, "batch_refused")
        for entry, (name, bad) in zip(problem["orders"], BAD_ORDERS.items(), strict=True):
            assert entry["problem"]["errors"][0]["field"] == bad.field, name
        assert await api.count_stored() == 0


async def test_every_bad_order_is_refused_on_a_socket_too(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for name, bad in BAD_ORDERS.items():
            async with api.session.ws_connect(EXECUTE) as socket:
                await socket.send_str(bad.text)
                [problem] = await receive_events(socket, code=1008)
            assert problem["errors"][0]["field"] == bad.field, name
        assert await api.count_stored() == 0


@pytest.mark.parametrize("path", [EXECUTE, BATCH, "/api/quotes"])
async def test_what_is_no_json_is_malformed(database_url: str, redis_url: str, path: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for name, body in BAD_JSON.items():
            status, problem = await post_bad(api, path, body)
            assert (status, problem["code"]) == (400, "malformed_json"), name
        assert await api.count_stored() == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", ""])
@pytest.mark.parametrize("path", [EXECUTE, BATCH, "/api/quotes"])
async def test_another_content_type_is_not_supported(
    database_url: str, redis_url: str, path: str, kind: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        body = json.dumps(ORDER).encode()
        status, problem = await post_bad(api, path, body, {"Content-Type": kind})
        assert (status, problem["code"]) == (415, "unsupported_media_type")
        assert await api.count_stored() == 0


@pytest.mark.parametrize("origin", ["Origin", "Referer", "Sec-Fetch-Site"])
async def test_what_a_page_of_another_site_can_send_without_preflight_is_refused(
    database_url: str, redis_url: str, origin: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        headers = {"Content-Type": FORM_TYPE, origin: "https://elsewhere.example"}
        status, _ = await post_bad(api, EXECUTE, json.dumps(ORDER).encode(), headers)
        assert status == 415
        status, _ = await post_bad(api, EXECUTE, b"tokenIn=SOL", {"Content-Type": FORM_TYPE})
        assert status == 415
        assert await api.count_stored() == 0


@pytest.mark.parametrize(
    "kind",
    ["application/json; charset=utf-8", "Application/JSON", "a/b+json", FORM_TYPE],
)
async def test_json_by_any_of_its_media_types_is_accepted(
    database_url: str, redis_url: str, kind: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        headers = {"Content-Type": kind}
        async with api.session.post(EXECUTE, data=json.dumps(ORDER), headers=headers) as response:
            assert response.status == 202


@pytest.mark.parametrize("path", [EXECUTE, BATCH, "/api/quotes"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["known length", "chunked"])
async def test_a_body_beyond_the_limit_is_too_large(
    database_url: str, redis_url: str, path: str, is_chunked: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 1_000

    async with open_api(database_url, redis_url, body_bytes_max=2_000) as api:
        body = chunks() if is_chunked else b" " * 5_000
        status, problem = await post_bad(api, path, body)
        assert (status, problem["code"]) == (413, "body_too_large")
        assert await api.count_stored() == 0
        status, _ = await post_bad(api, EXECUTE, b" " * 2_000)
        assert status == 400


async def test_a_message_beyond_the_limit_closes_its_socket(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, body_bytes_max=2_000) as api,
        api.session.ws_connect(EXECUTE) as socket,
    ):
        await socket.send_str(" " * 5_000)
        assert await receive_events(socket, code=1009) == []


@pytest.mark.parametrize("count", [0, 4])
async def test_a_batch_has_a_minimum_and_a_maximum(
    database_url: str, redis_url: str, count: int
) -> None:
    async with open_api(database_url, redis_url, batch_orders_max=3) as api:
        body = json.dumps({"orders": [dict(ORDER)] * count}).encode()
        status, problem = await post_bad(api, BATCH, body)
        assert status == 422
        assert problem["errors"][0]["field"] == "orders"
        assert f"not {count}" in problem["errors"][0]["reason"]
        assert await api.count_stored() == 0


@pytest.mark.parametrize("path", [EXECUTE, BATCH])
@pytest.mark.parametrize("key", ["", "x" * 129, "a\tb", "ключ"])
async def test_an_idempotency_key_must_be_printable(
    database_url: str, redis_url: str, path: str, key: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        body = json.dumps(ORDER if path == EXECUTE else {"orders": [dict(ORDER)]}).encode()
        status, problem = await post_bad(api, path, body, {**JSON_HEADERS, "Idempotency-Key": key})
        assert (status, problem["code"]) == (400, "invalid_idempotency_key")
        assert problem["errors"][0]["field"] == "Idempotency-Key"
        assert await api.count_stored() == 0


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("status=", "status", "invalid_parameter"),
        ("status=done", "status", "invalid_parameter"),
        ("status=pending,nope", "status", "invalid_parameter"),
        ("batchId=1", "batchId", "invalid_parameter"),
        ("batchId=%00", "batchId", "invalid_parameter"),
        ("dex=orca", "dex", "invalid_parameter"),
        ("tokenIn=DOGE", "tokenIn", "unknown_token"),
        ("tokenOut=%ED%A0%80", "tokenOut", "unknown_token"),
        ("limit=0", "limit", "invalid_parameter"),
        ("limit=1001", "limit", "invalid_parameter"),
        ("limit=ten", "limit", "invalid_parameter"),
        ("limit=%D9%A1", "limit", "invalid_parameter"),
        ("limit=99999999999999999999", "limit", "invalid_parameter"),
        ("cursor=", "cursor", "invalid_cursor"),
        ("cursor=abc", "cursor", "invalid_cursor"),
        ("cursor=%7B00000000-0000-0000-0000-000000000000%7D", "cursor", "invalid_cursor"),
        ("&".join(f"x{n}=1" for n in range(1_001)), "query", "invalid_parameter"),
    ],
)
async def test_a_bad_query_of_the_list_is_refused(
    database_url: str, redis_url: str, query: str, field: str, code: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.get(f"/api/orders?{query}", 400)
        assert (problem["errors"][0]["field"], problem["code"]) == (field, code)


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("after=", "after", "invalid_cursor"),
        ("after=abc", "after", "invalid_cursor"),
        ("after=00000000.x", "after", "invalid_cursor"),
        ("after=00000000.1-2", "after", "invalid_cursor"),
        ("after=00000000.-1", "after", "invalid_cursor"),
        (f"after=00000000.{'9' * 30}", "after", "invalid_cursor"),
        ("after=zzzzzzzz.1", "after", "invalid_cursor"),
        ("batchId=1", "batchId", "invalid_parameter"),
        ("orderId=1", "orderId", "invalid_parameter"),
        ("status=done", "status", "invalid_parameter"),
        ("dex=orca", "dex", "invalid_parameter"),
    ],
)
async def test_a_bad_query_of_the_stream_is_refused_before_the_upgrade(
    database_url: str, redis_url: str, query: str, field: str, code: str
) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with (
        open_api(database_url, redis_url) as api,
        api.session.get(f"/api/orders/stream?{query}", headers=headers) as response,
    ):
        assert response.status == 400
        problem = await response.json(content_type=None)
        assert (problem["errors"][0]["field"], problem["code"]) == (field, code)


@pytest.mark.parametrize(
    "name",
    [
        *("1", "nope", "%00", "%ED%A0%80", "x" * 5_000, "0" * 32),
        "{00000000-0000-0000-0000-000000000000}",
        "00000000-0000-0000-0000-000000000000",
    ],
)
async def test_an_id_that_names_no_order_is_not_found(
    database_url: str, redis_url: str, name: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for path in (f"/api/orders/{name}", f"/api/orders/{name}/events"):
            assert (await api.get(path, 404))["code"] == "order_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/", 405, "method_not_allowed"),
        ("GET", "/api", 404, "not_found"),
        ("GET", "/api/orders/", 404, "not_found"),
        ("GET", "/api//orders", 404, "not_found"),
        ("POST", "/api/nowhere", 404, "not_found"),
        ("GET", "/static/nothing.html", 404, "not_found"),
        ("GET", "/static/..%2Fpyproject.toml", 404, "not_found"),
        ("GET", "/docs/index.html", 404, "not_found"),
        ("PUT", "/api/orders/1", 405, "method_not_allowed"),
        ("PUT", EXECUTE, 405, "method_not_allowed"),
        ("POST", "/api/orders", 405, "method_not_allowed"),
        ("GET", BATCH, 404, "order_not_found"),
    ],
)
async def test_what_is_not_served_is_a_problem_and_never_html(
    database_url: str, redis_url: str, method: str, path: str, status: int, code: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        url = URL(api.url + path, encoded=True)
        async with api.session.request(method, url, allow_redirects=False) as response:
            problem: dict[str, Any] = await response.json(content_type=None)
            assert response.content_type == "application/problem+json"
            assert (response.status, problem["code"]) == (status, code)
            assert ("Allow" in response.headers) == (status == 405)


async def test_what_is_not_http_does_not_affect_others(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        host, port = api.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\0\1\2\3 garbage\r\n\r\n")
        async with asyncio.timeout(60):
            assert b" 400 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
        assert await api.get("/healthz") == {"status": "ok"}
