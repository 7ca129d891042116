"""What is held of each token, what it cost, and what open orders will sell of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from tui.model.conditions import MARKET, TWAP
from tui.model.desk.wire import WirePosition, WireWallet
from tui.model.orders import WAITING, Order

_FEE_TOKEN: Final = "SOL"  # noqa: S105 - the token that fees are paid in
FEES_MIN: Final = Decimal("0.01")
"""Below so much SOL, fees and the rent of a new account may not be covered."""
_SLICE_TYPES: Final = frozenset({MARKET, "limit"})


class Holding(NamedTuple):
    """A token: what all wallets hold of it, and its position if there is one."""

    token: str
    held: Decimal
    reserved: Decimal
    free: Decimal
    position: WirePosition | None


class Shortage(NamedTuple):
    """A token of which less is free than ``needed``; ``is_fees``: for fees, not for orders."""

    token: str
    needed: Decimal
    free: Decimal
    is_fees: bool = False


def add_up_holdings(
    wallets: Iterable[WireWallet], positions: Iterable[WirePosition]
) -> list[Holding]:
    """Add up what wallets hold; tokens with an open position first, then by their order there."""
    by_token = {each["token"]: each for each in positions}
    sums: dict[str, Holding] = {}
    for balance in (each for wallet in wallets for each in wallet["balances"]):
        token = balance["token"]
        before = sums.get(token) or Holding(
            token, Decimal(0), Decimal(0), Decimal(0), by_token.get(token)
        )
        sums[token] = before._replace(
            held=before.held + Decimal(balance["held"]),
            reserved=before.reserved + Decimal(balance["reserved"]),
            free=before.free + Decimal(balance["free"]),
        )
    for token, position in by_token.items():
        if token not in sums:
            sums[token] = Holding(token, Decimal(0), Decimal(0), Decimal(0), position)
    return sorted(sums.values(), key=lambda each: not _is_open(each.position))


def count_open_positions(positions: Iterable[WirePosition]) -> int:
    """Count the tokens of which fills have left an amount."""
    return sum(map(_is_open, positions))


def _is_open(position: WirePosition | None) -> bool:
    return position is not None and Decimal(position["amount"]) != 0


def list_shortages(holdings: Sequence[Holding], orders: Iterable[Order]) -> list[Shortage]:
    """List the tokens of which orders that wait sell more than is free, and too little for fees."""
    free = {each.token: each.free for each in holdings}
    needed = _add_up_sales(orders)
    shortages = [
        Shortage(token, amount, free.get(token, Decimal(0)))
        for token, amount in sorted(needed.items())
        if amount > free.get(token, Decimal(0))
    ]
    if free and free.get(_FEE_TOKEN, Decimal(0)) < FEES_MIN:
        fees = Shortage(_FEE_TOKEN, FEES_MIN, free.get(_FEE_TOKEN, Decimal(0)), is_fees=True)
        shortages.insert(0, fees)
    return shortages


def _add_up_sales(orders: Iterable[Order]) -> dict[str, Decimal]:
    """What orders that wait will sell; of an OCO the larger, of a TWAP what is left of it.

    What sells a share sells no more than is free.
    """
    by_group: dict[tuple[str, str], Decimal] = {}
    for order in orders:
        is_slice = order.parent_id is not None and order.type in _SLICE_TYPES
        if order.status != WAITING or order.share is not None or is_slice:
            continue
        amount = Decimal(order.amount_in)
        if order.type == TWAP and order.slices is not None and order.slices.leaves_amount_in:
            amount = Decimal(order.slices.leaves_amount_in)
        key = order.token_in, order.oco_group or order.id
        by_group[key] = max(by_group.get(key, Decimal(0)), amount)
    sums: dict[str, Decimal] = {}
    for (token, _), amount in by_group.items():
        sums[token] = sums.get(token, Decimal(0)) + amount
    return sums
