"""What the benchmark's server answers to the views beside the orders: as much as a busy engine."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time_ns

from aiohttp import web

_FILLS_MAX = 500
_TOKENS = ("SOL", "USDC", "USDT", "JUP", "BONK", "RAY", "WETH", "WBTC")


def add_view_routes(app: web.Application) -> None:
    """Add the addresses of positions, balances, prices, fills, quotes and reports."""
    app.router.add_get("/api/positions", _get_positions)
    app.router.add_get("/api/balances", _get_balances)
    app.router.add_get("/api/prices", _get_prices)
    app.router.add_get("/api/fills", _get_fills)
    app.router.add_post("/api/quotes", _post_quotes)
    app.router.add_get("/api/report", _get_report)


def _now_s() -> float:
    return time_ns() / 1e9


def _format_seconds(at_s: float) -> str:
    at = datetime.fromtimestamp(at_s, tz=UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


async def _get_positions(_: web.Request) -> web.Response:
    told = [
        {
            "token": token,
            "amount": "12.5",
            "fills": 7,
            "unvaluedFills": 0,
            "cost": "1250",
            "averageCost": "100",
            "realized": "3.5",
            "value": "1260",
            "unrealized": f"{_now_s() % 10:.3f}",
            "price": "100.8",
            "priceAgeMs": 400,
        }
        for token in _TOKENS
    ]
    body = {"reference": "USDC", "positions": told, "realized": "28", "networkFeeLamports": 5_000}
    return web.json_response(body)


async def _get_balances(_: web.Request) -> web.Response:
    balances = [
        {"token": token, "held": "1000.5", "reserved": "2", "free": "998.5"} for token in _TOKENS
    ]
    return web.json_response(
        {"wallets": [{"wallet": "w", "balances": balances}], "differences": []}
    )


async def _get_prices(request: web.Request) -> web.Response:
    step_s = int(request.query["step"])
    first_s = int(datetime.fromisoformat(request.query["from"]).timestamp()) // step_s * step_s
    bars = []
    for at_s in range(first_s, int(_now_s()) + 1, step_s):
        price = 100 + at_s * 7919 % 997 / 1_000
        prices = {"open": price, "high": price + 0.3, "low": price - 0.2, "close": price + 0.1}
        told = {name: f"{value:.4f}" for name, value in prices.items()}
        bars.append({"at": _format_seconds(at_s), **told, "slot": at_s})
    body = {"pair": request.query["pair"], "step": step_s, "to": _format_seconds(_now_s())}
    return web.json_response({**body, "bars": bars})


async def _get_fills(request: web.Request) -> web.Response:
    now_s, limit = _now_s(), min(int(request.query.get("limit", 100)), _FILLS_MAX)
    fills = [
        {
            "orderId": f"{number}",
            "pair": "SOL/USDC",
            "side": "buy" if number % 2 else "sell",
            "dex": "meteora",
            "price": f"{100 + number % 9 / 10}",
            "amountIn": "2",
            "amountOut": "2",
            "slippageBps": "1",
            "at": _format_seconds(now_s - number),
            "sinceAcceptedMs": 300 + number * 7,
            "sinceSubmittedMs": 200 + number * 3,
        }
        for number in range(limit)
    ]
    return web.json_response({"fills": fills, "next": None})


async def _post_quotes(_: web.Request) -> web.Response:
    quotes = [
        {
            "dex": ("meteora", "raydium")[number % 2],
            "program": "clmm",
            "pool": f"{number:044d}",
            "price": f"{100 + number / 10}",
            "fee": "0.002",
            "amountOut": f"{100 + number / 10}",
            "priceImpact": "0.0001",
        }
        for number in range(15)
    ]
    return web.json_response({"dex": "meteora", "quotes": quotes, "minAmountOut": "1"})


async def _get_report(_: web.Request) -> web.Response:
    row = {
        "key": "SOL/USDC",
        "orders": {"confirmed": 900, "failed": 9},
        "fills": 900,
        "reasons": {"slippage": 9},
        "failureReasons": {"slippage": 9},
        "volume": "90000",
        "savedValue": "12",
        "slippageBps": 2,
        "realized": "4",
        "networkFeeLamports": 5_000,
    }
    return web.json_response({"reference": "USDC", "rows": [row] * 12, "total": row})
