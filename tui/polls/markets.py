"""Asks the engine for prices each second, and for quotes and fills each two, of the market shown.

Nothing is asked while another view is looked at.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, NamedTuple

from tui.connection.client import ApiClient, RequestRefused
from tui.model.desk.market import BARS_MAX, BARS_SHOWN_MAX
from tui.model.messages import MarketNow, Prices
from tui.model.wire import WireOrderTerms, WireRoute
from tui.polls.polling import poll_while_live, tell_problem
from tui.session import Session
from tui.text.format import SECOND_MS
from tui.text.views import MARKETS

_PRICES_INTERVAL_S: Final = 1
_QUOTES_INTERVAL_S: Final = 2
_FILLS_MAX: Final = 200
BARS_AT_ONCE: Final = 1_500
"""Fewer than the engine tells in one answer."""


class LoadedBars(NamedTuple):
    """The time of which all bars of a pair and a step were read, and are kept."""

    pair: str = ""
    step_s: int = 1
    from_ms: int = 0
    to_ms: int = 0

    def find_missing(self, end_ms: int, now_ms: int) -> tuple[int, int] | None:
        """What to read next for a chart that ends at ``end_ms``; ``None``: nothing is missing.

        The newest bars are read as well, as long as all until then can be kept.
        """
        start_ms, length_ms = end_ms - self._measure(BARS_SHOWN_MAX), self._measure(BARS_AT_ONCE)
        if start_ms > self.to_ms or end_ms < self.from_ms:
            return start_ms, end_ms
        if start_ms < self.from_ms:
            return max(start_ms, self.from_ms - length_ms), self.from_ms
        last_ms = now_ms if now_ms - start_ms <= self._measure(BARS_MAX) else end_ms
        return (self.to_ms, min(last_ms, self.to_ms + length_ms)) if self.to_ms < last_ms else None

    def add(self, start_ms: int, end_ms: int) -> LoadedBars:
        """What is loaded once that time was read too."""
        if start_ms > self.to_ms or end_ms < self.from_ms:
            return self._replace(from_ms=start_ms, to_ms=end_ms)
        most_ms = self._measure(BARS_MAX)
        if start_ms < self.from_ms:
            return self._replace(from_ms=start_ms, to_ms=min(self.to_ms, start_ms + most_ms))
        return self._replace(from_ms=max(self.from_ms, end_ms - most_ms), to_ms=end_ms)

    def _measure(self, bars: int) -> int:
        return bars * self.step_s * SECOND_MS


async def follow_prices(session: Session, client: ApiClient) -> None:
    """Keep the bars of the chosen pair up to date: only new ones are asked for."""

    loaded = LoadedBars()

    async def poll() -> None:
        nonlocal loaded
        choice, market = session.market, session.model.desk.market
        pair, step_s, now_ms = choice.pair, choice.step_s, session.server_now_ms
        if session.shown_view != MARKETS or pair is None:
            return
        if not loaded[:2] == (market.pair, market.step_s) == (pair.name, step_s):
            loaded = LoadedBars(pair.name, step_s)
        missing = loaded.find_missing(choice.end_ms or now_ms, now_ms)
        if missing is None:
            return
        start_ms, end_ms = missing
        is_newest = end_ms >= now_ms
        try:
            prices = await client.fetch_prices(
                pair.name, step_s, start_ms, None if is_newest else end_ms
            )
        except RequestRefused as refusal:
            tell_problem(session, MARKETS, refusal)
            raise
        session.handle_message(Prices(prices), session.source.now_ms())
        if is_newest:  # the last bar goes on: it is read again
            end_ms = max(min(end_ms, market.newest_ms or end_ms), start_ms)
        loaded = loaded.add(start_ms, end_ms)

    await poll_while_live(session, poll, interval_s=_PRICES_INTERVAL_S)


async def follow_quotes(session: Session, client: ApiClient) -> None:
    """Keep the quotes of all pools, and the latest fills, of the chosen pair up to date."""

    async def poll() -> None:
        pair = session.market.pair
        if session.shown_view != MARKETS or pair is None:
            return
        query = {"pair": pair.name, "limit": str(_FILLS_MAX)}
        fills = await client.fetch_fills(query)
        amount = pair.probe_amount
        buy = await _fetch_route(client, pair.quote, pair.base, amount)
        bought = None if buy is None else buy["quotes"][0]["amountOut"]
        sell = await _fetch_route(client, pair.base, pair.quote, bought) if bought else None
        told = MarketNow(pair.name, fills, amount, buy, sell)
        session.handle_message(told, session.source.now_ms())

    await poll_while_live(session, poll, interval_s=_QUOTES_INTERVAL_S)


async def _fetch_route(
    client: ApiClient, token_in: str, token_out: str, amount: str
) -> WireRoute | None:
    """The quotes of all pools; ``None`` if no pool has one."""
    with suppress(RequestRefused):
        return await client.fetch_route(
            WireOrderTerms(tokenIn=token_in, tokenOut=token_out, amount=amount)
        )
    return None
