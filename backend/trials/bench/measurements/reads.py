"""What reads cost beside many past orders, against few: feed, lists by each filter, counts, sweep.

Each read is executed by turns on both databases, without an engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final
from uuid import UUID

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderType
from backend.domain.quotes import Dex
from backend.domain.tokens import TokenRegistry
from backend.store.counts import OpenOrderCounts, StatusCounts
from backend.store.database import DatabasePool, open_pool
from backend.store.feed import Feed, FeedPosition
from backend.store.fills.ended_lists import EndFilter
from backend.store.fills.fill_store import FillStore
from backend.store.journal import LeasePolicy
from backend.store.leases import LeaseStore
from backend.store.reads.order_lists import OrderFilter
from backend.store.reads.queries import OrderQueries
from backend.trials.bench.figures import Figures, difference_percent
from backend.trials.bench.past_orders import HISTORY_OWNER

PAGE: Final = 50
_MIDDLE: Final = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=50)
"""Between the past orders of the smaller database."""
_LEASES: Final = LeasePolicy(duration=timedelta(seconds=15), rekick_after=timedelta(seconds=60))
FILTERS: Final[Mapping[str, OrderFilter]] = {
    "all": OrderFilter(),
    "status": OrderFilter(statuses=(Status.CONFIRMED,)),
    "failed": OrderFilter(statuses=(Status.FAILED,)),
    "type": OrderFilter(type=OrderType.MARKET),
    "token_in": OrderFilter(token_in="SOL"),  # noqa: S106 - a token of a swap
    "token_out": OrderFilter(token_out="USDC"),  # noqa: S106
    "dex": OrderFilter(dex=Dex.METEORA),
    "from": OrderFilter(created_from=_MIDDLE),
    "to": OrderFilter(created_to=_MIDDLE),
    "updated_since": OrderFilter(updated_since=_MIDDLE),
    "client_order_id": OrderFilter(client_order_id="unknown"),
    "batch_id": OrderFilter(batch_id=UUID(int=1)),
    "parent_id": OrderFilter(parent_id=UUID(int=1)),
    "oco_group": OrderFilter(oco_group=UUID(int=1)),
}

Read = Callable[[], Awaitable[object]]


async def measure_reads(few_url: str, many_url: str, repeats: int) -> Figures:
    """The median of each read in milliseconds beside few orders and many, and how they differ."""
    async with (
        open_pool(few_url, connections_max=2) as few,
        open_pool(many_url, connections_max=2, timeout_s=60) as many,
    ):
        sides = [await _build_reads(each) for each in (few, many)]
        figures: dict[str, float] = {}
        for name in sides[0]:
            took_ms = await _measure([side[name] for side in sides], repeats)
            figures[f"{name}_few_ms"], figures[f"{name}_many_ms"] = took_ms
            figures[f"{name}_difference_percent"] = difference_percent(took_ms[1], took_ms[0])
        return figures


async def _build_reads(pool: DatabasePool) -> Mapping[str, Read]:
    """The reads of a database, by name."""
    tokens = TokenRegistry()
    queries, feed = OrderQueries(pool), Feed(pool)
    leases = LeaseStore(pool, policy=_LEASES, tokens=tokens, on_commit=lambda _: None)
    counts, open_counts = StatusCounts(pool), OpenOrderCounts(pool)
    fills = FillStore(pool, tokens, "USDC")
    await counts.refresh()  # the first one counts all orders, once in the life of a process

    def list_page(which: OrderFilter) -> Read:
        return lambda: queries.list_page(HISTORY_OWNER, which, limit=PAGE)

    return {
        "feed": lambda: feed.read_events(FeedPosition(-200), PAGE),
        "counts": counts.refresh,
        "open_counts": open_counts.poll,
        "sweep": leases.find_overdue_owners,
        "fills": lambda: fills.read_page(HISTORY_OWNER, EndFilter(), limit=PAGE),
        **{f"list_{name}": list_page(which) for name, which in FILTERS.items()},
    }


async def _measure(reads: Sequence[Read], repeats: int) -> tuple[float, float]:
    """The medians of two reads, which are executed by turns, in milliseconds."""
    loop = asyncio.get_running_loop()
    took: list[list[float]] = [[], []]
    for number in range(repeats + 3):
        for side, read in enumerate(reads):
            started_s = loop.time()
            await read()
            if number >= 3:  # the first ones plan the statement
                took[side].append((loop.time() - started_s) * 1_000)
    return median(took[0]), median(took[1])
