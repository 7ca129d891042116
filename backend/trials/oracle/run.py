"""One run: places orders, and walks the path under the engine's watcher, which others replace.

The watcher runs in this process, without a worker beside it: what it releases is not executed, so
that no swap moves a price.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import aiohttp
import asyncpg
from prometheus_client import REGISTRY

from backend.config import Settings
from backend.domain.errors import Transient
from backend.engine.shared_services import open_shared_services
from backend.engine.triggers import build_watcher
from backend.engine.wallets.funds import build_holdings
from backend.runtime.background import run_in_background
from backend.store.journal import LeasePolicy
from backend.trials.oracle.comparison import OracleResult, PlacedOrder, Release, compare
from backend.trials.oracle.orders import Direction, DrawnOrder, draw_order
from backend.trials.oracle.path import PAIRS, MarketPath, Step, convert_dollars
from backend.trials.oracle.restrictions import UNRESTRICTED
from backend.trials.oracle.rules import BPS
from backend.trials.oracle.sliced_orders import DrawnTwap, SlicedOrders, draw_twap
from backend.trials.oracle.sniper_orders import SniperOrders

BATCH_ORDERS: Final = 500
WAVES: Final = 6
"""The orders are placed in so many parts, over the first half of the path."""
DOLLARS: Final = (-3.0, 6.5)
"""Powers of ten of the least and the largest value of an order."""
STEP_ROUNDS: Final = 1
"""So many rounds of the watcher after the one that saw a slot: they began after it."""
NEWS_ROUNDS: Final = 4
"""The same where orders were placed: they come by notifications, in any number of parts."""
PAIRS_SHARE: Final = 0.1
"""The share of orders that come as OCO pairs."""
TWAPS_SHARE: Final = 0.05
SNIPERS_SHARE: Final = 0.08
RESTRICTED_SHARE: Final = 0.4
"""The share of the others that name the pools that they may use."""
HOLD_S: Final = 0.4
"""A step that decides about sniper orders takes as long as a slot: its pools are to be found."""
DOWN_S: Final = 2.5
"""Nobody watches for so long before another watcher takes over: slices are late then."""
STEP_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.004

# An order whose sibling is in flight is released in vain again and again, and not watched between.
_COUNT_WAITING: Final = """
SELECT count(*) AS all, count(*) FILTER (WHERE NOT is_blocked) AS free
FROM (
    SELECT EXISTS (
        SELECT FROM orders s WHERE s.oco_group = o.oco_group AND s.status = 'routing'
    ) AS is_blocked
    FROM orders o WHERE trigger_shard IS NOT NULL
) waiting
"""
_SELECT_NOW: Final = "SELECT clock_timestamp()"
_SELECT_RELEASES: Final = """
SELECT order_id, (data->>'slot')::bigint AS slot, data->>'pool' AS pool,
       data->>'executablePrice' AS price
