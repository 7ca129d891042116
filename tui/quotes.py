"""Quotes for orders that are being prepared: prices to size them, and a dry run of their routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Final

from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable
from tui.model.pairs import DOLLAR_TOKENS, resolve_pair, split_pair
from tui.model.plan.batch_plan import SHARE_SAMPLE, BatchPlan, sum_amounts_in
from tui.model.plan.sense import describe_senses, has_sense
from tui.model.plan.shares import is_share
from tui.model.routes.route import Route
from tui.model.wire import WireOrderTerms, WireRoute
from tui.session import Session
from tui.text.format import format_amount, format_price, format_share

_DRY_RUN_ORDERS_MAX: Final = 4
_OFFERS_MAX: Final = 3
_DOLLAR: Final = "USDC"
"""What values are given in."""


class QuoteService:
    """Requests quotes from the API and caches the prices they give."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._quoted_prices: dict[str, Decimal] = {}

    def find_price(self, name: str) -> Decimal | None:
        """The last known price of a pair, in quote tokens for one base token."""
        return self._session.find_last_price(name) or self._quoted_prices.get(name)

    async def load_prices(self, plan: BatchPlan) -> str:
        """Load the missing prices of a plan; returns the error, or an empty string on success."""
        client = self._session.client
        if client is None:
            return ""
        for name in plan.needed_prices:
            if self.find_price(name) is not None:
                continue
            base, quote = split_pair(name, "sell")
            sold, received = (quote, base) if plan.unit == "value" else (base, quote)
            terms = WireOrderTerms(tokenIn=sold, tokenOut=received, amount=f"{plan.high:f}")
            try:
                amount_out = _get_amount_out(await client.fetch_route(terms))
            except (RequestRefused, ServerUnreachable) as error:
                return f"no price of {name}: {error}"
            is_sale = sold == base
            price = amount_out / plan.high if is_sale else plan.high / (amount_out or 1)
            self._quoted_prices[name] = price
        return ""

    def find_value(self, orders: Iterable[WireOrderTerms]) -> Decimal | None:
        """What orders sell, in USDC, as far as prices are known; ``None`` if none is."""
        known = [
            total * price
            for token, total in sum_amounts_in(orders).items()
            if (price := self._find_dollar_price(token)) is not None
        ]
        return sum(known, Decimal(0)) if known else None

    async def load_dollar_prices(self, orders: Iterable[WireOrderTerms]) -> None:
        """Load the prices that ``find_value`` lacks; a token that has none stays without."""
        client = self._session.client
        if client is None:
            return
        largest: dict[str, Decimal] = {}
        for order in map(_take_part, orders):
            token = order["tokenIn"]
            largest[token] = max(largest.get(token, Decimal(0)), Decimal(order["amount"]))
        for token, amount in largest.items():
            if self._find_dollar_price(token) is None:
                await self._load_dollar_price(client, token, amount)

    def _find_dollar_price(self, token: str) -> Decimal | None:
        return Decimal(1) if token in DOLLAR_TOKENS else self.find_price(f"{token}/{_DOLLAR}")

    async def _load_dollar_price(self, client: ApiClient, token: str, amount: Decimal) -> None:
        terms = WireOrderTerms(tokenIn=token, tokenOut=_DOLLAR, amount=f"{amount:f}")
        with suppress(RequestRefused, ServerUnreachable):
            route = await client.fetch_route(terms)
            self._quoted_prices[f"{token}/{_DOLLAR}"] = _get_amount_out(route) / amount

    async def dry_run(self, orders: Iterable[WireOrderTerms]) -> AsyncIterator[str]:
        """Yield a line for the first order of each pair and side: its route at current prices."""
        client = self._session.client
        if client is None:
            yield "a recording is shown: nothing can be asked"
            return
        for order in _select_first_orders(orders):
            yield await _describe_quoted_order(client, order, self._session.symbols.arrow)

    async def compare_with_market(self, orders: Iterable[WireOrderTerms]) -> list[str]:
        """Say of the first order of each pair and side whether it would wait, at current prices.

        Orders that wait for nothing, and those that nobody quotes, are left out.
        """
        client, lines = self._session.client, []
        if client is None:
            return []
        firsts = [each for each in _select_first_orders(orders) if has_sense(each)]
        pairs = {resolve_pair(order["tokenIn"], order["tokenOut"]) for order in firsts}
        prices: dict[tuple[str, str, str], Decimal] = {}
        for order in firsts:
            quoted = _take_part(order)
            key = (quoted["tokenIn"], quoted["tokenOut"], quoted["amount"])
            with suppress(RequestRefused, ServerUnreachable):
                if key not in prices:
                    amount_out = _get_amount_out(await client.fetch_route(quoted))
                    prices[key] = amount_out / Decimal(quoted["amount"])
                pair = resolve_pair(order["tokenIn"], order["tokenOut"])
                name = f"{pair.side} {pair.name}: " if len(pairs) > 1 else ""
                lines += [name + sense for sense in describe_senses(order, prices[key])]
        return lines


