"""Fills over HTTP: what they tell, to whom, in pages and as a file."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from backend.store.fills import fill_store
from tests.integration.apis import Json, OrderDriver, RunningApi, open_api, open_driver
from tests.integration.full_engine import run_full_engine
from tests.integration.test_api_documents import assert_valid

KEYS = "anna:anna-key-0123456789,bert:bert-key-0123456789"
ANNA = {"X-API-Key": "anna-key-0123456789"}
BERT = {"X-API-Key": "bert-key-0123456789"}
CSV = {"Accept": "text/csv"}
_TWO_QUOTES = """
UPDATE orders SET route = '{"dex": "raydium", "program": "cpmm", "pool": "one",
    "venueFees": [{"token": "SOL", "amount": "0.003"}], "quotes": [
    {"dex": "raydium", "pool": "one", "amountOut": "150.3"},
    {"dex": "meteora", "pool": "two", "amountOut": "149.5"},
    {"dex": "meteora", "pool": "three", "amountOut": "155", "refused": {"code": "x"}}]}'
WHERE id = $1
"""
_FORGET_AMOUNT = """
UPDATE orders SET amount_out = NULL, executed_price = NULL, amount_pending = true WHERE id = $1
"""
_TELL_AMOUNT = """
UPDATE orders SET amount_out = 149000000, executed_price = 99.3, amount_pending = NULL,
    network_fee_lamports = 5000, updated_at = clock_timestamp(), closed_at = clock_timestamp()
