"""Scopes: every route and socket of the table asks for its own, whatever else is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

import aiohttp
import pytest

from backend.api.application.route_table import ROUTES, SOCKETS
from backend.domain.access.scopes import ALL_SCOPES, Scope, format_scopes
from tests.integration.apis import ORDER, RunningApi, open_api
from tests.integration.stored_keys import make_key, send, show_key

EXECUTE = "/api/orders/execute"
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


def fill_path(path: str, order_id: str) -> str:
    return re.sub(r"<[^>]+>", order_id, path)


def list_routes() -> Iterator[tuple[str, str, tuple[Scope, ...]]]:
    yield from ((route.method, route.path, route.scopes) for route in ROUTES)
    yield from (("WS", route.path, route.scopes) for route in SOCKETS)


async def call(api: RunningApi, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """The status of a request, and what its answer says of scopes."""
    if method != "WS":
        body: object = {} if method in CHANGING - {"DELETE"} else None
        async with api.session.request(
            method, path, headers=headers, json=body, allow_redirects=False
        ) as response:
            return response.status, response.headers.get("WWW-Authenticate", "")
    try:
        async with api.session.ws_connect(path, headers=headers):
            return 101, ""
    except aiohttp.WSServerHandshakeError as error:
        challenge = error.headers and error.headers.get("WWW-Authenticate")
        return error.status, challenge or ""


async def test_every_route_and_socket_takes_its_scopes_and_no_other(
    database_url: str, redis_url: str
) -> None:
    keys = {scope: await make_key(database_url, "anna", scope) for scope in Scope}
    all_scopes = await make_key(database_url, "anna", *ALL_SCOPES)
    async with open_api(database_url, redis_url) as api:
        order = await api.post(EXECUTE, dict(ORDER), headers=show_key(all_scopes))
        for method, path, scopes in list_routes():
            filled = fill_path(path, order["orderId"])
            for scope, key in keys.items():
                status, challenge = await call(api, method, filled, show_key(key))
                missing = f'error="insufficient_scope", scope="{" ".join(format_scopes(scopes))}"'
                is_refused = (status, missing in challenge) == (403, True)
                assert is_refused == (bool(scopes) and scope not in scopes), (method, path, scope)
            status, _ = await call(api, method, filled, {})
            assert (status == 401) == bool(scopes), (method, path)


async def test_a_socket_that_places_and_follows_asks_for_what_it_is_opened_for(
    database_url: str, redis_url: str
) -> None:
    reader = show_key(await make_key(database_url, "anna", Scope.READ))
    trader = show_key(await make_key(database_url, "anna", Scope.TRADE))
    async with open_api(database_url, redis_url) as api:
        order = await api.post(EXECUTE, dict(ORDER), headers=trader)
        following = f"{EXECUTE}?orderId={order['orderId']}"
        assert await call(api, "WS", following, reader) == (101, "")
        assert await call(api, "WS", EXECUTE, trader) == (101, "")
        for path, headers, missing in ((EXECUTE, reader, "trade"), (following, trader, "read")):
            status, challenge = await call(api, "WS", path, headers)
            assert (status, challenge.rpartition("scope=")[2]) == (403, f'"{missing}"')


async def test_who_may_only_cancel_reads_what_it_cancels_and_nothing_else(
    database_url: str, redis_url: str
) -> None:
    trader = show_key(await make_key(database_url, "anna", Scope.TRADE))
    canceller = show_key(await make_key(database_url, "anna", Scope.CANCEL))
    async with open_api(database_url, redis_url) as api:
        order = await api.post(EXECUTE, dict(ORDER), headers=trader)
        path = f"/api/orders/{order['orderId']}"
        assert (await send(api, path, canceller))[0] == 403
        status, answer = await send(api, path, canceller, method="DELETE")
        assert (status, answer["status"], answer["amountIn"]) == (200, "cancelled", "1.5")
        timer = "/api/orders/cancel-after"
        _, answer = await send(api, timer, canceller, method="POST", body={"seconds": 9})
        assert answer["triggerTime"] is not None


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ("anna:anna-key-0123456789", 200),
        ("anna:anna-key-0123456789,bert:bert-key-0123456789", 403),
    ],
)
async def test_a_configured_key_is_the_operators_where_there_is_one_owner(
    database_url: str, redis_url: str, keys: str, status: int
) -> None:
    async with open_api(database_url, redis_url, api_keys=keys) as api:
        headers = {"X-API-Key": "anna-key-0123456789"}
        assert (await send(api, "/api/balances", headers))[0] == status
        assert (await send(api, "/api/orders", headers))[0] == 200
