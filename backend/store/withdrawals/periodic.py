"""The periodic withdrawals: orders that expire, that a timer cancels, or with their parent.

Every process runs them, so that orders end in time also while no worker is there: each statement
finds what is due, whoever came first.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final, Protocol

from backend.domain.errors import Transient
from backend.runtime import observe
from backend.store.errors import DATABASE_ERRORS
from backend.store.withdrawals.expiries import ROWS_MAX

INTERVAL_S: Final = 1.0


class ExpiringOrders(Protocol):
    """The store that ends orders whose expiry has passed."""

    async def expire_due(self) -> int:
        """End some of them; returns how many, ``ROWS_MAX`` if there may be more."""
        ...


class DueCancellations(Protocol):
    """A store that cancels orders as a timer of their owner, or the end of a parent, says."""

    async def cancel_due(self) -> int:
        """Cancel all that are due; returns how many."""
        ...


async def run_withdrawals(
    expiries: ExpiringOrders, *cancellations: DueCancellations, random: Random
) -> None:
    """Withdraw what is due every ``INTERVAL_S``, with 10 % of jitter, until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL_S * random.uniform(0.9, 1.1))
        try:
            expired = ROWS_MAX
            while expired == ROWS_MAX:
                expired = await expiries.expire_due()
            for each in cancellations:
                await each.cancel_due()
        except (*DATABASE_ERRORS, Transient) as error:
            observe.withdrawals_failed(error)
