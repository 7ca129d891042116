"""The orders that come to be of a bracket, for what its entry has received.

Their ids follow from that of the entry: whoever computes them, and however often, they are the
same orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from backend.domain.amounts import U64_MAX
from backend.domain.conditions import Condition, Stop, TakeProfit, TrailingStop, get_release
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.orders import OrderTerms, OrderType

_TYPES: Final = {
    TakeProfit: OrderType.TAKE_PROFIT,
    Stop: OrderType.STOP,
    TrailingStop: OrderType.TRAILING_STOP,
}
_GROUP: Final = "ocoGroup"


@dataclass(frozen=True, slots=True)
class ChildOrder:
    """An order that came to be of the order ``parent_id``, whose owner is its own."""

    id: UUID
    parent_id: UUID
    terms: OrderTerms
    oco_group: UUID | None


def build_children(
    parent_id: UUID, entry: OrderTerms, bracket: Bracket | None, amount_out: int
) -> tuple[ChildOrder, ...]:
    """The orders of a bracket, which sell the ``amount_out`` that its entry has received."""
    if bracket is None:
        return ()
    group = derive_group(parent_id, bracket)
    return tuple(
        ChildOrder(child_id, parent_id, _build_terms(entry, leg, amount_out), group)
        for child_id, leg in zip(derive_child_ids(parent_id, bracket), bracket.legs, strict=True)
    )


def derive_child_ids(parent_id: UUID, bracket: Bracket) -> tuple[UUID, ...]:
    """The ids of the orders of a bracket, whether they exist or not."""
    return tuple(uuid5(parent_id, get_child_type(leg.condition)) for leg in bracket.legs)


def derive_group(parent_id: UUID, bracket: Bracket) -> UUID | None:
    """The group of the orders of a bracket; ``None`` for a single one."""
    return uuid5(parent_id, _GROUP) if len(bracket.legs) > 1 else None


def get_child_type(condition: Condition) -> OrderType:
    """The type of the order that a leg of a bracket becomes."""
    return _TYPES[type(condition)]


def _build_terms(entry: OrderTerms, leg: BracketLeg, amount_in: int) -> OrderTerms:
    limit = get_release(leg.condition).limit
    # What asks for more than any amount waits for a price that never comes, as it says.
    least = None if limit is None else min(limit.price.min_amount_out(amount_in), U64_MAX)
    return OrderTerms(
        type=get_child_type(leg.condition),
        token_in=entry.token_out,
        token_out=entry.token_in,
        amount_in=amount_in,
        min_amount_out=least,
        slippage_bps=leg.slippage_bps,
        max_price_impact_bps=entry.max_price_impact_bps,
        constraints=entry.constraints,
        fees=entry.fees,
        condition=leg.condition,
        price_of=leg.price_of,
    )
