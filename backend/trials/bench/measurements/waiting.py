"""What orders that wait for a price cost, and how soon after their price was met they are executed.

The watcher's costs are measured with a few orders and with many, the rate of market orders beside
both. Prices move all the time, as the simulated node's do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any, Final

import aiohttp

from backend.domain.errors import Transient
from backend.domain.tokens import BONK, JUP, RAY, SOL, USDC, USDT, WETH
from backend.simulator.market.prices import usd_price_e6
from backend.simulator.options import SimulatorOptions
from backend.trials import process_usage as usage
from backend.trials.bench import order_bodies
from backend.trials.bench.bench_run import BenchRun
from backend.trials.bench.figures import Figures, difference_percent, summarize_delays

Json = dict[str, Any]

TOKENS: Final = (SOL, USDC, USDT, JUP, BONK, RAY, WETH)
"""Those of the orders: 21 pairs."""
PRICES: Final = {
    token.symbol: usd_price_e6(token, SimulatorOptions().sol_price) / 1_000_000 for token in TOKENS
}
"""What one token is worth on the simulated node, about."""
FAR: Final = (0.2, 0.6)
"""How far from the market orders are that must not be met, as fractions of its price."""
NEAR: Final = 0.1
MOVE_BPS: Final = 1_500
LADDER_BPS: Final = 10
LADDER_MOVE_BPS: Final = 30
SLOT_S: Final = 0.4
WATCH_TIMEOUT_S: Final = 120.0
POLL_S: Final = 0.05
SLOT_POLL_S: Final = 0.002
SLOT_PROBES: Final = 5

_COUNT_WAITING: Final = "SELECT count(*) FROM orders WHERE trigger_shard IS NOT NULL"
_COUNT_SUBMITTED: Final = """
SELECT count(DISTINCT order_id) FROM order_events
WHERE status = 'submitted' AND order_id = ANY($1::uuid[])
"""
_SELECT_TIMES: Final = """
SELECT (r.data->>'slot')::bigint AS slot, extract(epoch FROM r.at)::float8 AS released_s,
       extract(epoch FROM s.at)::float8 AS submitted_s
FROM (SELECT order_id, min(seq) AS seq FROM order_events
      WHERE status = 'routing' AND order_id = ANY($1::uuid[]) GROUP BY order_id) f
JOIN order_events r USING (order_id, seq)
JOIN LATERAL (SELECT min(at) AS at FROM order_events
              WHERE order_id = f.order_id AND status = 'submitted') s ON s.at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class WaitingLoad:
    """A comparison of ``few`` orders with many, ``met`` that one move meets, and ``market`` orders
    beside both in each of ``rounds``; ``ladder`` orders whose prices are met one after the other.
    """

    few: int = 100
    met: int = 1_000
    market: int = 5_000
    rounds: int = 3
    idle_s: float = 10.0
    ladder: int = 300


async def measure_waiting(run: BenchRun, load: WaitingLoad, count: int, size: int) -> Figures:
    """Measure with a few waiting orders and with ``count``, posted in batches of ``size``.

    Raises ``Transient`` if the workers do not watch them.
    """
    figures: dict[str, float] = {}
    await _place(run, [_draw_far(run.random) for _ in range(load.few)], size)
    figures["idle_few_cpu_percent"] = await _measure_idle(run, load.idle_s)
    few_rates = [await _measure_rate(run, load.market, size) for _ in range(load.rounds)]
    before = usage.read_memory_bytes(run.system.pids["worker"], "VmRSS")
    await _place(run, [_draw_far(run.random) for _ in range(count - load.few - load.met)], size)
    near = await _place(run, [_draw_near(run.random) for _ in range(load.met)], size)
    growth = usage.read_memory_bytes(run.system.pids["worker"], "VmRSS") - before
    figures["worker_kib_per_waiting_order"] = growth / (count - load.few) / 1_024
    figures["idle_many_cpu_percent"] = await _measure_idle(run, load.idle_s)
    many_rates = [await _measure_rate(run, load.market, size) for _ in range(load.rounds)]
    figures["market_beside_few_orders_per_s"] = median(few_rates)
    figures["market_beside_many_orders_per_s"] = median(many_rates)
    figures["market_difference_percent"] = difference_percent(median(many_rates), median(few_rates))
    stopped_at = await run.system.restart_workers()
    await _wait_watched(run)
    figures["restart_until_watching_s"] = asyncio.get_running_loop().time() - stopped_at
    figures["met_at_once_until_submitted_ms"] = await _measure_move(run, near) * 1_000
    await run.wait_until_drained()
    return figures


