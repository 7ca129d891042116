"""A rehearsal: orders that are quoted and simulated on a real node, and never sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, islice, product
from typing import NamedTuple

from solders.pubkey import Pubkey

from backend.domain.errors import EngineError
from backend.domain.orders import OrderTerms
from backend.engine.examination.market_services import MarketServices
from backend.engine.examination.orders import Pair, build_terms
from backend.engine.examination.pool_listing import await_pools
from backend.engine.examination.swap_simulation import SimulatedSwap, SwapSimulator


class RehearsalPlan(NamedTuple):
    """Which orders are rehearsed: each amount of each pair in turn, ``orders`` in all.

    ``hops_max`` has each of them look for routes through other tokens; ``None``: as the settings
    say.
    """

    pairs: Sequence[Pair]
    amounts: Sequence[str]
    orders: int
    hops_max: int | None = None


@dataclass(frozen=True, slots=True)
class RehearsedOrder:
    """An order with its simulated swap, or with the error for which there is none."""

    number: int
    terms: OrderTerms
    swap: SimulatedSwap | None
    failure: EngineError | None = None

    @property
    def error(self) -> EngineError | None:
        """Why it would not be filled, if it would not."""
        return self.failure if self.swap is None else self.swap.error


@dataclass(frozen=True, slots=True)
class RehearsalSummary:
    """What rehearsed orders show together.

    ``differences`` are those of swaps that succeeded, as parts of their quotes, the least first.
    Swaps of the ``same_slot`` as their quotes are equal to them, unless a quote is wrong, or
    somebody traded in that slot. ``errors`` are counted by their codes. ``units_share`` is the
    largest part of a compute limit that was used.
    """

    orders: int
    differences: tuple[Fraction, ...]
    errors: Counter[str]
    fee_lamports: int
    units_share: Fraction | None
    split: int
    over_hops: int
    same_slot: int
    same_slot_equal: int

    @property
    def equal(self) -> int:
        """How many swaps would pay exactly their quotes."""
        return sum(not each for each in self.differences)


async def rehearse_orders(
    market: MarketServices, wallet: Pubkey, plan: RehearsalPlan
) -> AsyncIterator[RehearsedOrder]:
    """Rehearse orders one after the other, once the pools of all pairs were looked for.

    Raises ``EngineError`` for what is wrong with a pair or an amount, and if the node does not
    answer before the first order.
    """
    terms = [
        await build_terms(market, pair, amount, plan.hops_max)
        for amount, pair in product(plan.amounts, plan.pairs)
    ]
    for each in terms:
        await await_pools(market, each.token_in, each.token_out)
    simulator = SwapSimulator(market, wallet)
    for number, each in enumerate(islice(cycle(terms), plan.orders), start=1):
        try:
            swap = await simulator.simulate(each)
        except EngineError as error:
            yield RehearsedOrder(number, each, None, error)
        else:
            yield RehearsedOrder(number, each, swap)


def summarize_orders(orders: Sequence[RehearsedOrder]) -> RehearsalSummary:
    """Summarize what rehearsed orders have shown."""
    swaps = [each.swap for each in orders if each.swap is not None]
    filled = [each for each in swaps if each.effects is not None]
    same = [each for each in filled if each.slot == each.route.slot]
    shares = [Fraction(each.units, each.fee.unit_limit) for each in swaps if each.units]
    return RehearsalSummary(
        orders=len(orders),
        differences=tuple(sorted(each.difference_part for each in filled)),
        errors=Counter(each.error.code for each in orders if each.error is not None),
        fee_lamports=sum(each.fee.lamports for each in filled),
        units_share=max(shares, default=None),
        split=sum(any(len(hop.legs) > 1 for hop in each.route.hops) for each in filled),
        over_hops=sum(len(each.route.hops) > 1 for each in filled),
        same_slot=len(same),
        same_slot_equal=sum(not each.difference for each in same),
    )
