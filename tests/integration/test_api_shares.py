"""Orders that sell a share of what the wallet holds, as clients place, repeat and amend them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.domain.tokens import SOL
from backend.store.database import open_pool
from backend.store.waiting.share_releases import InFlightOrder, MetShare
from backend.store.wallets.addresses import tell_wallets
from tests.integration.apis import Json, RunningApi, open_api, open_driver
from tests.integration.share_orders import SOL_ORDER, STOP, run_share_engine, show
from tests.integration.stores import open_store

EXECUTE, BATCH = "/api/orders/execute", "/api/orders/batch"
UNIT = 10**SOL.decimals
FAR_STOP: Json = {**STOP, "triggerPrice": "1"}
WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"


async def amend(api: RunningApi, order_id: object, status: int = 200, **body: object) -> Json:
    order = await api.get(f"/api/orders/{order_id}")
    headers = {"If-Match": f'"{order["seq"]}"'}
    async with api.session.patch(f"/api/orders/{order_id}", json=body, headers=headers) as response:
        assert response.status == status, await response.text()
        return dict(await response.json(content_type=None))


async def test_a_repeat_gets_its_order_whatever_the_wallet_holds_by_then(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        api = engine.engine.api
        named = {**FAR_STOP, "amount": "all", "clientOrderId": "exit"}
        keyed = {"Idempotency-Key": "exit-2"}
        first = await api.post(EXECUTE, named)
        other = await api.post(EXECUTE, {**FAR_STOP, "amount": "50%"}, headers=keyed)
        batch = {"orders": [{**FAR_STOP, "amount": "all", "clientOrderId": "exit-3"}]}
        stored = await api.post(BATCH, batch)
        for free in (5 * UNIT, 0):
            await engine.leave_free(free)
            assert (await api.post(EXECUTE, named))["orderId"] == first["orderId"]
            assert (await api.post(EXECUTE, {**named, "amount": "100%"}))["orderId"] == (
                first["orderId"]
            )
            repeat = await api.post(EXECUTE, {**FAR_STOP, "amount": "50%"}, headers=keyed)
            assert repeat["orderId"] == other["orderId"]
            again = await api.post(BATCH, batch)
            assert again["orders"][0]["orderId"] == stored["orders"][0]["orderId"]
            assert again["orders"][0]["replayed"] is True
        problem = await api.post(EXECUTE, {**named, "amount": "50%"}, 422)
        assert problem["code"] == "client_order_id_reused"


async def test_a_share_of_nothing_is_refused_by_the_name_of_its_field(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        api = engine.engine.api
        await engine.leave_free(0)
        for name in ("amount", "amountIn"):
            problem = await api.post(EXECUTE, {**STOP, name: "all"}, 422)
            [error] = problem["errors"]
            assert (error["field"], error["code"]) == (name, "nothing_held")
            assert "holds no SOL" in error["reason"]
        orders = [{**STOP, "amount": "all"}, {**STOP, "amount": "2"}]
        answer = await api.post(BATCH, {"orders": orders})
        assert (answer["accepted"], answer["refused"]) == (1, 1)
        assert answer["orders"][0]["problem"]["errors"][0]["code"] == "nothing_held"
        problem = await api.post(EXECUTE, {**SOL_ORDER, "amount": "all"}, 422)
        assert problem["errors"][0]["field"] == "amount"
        assert "orders take" in problem["errors"][0]["reason"]


async def test_the_amount_of_a_waiting_order_becomes_a_share_and_an_amount_again(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        api = engine.engine.api
        await engine.leave_free(8 * UNIT)
        body = {**SOL_ORDER, "type": "stopLimit", "triggerPrice": "1", "limitPrice": "1"}
        order_id = await engine.place(body, "3")
        assert (await engine.read(order_id))["amountInShare"] is None
        amended = await amend(api, order_id, amountIn="50%")
        assert (amended["amountIn"], amended["amountInShare"]) == (show(4 * UNIT), "50%")
        assert amended["minAmountOut"] == "4"
        kept = await amend(api, order_id, limitPrice="0.5")
        assert (kept["amountIn"], kept["amountInShare"]) == (show(4 * UNIT), "50%")
        assert kept["minAmountOut"] == "2"
        whole = await amend(api, order_id, amount="all")
        assert (whole["amountIn"], whole["amountInShare"]) == (show(8 * UNIT), "all")
        fixed = await amend(api, order_id, amount="2.5")
        assert (fixed["amountIn"], fixed["amountInShare"]) == ("2.5", None)
        events = await engine.engine.read_events(order_id)
        shares = [event.get("amountInShare", "none") for event in events]
        assert shares == ["none", "none", "50%", "none", "all", None]

        problem = await amend(api, order_id, 422, amountIn="0%")
        assert problem["errors"][0]["field"] == "amountIn"
        problem = await amend(api, order_id, 422, amount="all", minAmountOut="1")
        assert {error["field"] for error in problem["errors"]} == {"minAmountOut"}
        limit = {**SOL_ORDER, "type": "limit", "limitPrice": "1000"}
        problem = await amend(api, await engine.place(limit, "1"), 422, amount="all")
        assert "which stop, takeProfit" in problem["errors"][0]["reason"]
        await engine.leave_free(0)
        problem = await amend(api, order_id, 422, amount="all")
        assert problem["errors"][0]["code"] == "nothing_held"
        assert (await engine.read(order_id))["amountIn"] == "2.5"


async def test_an_amended_share_is_sold(database_url: str, redis_url: str, data_dir: Path) -> None:
    async with run_share_engine(database_url, redis_url, data_dir) as engine:
        await engine.leave_free(8 * UNIT)
        to_share, to_amount = [await engine.place(FAR_STOP, each) for each in ("1", "all")]
        await amend(engine.engine.api, to_amount, amount="1")
        await amend(engine.engine.api, to_amount, triggerPrice="100000", allowImmediate=True)
        assert (await engine.engine.wait_for_end(to_amount))[-1]["status"] == "confirmed"
        await engine.leave_free(6 * UNIT)
        await amend(
            engine.engine.api, to_share, amount="25%", triggerPrice="100000", allowImmediate=True
        )
        events = await engine.engine.wait_for_end(to_share)
        released = next(each for each in events if each["status"] == "routing")
        assert (released["amountIn"], events[-1]["status"]) == ("1.5", "confirmed")


async def test_what_the_wallet_holds_is_read_for_shares_alone_and_503_if_it_cannot_be(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_pool(database_url, connections_max=1) as pool,
        open_api(database_url, redis_url) as api,  # its node is unreachable
    ):
        await pool.execute("UPDATE journal SET wallet = NULL")
        order_id = (await api.post(EXECUTE, {**STOP, "amount": "1"}))["orderId"]
        problem = await api.post(EXECUTE, {**STOP, "amount": "all"}, 503)
        assert problem["code"] == "holdings_unknown"
        assert "no worker has started yet" in problem["detail"]
        await tell_wallets(pool, [WALLET])
        for path, body in ((EXECUTE, {**STOP, "amount": "all"}),
                           (BATCH, {"orders": [{**STOP, "amount": "50%"}]})):  # fmt: skip
            problem = await api.post(path, body, 503)
            assert problem["code"] == "holdings_unknown"
        assert (await amend(api, order_id, 503, amount="all"))["code"] == "holdings_unknown"
        assert await api.count_stored() == 1


async def test_an_order_that_was_executed_meanwhile_counts_unless_the_balances_have_it(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_store(database_url) as store,
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        order_id = await api.place_order()
        told: list[Sequence[InFlightOrder]] = []

        def resolve(in_flight: Sequence[InFlightOrder]) -> list[MetShare]:
            told.append(in_flight)
            return []

        order = [InFlightOrder(order_id, "SOL", 1_500_000_000)]
        assert await store.shares.read_in_flight() == []  # nobody has begun with it
        leased = await driver.route(await driver.claim(order_id))
        earlier = await store.shares.read_in_flight()
        assert earlier == [order_id]
        await store.shares.release(resolve, earlier=[], slot=9)
        await driver.land(await driver.sign(leased))  # in slot 7
        for slot in (6, 7):
            await store.shares.release(resolve, earlier=earlier, slot=slot)
        await store.shares.release(resolve, earlier=[], slot=6)
        assert told == [order, order, [], []]
