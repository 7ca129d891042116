"""Pages of other sites: no host but this server's is answered to, and CORS is what is configured.

A page whose host points at this machine (DNS rebinding) is of one site with this server for its
browser: it may send every header, and read every response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

import aiohttp
import pytest

from backend.config import ConfigurationError
from tests.integration.apis import ORDER, WAIT_S, Json, RunningApi, open_api, receive_hello

EXECUTE = "/api/orders/execute"
PAGE = "https://app.example"
KEYS = "anna:anna-key-0123456789"
KEY = {"Authorization": "Bearer anna-key-0123456789"}
FOREIGN_HOSTS = (
    *("evil.example", "evil.example:3000", "EVIL.example.", "evil.example@127.0.0.1", "evil/x?"),
    *("127.0.0.1.evil.example", "localhost.evil.example", "localhost.evil", "xlocalhost", "a b"),
    *(
        "192.168.1.5:3000",
        "0.0.0.0:3000",
        "[2001:db8::1]",
        "[::ffff:192.168.1.5]",
        "[::]",
        "10.0.0.1",
    ),
    *("127.0.0.1:99999", "evil.example, 127.0.0.1", "127.0.0.1, evil.example", "."),
)
OWN_HOSTS = (
    *(
        "127.0.0.1",
        "127.0.0.1:1",
        "127.8.9.10:3000",
        "localhost",
        "LOCALHOST:3000",
        "localhost.:80",
    ),
    *("[::1]", "[::1]:3000", "[0:0:0:0:0:0:0:1]:80", "[::ffff:127.0.0.1]:3000"),
)
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


async def request(
    api: RunningApi, method: str, path: str, headers: Mapping[str, str], status: int
) -> tuple[aiohttp.ClientResponse, Json]:
    body = dict(ORDER) if method == "POST" else None
    async with api.session.request(method, path, json=body, headers=headers) as response:
        text = await response.text()
        assert response.status == status, (headers, text)
        is_json = response.content_type.endswith("json")
        return response, dict(await response.json(content_type=None)) if is_json else {}


async def count_orders(api: RunningApi, key: str = "") -> int:
    headers = {"X-API-Key": key}
    return len((await request(api, "GET", "/api/orders", headers, 200))[1]["orders"])


@pytest.mark.parametrize("keys", ["", KEYS], ids=["open", "keys"])
async def test_on_loopback_only_loopback_hosts_are_answered_to(
    database_url: str, redis_url: str, keys: str
) -> None:
    key = keys.partition(":")[2]
    async with open_api(database_url, redis_url, api_keys=keys) as api:
        for host in FOREIGN_HOSTS:
            headers = {"Host": host, "Origin": f"http://{host}", "X-API-Key": key}
            forged = {"X-Forwarded-Host": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"}
            for extra in ({}, forged, {"Forwarded": 'for=127.0.0.1;host="localhost"'}):
                _, problem = await request(api, "POST", EXECUTE, headers | extra, 403)
                assert problem["code"] == "foreign_host"
                assert "ORDER_ENGINE_ALLOWED_HOSTS" in problem["detail"]
            for path in ("/api/orders", "/static/client.html", "/healthz", "/nowhere"):
                await request(api, "GET", path, headers, 403)
            _, problem = await request(api, "GET", EXECUTE, headers | UPGRADE, 403)
            assert problem["code"] == "foreign_host"
        assert await count_orders(api, key) == 0
        for host in OWN_HOSTS:
            await request(api, "POST", EXECUTE, {"Host": host, "X-API-Key": key}, 202)
        assert await count_orders(api, key) == len(OWN_HOSTS)


async def test_a_client_that_names_no_host_is_answered(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        address = urlsplit(api.url)
        assert address.hostname is not None
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            assert b" 200 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_hosts_of_the_settings_are_answered_to(database_url: str, redis_url: str) -> None:
    settings = {
        "allowed_hosts": "Orders.Example, engine.lan:8080",
        "public_url": "https://public.example/engine",
    }
    async with open_api(database_url, redis_url, **settings) as api:
        for host in ("orders.example", "ORDERS.example.:99", "engine.lan:8080", "public.example"):
            await request(api, "GET", "/api/orders", {"Host": host}, 200)
        for host in ("engine.lan", "engine.lan:81", "x.orders.example", "orders.example.evil"):
            await request(api, "GET", "/api/orders", {"Host": host}, 403)


async def test_a_trusted_proxy_is_believed_what_host_the_client_named(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, allowed_hosts="orders.example") as api:
        for name, template in (("X-Forwarded-Host", "{}"), ("Forwarded", 'host="{}";for=1.2.3.4')):
            for host, status in (("orders.example", 200), ("evil.example", 403)):
                await request(api, "GET", "/api/orders", {name: template.format(host)}, status)
    async with open_api(database_url, redis_url, trusted_proxies="192.0.2.1") as api:
        await request(api, "GET", "/api/orders", {"X-Forwarded-Host": "evil.example"}, 200)


async def test_without_keys_no_name_is_answered_to_on_other_addresses_either(
    database_url: str, redis_url: str
) -> None:
    host, evil = "0.0.0.0", {"Host": "evil.example"}  # noqa: S104 - of a test
    async with open_api(database_url, redis_url, host=host, open_access="network") as api:
        await request(api, "POST", EXECUTE, evil, 403)
        for own in ("192.168.1.5:3000", "[2001:db8::1]:3000", "localhost:3000"):
            await request(api, "GET", "/api/orders", {"Host": own}, 200)
    async with open_api(database_url, redis_url, host=host, api_keys=KEYS) as api:
        await request(api, "POST", EXECUTE, evil, 401)


async def test_by_default_no_page_of_another_site_is_let_in(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        preflight = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        for method in ("OPTIONS", "GET"):
            async with api.session.request(method, EXECUTE, headers=preflight) as response:
                assert not [each for each in response.headers if each.startswith("Access-Control")]


def open_api_for_pages(
    database_url: str, redis_url: str
) -> AbstractAsyncContextManager[RunningApi]:
    origins = f"{PAGE.upper().replace('HTTPS', 'https')}, http://localhost:5173"
    return open_api(database_url, redis_url, api_keys=KEYS, cors_origins=origins)


async def test_a_preflight_of_a_configured_origin_is_told_what_it_may_send(
    database_url: str, redis_url: str
) -> None:
    async with open_api_for_pages(database_url, redis_url) as api:
        for path, methods in (
            (EXECUTE, "DELETE, GET, HEAD, PATCH, POST"),
            ("/api/orders", "DELETE, GET, HEAD"),
        ):
            preflight = {
                "Origin": PAGE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
            }
            response, _ = await request(api, "OPTIONS", path, preflight, 204)
            assert response.headers["Access-Control-Allow-Origin"] == PAGE
            assert response.headers["Access-Control-Allow-Methods"] == methods
            assert {"Authorization", "Content-Type", "Idempotency-Key", "X-API-Key"} <= set(
                response.headers["Access-Control-Allow-Headers"].split(", ")
            )
            assert response.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in response.headers


async def test_a_page_of_a_configured_origin_may_use_the_api(
    database_url: str, redis_url: str
) -> None:
    async with open_api_for_pages(database_url, redis_url) as api:
        for method, path, headers, status in (
            ("POST", EXECUTE, KEY, 202),
            ("POST", EXECUTE, {}, 401),
            ("GET", "/api/orders", KEY, 200),
            ("GET", "/nowhere", {}, 404),
        ):
            response, _ = await request(api, method, path, {"Origin": PAGE, **headers}, status)
            assert response.headers["Access-Control-Allow-Origin"] == PAGE
            exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"Retry-After", "Location", "X-Request-ID", "RateLimit", "Link"} <= set(exposed)
        async with api.session.ws_connect("/api/orders/stream", origin=PAGE, headers=KEY) as socket:
            await receive_hello(socket)


async def test_a_page_of_another_origin_than_those_configured_may_not(
    database_url: str, redis_url: str
) -> None:
    async with open_api_for_pages(database_url, redis_url) as api:
        for origin in ("https://evil.example", f"{PAGE}:8443", "http://app.example", "null"):
            for method in ("OPTIONS", "POST"):
                headers = {"Origin": origin, "Access-Control-Request-Method": "POST", **KEY}
                async with api.session.request(
                    method, EXECUTE, json=dict(ORDER), headers=headers
                ) as response:
                    assert "Access-Control-Allow-Origin" not in response.headers
                    assert response.headers["Vary"] == "Origin"
        for foreign in ("https://evil.example", "null"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await api.session.ws_connect("/api/orders/stream", origin=foreign, headers=KEY)
            assert refused.value.status == 403


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("cors_origins", each) for each in ("*", "null", "app.example", "ftp://a.example", ",")),
        *(("cors_origins", each) for each in ("https://a.example/x", "https://", "https://a b")),
        *(("allowed_hosts", each) for each in ("*", "http://a.example", "a,,b", "a:99999", "a b")),
    ],
)
async def test_what_is_no_host_or_origin_is_refused_at_start(
    database_url: str, redis_url: str, setting: str, value: str
) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(ConfigurationError, match=f"^ORDER_ENGINE_{setting.upper()} is invalid: ")
    ):
        async with open_api(database_url, redis_url, **{setting: value}):
            pass
