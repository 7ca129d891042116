"""The smoke test: sends 20 mixed orders to a running engine, like any client.

It uses only the public API, and shows for each order how it ended and whether that was expected.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp
from rich.console import Console
from rich.table import Table

ORDER_TIMEOUT_S: Final = 60.0
"""Timeout of one order."""

_PAIRS: Final = (
    ("SOL", "USDC", "10"),
    ("USDC", "SOL", "250.5"),
    ("JUP", "USDC", "850"),
    ("BONK", "SOL", "1200000"),
    ("RAY", "USDC", "75.25"),
    ("USDT", "USDC", "1000"),
    ("SOL", "JUP", "3.5"),
    ("USDC", "BONK", "40"),
    ("SOL", "RAY", "0.000001"),
)

_LIMITS: Final = {"slippageBps": 200, "minAmountOut": "0.00001"}
_CONDITIONS: Final = {
    ("SOL", "USDC"): {"type": "limit", "limitPrice": "20"},
    ("JUP", "USDC"): {"type": "stop", "triggerPrice": "100"},
    ("RAY", "USDC"): {"type": "takeProfit", "triggerPrice": "0.01"},
    ("USDT", "USDC"): {"type": "stopLimit", "triggerPrice": "2", "limitPrice": "0.5"},
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SmokeOrder:
    """An order and its expected end: ``confirmed``, or ``failed`` with ``code``."""

    body: Json
    status: str = "confirmed"
    code: str | None = None

    def is_satisfied_by(self, last_event: Json) -> bool:
        """Whether the order's last event is the expected end."""
        return last_event["status"] == self.status and last_event.get("code") == self.code


def build_orders() -> list[SmokeOrder]:
    """Build two orders for each pair, one of which waits or has limits, and two that fail.

    No venue can fill the latter. What waits is met by the first prices that are read.
    """
    orders = []
    for token_in, token_out, amount in _PAIRS:
        body = {"tokenIn": token_in, "tokenOut": token_out, "amount": amount}
        second = _CONDITIONS.get((token_in, token_out), _LIMITS)
        orders += [SmokeOrder(body), SmokeOrder({**body, **second})]
    for token_in, amount in (("SOL", "1"), ("RAY", "5")):
        body = {"tokenIn": token_in, "tokenOut": "USDC", "amount": amount}
        orders.append(SmokeOrder({**body, "minAmountOut": "1000000"}, "failed", "min_out_not_met"))
    return orders


async def run_smoke_test(url: str, key: str | None) -> bool:
    """Run the orders on the engine at ``url``, print them, and return whether all ended well."""
    orders = build_orders()
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(url, headers=headers) as session,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(_place_and_follow(session, order.body)) for order in orders]
    histories = [task.result() for task in tasks]
    checks = [
        order.is_satisfied_by(events[-1]) for order, events in zip(orders, histories, strict=True)
    ]
    _print_table(orders, histories, checks)
    return all(checks)


async def _place_and_follow(session: aiohttp.ClientSession, order: Json) -> list[Json]:
    """Post one order and follow it to its end; return its events."""
    try:
        async with asyncio.timeout(ORDER_TIMEOUT_S):
            async with session.post("/api/orders/execute", json=order) as response:
                body = await response.json(content_type=None)
                if response.status != 202:
                    return [{"status": "refused", "code": body["code"], "reason": body["detail"]}]
            async with session.ws_connect(body["ws_url"]) as socket:
                return [message.json() async for message in socket]
    except TimeoutError:
        return [{"status": "unfinished", "code": "timeout"}]


def _print_table(orders: list[SmokeOrder], histories: list[list[Json]], checks: list[bool]) -> None:
    table = Table(title=f"{sum(checks)} of {len(checks)} orders ended as they should")
    for column in ("order", "pair", "status", "DEX", "executed price", "latency", "signature", ""):
        table.add_column(
            column, justify="right" if column in {"executed price", "latency"} else "left"
        )
    for order, events, is_expected in zip(orders, histories, checks, strict=True):
        table.add_row(*_build_row(order, events), "ok" if is_expected else "NOT AS EXPECTED")
    console = Console()
    if not console.is_terminal:
        console.width = 210  # room for whole signatures in a log
    console.print(table)


def _build_row(order: SmokeOrder, events: list[Json]) -> list[str]:
    last = events[-1]
    merged = {key: value for event in events for key, value in event.items()}
    latency = ""
    if len(events) > 1:
        duration = datetime.fromisoformat(last["at"]) - datetime.fromisoformat(events[0]["at"])
        latency = f"{duration.total_seconds():.3f} s"
    status = last["status"] + (f" ({last['code']})" if last.get("code") else "")
    return [
        str(merged.get("orderId", ""))[-12:],
        f"{order.body['tokenIn']}/{order.body['tokenOut']} {order.body.get('type', '')}".rstrip(),
        status,
        str(merged.get("dex", "")),
        str(last.get("executedPrice", "")),
        latency,
        str(merged.get("txHash", "")),
    ]
