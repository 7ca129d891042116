"""A PostgreSQL that has lost what it answered: nothing that was sent before is sent again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import redis.asyncio as redis
from prometheus_client import REGISTRY

from backend.chain.memos import read_attempt
from backend.chain.rpc.results import LandedTransaction
from backend.chain.wallet import create_paper_wallet
from backend.domain.errors import Transient
from backend.domain.lifecycle import Status
from backend.embedded.data_dir import hold_data_dir
from backend.execution.history import observe_history
from backend.execution.history.wallet_history import WalletHistory
from backend.store.database import open_pool
from backend.store.migrations import migrate
from backend.store.origin.journal_origin import JournalOrigin
from backend.store.withdrawals.cancellations import CancelReason
from backend.trials.audit.verification import fetch_faults
from backend.trials.chaos.units.process_unit import ProcessUnit
from backend.trials.failover.postgres_node import PostgresNode, build_shared_url, describe_source
from tests.scenario import HAPPY_PATH, TIMEOUT_S, EngineHarness, OrderHistory, open_engine

FAST = {"fsync": "off"}  # processes are killed here, not the machine
SETTINGS = {"rekick_s": 300, "sweep_s": 0.1, "reconcile_s": 0, "lease_s": 2}


@dataclass(frozen=True, slots=True)
class TwoServers:
    """A server that runs, and one that has no data yet; the URL of the one that accepts writes."""

    first: PostgresNode
    second: PostgresNode
    units: tuple[ProcessUnit, ProcessUnit]
    url: str

    async def copy(self, *, is_standby: bool) -> None:
        """Make the second one a copy of the first as it is now, which then falls behind."""
        self.second.copy(describe_source(self.first), is_standby=is_standby)
        if is_standby:
            await self.units[1].start()
            await self.second.wait_replayed(self.first)
            await self.units[1].stop()

    async def lose_first(self, *, is_standby: bool) -> None:
        """Lose the first one; the second one takes its place."""
        await self.units[0].kill()
        await self.units[1].start()
        if is_standby:
            await self.second.promote()


@asynccontextmanager
async def run_servers(data_dir: Path) -> AsyncIterator[TwoServers]:
    with hold_data_dir(data_dir / "a") as first, hold_data_dir(data_dir / "b") as second:
        one, other = PostgresNode(first, "first", FAST), PostgresNode(second, "second", FAST)
        units = ProcessUnit(one), ProcessUnit(other)
        try:
            await units[0].start()
            await migrate(one.url)
            yield TwoServers(one, other, units, build_shared_url(one, other))
        finally:
            for unit in units:
                await unit.kill()


async def wait_for(
    engine: EngineHarness, is_met: Callable[[list[str]], bool], *, blocks: int = 40
) -> None:
    """Let blocks pass until the reasons for which all orders are held are as expected."""
    async with asyncio.timeout(TIMEOUT_S):
        while not is_met([each.why for each in engine.services.trading.rules.current]):
            if blocks:
                await engine.control_node("advance", {"blocks": blocks})
            await asyncio.sleep(0.05)


async def count_executions(engine: EngineHarness) -> Counter[UUID]:
    """How often each order was executed on chain."""
    counts: Counter[UUID] = Counter()
    swaps = list(await engine.read_swaps())
    for landed in await engine.services.rpc.get_transactions(swaps):
        assert isinstance(landed, LandedTransaction)
        attempt = read_attempt(landed.wire, create_paper_wallet().address)
        assert attempt is not None
        counts[attempt.order_id] += 1
    return counts


async def place_and_end(engine: EngineHarness, count: int) -> list[UUID]:
    ids = await engine.place_orders(*[engine.build_terms("1")] * count)
    assert [each.statuses for each in await engine.wait_all_ended(ids)] == [HAPPY_PATH] * count
    return ids


async def read_ended(engine: EngineHarness, ids: list[UUID]) -> list[OrderHistory]:
    ended = await engine.wait_all_ended(ids)
    assert {each.record.status for each in ended} == {Status.CONFIRMED}
    return ended


def check_adopted(histories: list[OrderHistory]) -> None:
    assert [each.statuses for each in histories] == [HAPPY_PATH] * len(histories)
    [building] = histories[0].event_data("building")
    assert (building["code"], building["dex"]) == ("journal_restored", histories[0].record.dex)


async def check_held(engine: EngineHarness, order_id: UUID) -> None:
    """An order whose execution is lost stays as it is, and is not cancelled."""
    with pytest.raises(Transient):
        await engine.services.withdrawals.cancellations.cancel(
            "local", order_id, CancelReason.REQUESTED
        )
    held = await engine.services.orders.get("local", order_id)
    assert held is not None
    assert held.status is Status.PENDING


async def check_found(node: PostgresNode, adopted: list[UUID], unknown: list[UUID]) -> None:
    rows = await node.fetch(
        "SELECT order_id, adopted_at IS NULL AS is_open, note FROM found_transactions"
    )
    assert {row["order_id"] for row in rows if row["is_open"]} == set(unknown)
    assert {row["order_id"] for row in rows} == {*adopted, *unknown}
    assert {row["note"] for row in rows} == {None}


async def check_verified(servers: TwoServers, engine: EngineHarness, ids: list[UUID]) -> None:
    chain_url = str(engine.node._base_url)
    assert await fetch_faults(servers.url, chain_url, [str(each) for each in ids]) == []


async def test_a_promoted_standby_that_is_behind_gets_back_what_was_sent(
    redis_url: str, data_dir: Path
) -> None:
    async with (
        run_servers(data_dir) as servers,
        open_engine(servers.url, redis_url, data_dir, settings=SETTINGS) as engine,
    ):
        ended = await place_and_end(engine, 2)
        known = await engine.store_orders(*[engine.build_terms("1")] * 5)
        await servers.copy(is_standby=True)

        executed, in_flight, untouched = known[:2], known[2:4], known[4:]
        await engine.services.jobs.send("local", executed)
        await engine.wait_all_ended(executed)
        unknown = await place_and_end(engine, 2)
        await engine.inject_fault(fault="late_landing", by_seconds=2, count=2)
        await engine.services.jobs.send("local", in_flight)
        for order_id in in_flight:
            await engine.wait_status(order_id, Status.SUBMITTED)
        refused = await engine.inject_fault(
            fault="refuse_method", methods=["getSignaturesForAddress"]
        )
        await servers.lose_first(is_standby=True)

        await wait_for(engine, lambda why: any("history is not told" in each for each in why))
        assert REGISTRY.get_sample_value("journal_incomplete") == 1
        await engine.services.jobs.send("local", known)
        await check_held(engine, executed[0])
        await engine.remove_faults(refused)
        await wait_for(engine, lambda why: not why)
        await engine.services.jobs.send("local", untouched)

        check_adopted(await read_ended(engine, known))
        assert await count_executions(engine) == dict.fromkeys(ended + known + unknown, 1)
        await check_verified(servers, engine, ended + known)
        await check_found(servers.second, executed + in_flight, unknown)
        observe_history.journal_doubted("another worker compares, and ends it", 0)
        async with asyncio.timeout(TIMEOUT_S):
            while REGISTRY.get_sample_value("journal_incomplete"):
                await asyncio.sleep(0.05)


async def test_a_promoted_standby_says_since_when_nothing_was_traded(data_dir: Path) -> None:
    async with run_servers(data_dir) as servers:
        async with open_pool(servers.url, connections_max=1) as pool:
            origin = JournalOrigin(pool)
            await origin.set_complete(await origin.read_state())
        servers.second.copy(describe_source(servers.first), is_standby=True)
        await servers.units[1].start()
        [standby] = await servers.second.fetch("SELECT pg_postmaster_start_time() AS started_at")
        await servers.first.fetch("UPDATE journal SET timeline = timeline")
        [last] = await servers.first.fetch("SELECT clock_timestamp() AS at")
        await servers.second.wait_replayed(servers.first)
        await servers.units[0].kill()
        await servers.second.promote()
        [before] = await servers.second.fetch("SELECT since FROM list_trading_states()")
        assert standby["started_at"] < before["since"] <= last["at"]

        async with open_pool(servers.url, connections_max=1) as pool:
            await JournalOrigin(pool).note("another timeline")
        await servers.units[1].stop()
        await servers.units[1].start()
        [after] = await servers.second.fetch("SELECT why, since FROM list_trading_states()")
        assert (after["why"], after["since"]) == ("another timeline", before["since"])


@pytest.mark.long
@pytest.mark.parametrize("keeps_mark", [True, False])
async def test_a_restored_backup_gets_back_what_was_sent(
    redis_url: str, data_dir: Path, keeps_mark: bool
) -> None:
    async with (
        run_servers(data_dir) as servers,
        open_engine(servers.url, redis_url, data_dir, settings=SETTINGS) as engine,
    ):
        ended = await place_and_end(engine, 1)
        known = await engine.store_orders(*[engine.build_terms("1")] * 2)
        await servers.copy(is_standby=False)
        await engine.services.jobs.send("local", known[:1])
        await engine.wait_all_ended(known[:1])
        await engine.workers.stop()
        if not keeps_mark:
            async with redis.from_url(redis_url) as client:
                await client.flushdb()
        await servers.lose_first(is_standby=False)
        await engine.control_node("halt", {})
        await engine.workers.start()  # it is ready while it waits for blocks that do not come

        await wait_for(engine, lambda why: any("once block" in each for each in why), blocks=0)
        await engine.control_node("resume", {})
        await wait_for(engine, lambda why: not why)
        await engine.services.jobs.send("local", known)
        await read_ended(engine, known)
        assert await count_executions(engine) == dict.fromkeys(ended + known, 1)
        await check_verified(servers, engine, ended + known)


async def test_a_restart_without_a_loss_holds_nothing_for_long(
    redis_url: str, data_dir: Path
) -> None:
    async with (
        run_servers(data_dir) as servers,
        open_engine(servers.url, redis_url, data_dir, settings=SETTINGS) as engine,
    ):
        ended = await place_and_end(engine, 2)
        await servers.units[0].kill()
        await servers.units[0].start()
        ended += await place_and_end(engine, 1)
        assert await count_executions(engine) == dict.fromkeys(ended, 1)
        assert await servers.first.fetch("SELECT FROM found_transactions") == []


async def test_what_another_database_did_with_the_wallet_is_not_lost(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        open_engine(database_url, redis_url, data_dir, settings=SETTINGS) as engine,
        open_pool(database_url, connections_max=1) as pool,
    ):
        ended = await place_and_end(engine, 2)
        wallet = create_paper_wallet().address
        history = WalletHistory(pool, JournalOrigin(pool), engine.services.rpc, [wallet])
        assert await history.find_lost() == []
        await pool.read("SET session_replication_role = replica")  # without triggers
        for table in ("orders", "order_events"):
            await pool.read(f"DELETE FROM {table}")  # noqa: S608 - constants only
        lost = await history.find_lost()
        assert {each.order_id for each in lost} == set(ended)
        later = "UPDATE migrations SET applied_at = clock_timestamp() + interval '3 s'"
        await pool.read(later)  # as a database has it that was made after those orders
        assert await history.find_lost() == []
