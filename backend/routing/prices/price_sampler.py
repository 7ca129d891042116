"""Samples the executable prices of pairs from pools that were read for something else.

Whoever reads the pools of a pair notes them, which costs next to nothing; a few times a second the
newest pools of each pair are quoted once. The price is that of a sale: what the best pool pays for
the base that a fixed amount of the quote token buys there, after all fees. So it is the price of an
amount that means the same in every pair, and no price of a tiny one.

The newest prices also tell what a swap of two other tokens is worth in the reference token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.accounting.bars import PriceSample
from backend.accounting.pairs import PairName, name_pair
from backend.domain.amounts import Token, floor_div, format_ratio
from backend.domain.errors import EngineError
from backend.domain.prices import PriceRatio
from backend.routing.route import Route
from backend.venues.venue import Pool

PAIRS_MAX: Final = 200
"""Most pairs whose prices are sampled at once: those read last."""
SAMPLES_MAX: Final = 2_000
"""Most samples that wait to be stored; the oldest are dropped, while nobody can store any."""
VALUE_AGE_MAX_S: Final = 30.0
"""A price that is older values nothing."""
SLOTS_BACK_MAX: Final = 1_000
"""A slot that is further behind the newest one is of a chain that has begun anew."""
QUOTE_SIZES: Final = {"USDC": 100, "USDT": 100, "SOL": 1}
"""How many tokens of each quote token a sample is of; of any other, one."""


class _Noted(NamedTuple):
    """The pools of a pair as they were read last, and when, by the loop's clock."""

    tokens: tuple[Token, Token]
    pools: Sequence[Pool]
    at: float


class _Known(NamedTuple):
    """The newest price of a pair: quote base units for base units of the base."""

    price: PriceRatio
    at: float


class PriceSampler:
    """Samples prices in one process; ``reference`` is the token that swaps are valued in."""

    def __init__(self, reference: Token) -> None:
        self.reference = reference
        self._noted: dict[PairName, _Noted] = {}
        self._known: dict[PairName, _Known] = {}
        self._slots: dict[PairName, int] = {}
        self._samples: list[tuple[float, PriceSample]] = []
        self._unvalued: dict[str, Token] = {}

    def note(self, one: Token, other: Token, pools: Sequence[Pool]) -> None:
        """Note the pools of two tokens, all that could be read, as they were read just now."""
        if not pools:
            return
        pair = name_pair(one.symbol, other.symbol)
        tokens = (one, other) if pair.base == one.symbol else (other, one)
        self._noted[pair] = _Noted(tokens, pools, asyncio.get_running_loop().time())
        if len(self._noted) > PAIRS_MAX:
            del self._noted[next(iter(self._noted))]

    async def sample(self) -> None:
        """Quote the pools that were noted since the last time, one pair after the other."""
        noted, self._noted = self._noted, {}
        for pair, each in noted.items():
            slot = max(pool.slot for pool in each.pools)
            price = _find_price(each.tokens, each.pools)
            await asyncio.sleep(0)
            if price is None:
                continue
            newest = self._slots.pop(pair, slot)  # so that it becomes the newest entry
            is_older = slot < newest < slot + SLOTS_BACK_MAX
            self._slots[pair] = newest if is_older else slot
            if is_older:
                continue  # the state of the pools was sampled, or a newer one
            self._known.pop(pair, None)
            self._known[pair] = _Known(price, each.at)
            shown = Decimal(_format_price(price, each.tokens))
            self._samples.append((each.at, PriceSample(pair, 0.0, shown, slot)))
        del self._samples[:-SAMPLES_MAX]
        for kept in (self._known, self._slots):
            while len(kept) > PAIRS_MAX:
                del kept[next(iter(kept))]

    def take(self, clock_offset_s: float) -> list[PriceSample]:
        """The samples since the last time; the offset is that of the loop's clock from 1970."""
        samples, self._samples = self._samples, []
        return [sample._replace(at=at + clock_offset_s) for at, sample in samples]

    def take_unvalued(self) -> list[tuple[Token, Token]]:
        """The pairs whose prices were lacked, each of a token and the reference token."""
        unvalued, self._unvalued = self._unvalued, {}
        return [(token, self.reference) for token in unvalued.values()]

    def value_route(self, route: Route) -> Route:
        """A route with what its swap is worth, if it leads neither from, to nor through the
        reference token, and its price is known.
        """
        symbol = self.reference.symbol
        for leg in route.legs:
            if symbol in (leg.token_in.symbol, leg.token_out.symbol):
                return route
        hops = route.hops
        first, last = hops[0], hops[-1]
        value = self._find_value(first.token_in, first.amount_in, last.token_out, route.amount_out)
        return replace(route, value=(self.reference, value)) if value else route

    def _find_value(
        self, token_in: Token, amount_in: int, token_out: Token, amount_out: int
    ) -> int | None:
        """By the newest price of the token that ranks higher as a quote token, else of the other
        one, rounded down; ``None`` if neither is known.
        """
        amounts = {token_in: amount_in, token_out: amount_out}
        pair = name_pair(token_in.symbol, token_out.symbol)
        first = token_in if pair.quote == token_in.symbol else token_out
        now = asyncio.get_running_loop().time()
        for token in (first, token_out if first is token_in else token_in):
            known = self._known.get(name_pair(token.symbol, self.reference.symbol))
            if known is None or now - known.at > VALUE_AGE_MAX_S:
                continue
            price, amount = known.price, amounts[token]
            if name_pair(token.symbol, self.reference.symbol).base != token.symbol:
                price = price.invert()
            return floor_div(amount * price.numerator, price.denominator)
        self._unvalued[first.symbol] = first
        return None


def _format_price(price: PriceRatio, tokens: tuple[Token, Token]) -> str:
    """In token units, rounded down to 12 significant digits."""
    base, quote = tokens
    return format_ratio(price.numerator * 10**base.decimals, price.denominator * 10**quote.decimals)


def _find_price(tokens: tuple[Token, Token], pools: Sequence[Pool]) -> PriceRatio | None:
    """What the best pool pays for the base that the sample's amount of the quote token buys."""
    base, quote = tokens
    size = QUOTE_SIZES.get(quote.symbol, 1) * 10**quote.decimals
    amount = quote_best(pools, quote, size)
    paid = quote_best(pools, base, amount) if amount else 0
    return PriceRatio(paid, amount) if paid else None


def quote_best(pools: Sequence[Pool], token: Token, amount_in: int) -> int:
    """What the best pool pays for an amount; 0 if none pays anything."""
    mint, best = Pubkey.from_string(token.mint), 0
    for pool in pools:
        try:
            best = max(best, pool.quote(mint, amount_in).amount_out)
        except EngineError:
            continue
    return best
