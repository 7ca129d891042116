"""What an order that exceeds a limit is refused with: a code, the limit, its value, the rest."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from backend.domain.amounts import Token, format_amount
from backend.domain.errors import Rejected, Transient, Unavailable
from backend.domain.limits.measures import ReferencePrice, format_number
from backend.domain.limits.order_limits import AMOUNTS, LimitName

CODES: Final = {
    LimitName.ORDERS_PER_SECOND: "orders_per_second_exceed_max",
    LimitName.OPEN_ORDERS: "open_orders_exceed_max",
    LimitName.ORDER_VALUE: "notional_exceeds_max_per_order",
    LimitName.DAILY_VOLUME: "volume_exceeds_max_per_day",
    LimitName.PRICE_IMPACT: "price_impact_exceeds_max",
    LimitName.REFERENCE_DISTANCE: "reference_distance_exceeds_max",
    LimitName.SLIPPAGE: "slippage_exceeds_max",
    LimitName.ALLOWED_MINTS: "mint_not_allowed",
    LimitName.DENIED_MINTS: "mint_denied",
}
"""The codes of the refusals by each limit."""
UNKNOWN_CODES: Final = {
    LimitName.ORDER_VALUE: "order_value_unknown",
    LimitName.DAILY_VOLUME: "order_value_unknown",
    LimitName.PRICE_IMPACT: "price_impact_unknown",
    LimitName.REFERENCE_DISTANCE: "reference_price_unknown",
}
"""The codes where it is not known whether a route exceeds a limit."""
MARKET_LIMITS: Final = frozenset({LimitName.PRICE_IMPACT, LimitName.REFERENCE_DISTANCE})
"""Those that an order may keep at another moment, whatever it waits for."""
ROUTE_LIMITS: Final = MARKET_LIMITS | {LimitName.ORDER_VALUE, LimitName.DAILY_VOLUME}
"""Those that may let an order pass later that waits for its price again."""
TEMPORARY: Final = frozenset({LimitName.ORDERS_PER_SECOND, LimitName.OPEN_ORDERS})
"""Those that let the same order pass soon."""


class Excess(NamedTuple):
    """What an order exceeds: ``bound`` is the limit, ``left`` what would pass of it now.

    They and ``value`` are base units of the reference token, orders or basis points; for a limit on
    mints it is the ``token`` of the order. A ``value`` of ``None`` is not known.
    """

    name: LimitName
    bound: Decimal | None
    value: Decimal | None
    left: Decimal | None
    token: str | None = None


class LimitExceeded(Rejected):
    """An order exceeds a limit of its owner. ``members`` tell clients which, and by what."""

    def __init__(
        self, excess: Excess, reference: Token, compared: ReferencePrice | None = None
    ) -> None:
        self.excess: Final = excess
        self.members = _describe_members(excess, reference)
        sentence = _SENTENCES[excess.name].format(**{"token": "", **self.members})
        if excess.name is LimitName.REFERENCE_DISTANCE and compared is not None:
            self.members |= {"pools": compared.pools, "ageMsMax": compared.age_ms_max}
            sentence += f" ({compared.pools} pools, at most {compared.age_ms_max} ms old)"
        super().__init__(CODES[excess.name], sentence)

    @property
    def name(self) -> LimitName:
        """The limit."""
        return self.excess.name


def build_limit_error(
    excess: Excess, reference: Token, compared: ReferencePrice | None = None
) -> LimitExceeded | Transient:
    """The error of an order that exceeds a limit, or of which nobody can tell whether it does.

    ``compared`` is what its route was compared with. A worker that has not compared it, because
    the limit is new, does so when it tries again: that costs no attempt.
    """
    is_on_mints = excess.name in {LimitName.ALLOWED_MINTS, LimitName.DENIED_MINTS}
    if excess.value is not None or is_on_mints:
        return LimitExceeded(excess, reference, compared)
    bound = _format(excess.name, excess.bound, reference)
    unknown = Unavailable if excess.name is LimitName.REFERENCE_DISTANCE else Transient
    return unknown(
        UNKNOWN_CODES[excess.name],
        f"{_UNKNOWN[excess.name]}, and {excess.name} of {bound} cannot be checked without it",
    )


_SENTENCES: Final = {
    LimitName.ORDERS_PER_SECOND: "this would be order {value} within a second; the limit is"
    " {limit}, and {left} are left",
    LimitName.OPEN_ORDERS: "{value} orders would be open; the limit is {limit}, and {left} are"
    " left",
    LimitName.ORDER_VALUE: "the order is worth {value} {token}; the limit for one order is {limit}",
    LimitName.DAILY_VOLUME: "the order is worth {value} {token}, and {left} are left of the day's"
    " limit of {limit}",
    LimitName.PRICE_IMPACT: "the price impact of the route is {value} basis points; the limit is"
    " {limit}",
    LimitName.REFERENCE_DISTANCE: "the route pays {value} basis points less than the median of the"
    " pair's pools; the limit is {limit}",
    LimitName.SLIPPAGE: "the slippage tolerance is {value} basis points; the limit is {limit}",
    LimitName.ALLOWED_MINTS: "{value} is not one of the tokens that you may trade",
    LimitName.DENIED_MINTS: "{value} is one of the tokens that you may not trade",
}
_UNKNOWN: Final = {
    LimitName.ORDER_VALUE: "what the swap is worth in the reference token is not known yet",
    LimitName.DAILY_VOLUME: "what the swap is worth in the reference token is not known yet",
    LimitName.PRICE_IMPACT: "the price impact of the route is not known",
    LimitName.REFERENCE_DISTANCE: "no pool of the pair tells a reference price",
}


def _format(name: LimitName, number: Decimal | None, reference: Token) -> str | None:
    if number is None:
        return None
    if name in AMOUNTS:
        return format_amount(int(number), reference.decimals)
    return format_number(number)


def _describe_members(excess: Excess, reference: Token) -> dict[str, object]:
    name = excess.name
    if excess.token is not None:
        return {"limitName": name, "limit": name, "value": excess.token, "left": None}
    numbers = (excess.bound, excess.value, excess.left)
    limit, value, left = (_format(name, number, reference) for number in numbers)
    members: dict[str, object] = {"limitName": name, "limit": limit, "value": value, "left": left}
    if name in AMOUNTS:
        members["token"] = reference.symbol
    return members
