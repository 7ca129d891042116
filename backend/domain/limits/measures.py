"""What is measured to be compared with the limits of an owner, and what is left of a rate."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final, NamedTuple

_CENT: Final = Decimal("0.01")
_PLAIN_DIGITS_MAX: Final = 20
_NEAR_PERCENT: Final = 80


def format_number(number: Decimal) -> str:
    """A number with two decimals at most, rounded up, so that it shows what it exceeds."""
    if number.adjusted() > _PLAIN_DIGITS_MAX:
        return f"{number:.3E}"
    return f"{number.quantize(_CENT, ROUND_CEILING).normalize() + 0:f}"


def is_loss_near(loss: int, limit: int) -> bool:
    """Whether a loss is four fifths of its limit, or more; both in base units."""
    return loss * 100 >= limit * _NEAR_PERCENT


class RateLeft(NamedTuple):
    """How many orders an owner may place in any second, and how many more in this one."""

    bound: int
    left: int


class ReferencePrice(NamedTuple):
    """What a route was compared with: the median of some pools, read at most so long ago.

    ``distance_bps`` is how much less than at that price the route pays; below 0 if it pays more.
    """

    distance_bps: Decimal
    pools: int
    age_ms_max: int

    def to_json(self) -> dict[str, object]:
        """Convert to JSON for clients."""
        distance = format_number(self.distance_bps)
        return {"distanceBps": distance, "pools": self.pools, "ageMsMax": self.age_ms_max}


class RouteMeasure(NamedTuple):
    """What a route's swap is worth in base units of the reference token, and what it does.

    ``value`` and ``reference`` are ``None`` where they are not known.
    """

    value: int | None
    impact_bps: Decimal
    reference: ReferencePrice | None = None
