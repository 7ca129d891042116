"""Asks the engine for prices each second, and for quotes and fills each two, of the market shown.

Nothing is asked while another view is looked at.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from tui.connection.client import ApiClient, RequestRefused
from tui.model.desk.market import BARS_MAX
from tui.model.messages import MarketNow, Prices
from tui.model.wire import WireOrderTerms, WireRoute
from tui.polls.polling import poll_while_live, tell_problem
from tui.session import Session
from tui.text.format import SECOND_MS
from tui.text.views import MARKETS

_PRICES_INTERVAL_S: Final = 1
_QUOTES_INTERVAL_S: Final = 2
_FILLS_MAX: Final = 200
_BARS_AT_FIRST: Final = 600
"""As many as the widest chart has room for."""


async def follow_prices(session: Session, client: ApiClient) -> None:
    """Keep the bars of the chosen pair up to date: only new ones are asked for."""

    async def poll() -> None:
        choice, market = session.market, session.model.desk.market
        pair, step_s = choice.pair, choice.step_s
        if session.shown_view != MARKETS or pair is None:
            return
        start_ms = session.server_now_ms - _BARS_AT_FIRST * step_s * SECOND_MS
        is_known = (market.pair, market.step_s) == (pair.name, step_s)
        newest_ms = market.newest_ms if is_known else None
        if newest_ms is not None and session.server_now_ms - newest_ms < BARS_MAX * step_s * 900:
            start_ms = newest_ms
        try:
            prices = await client.fetch_prices(pair.name, step_s, start_ms)
        except RequestRefused as refusal:
            tell_problem(session, MARKETS, refusal)
            raise
        session.handle_message(Prices(prices), session.source.now_ms())

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
