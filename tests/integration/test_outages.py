"""Outages of the node and of both venues: they cost an order time, and no attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random

import pytest

from backend.domain.lifecycle import Status
from backend.engine import worker as composition
from backend.execution import order_execution
from backend.store.database import open_pool
from tests.integration.node_proxy import Json, NodeProxy
from tests.integration.proxied_engine import (
    ProxiedEngine,
    open_live_engine,
    open_proxied_engine,
    read_metric,
    refuse_methods,
)
from tests.scenario import HAPPY_PATH, TIMEOUT_S

ORDERS = 25
ATTEMPTS_MAX = 3
QUICK: Json = {"backoff_s": 0.01, "rekick_s": 0.1, "sweep_s": 0.05}

OpenEngine = Callable[..., AbstractAsyncContextManager[ProxiedEngine]]
BreakNode = Callable[[NodeProxy], Awaitable[None]]


async def wait_for(is_met: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not is_met():
            await asyncio.sleep(0.01)


async def stop_listening(proxy: NodeProxy) -> None:
    await proxy.stop()


async def answer_503(proxy: NodeProxy) -> None:
    proxy.status = 503


async def answer_429(proxy: NodeProxy) -> None:
    proxy.status, proxy.headers = 429, {"Retry-After": "0.2"}


async def answer_rubbish(proxy: NodeProxy) -> None:
    proxy.rule = lambda call, answer: {"result": "?"}


async def refuse_accounts(proxy: NodeProxy) -> None:
    proxy.rule = refuse_methods("getMultipleAccounts", code=-32603)


async def report_behind(proxy: NodeProxy) -> None:
    proxy.rule = refuse_methods("getMultipleAccounts", code=-32005)


async def refuse_blockhashes(proxy: NodeProxy) -> None:
    proxy.rule = refuse_methods("getLatestBlockhash", code=-32004)


async def heal(proxy: NodeProxy) -> None:
    proxy.status, proxy.rule = None, lambda call, answer: None
    await proxy.stop()
    await proxy.start()


@pytest.mark.parametrize(
    "break_node",
    [
        stop_listening,
        answer_503,
        answer_429,
        answer_rubbish,
        refuse_accounts,
        report_behind,
        refuse_blockhashes,
    ],
)
async def test_orders_that_come_during_an_outage_wait_and_are_confirmed_in_one_attempt(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    break_node: BreakNode,
) -> None:
    async with open_proxied_engine(database_url, redis_url, data_dir, **QUICK) as proxied:
        engine, proxy = proxied.engine, proxied.proxy
        waited, failures = read_metric("orders_waited"), read_metric("rpc_calls")
        await break_node(proxy)
        terms = engine.build_terms("0.1", slippage_bps=500)
        ids = await engine.place_orders(*[terms] * ORDERS)
        await wait_for(lambda: read_metric("orders_waited") - waited >= ORDERS)
        # Many more requests than the attempts of an order fail.
        await wait_for(lambda: read_metric("rpc_calls") - failures > 4 * ATTEMPTS_MAX)
        await heal(proxy)
        histories = await engine.wait_all_ended(ids)
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        assert {history.record.attempts for history in histories} == {1}
        assert set(await engine.read_swaps()) == {history.record.tx_hash for history in histories}


@pytest.mark.parametrize(
    ("break_node", "code", "statuses"),
    [
        (stop_listening, "venues_unavailable", ["pending", "routing", "failed"]),
        (refuse_accounts, "venues_unavailable", ["pending", "routing", "failed"]),
        (refuse_blockhashes, "node_unavailable", ["pending", "routing", "building", "failed"]),
    ],
)
async def test_an_outage_longer_than_the_setting_fails_the_order_with_that_reason(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    break_node: BreakNode,
    code: str,
    statuses: list[str],
) -> None:
    async with open_proxied_engine(
        database_url, redis_url, data_dir, outage_wait_s=1, **QUICK
    ) as proxied:
        await break_node(proxied.proxy)
        [order_id] = await proxied.engine.place_orders(proxied.engine.build_terms("1"))
        history = await proxied.engine.wait_ended(order_id)
        assert history.statuses == statuses
        [failed] = history.event_data("failed")
        assert failed["code"] == code
        assert failed["reason"].endswith("(waited 1 s, nothing was sent)")
        assert history.record.last_error == f"{code}: {failed['reason']}"
        assert history.record.attempts == 1
        assert await proxied.engine.read_ledger() == []


async def test_a_worker_that_stops_hands_its_waiting_orders_over_with_the_time_they_waited(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        open_proxied_engine(
            database_url, redis_url, data_dir, outage_wait_s=3_600, **QUICK
        ) as proxied,
        open_pool(database_url, connections_max=1) as pool,
    ):
        engine = proxied.engine
        waited = read_metric("orders_waited")
        await refuse_accounts(proxied.proxy)
        first, second = await engine.place_orders(*[engine.build_terms("1")] * 2)
        await wait_for(lambda: read_metric("orders_waited") - waited >= 2)
        await engine.workers.stop()
        query = "SELECT count(*) FROM orders WHERE waiting_since < now() AND lease_until IS NULL"
        assert await pool.fetchval(query) == 2
        # Workers that die one after the other do not make its wait longer.
        await pool.execute(
            "UPDATE orders SET waiting_since = now() - interval '2 h' WHERE id = $1", first
        )
        await engine.workers.start()
        failed = await engine.wait_ended(first)
        assert failed.statuses == ["pending", "routing", "failed"]
        await heal(proxied.proxy)
        assert (await engine.wait_ended(second)).statuses == HAPPY_PATH
        assert await pool.fetchval("SELECT count(waiting_since) FROM orders") == 0


@pytest.mark.parametrize(
    ("open_engine", "statuses"),
    [
        (open_proxied_engine, HAPPY_PATH),
        (open_live_engine, [*HAPPY_PATH[:3], *HAPPY_PATH[1:]]),
    ],
)
async def test_an_order_is_routed_again_when_its_quotes_became_too_old(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    open_engine: OpenEngine,
    statuses: list[str],
) -> None:
    """A route that is stored already is given up by an event, and costs no attempt either."""
    monkeypatch.setattr(order_execution, "QUOTE_WAIT_MAX_S", 0.3)
    async with open_engine(database_url, redis_url, data_dir) as proxied:
        engine, proxy = proxied.engine, proxied.proxy
        healthy = proxy.rule
        refuse = refuse_methods("getLatestBlockhash", code=-32005)
        proxy.rule = lambda call, answer: healthy(call, answer) or refuse(call, answer)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        asked = proxy.calls["getLatestBlockhash"]
        await wait_for(lambda: proxy.calls["getLatestBlockhash"] - asked > 5)
        reads = proxy.calls["getMultipleAccounts"]
        proxy.rule = healthy
        history = await engine.wait_ended(order_id)
        assert history.statuses == statuses
        assert history.record.attempts == 1
        assert proxy.calls["getMultipleAccounts"] > reads


async def test_orders_that_wait_do_not_keep_others_from_starting(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "UNSENT_ORDERS_MAX", 2)
    async with open_proxied_engine(database_url, redis_url, data_dir, **QUICK) as proxied:
        engine = proxied.engine
        await proxied.proxy.stop()
        ids = await engine.place_orders(*[engine.build_terms("0.1", slippage_bps=500)] * 10)
        for order_id in ids:
            await engine.wait_status(order_id, Status.ROUTING)
        await heal(proxied.proxy)
        histories = await engine.wait_all_ended(ids)
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}


async def test_a_preflight_on_a_node_that_is_behind_costs_no_attempt(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """Half of all simulations meet a node that does not know the blockhash, or is behind."""
    random = Random(7)
    min_slots: list[int] = []

    def answer_from_behind(call: Json, answer: Json) -> Json | None:
        if call["method"] != "simulateTransaction":
            return None
        min_slots.append(call["params"][1]["minContextSlot"])
        if random.random() < 0.4:
            return {"result": {**answer["result"], "value": UNKNOWN_BLOCKHASH}}
        code = random.choice((-32016, -32005, -32004, *[None] * 12))
        return None if code is None else {"error": {"code": code, "message": "behind"}}

    async with open_live_engine(database_url, redis_url, data_dir, answer_from_behind) as proxied:
        engine = proxied.engine
        terms = engine.build_terms("0.1", slippage_bps=500)
        ids = await engine.place_orders(*[terms] * 50)
        histories = await engine.wait_all_ended(ids)
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        assert {history.record.attempts for history in histories} == {1}
        swaps = {s for s, swap in (await engine.read_swaps()).items() if swap["pool"] is not None}
        assert swaps == {history.record.tx_hash for history in histories}
        assert len(min_slots) > 50
        assert min(min_slots) > 0


UNKNOWN_BLOCKHASH = {"err": "BlockhashNotFound", "logs": [], "unitsConsumed": 0}
