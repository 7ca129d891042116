"""Nodes without transaction history: landed orders end all the same, and are marked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from backend.domain.amounts import Price, parse_amount
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderRecord
from backend.store.wallets.reconciliations import Baseline, read_changes
from tests.integration.apis import open_api
from tests.integration.node_proxy import NO_HISTORY, AnswerRule, Json, NodeProxy
from tests.integration.proxied_engine import ProxiedEngine, open_proxied_engine, refuse_methods
from tests.scenario import HAPPY_PATH, TIMEOUT_S, EngineHarness, OrderHistory

QUICK: Json = {
    "history_wait_s": 0.3,
    "rekick_s": 0.1,
    "sweep_s": 0.05,
    "backoff_s": 0.01,
    "resend_s": 0.1,
}


def refuse_history(call: Json, answer: Json) -> Json | None:
    """As a node answers that runs without its history: searches for statuses are refused too."""
    if call["method"] == "getSignatureStatuses":
        return NO_HISTORY if call["params"][1]["searchTransactionHistory"] else None
    return NO_HISTORY if call["method"] == "getTransaction" else None


def hide_statuses(call: Json, answer: Json) -> Json | None:
    """As a node that has forgotten its recent statuses as well."""
    if (refusal := refuse_history(call, answer)) is not None:
        return refusal
    if call["method"] != "getSignatureStatuses":
        return None
    result = answer["result"]
    return {"result": {**result, "value": [None] * len(result["value"])}}


def know_no_transaction(call: Json, answer: Json) -> Json | None:
    return {"result": None} if call["method"] == "getTransaction" else None


def keep_no_metadata(call: Json, answer: Json) -> Json | None:
    if call["method"] != "getTransaction" or answer.get("result") is None:
        return None
    return {"result": {**answer["result"], "meta": None}}


def keep_no_balances(call: Json, answer: Json) -> Json | None:
    if call["method"] != "getTransaction" or answer.get("result") is None:
        return None
    meta = {**answer["result"]["meta"], "preTokenBalances": None, "postTokenBalances": None}
    return {"result": {**answer["result"], "meta": meta}}


REFUSALS: list[AnswerRule] = [
    refuse_history,
    know_no_transaction,
    keep_no_metadata,
    keep_no_balances,
    refuse_methods("getTransaction", code=-32601),
    refuse_methods("getTransaction", code=-32603),
]


def restore_history(proxy: NodeProxy) -> None:
    proxy.rule = lambda call, answer: None


async def wait_for_amounts(proxied: ProxiedEngine, ids: Sequence[UUID]) -> list[OrderRecord]:
    records: list[OrderRecord] = []
    async with asyncio.timeout(TIMEOUT_S):
        while len(records) < len(ids):
            found = [await proxied.engine.services.orders.get("local", each) for each in ids]
            records = [each for each in found if each is not None and each.amount_out is not None]
            await asyncio.sleep(0.01)
    return records


async def assert_tried_twice(engine: EngineHarness, history: OrderHistory, code: str) -> None:
    """The first attempt ended with this code, and the second one alone has swapped."""
    assert history.statuses == [*HAPPY_PATH[:-1], *HAPPY_PATH[1:]]
    assert history.event_data("routing")[1]["code"] == code
    assert set(await engine.read_swaps()) == {history.record.tx_hash}


@pytest.mark.parametrize("rule", REFUSALS)
async def test_landed_orders_are_confirmed_without_their_amounts_which_follow(
    database_url: str, redis_url: str, data_dir: Path, rule: AnswerRule
) -> None:
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=rule, **QUICK
    ) as proxied:
        engine = proxied.engine
        ids = await engine.place_orders(*[engine.build_terms("1", slippage_bps=500)] * 5)
        histories = await engine.wait_all_ended(ids)
        swaps = await engine.read_swaps()
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        for history in histories:
            [confirmed], [building] = (
                history.event_data("confirmed"),
                history.event_data("building"),
            )
            swap = swaps[confirmed["txHash"]]
            assert confirmed == {
                "dex": history.record.dex,
                "txHash": history.record.tx_hash,
                "executedPrice": None,
                "amountOut": None,
                "amountKnown": False,
                "minAmountOut": building["minAmountOut"],
                "slot": swap["slot"],
                "networkFeeLamports": None,
            }
            assert parse_amount(confirmed["minAmountOut"], 6) <= int(swap["amount_out"])
            assert (history.record.amount_out, history.record.executed_price) == (None, None)

        restore_history(proxied.proxy)
        records = await wait_for_amounts(proxied, ids)
        await assert_reconciled(engine, records)
        for record in records:
            amount_out = int(swaps[record.tx_hash or ""]["amount_out"])
            assert record.amount_out == amount_out
            assert record.executed_price == Decimal(str(Price(10**9, 9, amount_out, 6)))
            assert (record.status, record.seq) == (Status.CONFIRMED, 5)
            base_fee = (record.network_fee_lamports or 0) - (record.priority_fee_lamports or 0)
            assert (base_fee, record.tip_lamports, record.rent_lamports) == (5_000, 0, 0)


async def assert_reconciled(engine: EngineHarness, records: Sequence[OrderRecord]) -> None:
    """What late amounts have told of costs, and no event, explains the balance of the wallet."""
    wallet, since = str(records[0].wallet), Baseline({}, 0, 0, is_due=False)
    changes = await read_changes(engine.services.readers, wallet, since, 10**9)
    costs = sorted(record.network_fee_lamports or 0 for record in records)
    assert sorted(change.cost_lamports for change in changes) == costs


@pytest.mark.parametrize("rule", [refuse_history, know_no_transaction])
async def test_a_reverted_transaction_without_its_logs_is_classified_by_its_status(
    database_url: str, redis_url: str, data_dir: Path, rule: AnswerRule
) -> None:
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=rule, **QUICK
    ) as proxied:
        engine = proxied.engine
        await engine.inject_fault(fault="fail", reason="slippage", count=1)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        history = await engine.wait_ended(order_id)
        await assert_tried_twice(engine, history, "failed_on_chain")
        [retried] = [each for each in history.event_data("routing") if "code" in each]
        assert retried["networkFeeLamports"] is None
        assert history.record.costs_unknown


async def test_a_transaction_that_expires_is_replaced_without_a_search_of_the_history(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=refuse_history, **QUICK
    ) as proxied:
        engine = proxied.engine
        history = await engine.execute_expiring_once()
        await assert_tried_twice(engine, history, "not_landed")


async def test_a_landed_order_of_a_worker_that_was_restarted_is_confirmed(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=refuse_history, **QUICK
    ) as proxied:
        engine = proxied.engine
        late = await engine.inject_fault(fault="late_landing", by_seconds=3_600)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        await engine.wait_status(order_id, Status.SUBMITTED)
        await engine.workers.stop()
        await engine.remove_faults(late)
        await engine.workers.start()
        await engine.control_node("advance", {"blocks": 200})
        history = await engine.wait_ended(order_id)
        assert history.statuses[-1] == "confirmed"
        assert set(await engine.read_swaps()) == {history.record.tx_hash}


async def test_nothing_is_signed_again_while_no_node_can_tell_whether_it_landed(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """So many blocks have passed that the recent statuses say nothing of the transaction."""
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=hide_statuses, **QUICK
    ) as proxied:
        engine, proxy = proxied.engine, proxied.proxy
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        async with asyncio.timeout(TIMEOUT_S):
            while not await engine.read_swaps():
                await asyncio.sleep(0.01)
        await engine.workers.stop()
        await engine.control_node("advance", {"blocks": 1_000})
        with capture_logs() as logs:
            await engine.workers.start()
            async with asyncio.timeout(TIMEOUT_S):
                while not any("history is needed" in entry["event"] for entry in logs):
                    await asyncio.sleep(0.01)
        events = await engine.services.feed.read_order_events(order_id, 0)
        assert events[-1].status is Status.SUBMITTED
        restore_history(proxy)
        history = await engine.wait_ended(order_id)
        assert history.statuses == HAPPY_PATH
        assert set(await engine.read_swaps()) == {history.record.tx_hash}


async def test_a_worker_says_at_its_start_that_its_node_has_no_history(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    with capture_logs() as logs:
        async with open_proxied_engine(database_url, redis_url, data_dir, rule=refuse_history):
            pass
    assert "the node has no transaction history" in [entry["event"] for entry in logs]
    with capture_logs() as logs:
        async with open_proxied_engine(database_url, redis_url, data_dir):
            pass
    assert "the node has no transaction history" not in [entry["event"] for entry in logs]


async def test_readyz_tells_of_missing_history_and_stays_ready(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=refuse_history, **QUICK
    ) as proxied:
        node = {"solana_rpc_url": proxied.proxy.url}
        async with open_api(database_url, redis_url, **node) as api:
            ready = await api.get("/readyz")
            assert ready["status"] == "ready"
            assert ready["checks"]["history"]["ok"] is False
            assert "no transaction history" in ready["checks"]["history"]["reason"]
        proxied.proxy.rule = know_no_transaction
        terms = proxied.engine.build_terms("1")
        [order_id] = await proxied.engine.place_orders(terms)
        await proxied.engine.wait_ended(order_id)
        async with open_api(database_url, redis_url, **node) as api:
            history = (await api.get("/readyz"))["checks"]["history"]
            assert history["reason"].startswith("1 confirmed orders have no amount yet")
            order = await api.get(f"/api/orders/{order_id}")
            assert (order["amountOut"], order["executedPrice"]) == (None, None)
            assert (order["status"], order["amountKnown"]) == ("confirmed", False)
            restore_history(proxied.proxy)
            await wait_for_amounts(proxied, [order_id])
            assert (await api.get("/readyz"))["checks"]["history"] == {"ok": True}
            assert (await api.get(f"/api/orders/{order_id}"))["amountKnown"] is True
