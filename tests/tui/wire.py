"""Frames made by hand, in the shapes of the API, for what no recording has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from tui.connection.recording import Recorded
from tui.model.messages import Connected, Connecting, WireEvent, WireOrder

BEGAN_MS = 1_795_000_000_000
ROUTE: dict[str, object] = {
    "dex": "meteora",
    "quotes": [
        {
            "dex": "raydium",
            "price": "100",
            "fee": "0.003",
            "amountOut": "100",
            "priceImpact": "0.0001",
        },
        {
            "dex": "meteora",
            "price": "101",
            "fee": "0.002",
            "amountOut": "101",
            "priceImpact": "0.0002",
        },
    ],
    "minAmountOut": "100.5",
}
FACTS: dict[str, dict[str, object]] = {
    "pending": {
        "type": "market",
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amountIn": "1",
        "slippageBps": 50,
    },
    "building": ROUTE,
    "submitted": {"txHash": "signature"},
    "confirmed": {
        "dex": "meteora",
        "txHash": "signature",
        "executedPrice": "100.9",
        "amountOut": "100.9",
        "slot": 7,
    },
    "failed": {"code": "no_pool", "reason": "no pool of these tokens"},
}
CONFIRMED = ("pending", "routing", "building", "submitted", "confirmed")


def order_id(number: int) -> str:
    return f"01a1ff18-0000-7000-8000-{number:012x}"


def at(ms: int) -> str:
    moment = datetime.fromtimestamp((BEGAN_MS + ms) / 1_000, tz=UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def event(number: int, seq: int, status: str, ms: int, **facts: object) -> WireEvent:
    return cast(
        WireEvent,
        {
            "orderId": order_id(number),
            "seq": seq,
            "status": status,
            "at": at(ms),
            "attempt": 1,
            **FACTS.get(status, {}),
            **facts,
        },
    )


def life(
    number: int, statuses: Sequence[str] = CONFIRMED, *, start_ms: int = 0, **terms: Any
) -> list[WireEvent]:
    """The transitions of an order, a tenth of a second apart."""
    return [
        event(number, seq, status, start_ms + 100 * seq, **(terms if seq == 1 else {}))
        for seq, status in enumerate(statuses, start=1)
    ]


def stored(events: Sequence[WireEvent]) -> WireOrder:
    """The order as it is stored after these transitions."""
    facts: dict[str, Any] = {}
    for each in events:
        is_route = each["status"] == "building"
        facts |= {key: value for key, value in each.items() if not (is_route and key in ROUTE)}
    route = next((e for e in reversed(events) if e["status"] == "building"), None)
    shown = {key: facts.get(key) for key in _SHOWN}
    error = f"{facts['code']}: {facts['reason']}" if "code" in facts else None
    return cast(
        WireOrder,
        shown
        | {
            "attempts": facts["attempt"],
            "dex": facts.get("dex") or (route["dex"] if route else None),
            "route": None if route is None else {key: route.get(key) for key in ROUTE},
            "lastError": error,
            "nextAttemptAt": None,
            "createdAt": events[0]["at"],
            "updatedAt": events[-1]["at"],
        },
    )


_SHOWN = (
    "orderId",
    "clientOrderId",
    "batchId",
    "type",
    "tokenIn",
    "tokenOut",
    "amountIn",
    "minAmountOut",
    "slippageBps",
    "status",
    "seq",
    "txHash",
    "amountOut",
    "executedPrice",
)


def hello(ms: int = 0, *, is_fresh: bool = True, was_reset: bool = False) -> list[Recorded]:
    """A connection is made."""
    return [
        Recorded(BEGAN_MS + ms, Connecting("http://127.0.0.1:3000", 1)),
        Recorded(BEGAN_MS + ms, Connected("journal", "0", at(ms), is_fresh, was_reset)),
    ]
