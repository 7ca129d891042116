"""The fields of the form of a TWAP order: its slices, their distance and their limit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tui.model.conditions import TWAP
from tui.model.plan.condition_plan import name_priced_token, read_is_of_base
from tui.model.plan.form_reader import FormReader
from tui.model.wire import WireOrderTerms
from tui.settings import BatchForm

SLICE_DEFAULTS: Final[BatchForm] = {"slices": "10", "interval": "30s", "jitter": ""}
_SLICES_MIN, _SLICES_MAX = 2, 1_000
_INTERVAL_MAX_S: Final = 86_400
_JITTER_MAX: Final = Decimal(50)


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """The slices of an order. ``limit`` is of each; ``is_of_base``: of one base token."""

    count: int
    interval_s: int
    jitter_bps: int | None
    limit: Decimal | None
    is_of_base: bool

    @property
    def duration_s(self) -> int:
        """The time from the first slice to the last."""
        return (self.count - 1) * self.interval_s

    def add_to(self, terms: WireOrderTerms, side: str) -> None:
        """Add the fields of the wire to the terms of an order of this side."""
        terms["slices"] = self.count
        terms["intervalS"] = self.interval_s
        if self.jitter_bps:
            terms["jitterBps"] = self.jitter_bps
        if self.limit is not None:
            terms["limitPrice"] = f"{self.limit:f}"
            terms["priceOf"] = name_priced_token(side, is_of_base=self.is_of_base)


def read_slices(reader: FormReader, order_type: str) -> SlicePlan | None:
    """Read the slices of a TWAP order; ``None`` for other types."""
    if order_type != TWAP:
        return None
    return SlicePlan(
        count=reader.read_integer("slices", _SLICES_MIN, _SLICES_MAX),
        interval_s=reader.read_seconds("interval", 1, _INTERVAL_MAX_S) or 1,
        jitter_bps=reader.read_bps("jitter", Decimal(0), _JITTER_MAX, is_optional=True),
        limit=reader.read_decimal("limit", is_optional=True),
        is_of_base=read_is_of_base(reader),
    )
