"""What exceeds a limit, as the functions of the database tell it."""

from __future__ import annotations

import asyncpg

from backend.domain.amounts import Token
from backend.domain.limits.order_limits import LimitName
from backend.domain.limits.refusals import Excess
from backend.domain.orders import NewOrder, OrderTerms, OrderType


def parse_excess(row: asyncpg.Record) -> Excess:
    """The excess of a row with a name."""
    name = LimitName(row["name"])
    return Excess(name, row["bound"], row["value"], row["remaining"], row["token"])


def find_known_value(terms: OrderTerms, reference: Token) -> int | None:
    """What an order is worth whatever its route, in base units; ``None`` if its route decides.

    A TWAP order is judged by each of its slices, and a share by what it comes to be.
    """
    if terms.token_in != reference or terms.amount_in_bps is not None:
        return None
    return None if terms.type is OrderType.TWAP else terms.amount_in


def count_open_orders(order: NewOrder) -> int:
    """As how many open orders one counts: an entry becomes the orders of its bracket."""
    return 1 if order.bracket is None else len(order.bracket.legs)