def _select_first_orders(orders: Iterable[WireOrderTerms]) -> list[WireOrderTerms]:
    """The first order of each pair, side and type, of a few of them."""
    firsts: dict[tuple[str, str, str], WireOrderTerms] = {}
    for order in orders:
        firsts.setdefault((order["tokenIn"], order["tokenOut"], order["type"]), order)
    return list(firsts.values())[:_DRY_RUN_ORDERS_MAX]


def _take_part(order: WireOrderTerms) -> WireOrderTerms:
    """The order that is executed at a time: a slice of a TWAP order, else all of it.

    What a share will be is not known: the price of one token stands for its.
    """
    if is_share(order["amount"]):
        return {**order, "amount": f"{SHARE_SAMPLE:f}"}
    if "slices" not in order:
        return order
    amount = Decimal(order["amount"]) / order["slices"]
    return {**order, "amount": f"{amount:.6f}"}


def _get_amount_out(route: WireRoute) -> Decimal:
    """What a route pays."""
    amount_out = Route(route).expected_amount_out
    assert amount_out is not None  # the quote of its pool is among the quotes
    return amount_out


def describe_order(order: WireOrderTerms) -> str:
    """Describe an order as traders write it: ``sell 12.41 SOL/USDC``."""
    pair = resolve_pair(order["tokenIn"], order["tokenOut"])
    amount = order["amount"]
    if not is_share(amount):
        amount = format_amount(Decimal(amount))
    leg = f"{order['type']} " if "ocoGroup" in order else ""
    if pair.side == "sell":
        return f"{leg}sell {amount} {pair.name}"
    return f"{leg}buy {pair.name} with {amount} {pair.quote}"


async def _describe_quoted_order(client: ApiClient, order: WireOrderTerms, arrow: str) -> str:
    quoted = _take_part(order) if is_share(order["amount"]) else order
    try:
        route = await client.fetch_route(quoted)
        return f"{describe_order(order)}: {_describe_route(quoted, route, arrow)}"
    except (RequestRefused, ServerUnreachable) as error:
        return f"{describe_order(order)}: {error}"


def _describe_route(order: WireOrderTerms, record: WireRoute, arrow: str) -> str:
    """The best offers, what none comes from, the route, and what it pays beyond the next."""
    pair = resolve_pair(order["tokenIn"], order["tokenOut"])
    route = Route(record)
    offers = []
    for quote in sorted(route.quotes, key=lambda each: each.amount_out, reverse=True):
        price = pair.price(Decimal(order["amount"]), quote.amount_out)
        offers.append(f"{quote.venue.name} {format_price(price) if price else '-'}")
    missing = [f"{each.venue.name} {each.code}" for each in route.missing]
    gain = "" if route.gap is None else f" {route.gap.bps:+.1f} bps"
    chosen = describe_legs(route, arrow)
    if len(route.legs) > 1 and route.expected_amount_out is not None:
        price = pair.price(Decimal(order["amount"]), route.expected_amount_out)
        chosen += f" {format_price(price)}" if price else ""
    told = ", ".join(_limit_offers(offers) + _limit_offers(missing))
    return f"{told} {arrow} {chosen}{gain}"


def _limit_offers(offers: list[str]) -> list[str]:
    rest = len(offers) - _OFFERS_MAX
    return [*offers[:_OFFERS_MAX], f"{rest} more"] if rest > 0 else offers


def describe_legs(route: Route, arrow: str) -> str:
    """``Raydium CLMM 62% + Meteora DLMM 38%``; with arrows between legs that follow each other."""
    legs = route.legs
    if len(legs) < 2:
        return route.main_venue.name
    if len({leg.token_in for leg in legs}) > 1:
        return f" {arrow} ".join(leg.venue.name for leg in legs)
    shares = [(leg.venue.name, format_share(leg.share or Decimal(0))) for leg in legs]
    return " + ".join(f"{name} {share}" for name, share in shares)
