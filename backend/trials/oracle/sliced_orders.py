"""The TWAP orders of a run: draws them, withdraws some of their slices, and compares what came.

Nothing is executed in a run: a slice is open until it is withdrawn, and then leaves its amount.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import aiohttp

from backend.domain.amounts import format_amount
from backend.trials.oracle.comparison import OracleResult
from backend.trials.oracle.orders import Direction
from backend.trials.oracle.slices import (
    SECOND_US,
    Slice,
    SliceRule,
    SlicesSeen,
    find_slice_faults,
)

Json = dict[str, Any]

TWAP: Final = "twap"
SLICES_MAX: Final = 4
INTERVALS_S: Final = (1, 1, 2)
JITTERS_BPS: Final = (0, 0, 1_000, 5_000)
WITHDRAWN_SHARES: Final = (0.0, 0.0, 0.3, 1.0)
"""Of the slices of an order, so many are withdrawn."""
TINY_SHARE: Final = 0.1
"""So many orders have hardly a base unit for each slice."""
LAST_S_MAX: Final = 30.0
"""The last slices have come after that time."""
_LOOK_S: Final = 0.05

_SELECT_OPEN: Final = """
SELECT id, parent_id FROM orders WHERE parent_id = ANY($1::uuid[]) AND status <> 'cancelled'
ORDER BY created_at, id
"""
_SELECT_PARENTS: Final = """
SELECT id, status, coalesce(slices_placed, 0) AS placed, created_at FROM orders
WHERE id = ANY($1::uuid[])
"""
_SELECT_SLICES: Final = """
SELECT parent_id, created_at, amount_in::text, closed_at FROM orders
WHERE parent_id = ANY($1::uuid[]) ORDER BY parent_id, created_at, id
"""


@dataclass(frozen=True, slots=True)
class DrawnTwap:
    """A TWAP order: the body of its request, and what follows of it."""

    body: Json
    rule: SliceRule
    withdrawn_share: float


def draw_twap(random: Random, direction: Direction, amount_in: int) -> DrawnTwap:
    """Draw a TWAP order of about this amount."""
    slices, interval_s = random.randint(2, SLICES_MAX), random.choice(INTERVALS_S)
    amount_in = max(amount_in, slices)
    if random.random() < TINY_SHARE:
        amount_in = slices + random.randrange(3)
    jitter_bps = random.choice(JITTERS_BPS)
    token_in, token_out = direction
    body: Json = {
        "type": TWAP,
        "tokenIn": token_in.symbol,
        "tokenOut": token_out.symbol,
        "amount": format_amount(amount_in, token_in.decimals),
        "slices": slices,
        "intervalS": interval_s,
    }
    if jitter_bps:
        body["jitterBps"] = jitter_bps
    rule = SliceRule(amount_in, slices, interval_s * SECOND_US, jitter_bps)
    return DrawnTwap(body, rule, random.choice(WITHDRAWN_SHARES))


@dataclass(slots=True)
class SlicedOrders:
    """The TWAP orders that were placed through the API at ``api_url``.

    ``watched`` are the times, by the database's clock, in which a watcher watched.
    """

    api_url: str
    session: aiohttp.ClientSession
    random: Random
    placed: dict[UUID, DrawnTwap] = field(default_factory=dict)
    watched: list[tuple[datetime, datetime]] = field(default_factory=list)
    _seen: set[UUID] = field(default_factory=set)

    async def withdraw(self, connection: Any) -> None:
        """Withdraw some of the slices that are new."""
        for row in await connection.fetch(_SELECT_OPEN, list(self.placed)):
            if row["id"] in self._seen:
                continue
            self._seen.add(row["id"])
            if self.random.random() < self.placed[row["parent_id"]].withdrawn_share:
                url = f"{self.api_url}/api/orders/{row['id']}"
                async with self.session.delete(url) as response:
                    assert response.status == 200, await response.text()

    async def wait_last(self, connection: Any) -> None:
        """Wait until all slices have come, or should have."""
        until = asyncio.get_running_loop().time() + LAST_S_MAX
        while asyncio.get_running_loop().time() < until:
            await self.withdraw(connection)
            rows = await connection.fetch(_SELECT_PARENTS, list(self.placed))
            if all(self._is_done(row) for row in rows):
                return
            await asyncio.sleep(_LOOK_S)

    def _is_done(self, row: Mapping[str, Any]) -> bool:
        order = self.placed[row["id"]]
        if order.withdrawn_share == 1:
            return bool(row["status"] != "waiting")
        return bool(row["placed"] >= order.rule.slices)

    async def compare(self, connection: Any, result: OracleResult) -> None:
        """Replay every order, and add what differs."""
        rows: defaultdict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
        until = await connection.fetchval("SELECT clock_timestamp()")
        for row in await connection.fetch(_SELECT_SLICES, list(self.placed)):
            rows[row["parent_id"]].append(row)
        for parent in await connection.fetch(_SELECT_PARENTS, list(self.placed)):
            order = self.placed[parent["id"]]
            seen = self._see(parent, rows[parent["id"]], until)
            faults = list(find_slice_faults(order.rule, seen))
            result.orders[TWAP] += 1
            result.released[TWAP] += len(seen.slices) >= order.rule.slices
            result.exact[TWAP] += not faults
            result.differences += [f"{order.body} ({parent['id']}): {each}" for each in faults]

    def _see(
        self, parent: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], until: datetime
    ) -> SlicesSeen:
        def count_us(at: datetime) -> int:
            accepted_at: datetime = parent["created_at"]
            return (at - accepted_at) // timedelta(microseconds=1)

        def read_slices() -> Iterator[Slice]:
            for row in rows:
                ended_at = None if row["closed_at"] is None else count_us(row["closed_at"])
                yield Slice(count_us(row["created_at"]), int(row["amount_in"]), ended_at)

        watched = [(count_us(since), count_us(to)) for since, to in self.watched]
        has_ended = parent["status"] != "waiting"
        return SlicesSeen(list(read_slices()), watched, count_us(until), has_ended)
