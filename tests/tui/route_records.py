"""Routes as the API tells them: of one leg, split over pools, and through other tokens."""

from __future__ import annotations

from typing import Any, Final

from tests.tui.wire import START_MS, connection_messages, order_event, order_events
from tui.connection.recording import RecordedMessage
from tui.model.messages import Events, Page
from tui.model.wire import WireEvent

Record = dict[str, Any]

CLMM: Final = "7XawhbbxtsRcQA8KTkHT9f9nc6d69UwqCDh6U5EEbEmX"
DLMM: Final = "5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6H"
CPMM: Final = "3nMFwZXwY1s1M5s8vYAHqd4wGs4iSxXE4LRoUMMYqEgF"
AMM_V4: Final = "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2"
DAMM_V2: Final = "8Pm2kZpnxD3hoMmt4bjStX2Pw2Z9abpbHzZxMPqxPmie"
REFUSAL: Final = {
    "code": "price_impact_too_high",
    "reason": "the price impact, 5.2 % on raydium, is above the cap of 5 %",
}


def build_quote(
    dex: str, program: str, pool: str, amount_out: str, *, fee: str, impact: str, **more: Any
) -> Record:
    return {
        "dex": dex,
        "program": program,
        "pool": pool,
        "price": amount_out,
        "fee": fee,
        "amountOut": amount_out,
        "priceImpact": impact,
        **more,
    }


def build_leg(
    quote: Record, tokens: tuple[str, str], amounts: tuple[str, str], share: str
) -> Record:
    return {
        **{name: quote[name] for name in ("dex", "program", "pool", "fee", "priceImpact")},
        "tokenIn": tokens[0],
        "tokenOut": tokens[1],
        "amountIn": amounts[0],
        "amountOut": amounts[1],
        "share": share,
        "minAmountOut": amounts[1],
    }


QUOTES: Final = [
    build_quote("raydium", "clmm", CLMM, "1418.062", fee="0.0004", impact="0.0031"),
    build_quote("meteora", "dlmm", DLMM, "1419.56", fee="0.001", impact="0.0012"),
    build_quote("meteora", "damm_v2", DAMM_V2, "1402.000001", fee="0.0025", impact="0.0104"),
    build_quote("raydium", "cpmm", CPMM, "1398.4", fee="0.0025", impact="0.0123"),
    build_quote(
        "raydium", "amm_v4", AMM_V4, "1349.2", fee="0.0025", impact="0.052", refused=REFUSAL
    ),
]
SOL_USDC: Final = ("SOL", "USDC")
SINGLE: Final[Record] = {
    **{name: QUOTES[1][name] for name in ("dex", "program", "pool", "priceImpact")},
    "expectedAmountOut": QUOTES[1]["amountOut"],
    "legs": [build_leg(QUOTES[1], SOL_USDC, ("10", "1419.56"), "1")],
    "quotes": QUOTES,
    "minAmountOut": "1412.4622",
    "venueFees": [{"token": "SOL", "amount": "0.01"}],
}
"""All in the pool that pays most alone."""
LONE: Final[Record] = {
    name: SINGLE[name] for name in ("dex", "program", "pool", "quotes", "minAmountOut", "venueFees")
}
"""The same without legs: the quote of its pool says all of one."""
SPLIT: Final[Record] = {
    **SINGLE,
    **{name: QUOTES[0][name] for name in ("dex", "program", "pool")},
    "legs": [
        build_leg(QUOTES[0], SOL_USDC, ("6.2", "880.412345"), "0.62"),
        build_leg(QUOTES[1], SOL_USDC, ("3.8", "539.587722"), "0.38"),
    ],
    "expectedAmountOut": "1420.000067",
    "priceImpact": "0.0009",
    "improvementBps": "3.1",
    "leftOut": 3,
    "unavailable": [
        {
            "dex": "meteora",
            "program": "dlmm",
            "pool": "HTvjzsfX3yU6BUodCjZ5vZkUrAxMDTrBs3CJaq43ashR",
            "code": "venue_timeout",
            "reason": "the pool was not read in time",
        }
    ],
}
"""Over two pools."""
HOPS: Final[Record] = {
    **SPLIT,
    "legs": [
        build_leg(QUOTES[0], SOL_USDC, ("7", "994.21"), "0.7"),
        build_leg(QUOTES[1], ("USDC", "JUP"), ("991.5", "1801.204"), "0.7"),
        build_leg(QUOTES[3], ("SOL", "JUP"), ("3", "771.9"), "0.3"),
    ],
    "expectedAmountOut": "2573.104",
    "improvementBps": "41.25",
    "quotes": [build_quote("raydium", "cpmm", CPMM, "2562.53", fee="0.0025", impact="0.0151")],
    "minAmountOut": "2560",
}
"""Through USDC, and directly."""
TERMS: Final[Record] = {"amountIn": "10", "tokenIn": "SOL", "tokenOut": "USDC"}


def routed_events(number: int, route: Record, **terms: Any) -> list[WireEvent]:
    """The events of an order that took a route."""
    start_ms = 1_000 * number
    events = order_events(number, ("pending", "routing"), start_ms=start_ms, **TERMS | terms)
    amount_out = route.get("expectedAmountOut", "100.9")
    received = {"amountOut": amount_out, "executedPrice": "142", "dex": route["dex"]}
    return [
        *events,
        order_event(number, 3, "building", start_ms + 300, **route),
        order_event(number, 4, "submitted", start_ms + 400),
        order_event(number, 5, "confirmed", start_ms + 900, **received),
    ]


def routed_order(number: int, route: Record, **terms: Any) -> Record:
    """The stored order that these events result in."""
    events = routed_events(number, route, **terms)
    first, last = events[0], events[-1]
    return {
        "batchId": None,
        "clientOrderId": None,
        "minAmountOut": None,
        **first,
        **{name: last.get(name) for name in ("seq", "status", "amountOut", "executedPrice")},
        "attempts": 1,
        "dex": route["dex"],
        "route": route,
        "txHash": "signature",
        "lastError": None,
        "createdAt": first["at"],
        "updatedAt": last["at"],
    }


def route_messages() -> list[RecordedMessage]:
    """The messages of a connection with an order for each route, and one of an older engine."""
    events = [
        *order_events(1),
        *routed_events(2, SINGLE),
        *routed_events(3, HOPS, tokenOut="JUP"),
        *routed_events(4, SPLIT),
    ]
    return [
        *connection_messages(),
        RecordedMessage(START_MS, Page([], is_last=True, is_all=True)),
        RecordedMessage(START_MS + 9_000, Events(events)),
    ]
