"""Hand-made messages of orders that wait for a price, one of each type."""

from __future__ import annotations

from typing import Any, Final

from tests.tui.wire import (
    START_MS,
    connection_messages,
    order_event,
    order_events,
    order_id,
    timestamp,
)
from tui.connection.recording import RecordedMessage
from tui.model.messages import Events, Page, Waiting
from tui.model.wire import WireWaiting

_HOUR_MS: Final = 3_600_000
BUY: Final[dict[str, Any]] = {
    "tokenIn": "USDC",
    "tokenOut": "SOL",
    "amountIn": "500",
    "priceOf": "tokenOut",
}
CONDITIONS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "limit", "limitPrice": "152.3", "priceOf": "tokenIn"},
    {"type": "limit", "limitPrice": "95"} | BUY,
    {"type": "stop", "triggerPrice": "140.25", "priceOf": "tokenIn"},
    {
        "type": "takeProfit",
        "triggerPrice": "160",
        "priceOf": "tokenIn",
        "then": "limit",
        "timeInForce": "gtd",
        "expiresAt": timestamp(2 * _HOUR_MS),
    },
    {
        "type": "stopLimit",
        "triggerPrice": "140",
        "limitPrice": "139.5",
        "priceOf": "tokenIn",
    },
    {"type": "trailingStop", "trailBps": 250, "slippageBps": 300},
    {
        "type": "trailingStop",
        "trailBps": 200,
        "activationPrice": "155",
        "priceOf": "tokenIn",
        "slippageBps": 300,
    },
)
PROFIT: Final[dict[str, Any]] = {
    "type": "takeProfit",
    "amountIn": "3.28",
    "triggerPrice": "160",
    "priceOf": "tokenIn",
    "then": "limit",
}
TRAIL: Final[dict[str, Any]] = {"type": "trailingStop", "amountIn": "3.28", "trailBps": 300}
TWAP: Final[dict[str, Any]] = {"type": "twap", "amountIn": "10"}
LIMIT: Final[dict[str, Any]] = BUY | {
    "type": "limit",
    "limitPrice": "0.0066",
    "priceOf": "tokenIn",
}
SNIPER: Final[dict[str, Any]] = {
    "type": "sniper",
    "tokenIn": "USDC",
    "tokenOut": "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin",
    "amountIn": "50",
    "minLiquidity": "10000",
    "mintAuthorityRevoked": True,
    "freezeAuthorityNone": True,
    "maxFeeBps": 100,
    "looks": 2,
}


def waiting_messages() -> list[RecordedMessage]:
    """The messages of a connection on which orders of all types wait, and one was executed."""
    events = [
        event
        for number, terms in enumerate(CONDITIONS, start=1)
        for event in order_events(number, ("pending", "waiting"), start_ms=1_000 * number, **terms)
    ]
    met: dict[str, Any] = {
        "executablePrice": "152.31",
        "triggerPrice": "152.3",
        "priceOf": "tokenIn",
        "slot": 123_456,
        "dex": "raydium",
    }
    events.append(order_event(1, 3, "routing", 60_000, **met))
    rest = ("building", "submitted", "confirmed")
    events += [
        order_event(1, seq, status, 60_000 + 100 * seq) for seq, status in enumerate(rest, start=4)
    ]
    return [
        *connection_messages(),
        RecordedMessage(START_MS, Page([], is_last=True, is_all=True)),
        RecordedMessage(START_MS + 61_000, Events(events)),
    ]


def _list_distances() -> list[WireWaiting]:
    """What the engine says of those that wait."""
    return [
        {"orderId": order_id(2), "executablePrice": "152.31", "distanceBps": 505},
        {
            "orderId": order_id(3),
            "executablePrice": "152.31",
            "distanceBps": 201,
            "highestPrice": "153.9",
        },
        {
            "orderId": order_id(4),
            "slicesPlaced": 3,
            "filledAmountIn": "3",
            "leavesAmountIn": "7",
            "amountOut": "457.2",
            "averagePrice": "152.4",
            "nextSliceAt": timestamp(75_000),
        },
        {
            "orderId": order_id(6),
            "executablePrice": "0.00656",
            "distanceBps": 58,
            "bestPrice": "0.00659",
        },
    ]


def group_messages() -> list[RecordedMessage]:
    """The messages of a connection on which orders wait that belong to others, with distances."""
    group, twap = "0b5e0000-0000-4000-8000-00000000000f", {"slices": 10, "intervalS": 30}
    entry = {"takeProfit": {"triggerPrice": "160"}, "stop": {"trailBps": 300}}
    confirmed = ("pending", "routing", "building", "submitted", "confirmed")
    orders: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
        (confirmed, BUY | {"type": "market", "priceOf": None, "bracket": entry}),
        (("pending", "waiting"), PROFIT | {"parentId": order_id(1), "ocoGroup": group}),
        (("pending", "waiting"), TRAIL | {"parentId": order_id(1), "ocoGroup": group}),
        (("pending", "waiting"), TWAP | twap | {"jitterBps": 1_000}),
        (confirmed, {"parentId": order_id(4), "clientOrderId": "twap:4:1"}),
        (("pending", "waiting"), LIMIT | {"bracket": {"stop": {"triggerPrice": "0.0069"}}}),
        (("pending", "waiting"), SNIPER),
    )
    events = [
        event
        for number, (statuses, terms) in enumerate(orders, start=1)
        for event in order_events(number, statuses, start_ms=1_000 * number, **terms)
    ]
    return [
        *connection_messages(),
        RecordedMessage(START_MS, Page([], is_last=True, is_all=True)),
        RecordedMessage(START_MS + 61_000, Events(events)),
        RecordedMessage(START_MS + 61_000, Waiting(_list_distances())),
    ]
