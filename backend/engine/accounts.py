"""What an API process reads of fills, positions and prices, wired from the settings."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from backend.config import Settings
from backend.engine.shared_services import SharedServices
from backend.store.database import DatabasePool
from backend.store.fills.fill_store import FillStore
from backend.store.fills.position_store import PositionStore
from backend.store.prices.price_bars import PriceBars

REPORTS_MAX: Final = 2
"""Most reports that a process makes at once."""


class Accounts(NamedTuple):
    """The stores of fills, positions and prices, on the connections of readers.

    ``report_places`` are for the reports that are made at once.
    """

    fills: FillStore
    positions: PositionStore
    prices: PriceBars
    report_places: asyncio.Semaphore


def build_accounts(settings: Settings, shared: SharedServices, readers: DatabasePool) -> Accounts:
    """Build the stores."""
    fills = FillStore(readers, shared.tokens, settings.reference_token)
    positions = PositionStore(fills, readers, shared.pool)
    places = asyncio.Semaphore(REPORTS_MAX)
    return Accounts(fills, positions, PriceBars(readers), places)
