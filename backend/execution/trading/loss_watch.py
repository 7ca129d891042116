"""The watch of daily losses: stops the trading of an owner that loses too much, as its limit says.

Every worker looks, at the fills that all of them have brought: whoever is first stops. Only a
person resumes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from random import Random
from typing import Final

from backend.accounting.positions import CostMethod, PositionBook, decode_book, encode_book
from backend.domain.amounts import format_amount
from backend.domain.errors import EngineError
from backend.domain.limits.measures import is_loss_near
from backend.domain.limits.order_limits import LimitName, OwnerLimits
from backend.domain.trading.states import Scope, Target, TradingState
from backend.store.database import DatabasePool
from backend.store.errors import DATABASE_ERRORS
from backend.store.fills.ended_lists import EndFilter
from backend.store.fills.fill_store import FillStore
from backend.store.limits import observe_limits
from backend.store.limits.day_losses import (
    read_day,
    read_owners,
    stop_after_loss,
    store_realized,
    warn_of_loss,
)
from backend.store.limits.known_limits import ALL_OWNERS
from backend.store.reads.order_lists import ListPosition
from backend.store.trading.changes import StateChange
from backend.store.trading.rules import TradingRules

INTERVAL_S: Final = 1.0
OWNERS_MAX: Final = 10_000
"""Most owners whose books a worker keeps; further ones are computed anew each time."""


@dataclass(slots=True)
class _Booked:
    """An owner's fills as they are booked for good, and what those of a day have realized."""

    book: PositionBook
    day: date
    after: ListPosition | None = None
    realized: int = 0


class DayResults:
    """What the fills of the day have realized, of any owner. Raises ``Transient``."""

    def __init__(self, fills: FillStore) -> None:
        self._fills = fills
        self._booked: OrderedDict[str, _Booked] = OrderedDict()

    async def compute(self, owner: str, day: date) -> int:
        """What an owner's fills since the beginning of a day (UTC) have realized."""
        booked = self._booked.get(owner)
        if booked is None:
            booked = _Booked(PositionBook(self._fills.reference), day)
        if booked.day != day:
            booked.day, booked.realized = day, 0
        horizon = await self._fills.read_horizon()
        if horizon is not None:
            await self._book(owner, booked, EndFilter(end=horizon))
        self._booked[owner] = booked
        self._booked.move_to_end(owner)
        while len(self._booked) > OWNERS_MAX:
            self._booked.popitem(last=False)
        encoded = encode_book(booked.book)
        copy = decode_book(self._fills.reference, CostMethod.AVERAGE, encoded)
        rest = _Booked(copy, day, booked.after, booked.realized)
        await self._book(owner, rest, EndFilter())
        return rest.realized

    async def _book(self, owner: str, booked: _Booked, which: EndFilter) -> None:
        start = datetime.combine(booked.day, time(), UTC)
        async for page in self._fills.read_pages(owner, which, after=booked.after):
            for fill in page:
                realized = booked.book.book(fill)
                booked.realized += realized if fill.at >= start else 0
            if page:
                booked.after = ListPosition(page[-1].at, page[-1].order_id)


class LossWatch:
    """Looks at an interval at the losses of owners with a limit; ``run`` must be running."""

    def __init__(
        self, pool: DatabasePool, fills: FillStore, rules: TradingRules, random: Random
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._random = random
        self._results = DayResults(fills)

    async def run(self) -> None:
        """Look until cancelled; while nobody has such a limit that costs nothing."""
        while True:
            await asyncio.sleep(INTERVAL_S * self._random.uniform(0.9, 1.1))
            try:
                await self.look()
            except (*DATABASE_ERRORS, EngineError) as error:
                observe_limits.loss_check_failed(error)

    async def look(self) -> None:
        """Look at each owner with a limit. Raises ``DATABASE_ERRORS`` or ``EngineError``."""
        if not self._rules.limits.has(LimitName.DAILY_LOSS):
            return
        day = await read_day(self._pool)
        for owner in await self._list_owners():
            limits = self._rules.limits.find(owner)
            if isinstance(limits.get(LimitName.DAILY_LOSS), int):
                await self._look_at(owner, day, limits)

    async def _list_owners(self) -> Sequence[str]:
        """Those that may have a limit, and have traded."""
        owners = self._rules.limits.list_owners()
        return await read_owners(self._pool) if ALL_OWNERS in owners else owners

    async def _look_at(self, owner: str, day: date, limits: OwnerLimits) -> None:
        limit, target = int(str(limits[LimitName.DAILY_LOSS])), Target(Scope.OWNER, owner)
        realized = await self._results.compute(owner, day)
        is_stopped = any(each.target == target for each in self._rules.current)
        lost = await store_realized(self._pool, owner, day, realized, is_stopped=is_stopped)
        if is_stopped or not is_loss_near(lost.loss, limit):
            return
        token = self._rules.limits.reference
        amounts = [f"{format_amount(each, token.decimals)}" for each in (lost.loss, limit)]
        why = f"the fills of {day} (UTC) have lost {amounts[0]} {token.symbol}; the limit is"
        why = f"{why} {amounts[1]}"
        if lost.loss < limit:
            if not lost.is_warned and await warn_of_loss(self._pool, owner, day, why):
                observe_limits.loss_warned(owner, why)
            return
        state = TradingState(str(limits.get(LimitName.ON_DAILY_LOSS, TradingState.HALTED)))
        reference = token.symbol if state is TradingState.REDUCING else None
        change = StateChange(target, state, why, reference)
        if await stop_after_loss(self._pool, day, change, limit):
            observe_limits.loss_stopped(owner, why)
