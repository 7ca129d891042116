"""What is known of an order that waits: distance, outage, slices, relatives.

Amounts and prices are the text that the API sent, in the way round in which the order is priced.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tui.text.format import parse_timestamp_ms


class Distance(NamedTuple):
    """How far the market is from what an order waits for, as the engine read it last.

    ``distance_bps`` is signed: what is negative is met. ``best_price`` is the best executable price
    since acceptance, ``highest_price`` the mark that a trailing stop follows.
    """

    executable_price: str
    distance_bps: int | None
    best_price: str | None
    highest_price: str | None

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Distance | None:
        """The distance in a record of an order; ``None`` if the engine does not say it."""
        price = record.get("executablePrice")
        if price is None:
            return None
        distance_bps = record.get("distanceBps")
        return cls(
            str(price),
            None if distance_bps is None else round(distance_bps),
            record.get("bestPrice"),
            record.get("highestPrice"),
        )


class Outage(NamedTuple):
    """What an order waits for before anything is signed, by its code, and since when."""

    code: str
    since_ms: int

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Outage | None:
        """The outage in a record of an order; ``None`` if it waits for the end of none.

        One of another shape is none either.
        """
        try:
            code, since_ms = record["outage"]["code"], parse_timestamp_ms(record["outage"]["since"])
        except (LookupError, TypeError, ValueError):
            return None
        return cls(code, since_ms) if isinstance(code, str) and code and since_ms >= 0 else None


class Slices(NamedTuple):
    """The slices of a TWAP order: how they were asked for, and how many are placed and filled."""

    slice_count: int
    interval_s: int
    jitter_bps: int
    placed: int
    filled_amount_in: str
    leaves_amount_in: str | None
    amount_out: str | None
    average_price: str | None
    next_ms: int | None

    @classmethod
    def read(cls, terms: Mapping[str, Any], before: Slices | None = None) -> Slices | None:
        """Read an event or a stored order; what it does not say stays as it was ``before``."""
        if before is None and terms.get("slices") is None:
            return None
        known = {} if before is None else before._to_wire()
        told = {name: terms[name] for name in _SLICE_FIELDS if terms.get(name) is not None}
        fields = {**known, **told}
        next_at = fields.get("nextSliceAt")
        return cls(
            slice_count=fields.get("slices") or 0,
            interval_s=fields.get("intervalS") or 0,
            jitter_bps=fields.get("jitterBps") or 0,
            # What the slices left may be tried once more, as one slice more.
            placed=min(fields.get("slicesPlaced") or 0, fields.get("slices") or 0),
            filled_amount_in=fields.get("filledAmountIn") or "0",
            leaves_amount_in=fields.get("leavesAmountIn"),
            amount_out=fields.get("amountOut"),
            average_price=fields.get("averagePrice"),
            next_ms=parse_timestamp_ms(next_at) if isinstance(next_at, str) else next_at,
        )

    def _to_wire(self) -> dict[str, Any]:
        return dict(zip(_SLICE_FIELDS, self, strict=True))

    @property
    def share_placed(self) -> Decimal:
        """The share of the slices that is placed, 0 to 1."""
        return Decimal(self.placed) / self.slice_count if self.slice_count else Decimal(0)


_SLICE_FIELDS: Final = (
    *("slices", "intervalS", "jitterBps", "slicesPlaced", "filledAmountIn", "leavesAmountIn"),
    *("amountOut", "averagePrice", "nextSliceAt"),
)
"""The fields of the wire, in the order of those of ``Slices``."""


class Relations(NamedTuple):
    """Which orders belong to an order: its parent, the pair of an OCO, and what a bracket asks for.

    ``bracket`` has the legs that were asked for, as the wire has them.
    """

    parent_id: str | None
    oco_group: str | None
    bracket: Mapping[str, Any] | None

    @classmethod
    def read(cls, terms: Mapping[str, Any]) -> Relations | None:
        """The relations in an event or a stored order; ``None`` if it has none."""
        relations = cls(terms.get("parentId"), terms.get("ocoGroup"), terms.get("bracket"))
        return relations if any(relations) else None
