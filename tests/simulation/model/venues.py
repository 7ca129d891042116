"""A router whose seed decides its result: a route, a transient failure, or a rejection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Self

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from backend.domain.conditions import Condition, Limit
from backend.domain.errors import Rejected, Unavailable
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.prices import PriceRatio
from backend.domain.quotes import Dex, Quote
from backend.domain.tokens import JUP, USDC
from backend.domain.waiting.slices import SliceSchedule
from backend.routing.route import Route
from backend.venues import CPMM
from backend.venues.curve_segment import CurveSegment
from backend.venues.spl import TOKEN_PROGRAM
from backend.venues.venue import Accounts, PoolTraits, SwapAccounts
from tests.simulation.model.network import NetworkPath

ORDER_TERMS = OrderTerms(OrderType.MARKET, USDC, JUP, 10**8, None, 50)


def build_terms(condition: Condition | None) -> OrderTerms:
    """The terms of an order that waits for a condition, or for nothing."""
    if condition is None:
        return ORDER_TERMS
    if isinstance(condition, SliceSchedule):
        return replace(ORDER_TERMS, type=OrderType.TWAP, condition=condition)
    kind = OrderType.LIMIT if isinstance(condition, Limit) else OrderType.STOP
    return replace(ORDER_TERMS, type=kind, condition=condition)


@dataclass(slots=True)
class VenueFaults:
    """How often routing fails, for now (unavailable) or for good (rejected)."""

    unavailable_chance: float = 0.0
    reject_chance: float = 0.0


@dataclass(frozen=True, slots=True)
class FixedRatePool:
    """A pool with a fixed rate and unlimited liquidity."""

    address: Pubkey
    slot: int = 1
    program: Pubkey = CPMM.program

    def encode_quote_accounts(self) -> Accounts:
        return {}

    def list_trait_accounts(self) -> Sequence[Pubkey]:
        raise NotImplementedError

    def read_traits(self, mint_in: Pubkey, accounts: Accounts) -> PoolTraits:
        raise NotImplementedError

    @property
    def is_single_curve(self) -> bool:
        return True

    def has_flat_fee(self, mint_in: Pubkey) -> bool:
        return True

    def pays_at_least(self, other: Self, mint_in: Pubkey) -> bool:
        return True

    def token_program(self, mint: Pubkey) -> Pubkey:
        return TOKEN_PROGRAM

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        paid = 2 * amount_in
        return Quote(Dex.RAYDIUM, "cpmm", str(self.address), amount_in, paid, 3_000_000, 0, 1)

    def trace_curve(self, mint_in: Pubkey) -> Iterator[CurveSegment]:
        raise NotImplementedError

    def marginal_price(self, mint_in: Pubkey) -> PriceRatio:
        return PriceRatio(2, 1)

    def after_swap(self, mint_in: Pubkey, amount_in: int) -> tuple[int, Self]:
        return 2 * amount_in, self

    def swap_instruction(
        self, accounts: SwapAccounts, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        return Instruction(CPMM.program, amount_in.to_bytes(8) + min_amount_out.to_bytes(8), [])


POOL = FixedRatePool(Pubkey(bytes(31) + b"\x01"))
QUOTE = POOL.quote(POOL.address, ORDER_TERMS.amount_in)
ROUTE = Route.of_pool(ORDER_TERMS, (POOL, QUOTE), [QUOTE], [], QUOTE.amount_out)


class RouterModel:
    """The router of one process."""

    def __init__(self, path: NetworkPath, faults: VenueFaults, random: Random) -> None:
        self._path = path
        self._faults = faults
        self._random = random

    async def route(self, terms: OrderTerms) -> Route:
        return await self._path.request(partial(self._draw_route, terms))

    def _draw_route(self, terms: OrderTerms) -> Route:
        chance = self._random.random()
        if chance < self._faults.unavailable_chance:
            raise Unavailable("venues_unavailable", "no venue responds")
        if chance < self._faults.unavailable_chance + self._faults.reject_chance:
            raise Rejected("min_out_not_met", "no venue pays enough")
        if terms.amount_in == ORDER_TERMS.amount_in:
            return ROUTE
        quote = POOL.quote(POOL.address, terms.amount_in)  # what a child sells, others received
        return Route.of_pool(terms, (POOL, quote), [quote], [], quote.amount_out)


def make_venue_timeout() -> Exception:
    """Create the error of an order for which no venue responded."""
    return Unavailable("venue_timeout", "no venue responded")
