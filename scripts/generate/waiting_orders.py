"""Orders that wait, for the pictures of the dashboard: a bracket, a TWAP, a limit, a sniper."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from tui.connection.recording import RecordedMessage
from tui.model.messages import Events, Waiting

_GROUP: Final = "0b5e1f2a-0000-4000-8000-5d1e8a7c3b90"
_CONFIRMED: Final = ("pending", "routing", "building", "submitted", "confirmed")
_WAITING: Final = ("pending", "waiting")
_SELL: Final = {"tokenIn": "SOL", "tokenOut": "USDC", "slippageBps": 50, "priceOf": "tokenIn"}
_BUY: Final = {"tokenIn": "USDC", "tokenOut": "SOL", "slippageBps": 50, "priceOf": "tokenOut"}
_QUOTES: Final = [
    {"dex": "raydium", "price": "0.0100201", "fee": "0.0025", "amountOut": "25.0502"},
    {"dex": "meteora", "price": "0.0100417", "fee": "0.002", "amountOut": "25.1042"},
]
_OUTCOME: Final[dict[str, dict[str, Any]]] = {
    "building": {
        "dex": "meteora",
        "quotes": [{**quote, "priceImpact": "0.0001"} for quote in _QUOTES],
        "minAmountOut": "24.9787",
    },
    "submitted": {"txHash": "4QH7cbPMZ2nJtSxq1vLwzYf8dGkRu3AeN5oWm9BTyVXs"},
    "confirmed": {"dex": "meteora", "amountOut": "25.1042", "executedPrice": "0.0100417"},
}
_ORDERS: Final[tuple[tuple[str, int, tuple[str, ...], dict[str, Any]], ...]] = (
    ("sniper", 96_000, _WAITING, {**_BUY, "type": "sniper", "amountIn": "50", "looks": 2,
     "tokenOut": "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU", "maxFeeBps": 100,
     "mintAuthorityRevoked": True, "freezeAuthorityNone": True}),
    ("twap", 84_000, _WAITING, {**_SELL, "type": "twap", "amountIn": "40", "slices": 20,
     "intervalS": 15, "jitterBps": 1_000, "limitPrice": "98"}),
    ("limit", 41_000, _WAITING, {**_BUY, "type": "limit", "amountIn": "1000",
     "limitPrice": "97.5"}),
    ("entry", 9_400, _CONFIRMED, {**_BUY, "type": "market", "amountIn": "2500"}),
    ("profit", 9_000, _WAITING, {**_SELL, "type": "takeProfit", "amountIn": "25.1042",
     "triggerPrice": "104.5", "then": "limit", "confirmations": 2}),
    ("stop", 9_000, _WAITING, {**_SELL, "type": "trailingStop", "amountIn": "25.1042",
     "trailBps": 300, "slippageBps": 300, "confirmations": 2}),
)  # fmt: skip
"""The name of each order, how long ago it was placed, its steps and its terms."""
_DISTANCES: Final[dict[str, dict[str, Any]]] = {
    "limit": {"executablePrice": "99.84", "distanceBps": 234, "bestPrice": "99.02"},
    "profit": {"executablePrice": "99.41", "distanceBps": 512, "bestPrice": "100.2"},
    "stop": {"executablePrice": "99.41", "distanceBps": 221, "highestPrice": "100.2"},
    "twap": {"slicesPlaced": 6, "filledAmountIn": "12", "leavesAmountIn": "28",
             "amountOut": "1194.6", "averagePrice": "99.55"},
}  # fmt: skip


def build_waiting_messages(at_ms: int, newest_id: str) -> list[RecordedMessage]:
    """The messages of these orders at a moment, listed above the order with the newest id."""
    names = [name for name, *_ in _ORDERS]
    ids = {name: _name_order(newest_id, number, name) for number, name in enumerate(names)}
    family = {"parentId": ids["entry"], "ocoGroup": _GROUP}
    events: list[Any] = [
        {
            "orderId": ids[name],
            "seq": seq,
            "status": status,
            "at": _format_time(at_ms - ago_ms + 130 * seq),
            "attempt": 1,
            **_OUTCOME.get(status, {}),
            **(terms if seq == 1 else {}),
            **(family if name in ("profit", "stop") else {}),
        }
        for name, ago_ms, steps, terms in _ORDERS
        for seq, status in enumerate(steps, start=1)
    ]
    told: list[Any] = [
        {"orderId": ids[name], "nextSliceAt": _format_time(at_ms + 6_000), **distance}
        for name, distance in _DISTANCES.items()
    ]
    return [RecordedMessage(at_ms, Events(events)), RecordedMessage(at_ms, Waiting(told))]


def _name_order(newest_id: str, number: int, name: str) -> str:
    """An id that sorts behind another one."""
    return f"{newest_id[:13]}-7fff-bff{number}-{sha256(name.encode()).hexdigest()[:12]}"


def _format_time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC).isoformat(timespec="milliseconds")
