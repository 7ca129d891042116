"""Hand-made messages of orders that wait for a price, one of each type."""

from __future__ import annotations

from typing import Any, Final

from tests.tui.wire import (
    START_MS,
    connection_messages,
    order_event,
    order_events,
    timestamp,
)
from tui.connection.recording import RecordedMessage
from tui.model.messages import Events, Page

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