WHERE id = $1
"""


async def execute(database_url: str, query: str, *args: object) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(query, *args)
    finally:
        await connection.close()


async def confirm_orders(api: RunningApi, driver: OrderDriver, count: int) -> list[UUID]:
    ids = [await api.place_order() for _ in range(count)]
    for order_id in ids:
        await driver.confirm(order_id)
    return ids


async def read_csv(api: RunningApi, query: str = "") -> list[dict[str, str]]:
    async with api.session.get(f"/api/fills{query}", headers=CSV) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/csv"
        return list(csv.DictReader(StringIO(await response.text())))


async def read_pages(api: RunningApi, query: str) -> list[str]:
    """The ids of all pages, and the links that lead from one to the next."""
    path, found = f"/api/fills?{query}", []
    while path:
        async with api.session.get(path) as response:
            page = await response.json()
            found += [each["orderId"] for each in page["fills"]]
            assert ("Link" in response.headers) == (page["next"] is not None)
            path = str(response.links["next"]["url"]) if page["next"] else ""
    return found


async def test_a_fill_tells_what_the_order_and_the_chain_know(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        [order_id] = await confirm_orders(api, d, 1)
        await execute(database_url, _TWO_QUOTES, order_id)
        page = await api.get("/api/fills")
        assert_valid("Fills", page)
        [fill] = page["fills"]
        expected: Json = {
            "orderId": str(order_id),
            "pair": "SOL/USDC",
            "side": "sell",
            "amountIn": "1.5",
            "amountOut": "150",
            "amountInBaseUnits": "1500000000",
            "amountOutBaseUnits": "150000000",
            "price": "100",
            "program": "cpmm",
            "pools": ["one"],
            "quotedAmountOut": "150.3",
            "slippageBps": "19.96",
            "secondQuote": "149.5",
            "saved": "0.8",
            "value": "150",
            "savedValue": "0.8",
            "venueFees": [{"token": "SOL", "amount": "0.003"}],
            "fees": None,
            "slot": 7,
            "txHash": "signature-1",
        }
        assert {name: fill[name] for name in expected} == expected
        assert 0 <= fill["sinceSubmittedMs"] <= fill["sinceAcceptedMs"]
        [line] = await read_csv(api)
        assert line["pools"] == "one"
        assert line["venueFees"] == "SOL:0.003"
        texts = {name: "" if fill[name] is None else str(fill[name]) for name in line.keys() & fill}
        for name in ("pools", "venueFees", "residuals", "amountKnown"):
            del texts[name]
        assert {name: line[name] for name in texts} == texts


async def test_a_swap_into_the_base_is_a_purchase(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        await d.confirm(await api.place_order(tokenIn="BONK", tokenOut="SOL", amount="5"))
        await d.confirm(await api.place_order(tokenIn="USDC", tokenOut="JUP", amount="5"))
        fills = (await api.get("/api/fills?order=asc"))["fills"]
        shown = [(each["pair"], each["side"], each["value"]) for each in fills]
        assert shown == [("BONK/SOL", "sell", None), ("JUP/USDC", "buy", "5")]


async def test_only_the_fills_of_a_filter_are_listed(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        batch = await api.post(
            "/api/orders/batch",
            {"orders": [{"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"}] * 2},
        )
        for each in batch["orders"]:
            await d.confirm(UUID(each["orderId"]))
        bought = await api.place_order(tokenIn="USDC", tokenOut="SOL", amount="3")
        other = await api.place_order(tokenIn="JUP", tokenOut="USDC", amount="3")
        for order_id in (bought, other):
            await d.confirm(order_id)
        failed = await d.route(await d.claim(await api.place_order()))
        await d.fail(failed)
        batched = {each["orderId"] for each in batch["orders"]}
        for query, expected in (
            ("", batched | {str(bought), str(other)}),
            (f"batchId={batch['batchId']}", batched),
            (f"batchId={batch['batchId']}&tokenIn=USDC", set()),
            (f"batchId={batch['batchId']}&parentId={bought}", set()),
            ("pair=USDC/SOL", batched | {str(bought)}),
            ("pair=SOL/USDC&tokenIn=USDC", {str(bought)}),
            ("tokenOut=SOL", {str(bought)}),
            ("dex=meteora", set()),
            ("from=2000-01-01&to=2001-01-01", set()),
        ):
            found = await read_pages(api, f"{query}&limit=1")
            assert (len(found), set(found)) == (len(expected), expected), query
        at = {each["orderId"]: each["at"] for each in (await api.get("/api/fills"))["fills"]}
        since = await api.get(f"/api/fills?from={at[str(bought)]}&order=asc")
        assert [each["orderId"] for each in since["fills"]] == [str(bought), str(other)]
        assert since["completeUntil"] >= at[str(other)]
        until = await read_pages(api, f"to={at[str(bought)]}")
        assert set(until) == batched


@pytest.mark.parametrize(
    ("query", "field", "reason"),
    [
        ("pair=SOL", "pair", "must be two tokens"),
        ("pair=SOL/SOL", "pair", "must be two tokens"),
        ("pair=SOL/WSOL", "pair", "the same token twice"),
        ("pair=SOL/DOGE", "pair", "unknown token"),
        ("from=2026-02-01&to=2026-01-01", "from", "is later than to"),
        ("from=yesterday", "from", "must be a time"),
        ("limit=0", "limit", "must be a whole number"),
        ("cursor=c1.00", "cursor", "is not a cursor"),
        ("by=pair", "by", ""),
    ],
)
async def test_a_wrong_parameter_is_named(
    database_url: str, redis_url: str, query: str, field: str, reason: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.get(f"/api/fills?{query}", 400)
        [error] = problem["errors"]
        assert error["field"] == field
        assert reason in error["reason"]


async def test_a_late_amount_comes_again_behind_all_that_was_known(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        late, other = await confirm_orders(api, d, 2)
        await execute(database_url, _FORGET_AMOUNT, late)
        first = await api.get("/api/fills?order=asc&limit=1")
        [unknown] = first["fills"]
        assert_valid("Fills", first)
        assert (unknown["orderId"], unknown["amountKnown"]) == (str(late), False)
        assert (unknown["amountOut"], unknown["value"], unknown["slippageBps"]) == (None,) * 3
        [position] = (await api.get("/api/positions"))["positions"][:1]
        assert (position["token"], position["amount"]) == ("SOL", "-1.5")
        await execute(database_url, _TELL_AMOUNT, late)
        rest = await api.get(f"/api/fills?order=asc&cursor={first['next']}")
        shown = [(each["orderId"], each["amountOut"]) for each in rest["fills"]]
        assert shown == [(str(other), "150"), (str(late), "149")]
        assert rest["fills"][1]["confirmedAt"] < rest["fills"][1]["at"]
        [position, dollars] = (await api.get("/api/positions"))["positions"]
        assert (position["amount"], position["cost"], dollars["amount"]) == ("-3", "-299", "299")


async def test_owners_see_their_own(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url, api_keys=KEYS) as api,
        open_driver(database_url, redis_url) as d,
    ):
        ids = {}
        for name, headers in (("anna", ANNA), ("bert", BERT)):
            body = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
            ids[name] = (await api.post("/api/orders/execute", body, headers=headers))["orderId"]
            await d.confirm(UUID(ids[name]))
        for path in ("fills", "positions", "report"):
            await api.get(f"/api/{path}", 401)
        for name, headers in (("anna", ANNA), ("bert", BERT)):
            async with api.session.get("/api/fills", headers=headers) as response:
                fills = (await response.json())["fills"]
            assert [each["orderId"] for each in fills] == [ids[name]]
            async with api.session.get("/api/positions", headers=headers) as response:
                positions = (await response.json())["positions"]
            assert [each["amount"] for each in positions] == ["-1.5", "150"]
            async with api.session.get("/api/report", headers=headers) as response:
                assert (await response.json())["total"]["fills"] == 1


async def test_a_file_has_all_fills_however_many_pages_they_take(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_store, "PAGE", 2)
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        assert await read_csv(api) == []
        ids = [str(each) for each in await confirm_orders(api, d, 5)]
        assert [line["orderId"] for line in await read_csv(api, "?order=asc")] == ids
        assert [line["orderId"] for line in await read_csv(api)] == ids[::-1]
        assert [line["orderId"] for line in await read_csv(api, "?order=asc&limit=3")] == ids[:3]
        cursor = (await api.get("/api/fills?order=asc&limit=2"))["next"]
        rest = await read_csv(api, f"?order=asc&cursor={cursor}")
        assert [line["orderId"] for line in rest] == ids[2:]
        for accept, content_type in (
            ("application/json, text/csv", "application/json"),
            ("text/csv, application/json", "text/csv"),
            ("text/html, */*", "application/json"),
        ):
            async with api.session.get("/api/fills", headers={"Accept": accept}) as response:
                assert response.content_type == content_type
        async with api.session.head("/api/fills", headers=CSV) as response:
            assert (response.status, await response.read()) == (200, b"")
        async with api.session.get("/api/fills", headers=CSV, data=b"{}") as response:
            assert len((await response.text()).splitlines()) == 6


async def test_an_error_amid_a_file_is_no_end_of_it(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_store, "PAGE", 1)
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        first, second = await confirm_orders(api, d, 2)
        broken = 'UPDATE orders SET route = \'{"quotes": [{"amountOut": "x"}]}\' WHERE id = $1'
        await execute(database_url, broken, second)
        with pytest.raises(aiohttp.ClientPayloadError):
            await read_csv(api, "?order=asc")
        assert [line["orderId"] for line in await read_csv(api, "?order=asc&limit=1")] == [
            str(first)
        ]


async def test_fills_of_a_real_execution_agree_with_the_ledger(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        order_id = str(await engine.api.place_order())
        await engine.read_events(order_id)
        async with engine.node.get("/control/ledger?after=0&limit=10") as response:
            [entry] = (await response.json())["transactions"]
        page = await engine.api.get("/api/fills")
        assert_valid("Fills", page)
        [fill] = page["fills"]
        assert fill["txHash"] == entry["signature"]
        assert fill["amountOutBaseUnits"] == entry["amount_out"]
        assert (fill["slot"], fill["pools"]) == (entry["slot"], [entry["pool"]])
        assert fill["networkFeeLamports"] >= 5_000
        assert fill["secondQuote"] is not None
        positions = await engine.api.get("/api/positions")
        assert_valid("Positions", positions)
        sol, usdc = positions["positions"]
        assert (sol["amount"], sol["cost"]) == ("-1.5", f"-{fill['amountOut']}")
        assert (usdc["token"], usdc["amount"], usdc["unrealized"]) == (
            "USDC",
            fill["amountOut"],
            "0",
        )
        assert sol["unrealized"] is not None
        assert sol["priceAgeMs"] >= 0
        assert_valid("Report", await engine.api.get("/api/report?by=dex"))