async def measure_latency(run: BenchRun, load: WaitingLoad, size: int) -> Figures:
    """Measure from the slot in which a price is met to ``submitted``, for a ladder of limits."""
    ids = await _place(run, [_draw_rung(n) for n in range(load.ladder)], size)
    slot_at_s, depth = await _measure_slots(run)
    steps = load.ladder * LADDER_BPS // LADDER_MOVE_BPS
    for _ in range(steps):
        await _move_price(run, LADDER_MOVE_BPS)
        await asyncio.sleep(run.random.uniform(0.2, 0.6))
    await _wait_submitted(run, ids, load.ladder // 2)
    await run.wait_until_drained()
    rows = await run.connection.fetch(_SELECT_TIMES, ids)
    # A node tells a state with the slot that is confirmed then, so many slots later.
    delays_s = [row["submitted_s"] - slot_at_s - (row["slot"] + depth) * SLOT_S for row in rows]
    released_s = [row["released_s"] - slot_at_s - (row["slot"] + depth) * SLOT_S for row in rows]
    return {
        "met_one_by_one": float(len(rows)),
        **summarize_delays("met_to_released", released_s),
        **summarize_delays("met_to_submitted", delays_s),
    }


async def _place(run: BenchRun, bodies: Sequence[Json], size: int) -> list[str]:
    """Place orders that wait, and wait until the workers watch all that wait."""
    requests = order_bodies.build_batch_requests(run.system.api_url, bodies, size)
    results = await run.client.post(requests)
    run.record_accepted(results)
    await _wait_watched(run)
    return list(results.due_at_s)


async def _measure_idle(run: BenchRun, idle_s: float) -> float:
    """The share of a core that the workers take while prices move and meet nothing."""
    before = usage.read_cpu_s({"worker": run.system.pids["worker"]})["worker"]
    started = asyncio.get_running_loop().time()
    await asyncio.sleep(idle_s)
    after = usage.read_cpu_s({"worker": run.system.pids["worker"]})["worker"]
    return (after - before) / (asyncio.get_running_loop().time() - started) * 100


async def _measure_rate(run: BenchRun, count: int, size: int) -> float:
    requests = run.build_requests(count, batch=size)
    _, figures = await run.measure(lambda: run.client.post(requests))
    return figures["orders_per_s"]


async def _measure_move(run: BenchRun, ids: Sequence[str]) -> float:
    """The seconds from a move of the price until all orders that it meets are submitted."""
    moved_at_s = asyncio.get_running_loop().time() + run.clock_offset_s
    await _move_price(run, MOVE_BPS)
    await _wait_submitted(run, ids, len(ids))
    rows = await run.connection.fetch(_SELECT_TIMES, list(ids))
    return float(max(row["submitted_s"] for row in rows)) - moved_at_s


async def _measure_slots(run: BenchRun) -> tuple[float, int]:
    """When slot 0 would have begun by the database's clock, and how many slots confirm one."""
    loop = asyncio.get_running_loop()
    began: list[float] = []
    last, depth = -1, 0
    async with aiohttp.ClientSession() as session:
        while len(began) <= SLOT_PROBES:
            async with session.get(f"{run.system.chain_url}/control/state") as response:
                state = await response.json()
            if state["slot"] != last:
                began.append(loop.time() + run.clock_offset_s - state["slot"] * SLOT_S)
                last, depth = state["slot"], state["slot"] - state["confirmedSlot"]
            await asyncio.sleep(SLOT_POLL_S)
    return min(began[1:]), depth


async def _move_price(run: BenchRun, bps: int) -> None:
    body = {"pair": ["SOL", "USDC"], "bps": bps}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{run.system.chain_url}/control/price", json=body) as response,
    ):
        response.raise_for_status()


async def _wait_watched(run: BenchRun) -> None:
    """Wait until the workers together watch all that waits."""
    waiting = await run.connection.fetchval(_COUNT_WAITING)
    watched = 0.0
    try:
        async with asyncio.timeout(WATCH_TIMEOUT_S), aiohttp.ClientSession() as session:
            while True:
                watched = await run.system.sum_worker_metric(session, "trigger_orders_waiting")
                if watched == waiting:
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        reason = f"of {waiting} waiting orders {watched:.0f} are watched"
        raise Transient("not_watched", reason) from None


async def _wait_submitted(run: BenchRun, ids: Sequence[str], count: int) -> None:
    try:
        async with asyncio.timeout(WATCH_TIMEOUT_S):
            while await run.connection.fetchval(_COUNT_SUBMITTED, list(ids)) < count:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        reason = f"of {count} orders whose price was met some were not submitted"
        raise Transient("not_submitted", reason) from None


def _draw_far(random: Random) -> Json:
    """An order of any type and pair whose price the market does not reach."""
    token_in, token_out = random.sample(sorted(PRICES), 2)
    market = PRICES[token_in] / PRICES[token_out]
    away = random.uniform(*FAR)
    above, below = f"{market * (1 + away):.9f}", f"{market * (1 - away):.9f}"
    body: Json = {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": f"{10 ** random.uniform(0, 3) / PRICES[token_in]:.5f}",
    }
    kinds: tuple[Json, ...] = (
        {"type": "limit", "limitPrice": above},
        {"type": "takeProfit", "triggerPrice": above},
        {"type": "stop", "triggerPrice": below},
        {"type": "stopLimit", "triggerPrice": below, "limitPrice": below},
        {"type": "trailingStop", "trailBps": int(away * 8_000)},
    )
    return body | random.choice(kinds)


def _draw_near(random: Random) -> Json:
    """A limit that one move of the price meets, and nothing before."""
    amount = f"{random.uniform(0.01, 1):.5f}"
    price = f"{PRICES['SOL'] * (1 + NEAR):.3f}"
    return {**_SOL, "amount": amount, "type": "limit", "limitPrice": price}


def _draw_rung(number: int) -> Json:
    """One of a ladder of limits, so far above the best price that the walk does not reach it."""
    price = PRICES["SOL"] * (1 + 0.03 + number * LADDER_BPS / 10_000)
    return {**_SOL, "amount": "0.1", "type": "limit", "limitPrice": f"{price:.6f}"}


_SOL: Final = {"tokenIn": "SOL", "tokenOut": "USDC"}
