"""Venues that answer what the seed says: a route, a failure that passes, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Self

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected, Transient
from backend.domain.orders import OrderType, Terms
from backend.domain.quotes import Dex, Quote
from backend.domain.tokens import JUP, USDC
from backend.routing.route import Route
from backend.venues import CPMM
from backend.venues.spl import TOKEN_PROGRAM
from backend.venues.venue import Trader
from tests.simulation.network import Way

TERMS = Terms(OrderType.MARKET, USDC, JUP, 10**8, None, 50)


@dataclass(slots=True)
class Offers:
    """How often the venues cannot say (``closed``), or say that they never will (``refused``)."""

    closed: float = 0.0
    refused: float = 0.0


@dataclass(frozen=True, slots=True)
class SomePool:
    """A pool that swaps whatever it is told to."""

    address: Pubkey

    def token_program(self, mint: Pubkey) -> Pubkey:
        return TOKEN_PROGRAM

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        return Quote(Dex.RAYDIUM, str(self.address), amount_in, 2 * amount_in, 3_000_000, 0, 1)

    def swapped(self, mint_in: Pubkey, amount_in: int) -> tuple[int, Self]:
        return 2 * amount_in, self

    def swap(
        self, trader: Trader, mint_in: Pubkey, amount_in: int, min_amount_out: int
    ) -> Instruction:
        return Instruction(CPMM.program, amount_in.to_bytes(8) + min_amount_out.to_bytes(8), [])


POOL = SomePool(Pubkey(bytes(31) + b"\x01"))
QUOTE = POOL.quote(POOL.address, TERMS.amount_in)
ROUTE = Route(QUOTE, POOL, (QUOTE,), (), QUOTE.amount_out)


class Market:
    """Quotes for one process."""

    def __init__(self, way: Way, offers: Offers, random: Random) -> None:
        self._way = way
        self._offers = offers
        self._random = random

    async def route(self, terms: Terms) -> Route:
        return await self._way.ask(self._offer)

    def _offer(self) -> Route:
        chance = self._random.random()
        if chance < self._offers.closed:
            raise Transient("venues_unavailable", "no venue answers")
        if chance < self._offers.closed + self._offers.refused:
            raise Rejected("min_out_not_met", "no venue pays enough")
        return ROUTE


def unheard() -> Exception:
    """What an order gets that no venue answers."""
    return Transient("venue_timeout", "no venue answered")
