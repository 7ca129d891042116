"""Orders that a signer of its own process signs: while it is there, is not there, and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prometheus_client import REGISTRY

from backend.api.wire.order_json import order_to_json
from backend.config import Settings
from backend.domain.orders import OrderTerms
from backend.domain.tokens import TokenRegistry
from backend.engine.wallets.signer_report import describe_signer
from tests.integration.apis import wait_until as wait_so
from tests.integration.proxied_engine import read_metric
from tests.integration.signers import PAPER_KEYPAIR, run_signer_process
from tests.processes import wait_until
from tests.scenario import EngineHarness, OrderHistory, open_engine


def find_code(history: OrderHistory) -> str:
    return str(history.record.last_error).partition(":")[0]


async def place_waiting(engine: EngineHarness, *terms: OrderTerms) -> list[UUID]:
    """Place orders, and wait until each waits for the signer, with nothing signed."""
    waited = read_metric("orders_waited")
    ids = await engine.place_orders(*terms)
    await wait_until(lambda: read_metric("orders_waited") >= waited + len(ids))
    for order_id in ids:
        events = await engine.services.feed.read_order_events(order_id, 0)
        assert {event.status.value for event in events} <= {"pending", "routing"}
    return ids


async def require_outage(engine: EngineHarness, ids: Sequence[UUID], socket: Path) -> None:
    """Each order shows what it waits for, as the metrics do."""
    for order_id in ids:

        async def shows_outage(order_id: UUID = order_id) -> bool:
            record = await engine.services.orders.get("local", order_id)
            assert record is not None
            shown: Any = order_to_json(record, TokenRegistry()).get("outage")
            return shown is not None and shown["code"] == "signer_unavailable"

        await wait_so(shows_outage)
    await wait_until(lambda: REGISTRY.get_sample_value(*gauge(socket)) == 0)


def gauge(socket: Path) -> tuple[str, dict[str, str]]:
    return "signer_available", {"socket": str(socket)}


async def test_orders_wait_for_a_signer_that_is_killed_or_paused_and_are_executed_once(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_signer_process(is_started=False) as signer:
        settings = {"signer_socket": signer.socket, "lease_s": 3}
        async with open_engine(
            database_url, redis_url, data_dir, workers=0, settings=settings
        ) as engine:
            async with asyncio.TaskGroup() as group:
                group.create_task(engine.workers.start())  # which waits for the signer
                await signer.start()
            pairs = [("SOL", "USDC"), ("USDC", "SOL")] * 5
            terms = [engine.build_terms("1", pair=pair) for pair in pairs]
            await engine.wait_all_ended(await engine.place_orders(*terms))

            await signer.kill()
            ids = await place_waiting(engine, *terms)
            await require_outage(engine, ids, signer.socket)
            await signer.start()
            histories = await engine.wait_all_ended(ids)
            await wait_until(lambda: REGISTRY.get_sample_value(*gauge(signer.socket)) == 1)

            signer.pause()
            ids = await place_waiting(engine, *terms)
            assert len(await engine.read_swaps()) == 20
            signer.resume()
            histories += await engine.wait_all_ended(ids)

            assert {each.statuses[-1] for each in histories} == {"confirmed"}
            assert {event.attempt for each in histories for event in each.events} == {1}
            assert len(await engine.read_swaps()) == 30
        report = "\n".join(map(" ".join, await describe_signer(Settings.load(**settings))))
        assert ", refused 0 since its start" in report
        assert f"signer wallet {PAPER_KEYPAIR.pubkey()}" in report
        assert "of 100000 USDC" in report


async def test_what_the_signer_refuses_ends_failed_and_is_never_submitted(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_signer_process(signer_day_limits="SOL=3") as signer:
        settings = {"signer_socket": signer.socket, "outage_wait_s": 1}
        async with open_engine(database_url, redis_url, data_dir, settings=settings) as engine:
            refusals = read_metric("signatures_refused")
            ids = await engine.place_orders(*[engine.build_terms("1")] * 5)
            ids += await engine.place_orders(engine.build_terms("1", pair=("USDC", "SOL")))
            histories = await engine.wait_all_ended(ids)
            *sales, purchase = histories
            ended = sorted((each.statuses[-1], find_code(each)) for each in sales)
            confirmed = ("confirmed", "None")
            assert ended == [confirmed] * 3 + [("failed", "signer_day_limit")] * 2
            assert (purchase.statuses[-1], find_code(purchase)) == ("failed", "signer_refused")
            assert "sells USDC, for which there is no limit" in str(purchase.record.last_error)
            failed = [each for each in histories if each.statuses[-1] == "failed"]
            assert all("submitted" not in each.statuses for each in failed)
            assert read_metric("signatures_refused") - refusals >= 3

            await signer.kill()  # what it has signed today is not forgotten
            await signer.start()
            [history] = await engine.wait_all_ended(
                await engine.place_orders(engine.build_terms("0.5"))
            )
            assert find_code(history) == "signer_day_limit"

            await signer.kill()  # and for longer than orders wait
            [history] = await engine.wait_all_ended(
                await engine.place_orders(engine.build_terms("0.5"))
            )
            assert find_code(history) == "signer_unavailable"
            assert "submitted" not in history.statuses
            assert len(await engine.read_swaps()) == 3
