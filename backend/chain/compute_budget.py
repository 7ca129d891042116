"""The compute budget of a transaction: how many units it may take, and what it pays for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from backend.domain.amounts import ceil_div
from backend.domain.fees.order_fees import MICROLAMPORTS, SIGNATURE_FEE

UNIT_LIMIT_MAX: Final = 1_400_000
"""Most compute units of a transaction, by the protocol."""


@dataclass(frozen=True, slots=True)
class ComputeBudget:
    """The compute budget: the limit in units, the price in micro-lamports per unit.

    ``ceiling_lamports`` is the most that the price may come to for the limit of a transaction.
    """

    unit_limit: int = 120_000
    unit_price: int = 1_000
    ceiling_lamports: int | None = None

    def get_price(self, unit_limit: int) -> int:
        """The price of a unit for a transaction with a limit."""
        if self.ceiling_lamports is None:
            return self.unit_price
        return min(self.unit_price, self.ceiling_lamports * MICROLAMPORTS // unit_limit)

    def spread(self, unit_limit: int) -> ComputeBudget:
        """The budget with another limit that costs no more."""
        ceiling = self.compute_fee() - SIGNATURE_FEE
        return replace(self, unit_limit=unit_limit, ceiling_lamports=ceiling)

    def compute_fee(self) -> int:
        """The lamports that a transaction with this limit and one signature pays."""
        price = self.get_price(self.unit_limit)
        return SIGNATURE_FEE + ceil_div(self.unit_limit * price, MICROLAMPORTS)
