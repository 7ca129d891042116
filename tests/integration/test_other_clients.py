"""Clients that were written for other engines: what they send is taken, or told how to send it."""

from __future__ import annotations

import aiohttp
import pytest

from tests.integration.apis import ORDER, Json, open_api

EXECUTE = "/api/orders/execute"
SWAP = {"tokenIn": "SOL", "tokenOut": "USDC"}
TAKEN: list[Json] = [
    {**SWAP, "type": "market", "amount": 1.5, "slippage": 0.01},
    {**SWAP, "orderType": "MARKET", "amountIn": "10"},
    {**SWAP, "orderType": "market", "amountIn": 10, "slippage": "0.005"},
    {**SWAP, "amountIn": 1, "slippage": 0.02, "slippageBps": 200},
    {"tokenIn": "ETH", "tokenOut": "USDC", "amount": 0.5},
    {"tokenIn": "USDT", "tokenOut": "BTC", "amount": 100},
]
REFUSED: dict[str, tuple[Json, str]] = {
    "slippage": ({**SWAP, "amount": 1, "slippage": 1}, "1 may mean 1 % or 100 %"),
    "slippageTolerance": ({**SWAP, "amount": 1, "slippageTolerance": 0.5}, "slippageBps, in basis"),
    "inputMint": ({**SWAP, "amount": 1, "inputMint": "SOL"}, "did you mean tokenIn"),
    "deadline": ({**SWAP, "amount": 1, "deadline": 60}, "did you mean expiresAt"),
    "tif": ({**SWAP, "amount": 1, "tif": "IOC"}, "did you mean timeInForce"),
    "side": ({**SWAP, "amount": 1, "side": "buy"}, "tokenIn is what is sold"),
    "userWallet": ({**SWAP, "amount": 1, "userWallet": "7x"}, "wallet of the engine"),
    "tokenOut": ({**SWAP, "tokenOut": "USCD", "amount": 1}, "did you mean USDC?"),
}


async def test_an_order_is_taken_in_the_spellings_of_other_clients(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for body in TAKEN:
            placed = await api.post(EXECUTE, body)
            order = await api.get(f"/api/orders/{placed['orderId']}")
            assert order["slippageBps"] in {50, 100, 200}
        batch = await api.post("/api/orders/batch", {"orders": TAKEN})
        assert (batch["accepted"], batch["refused"]) == (len(TAKEN), 0)


async def test_a_refusal_says_what_to_write_instead(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for field, (body, words) in REFUSED.items():
            [error] = (await api.post(EXECUTE, body, 422))["errors"]
            assert error["field"] == field
            assert words in error["reason"]
        assert (await api.get("/api/orders"))["orders"] == []


async def test_a_body_with_one_field_says_which_it_is(database_url: str, redis_url: str) -> None:
    batch, timer = "/api/orders/batch", "/api/orders/cancel-after"
    bodies: list[tuple[str, object, str]] = [
        (batch, [dict(ORDER)], 'such as {"orders": […]}'),
        (batch, {"order": [dict(ORDER)]}, "order: is not a known field: did you mean orders?"),
        (batch, {"swaps": [dict(ORDER)]}, "did you mean orders?"),
        (timer, {"timeout": 5}, "did you mean seconds?"),
    ]
    async with open_api(database_url, redis_url) as api:
        for path, body, words in bodies:
            assert words in (await api.post(path, body, 422))["detail"]


@pytest.mark.parametrize("path", ["/health", "/healthz", "/livez"])
async def test_health_has_the_names_that_clients_know(
    database_url: str, redis_url: str, path: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        assert await api.get(path) == {"status": "ok"}


async def test_an_unknown_address_names_the_one_that_was_meant(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        order_id = await api.place_order()
        socket = f"ws{api.url.removeprefix('http')}{EXECUTE}?orderId={order_id}"
        for path, words in (
            (f"/api/orders/{order_id}/status", socket),
            (f"/api/orders/status/{order_id}", f"GET /api/orders/{order_id}"),
            (f"/ws/orders/{order_id}", socket),
            ("/ws", "/api/orders/stream"),
            ("/api/health", "did you mean GET /health?"),
            ("/orders", "did you mean GET /api/orders?"),
            ("/api/orders/place", "the id of an order is a UUID"),
            ("/api/orders/stat", "did you mean GET /api/stats?"),
            ("/api/quotes", "did you mean POST /api/quotes?"),
        ):
            status = 405 if path == "/api/quotes" else 404
            assert words in (await api.get(path, status))["detail"], path
        for path in ("/orders/execute", "/api/v1/orders/execute", "/swap"):
            detail = (await api.post(path, dict(ORDER), 404))["detail"]
            assert f"did you mean POST {EXECUTE}?" in detail
        for path, status, words in (
            ("/api/orders", 405, f"POST {EXECUTE}"),
            ("/api/orders/batches", 405, "did you mean POST /api/orders/batch?"),
            ("/api/orders/cancel", 405, "DELETE /api/orders/<orderId>"),
            (f"/api/orders/{order_id}/cancel", 404, f"DELETE /api/orders/{order_id}"),
        ):
            assert words in (await api.post(path, dict(ORDER), status))["detail"], path
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect(f"/ws/{order_id}")
        assert refused.value.status == 404
