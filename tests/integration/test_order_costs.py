"""An order shows what it cost: the fees of venue and network, slippage, and time by step."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.integration.apis import ORDER, Json
from tests.integration.full_engine import FullEngine, run_full_engine

FEES = {"raydium": Decimal("0.003"), "meteora": Decimal("0.002")}
COSTS = ("networkFeeLamports", "priorityFeeLamports", "tipLamports", "rentLamports")


async def read_network_fee(engine: FullEngine, signature: str) -> int:
    """The fee of a transaction by the node itself."""
    params = [signature, {"maxSupportedTransactionVersion": 0, "commitment": "confirmed"}]
    call = {"jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": params}
    async with engine.node.post("/", json=call) as response:
        return int((await response.json())["result"]["meta"]["fee"])


def assert_costs_of_quote(order: Json, confirmed: Json) -> None:
    """The venue's fee is that of the quote, and the slippage is against it."""
    [quote] = [each for each in order["route"]["quotes"] if each["dex"] == order["dex"]]
    quoted, received = Decimal(quote["amountOut"]), Decimal(order["amountOut"])
    slippage = Decimal(order["realizedSlippage"])
    assert abs(slippage - (quoted - received) / quoted) < Decimal("1e-11")
    assert confirmed["realizedSlippage"] == order["realizedSlippage"]
    [fee] = order["venueFees"]
    of_token = {"SOL": Decimal(order["amountIn"]), "USDC": received}[fee["token"]]
    assert abs(Decimal(fee["amount"]) / of_token - FEES[order["dex"]]) < Decimal("1e-4")


async def test_an_order_shows_its_fees_its_slippage_and_its_steps(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        placed = await engine.api.post("/api/orders/execute", dict(ORDER))
        events = await engine.read_events(placed["orderId"])
        order = await engine.api.get(f"/api/orders/{placed['orderId']}")
        fee = await read_network_fee(engine, order["txHash"])
        for told in (order, events[-1]):
            assert [told[name] for name in COSTS] == [fee, fee - 5_000, 0, 0]
        assert order["costsKnown"]
        assert_costs_of_quote(order, events[-1])
        assert [(step["status"], step["at"]) for step in order["steps"]] == [
            (event["status"], event["at"]) for event in events
        ]
        took = [step["tookMs"] for step in order["steps"]]
        assert took[-1] is None
        assert all(each >= 0 for each in took[:-1])
        [listed] = (await engine.api.get("/api/orders"))["orders"]
        assert {**listed, "steps": order["steps"]} == order


async def test_every_attempt_that_landed_is_paid_for(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        await engine.arm_fault(fault="moved_price", bps=-300, count=1)
        placed = await engine.api.post("/api/orders/execute", dict(ORDER))
        events = await engine.read_events(placed["orderId"])
        order = await engine.api.get(f"/api/orders/{placed['orderId']}")
        hashes = [event["txHash"] for event in events if event["status"] == "submitted"]
        fees = [await read_network_fee(engine, each) for each in hashes]
        assert len(fees) == 2
        assert order["networkFeeLamports"] == sum(fees)
        [retried] = [event for event in events if event["status"] == "routing" and "code" in event]
        assert (retried["networkFeeLamports"], events[-1]["networkFeeLamports"]) == tuple(fees)
        assert order["priorityFeeLamports"] == sum(fees) - 2 * 5_000
        assert (order["tipLamports"], order["rentLamports"], order["costsKnown"]) == (0, 0, True)

        await engine.arm_fault(fault="fail", reason="funds", count=1)
        placed = await engine.api.post("/api/orders/execute", dict(ORDER))
        failed = (await engine.read_events(placed["orderId"]))[-1]
        order = await engine.api.get(f"/api/orders/{placed['orderId']}")
        assert failed["status"] == "failed"
        assert order["networkFeeLamports"] == failed["networkFeeLamports"] > 0
        assert (order["realizedSlippage"], len(order["venueFees"])) == (None, 1)


async def test_an_order_that_sent_nothing_has_cost_nothing_yet(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        body = {**ORDER, "minAmountOut": "1000000"}
        placed = await engine.api.post("/api/orders/execute", body)
        await engine.read_events(placed["orderId"])
        order = await engine.api.get(f"/api/orders/{placed['orderId']}")
        names = (*COSTS, "realizedSlippage", "venueFees")
        assert [order[name] for name in names] == [None] * 6
        assert order["costsKnown"]
