"""Measures routes, for the limits of the owners of their orders: a worker does not know these.

While nobody has limits nothing is measured; pools are read for it only while somebody has a limit
on the distance from the reference price.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from backend.domain.amounts import BPS, Token
from backend.domain.limits.measures import ReferencePrice, RouteMeasure
from backend.domain.limits.order_limits import LimitName
from backend.domain.orders import OrderTerms
from backend.domain.quotes import E9
from backend.routing.pair_read import PairRead
from backend.routing.prices.price_sampler import quote_best
from backend.routing.prices.reference_prices import find_reference_price
from backend.routing.route import Route
from backend.store.limits.known_limits import NO_LIMITS, KnownLimits

ReadPools = Callable[[Sequence[tuple[Token, Token]]], Awaitable[Sequence[PairRead]]]
VALUE_LIMITS: Final = (LimitName.ORDER_VALUE, LimitName.DAILY_VOLUME)
_DIGITS: Final = Decimal("0.000001")


async def _read_nothing(pairs: Sequence[tuple[Token, Token]]) -> Sequence[PairRead]:
    return []


class RouteMeasurer:
    """Measures as ``limits`` ask for it; ``read_pools`` are at most ``age_max_s`` old."""

    def __init__(
        self,
        limits: KnownLimits = NO_LIMITS,
        read_pools: ReadPools = _read_nothing,
        *,
        age_max_s: float = 0,
    ) -> None:
        self._limits = limits
        self._read_pools = read_pools
        self._age_max_s = age_max_s

    @property
    def is_wanted(self) -> bool:
        """Whether any owner has limits, or may have some."""
        return self._limits.are_set

    async def measure(self, terms: OrderTerms, route: Route) -> RouteMeasure:
        """What a route's swap is worth, and what it does to the price."""
        reference = None
        if self._limits.has(LimitName.REFERENCE_DISTANCE):
            reference = await self._compare(terms, route)
        impact = Decimal(route.price_impact_e9) * BPS / E9
        value = compute_value(terms, route, self._limits.reference)
        if value is None and any(map(self._limits.has, VALUE_LIMITS)):
            value = await self._quote_value(terms, route)
        return RouteMeasure(value, impact, reference)

    async def _quote_value(self, terms: OrderTerms, route: Route) -> int | None:
        """What the best pool pays in the reference token for one of the two amounts."""
        reference = self._limits.reference
        amounts = {terms.token_in: terms.amount_in, terms.token_out: route.amount_out}
        read = await self._read_pools([(token, reference) for token in amounts])
        for (token, amount), pair in zip(amounts.items(), read, strict=True):
            if paid := quote_best(pair.select_pools(None), token, amount):
                return paid
        return None

    async def _compare(self, terms: OrderTerms, route: Route) -> ReferencePrice | None:
        """Compare a route with the pools of its pair; where there is none, of each of its hops."""
        hops = [(hop.token_in, hop.token_out) for hop in route.hops]
        started_s = asyncio.get_running_loop().time()
        found = await self._find_price([(terms.token_in, terms.token_out)])
        if found is None and len(hops) > 1:
            found = await self._find_price(hops)
        if found is None:
            return None
        age_s = self._age_max_s + asyncio.get_running_loop().time() - started_s
        price, pools = found
        paid = Fraction(route.amount_out, sum(leg.amount_in for leg in route.hops[:1]))
        distance = (price - paid) / price * BPS
        shown = Decimal(distance.numerator) / Decimal(distance.denominator)
        return ReferencePrice(shown.quantize(_DIGITS), pools, round(age_s * 1000))

    async def _find_price(
        self, pairs: Sequence[tuple[Token, Token]]
    ) -> tuple[Fraction, int] | None:
        price, pools = Fraction(1), 0
        for pair, read in zip(pairs, await self._read_pools(pairs), strict=True):
            found = find_reference_price(read.select_pools(None), *pair)
            if found is None:
                return None
            price, pools = price * found[0], pools + found[1]
        return price, pools


def compute_value(terms: OrderTerms, route: Route, reference: Token) -> int | None:
    """What a route's swap is worth in base units of the reference token; ``None`` if unknown.

    As the fill of it is: by the amount of that token, where the route leads through it, else by the
    price that was known when it was routed.
    """
    if terms.token_in == reference:
        return terms.amount_in
    if terms.token_out == reference:
        return route.amount_out
    through = [hop.amount_in for hop in route.hops if hop.token_in == reference]
    if through:
        return sum(through)
    if route.value is not None and route.value[0] == reference:
        return route.value[1]
    return None
