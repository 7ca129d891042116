"""The data of the views beside the orders; changed by messages like the rest of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tui.model.desk.limits import OwnLimits, describe_limits
from tui.model.desk.market import Fill, Market, read_pools
from tui.model.desk.quality import Quality, read_differences, read_fill_times
from tui.model.desk.wire import WirePositions, WireWallet
from tui.model.messages import Limits, MarketNow, Message, Positions, Prices, Report, ViewProblem
from tui.text.views import LIMITS, MARKETS, POSITIONS, QUALITY


class Desk:
    """What was read last for each view, and why the last attempt failed if it did."""

    def __init__(self) -> None:
        self.clear()
        self.handlers: Mapping[type[Message], Callable[[Any, int], None]] = {
            Positions: self._on_positions,
            Limits: self._on_limits,
            Prices: self._on_prices,
            MarketNow: self._on_market,
            Report: self._on_report,
            ViewProblem: self._on_problem,
        }

    def clear(self) -> None:
        """Forget everything: the journal is another one."""
        self.positions: WirePositions | None = None
        self.wallets: list[WireWallet] = []
        self.positions_at_ms = 0
        self.limits: OwnLimits | None = None
        self.market = Market()
        self.quality = Quality()
        self.problems: dict[str, str] = {}
        """Why a view is not up to date, by its name."""

    def _on_positions(self, message: Positions, at_ms: int) -> None:
        self.positions, self.wallets = message.positions, message.wallets
        self.positions_at_ms = at_ms
        self.problems.pop(POSITIONS, None)

    def _on_limits(self, message: Limits, _at_ms: int) -> None:
        self.limits = describe_limits(message.limits)
        self.problems.pop(LIMITS, None)

    def _on_prices(self, message: Prices, _at_ms: int) -> None:
        prices = message.prices
        self.market.add_bars(prices["pair"], prices["step"], prices["bars"])
        self.problems.pop(MARKETS, None)

    def _on_market(self, message: MarketNow, at_ms: int) -> None:
        market = self.market
        if message.pair != market.pair:
            return
        market.fills = [Fill.read(each) for each in message.fills if each["amountOut"] is not None]
        market.pools = []
        if message.buy is not None:
            market.pools = read_pools(message.buy, message.sell, Decimal(message.amount))
        market.quoted_at_ms = at_ms

    def _on_report(self, message: Report, at_ms: int) -> None:
        self.quality = Quality(
            message.period,
            message.group,
            message.report,
            read_fill_times(message.fills),
            read_differences(message.fills),
            at_ms,
        )
        self.problems.pop(QUALITY, None)

    def _on_problem(self, message: ViewProblem, _at_ms: int) -> None:
        self.problems[message.view] = message.text