FROM order_events WHERE seq = 3 AND status = 'routing'
"""


@dataclass(frozen=True, slots=True)
class OraclePlan:
    """A run of ``orders`` orders over ``steps`` slots; ``restarts`` watchers follow the first."""

    orders: int
    steps: int
    seed: int = 1
    restarts: int = 2

    def plan_waves(self) -> dict[int, int]:
        """How many orders are placed, by step."""
        return {
            self.steps // 2 * n // WAVES: self.orders * (n + 1) // WAVES - self.orders * n // WAVES
            for n in range(WAVES)
        }

    def list_restarts(self) -> set[int]:
        """The steps after which another watcher takes over."""
        return {self.steps * n // (self.restarts + 1) for n in range(1, self.restarts + 1)}


class OracleRun:
    """A run on the empty database and the node of ``settings``, through the API at ``api_url``."""

    def __init__(
        self, plan: OraclePlan, settings: Settings, api_url: str, session: aiohttp.ClientSession
    ) -> None:
        assert settings.solana_rpc_url is not None
        assert settings.database_url is not None
        self._plan = plan
        self._settings = settings
        self._database_url = settings.database_url
        self._orders_url = f"{api_url}/api/orders/batch"
        self._session = session
        self._random = Random(f"{plan.seed} orders")  # noqa: S311 - repeatable, not a secret
        path_random = Random(f"{plan.seed} path")  # noqa: S311
        self._path = MarketPath(settings.solana_rpc_url, session, path_random)
        twap_random = Random(f"{plan.seed} slices")  # noqa: S311
        self._twaps = SlicedOrders(api_url, session, twap_random)
        sniper_random = Random(f"{plan.seed} launches")  # noqa: S311
        self._snipers = SniperOrders(self._path, sniper_random, settings.max_price_impact_bps)
        self._placed: dict[UUID, PlacedOrder] = {}

    async def run(self) -> OracleResult:
        """Walk the path and compare. Raises ``Transient`` if the watcher does not follow."""
        await self._path.halt()
        await self._path.record()
        connection = await asyncpg.connect(self._database_url)
        try:
            while len(self._path.steps) <= self._plan.steps:
                if self._twaps.watched:
                    await asyncio.sleep(DOWN_S)
                async with self._run_watcher():
                    await self._walk(connection)
            rows = await connection.fetch(_SELECT_RELEASES)
            releases = {order_id: Release(*told) for order_id, *told in rows}
            restarts = self._plan.list_restarts()
            await self._snipers.resolve()
            result = compare(self._placed, releases, self._path.steps, restarts)
            await self._twaps.compare(connection, result)
            return result
        finally:
            await connection.close()

    async def _walk(self, connection: Any) -> None:
        """Walk until a restart is due, or to the end."""
        await _wait_judged(connection, self._path.steps[-1])
        watched_since = await connection.fetchval(_SELECT_NOW)
        await self._walk_watched(connection)
        self._twaps.watched.append((watched_since, await connection.fetchval(_SELECT_NOW)))

    async def _walk_watched(self, connection: Any) -> None:
        waves, restarts = self._plan.plan_waves(), self._plan.list_restarts()
        await self._hold()
        while (at := len(self._path.steps) - 1) <= self._plan.steps:
            if at in waves:
                await self._snipers.add_tokens()
                await self._place_orders(waves[at])
                await _wait_judged(connection, self._path.steps[-1], NEWS_ROUNDS)
            await self._snipers.launch_due()
            await self._hold()
            step = await self._path.advance()
            await _wait_judged(connection, step)
            await self._hold()
            await self._twaps.withdraw(connection)
            if at + 1 in restarts:
                return
        await self._twaps.wait_last(connection)

    async def _hold(self) -> None:
        if self._snipers.is_deciding():
            await asyncio.sleep(HOLD_S)

    @asynccontextmanager
    async def _run_watcher(self) -> AsyncIterator[None]:
        settings = self._settings
        policy = LeasePolicy(
            timedelta(seconds=settings.lease_s), timedelta(seconds=settings.rekick_s)
        )
        async with open_shared_services(settings, None) as shared:
            funds = build_holdings(settings, shared)
            watcher = build_watcher(settings, shared, policy, funds)
            async with run_in_background(watcher.run):
                yield
            await watcher.release_shards()

    async def _place_orders(self, count: int) -> None:
        at = len(self._path.steps) - 1
        for first in range(0, count, BATCH_ORDERS):
            orders = self._draw_orders(min(BATCH_ORDERS, count - first))
            body = {"orders": [order.body for order in orders]}
            async with self._session.post(self._orders_url, json=body) as response:
                reply: dict[str, Any] = await response.json()
                assert response.status == 202, reply
            for order, entry in zip(orders, reply["orders"], strict=True):
                assert "orderId" in entry, (order.body, entry)
                order_id = UUID(entry["orderId"])
                if isinstance(order, DrawnTwap):
                    self._twaps.placed[order_id] = order
                    continue
                label = order.body.get("ocoGroup")
                group = None if label is None else f"{label} of {reply['batchId']}"
                self._placed[order_id] = PlacedOrder(order, at, group)

    def _draw_orders(self, count: int) -> list[DrawnOrder | DrawnTwap]:
        orders: list[DrawnOrder | DrawnTwap] = []
        while len(orders) < count:
            base, quote = self._random.choice(PAIRS)
            direction = self._random.choice(((base, quote), (quote, base)))
            kind = self._random.random()
            if kind < TWAPS_SHARE:
                amount_in = convert_dollars(10 ** self._random.uniform(*DOLLARS), direction[0])
                orders.append(draw_twap(self._random, direction, amount_in))
            elif kind < TWAPS_SHARE + SNIPERS_SHARE:
                orders.append(self._snipers.draw())
            elif kind < TWAPS_SHARE + SNIPERS_SHARE + PAIRS_SHARE / 2 and len(orders) + 2 <= count:
                legs = self._draw_order(direction), self._draw_order(direction)
                label = f"pair-{len(orders)}"
                orders += [replace(leg, body={**leg.body, "ocoGroup": label}) for leg in legs]
            else:
                orders.append(self._draw_order(direction))
        return orders

    def _draw_order(self, direction: Direction) -> DrawnOrder:
        step, random = self._path.steps[-1], self._random
        asked = UNRESTRICTED
        if random.random() < RESTRICTED_SHARE:
            asked = self._path.draw_restriction(random, direction)
        while True:
            amount_in = convert_dollars(10 ** random.uniform(*DOLLARS), direction[0])
            market = step.find_price(direction, amount_in, BPS, asked.pools) if amount_in else None
            if market:
                cap_bps = self._settings.max_price_impact_bps
                return draw_order(random, direction, amount_in, market, cap_bps, asked)


async def _wait_judged(connection: Any, step: Step, more: int = STEP_ROUNDS) -> None:
    """Wait until the watcher knows all that waits and has judged it by the markets of a step."""
    seen_at: float | None = None
    try:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while True:
                waiting = await connection.fetchrow(_COUNT_WAITING)
                watched = _read_metric("trigger_orders_waiting")
                is_known = waiting["free"] <= watched <= waiting["all"]
                rounds = _read_metric("trigger_judge_seconds_count")
                if is_known and not waiting["all"]:
                    return
                if not is_known or _read_metric("trigger_market_slot") != step.slot:
                    seen_at = None
                elif seen_at is None:
                    seen_at = rounds
                elif rounds >= seen_at + more:
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        reason = f"slot {step.slot} was not judged in {STEP_TIMEOUT_S:g} s"
        raise Transient("slot_not_judged", reason) from None


def _read_metric(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0
