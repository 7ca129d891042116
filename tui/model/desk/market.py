"""A market: the bars, fills and pools of a pair, and which pair and step are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from tui.model.desk.wire import WireBar, WireFill
from tui.model.pairs import PairTokens
from tui.model.wire import WireRoute
from tui.text.format import SECOND_MS, parse_timestamp_ms

STEPS_S: Final = (1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400)
"""The lengths of bars that the engine has."""
BARS_MAX: Final = 6_000
"""So many bars are kept: the newest, or those that were read last."""
BARS_SHOWN_MAX: Final = 600
"""As many as the widest chart has room for."""
PAN_BARS: Final = 40
BPS: Final = 10_000


class Bar(NamedTuple):
    """The prices of one step of time."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    @classmethod
    def read(cls, told: WireBar) -> Bar:
        """Read a bar of the API."""
        return cls(*(Decimal(told[name]) for name in ("open", "high", "low", "close")))


class Fill(NamedTuple):
    """A fill on the chart: when, on which side, how much of the base token, and at which price."""

    at_ms: int
    side: str
    amount: Decimal
    price: Decimal

    @classmethod
    def read(cls, told: WireFill) -> Fill:
        """Read a fill of the API."""
        amount = told["amountIn"] if told["side"] == "sell" else told["amountOut"]
        return cls(
            parse_timestamp_ms(told["at"]), told["side"], Decimal(amount), Decimal(told["price"])
        )


class PoolPrices(NamedTuple):
    """What a pool pays for the base token and what it takes, after fees; in quote tokens."""

    dex: str
    program: str
    pool: str
    bid: Decimal | None
    ask: Decimal | None

    @property
    def spread_bps(self) -> Decimal | None:
        """By how much it takes more than it pays."""
        return _compute_spread(self.bid, self.ask)


def read_pools(buy: WireRoute, sell: WireRoute | None, amount: Decimal) -> list[PoolPrices]:
    """The prices of all pools, by the quotes of both directions; ``amount`` went into ``buy``."""
    pools: dict[tuple[str, str, str], PoolPrices] = {}
    for quote in buy["quotes"]:
        key = quote["dex"], quote.get("program", ""), quote.get("pool", "")
        received = Decimal(quote["amountOut"])
        pools[key] = PoolPrices(*key, None, amount / received if received else None)
    for quote in () if sell is None else sell["quotes"]:
        key = quote["dex"], quote.get("program", ""), quote.get("pool", "")
        known = pools.get(key) or PoolPrices(*key, None, None)
        pools[key] = known._replace(bid=Decimal(quote["price"]))
    return sorted(pools.values(), key=lambda each: each.bid or Decimal(0), reverse=True)


class BestPrices(NamedTuple):
    """The best prices of all pools, and the best bid of each exchange, the better one first."""

    bid: Decimal | None
    ask: Decimal | None
    by_dex: Sequence[tuple[str, Decimal]]

    @property
    def spread_bps(self) -> Decimal | None:
        """Between the best purchase and the best sale."""
        return _compute_spread(self.bid, self.ask)

    @property
    def venues_bps(self) -> Decimal | None:
        """By how much the best exchange pays more than the next one."""
        if len(self.by_dex) < 2 or not self.by_dex[1][1]:
            return None
        return (self.by_dex[0][1] / self.by_dex[1][1] - 1) * BPS


def find_best_prices(pools: Iterable[PoolPrices]) -> BestPrices:
    """Find the best prices of some pools."""
    told = list(pools)
    by_dex: dict[str, Decimal] = {}
    for pool in told:
        if pool.bid is not None:
            by_dex[pool.dex] = max(by_dex.get(pool.dex, Decimal(0)), pool.bid)
    return BestPrices(
        max((each.bid for each in told if each.bid is not None), default=None),
        min((each.ask for each in told if each.ask is not None), default=None),
        sorted(by_dex.items(), key=lambda each: each[1], reverse=True),
    )


def _compute_spread(bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    return None if not bid or ask is None else (ask / bid - 1) * BPS


@dataclass(slots=True)
class Market:
    """What is known of one pair in bars of one step; ``bars`` by the time at which each begins."""

    pair: str = ""
    step_s: int = 1
    bars: dict[int, Bar] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    pools: list[PoolPrices] = field(default_factory=list)
    quoted_at_ms: int = 0

    def add_bars(self, pair: str, step_s: int, told: Iterable[WireBar]) -> None:
        """Add bars, newer ones in place of what is known; those of another pair or step go.

        If there are too many, those go that are furthest from what was added.
        """
        if pair != self.pair:
            self.fills, self.pools, self.quoted_at_ms = [], [], 0
        if (pair, step_s) != (self.pair, self.step_s):
            self.pair, self.step_s, self.bars = pair, step_s, {}
        added = {parse_timestamp_ms(each["at"]): Bar.read(each) for each in told}
        is_earlier = min(added, default=0) < min(self.bars, default=0)
        self.bars |= added
        for at in sorted(self.bars, reverse=not is_earlier)[BARS_MAX:]:
            del self.bars[at]

    @property
    def newest_ms(self) -> int | None:
        """When the newest bar begins."""
        return max(self.bars, default=None)


@dataclass(slots=True)
class MarketChoice:
    """What the user looks at: a pair, a step, and an order of the pair.

    ``end_ms``: the time at which the chart ends; ``None`` while it follows the present.
    ``has_all_orders``: the chart has room for the prices of all open orders.
    """

    pair: PairTokens | None = None
    step_s: int = 1
    has_all_orders: bool = False
    order_id: str = ""
    end_ms: int | None = None

    def pan(self, step: int, now_ms: int) -> None:
        """Show earlier (-1) or later bars (1); at the present, follow it."""
        end_ms = (self.end_ms or now_ms) + step * PAN_BARS * self.step_s * SECOND_MS
        self.end_ms = None if end_ms >= now_ms else max(end_ms, 1)

    def zoom(self, step: int) -> None:
        """Take longer (1) or shorter bars (-1)."""
        number = STEPS_S.index(self.step_s) + step
        self.step_s = STEPS_S[max(min(number, len(STEPS_S) - 1), 0)]

    def step_pair(self, pairs: Mapping[PairTokens, int], step: int) -> None:
        """Take the next pair (1) or the one before (-1) of those that are known."""
        known = list(pairs)
        if known:
            number = known.index(self.pair) + step if self.pair in known else 0
            self.pair, self.order_id = known[number % len(known)], ""
