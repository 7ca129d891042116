"""Hand-made messages in the format of the API, for cases that the recording does not contain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from tui.connection.recording import RecordedMessage
from tui.model.messages import Connected, Connecting
from tui.model.wire import WireEvent, WireOrder

START_MS = 1_795_000_000_000
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
STATUS_FIELDS: dict[str, dict[str, object]] = {
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


def timestamp(ms: int) -> str:
    time = datetime.fromtimestamp((START_MS + ms) / 1_000, tz=UTC)
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def order_event(number: int, seq: int, status: str, ms: int, **fields: object) -> WireEvent:
    return cast(
        WireEvent,
        {
            "orderId": order_id(number),
            "seq": seq,
            "status": status,
            "at": timestamp(ms),
            "attempt": 1,
            **STATUS_FIELDS.get(status, {}),
            **fields,
        },
    )


def order_events(
    number: int, statuses: Sequence[str] = CONFIRMED, *, start_ms: int = 0, **terms: Any
) -> list[WireEvent]:
    """Build the events of an order, a tenth of a second apart."""
    return [
        order_event(number, seq, status, start_ms + 100 * seq, **(terms if seq == 1 else {}))
        for seq, status in enumerate(statuses, start=1)
    ]


def stored_order(events: Sequence[WireEvent]) -> WireOrder:
    """Build the stored order that results from these events."""
    fields: dict[str, Any] = {}
    for event in events:
        is_route = event["status"] == "building"
        fields |= {key: value for key, value in event.items() if not (is_route and key in ROUTE)}
    route = next((e for e in reversed(events) if e["status"] == "building"), None)
    shown = {key: fields.get(key) for key in _STORED_FIELDS}
    error = f"{fields['code']}: {fields['reason']}" if "code" in fields else None
    return cast(
        WireOrder,
        shown
        | {
            "attempts": fields["attempt"],
            "dex": fields.get("dex") or (route["dex"] if route else None),
            "route": None if route is None else {key: route.get(key) for key in ROUTE},
            "lastError": error,
            "nextAttemptAt": None,
            "createdAt": events[0]["at"],
            "updatedAt": events[-1]["at"],
        },
    )


_STORED_FIELDS = (
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


def connection_messages(
    ms: int = 0, *, is_fresh: bool = True, was_reset: bool = False
) -> list[RecordedMessage]:
    """Build the messages of a new connection."""
    return [
        RecordedMessage(START_MS + ms, Connecting("http://127.0.0.1:3000", 1)),
        RecordedMessage(
            START_MS + ms, Connected("journal", "0", timestamp(ms), is_fresh, was_reset)
        ),
    ]
