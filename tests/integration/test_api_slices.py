"""A TWAP order over HTTP and WebSocket, with a real worker and node."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from jsonschema import Draft202012Validator

from tests.integration.apis import ORDER, Json
from tests.integration.full_engine import FullEngine, run_full_engine

EXECUTE = "/api/orders/execute"
TWAP: Json = {**ORDER, "amount": "1.000000001", "type": "twap", "slices": 3, "intervalS": 1}
PROGRESS = ("slicesPlaced", "filledAmountIn", "leavesAmountIn")


async def assert_documented(engine: FullEngine, name: str, value: object) -> None:
    document = await engine.api.get("/openapi.json")
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


async def test_an_order_is_executed_in_slices(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        placed = await engine.api.post(EXECUTE, {**TWAP, "jitterBps": 1_000})
        assert placed["status"] == "waiting"
        events = await engine.read_events(placed["orderId"])
        assert [event["status"] for event in events] == ["pending", *["waiting"] * 4, "confirmed"]
        for event in events:
            await assert_documented(engine, "Event", event)
        order = await engine.api.get(placed["statusUrl"])
        await assert_documented(engine, "Order", order)
        assert [order[name] for name in PROGRESS] == [3, "1.000000001", "0"]
        assert (order["slices"], order["intervalS"], order["jitterBps"]) == (3, 1, 1_000)
        assert (order["amountKnown"], order["nextSliceAt"], order["txHash"]) == (True, None, None)
        listed = await engine.api.get(f"/api/orders?parentId={order['orderId']}&order=asc")
        slices = listed["orders"]
        assert [each["orderId"] for each in slices] == [each["childId"] for each in events[2:-1]]
        assert sum(Decimal(each["amountIn"]) for each in slices) == Decimal(order["amountIn"])
        assert sum(Decimal(each["amountOut"]) for each in slices) == Decimal(order["amountOut"])
        assert events[-1]["averagePrice"] == order["averagePrice"]
        first = await engine.read_events(slices[0]["orderId"])
        assert first[0]["parentId"] == slices[0]["parentId"] == order["orderId"]
        await assert_documented(engine, "Event", first[0])
        name = slices[1]["clientOrderId"]
        found = await engine.api.get(f"/api/orders/by-client-id/{name}")
        assert found["orderId"] == slices[1]["orderId"]


async def test_a_cancelled_order_places_no_slice_any_more(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """Its slices wait for a price that is not there: they are cancelled with it."""
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        fields = {"limitPrice": 500, "intervalS": 60}
        placed = await engine.api.post(EXECUTE, {**TWAP, **fields})
        async with engine.api.open_order_socket(placed["orderId"]) as socket:
            while "slice" not in (await socket.receive_json()):
                pass
        order = await engine.api.get(placed["statusUrl"])
        await assert_documented(engine, "Order", order)
        assert (order["status"], order["averagePrice"], order["slicesPlaced"]) == (
            "waiting",
            None,
            1,
        )
        assert order["nextSliceAt"] > order["createdAt"]
        listed = await engine.api.get(f"/api/orders?parentId={order['orderId']}")
        for each, code in (
            (order, "type_not_amendable"),
            (listed["orders"][0], "slice_not_amendable"),
        ):
            path, headers = f"/api/orders/{each['orderId']}", {"If-Match": f'"{each["seq"]}"'}
            async with engine.api.session.patch(
                path, json={"amount": 2}, headers=headers
            ) as response:
                refused = await response.json()
                assert (response.status, refused["code"]) == (409, code)
        async with engine.api.session.delete(placed["statusUrl"]) as response:
            cancelled = await response.json()
            assert (response.status, cancelled["status"]) == (200, "cancelled")
            assert (cancelled["leavesAmountIn"], cancelled["nextSliceAt"]) == ("1.000000001", None)
        listed = await engine.api.get(f"/api/orders?parentId={order['orderId']}")
        [child] = listed["orders"]
        assert (child["status"], child["cancelReason"]) == ("cancelled", "cancelled_with_parent")
        assert (child["type"], child["limitPrice"], child["timeInForce"]) == ("limit", "500", "gtd")
