"""Hand-made messages of the views beside the orders: positions, prices, quotes and reports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.tui.waiting import waiting_messages
from tests.tui.wire import timestamp
from tui.connection.recording import RecordedMessage
from tui.model.desk.wire import WireBar, WireFill, WireHolding, WirePosition
from tui.model.messages import MarketNow, Positions, Prices, Report

BARS = 90
MISSING_BARS = range(40, 50)
"""Seconds in which nothing was read."""


def holding(token: str, held: str, reserved: str = "0") -> WireHolding:
    free = Decimal(held) - Decimal(reserved)
    return {"token": token, "held": held, "reserved": reserved, "free": f"{free:f}"}


def position(token: str, amount: str, **told: Any) -> WirePosition:
    empty: dict[str, Any] = {
        "fills": 1,
        "unvaluedFills": 0,
        "cost": "0",
        "averageCost": None,
        "realized": "0",
        "value": None,
        "unrealized": None,
        "price": None,
        "priceAgeMs": None,
    }
    return {"token": token, "amount": amount, **(empty | told)}  # type: ignore[typeddict-item]


def positions_message(sol: str = "12.5", reserved: str = "2") -> Positions:
    """Positions of three tokens, one of them without a price."""
    told = [
        position(
            "SOL",
            "-4.86499342",
            fills=4,
            cost="-488.497343",
            averageCost="100.410689352",
            realized="16.020237",
            value="-501.2",
            unrealized="-12.702657",
            price="103.02",
            priceAgeMs=400,
        ),
        position("BONK", "1000000", cost="19.9", averageCost="0.0000199"),
        position("USDC", "524.426259", fills=5, cost="524.426259", averageCost="1", value="524.4"),
    ]
    wallet: dict[str, Any] = {
        "wallet": "6wj1kR3CiyMBHEe3X7hKytbfJ9ibDqThLtixctcTSbMN",
        "slot": 7,
        "balances": [
            holding("USDC", "1000524.426259"),
            holding("SOL", sol, reserved),
            holding("BONK", "1000000"),
        ],
    }
    return Positions(
        {
            "reference": "USDC",
            "positions": told,
            "realized": "16.020237",
            "networkFeeLamports": 25_582,
        },
        [wallet],  # type: ignore[list-item]
    )


def bars(first_s: int = 0) -> list[WireBar]:
    """Bars of a second each, that rise and fall, but for ``MISSING_BARS``."""
    told: list[WireBar] = []
    for second in range(BARS):
        if second not in MISSING_BARS:
            price = 145 + abs(second % 40 - 20) / 10
            told.append(
                {
                    "at": timestamp((first_s + second) * 1_000),
                    "open": f"{price}",
                    "high": f"{price + 0.2:.4f}",
                    "low": f"{price - 0.1:.4f}",
                    "close": f"{price}",
                    "slot": 1_000 + second,
                }
            )
    return told


def fill(second: int, side: str, amount: str, price: str, **told: Any) -> WireFill:
    base, quote = amount, f"{Decimal(amount) * Decimal(price):f}"
    amount_in, amount_out = (base, quote) if side == "sell" else (quote, base)
    known: dict[str, Any] = {
        "orderId": f"fill-{second}",
        "pair": "SOL/USDC",
        "side": side,
        "dex": "meteora",
        "price": price,
        "amountIn": amount_in,
        "amountOut": amount_out,
        "slippageBps": "1",
        "sinceAcceptedMs": 800,
        "sinceSubmittedMs": 400,
        "at": timestamp(second * 1_000),
    }
    return known | told  # type: ignore[return-value]


def route(*quotes: tuple[str, str, str, str]) -> Any:
    """A route with quotes: exchange, program, price, amount out."""
    return {
        "dex": quotes[0][0],
        "quotes": [
            {
                "dex": dex,
                "program": program,
                "pool": f"{program}pool",
                "price": price,
                "fee": "0.002",
                "amountOut": amount_out,
                "priceImpact": "0",
            }
            for dex, program, price, amount_out in quotes
        ],
        "minAmountOut": "0",
    }


def market_messages() -> list[RecordedMessage]:
    """Orders that wait, ninety seconds of prices, two fills, and three pools."""
    messages = waiting_messages()
    at_ms = messages[-1].at_ms
    pools = (("meteora", "dlmm"), ("raydium", "clmm"), ("raydium", "cpmm"))
    buy = route(*((*pool, "0.0068", out) for pool, out in zip(pools, _BOUGHT, strict=True)))
    sell = route(*((*pool, price, "99") for pool, price in zip(pools, _BIDS, strict=True)))
    fills = [fill(70, "sell", "1", "146.2"), fill(20, "buy", "12", "145.4")]
    told = Prices({"pair": "SOL/USDC", "step": 1, "to": timestamp(BARS * 1_000), "bars": bars()})
    later_ms = max(at_ms, messages[0].at_ms + BARS * 1_000)
    return [
        *messages,
        RecordedMessage(later_ms, told),
        RecordedMessage(later_ms, MarketNow("SOL/USDC", fills, "100", buy, sell)),
        RecordedMessage(later_ms, positions_message()),
    ]


_BOUGHT = ("0.6841", "0.6832", "0.6820")
_BIDS = ("145.9", "145.7", "145.1")


def report_row(key: str | None, fills: int, failed: int = 0, **told: Any) -> Any:
    return {
        "key": key,
        "orders": {"confirmed": fills, "failed": failed},
        "reasons": {"min_out_not_met": failed, "cancelled_by_request": 7} if failed else {},
        "failureReasons": {"min_out_not_met": failed} if failed else {},
        "fills": fills,
        "volume": f"{fills * 100}.5",
        "savedValue": f"{fills}.25",
        "slippageBps": 3,
        "realized": "-1.5",
        "networkFeeLamports": 5_000,
    } | told


def report_message(period: str = "1 h", group: str = "pair") -> Report:
    """A report of 40 orders, and the times of 30 fills."""
    fills = [
        fill(second, "buy", "1", "145", sinceAcceptedMs=20 * 2**second, sinceSubmittedMs=15)
        for second in range(10)
    ]
    report: Any = {
        "reference": "USDC",
        "rows": [report_row("SOL/USDC", 34, 4), report_row("JUP/USDC", 2, slippageBps=None)],
        "total": report_row("all", 36, 4),
    }
    return Report(period, group, report, fills * 3)


def quality_messages() -> list[RecordedMessage]:
    messages = market_messages()
    return [*messages, RecordedMessage(messages[-1].at_ms, report_message())]
