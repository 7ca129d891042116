"""Reports: their totals are the sums of the fills, by whatever their rows are."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from io import StringIO
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from backend.accounting import report as reports
from backend.accounting.report import Grouping
from backend.domain.quotes import Dex
from tests.integration.apis import Json, OrderDriver, RunningApi, open_api, open_driver, wait_until
from tests.integration.test_api_documents import assert_valid
from tests.integration.test_api_fills import CSV, confirm_orders, execute, read_csv

KEYS = "anna:anna-key-0123456789"


async def make_orders(database_url: str, api: RunningApi, driver: OrderDriver) -> None:
    """Three swaps, one of them on the other venue; orders that failed and were cancelled."""
    await confirm_orders(api, driver, 1)
    await driver.confirm(await api.place_order(tokenIn="USDC", tokenOut="SOL", amount="200.000003"))
    leased = await driver.route(await driver.claim(await api.place_order()), Dex.METEORA)
    await driver.land(await driver.sign(leased))
    await driver.fail(await driver.route(await driver.claim(await api.place_order())))
    await execute(
        database_url, "UPDATE orders SET network_fee_lamports = 5000 + length(status::text)"
    )
    cancelled = await api.place_order(type="limit", limitPrice="900")
    async with api.session.delete(f"/api/orders/{cancelled}") as response:
        assert response.status == 200


def sum_of(lines: Sequence[dict[str, str]], name: str) -> Decimal:
    return sum((Decimal(line[name] or 0) for line in lines), Decimal(0))


def sum_by_token(lines: Sequence[dict[str, str]], token: str, amount: str) -> dict[str, Decimal]:
    total: Counter[str] = Counter()
    for line in lines:
        total[line[token]] += Decimal(line[amount])  # type: ignore[assignment]
    return dict(total)  # type: ignore[arg-type]


async def test_totals_are_the_sums_of_the_fills_and_of_the_rows(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        await make_orders(database_url, api, d)
        lines = await read_csv(api, "?order=asc")
        positions = await api.get("/api/positions")
        for by in (*Grouping, None):
            told = await api.get("/api/report" + (f"?by={by}" if by else ""))
            assert_valid("Report", told)
            total = told["total"]
            assert total["fills"] == len(lines) == sum(row["fills"] for row in told["rows"])
            assert Decimal(total["volume"]) == sum_of(lines, "value")
            assert Decimal(total["savedValue"]) == sum_of(lines, "savedValue")
            assert total["networkFeeLamports"] == sum_of(lines, "networkFeeLamports")
            assert total["networkFeeLamports"] == 3 * 5_009
            assert total["unfilledFeeLamports"] == 5_006
            assert total["realized"] == positions["realized"]
            for name, token, amount in (
                ("sold", "tokenIn", "amountIn"),
                ("bought", "tokenOut", "amountOut"),
            ):
                shown = {each: Decimal(n) for each, n in total[name].items()}
                assert shown == sum_by_token(lines, token, amount)
            for name in ("volume", "realized", "savedValue"):
                summed = sum((Decimal(row[name]) for row in told["rows"]), Decimal(0))
                assert Decimal(total[name]) == summed, (by, name)
            assert total["orders"] == {"confirmed": 3, "failed": 1, "cancelled": 1}
            assert total["reasons"] == {"no_pool": 1, "cancelled_by_request": 1}
            assert total["failureReasons"] == {"no_pool": 1}


async def test_rows_are_by_what_was_asked_for(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        await make_orders(database_url, api, d)
        body = {"orders": [{"tokenIn": "JUP", "tokenOut": "USDC", "amount": "1"}] * 2}
        batch = await api.post("/api/orders/batch", body)
        for each in batch["orders"]:
            await d.confirm(UUID(each["orderId"]))
        fills: dict[str, dict[str | None, int]] = {}
        for by in Grouping:
            rows = (await api.get(f"/api/report?by={by}"))["rows"]
            fills[by] = {row["key"]: row["fills"] for row in rows}
        at = (await api.get("/api/fills?limit=1"))["fills"][0]["at"]
        assert fills == {
            "pair": {"JUP/USDC": 2, "SOL/USDC": 3},
            "dex": {"meteora": 1, "raydium": 4, None: 0},
            "day": {at[:10]: 5},
            "batch": {batch["batchId"]: 2, None: 3},
        }


async def test_what_was_bought_before_the_time_of_a_report_is_its_cost(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        buy = {"tokenIn": "USDC", "tokenOut": "SOL"}
        for amount in ("150", "450"):  # each brings 0.15 SOL
            await d.confirm(await api.place_order(**buy, amount=amount))
        await d.confirm(await api.place_order(amount="0.15"))  # brings 150 USDC
        [_, _, sale] = (await api.get("/api/fills?order=asc"))["fills"]
        realized = {}
        for method in ("average", "fifo"):
            told = await api.get(f"/api/report?from={sale['at']}&method={method}")
            assert told["total"]["fills"] == 1
            realized[method] = told["total"]["realized"]
        assert realized == {"average": "-150", "fifo": "0"}
        before = await api.get(f"/api/report?to={sale['at']}")
        assert (before["total"]["fills"], before["total"]["realized"]) == (2, "0")
        empty = await api.get("/api/report?from=2001-01-01&to=2001-01-02")
        assert (empty["rows"], empty["total"]["volume"]) == ([], "0")


async def test_a_report_with_too_many_rows_or_lots_is_refused(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "GROUPS_MAX", 1)
    monkeypatch.setattr("backend.accounting.positions.LOTS_MAX", 1)
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        await confirm_orders(api, d, 2)
        await d.confirm(await api.place_order(tokenIn="JUP", tokenOut="USDC", amount="3"))
        for query, field in (
            ("by=pair", "by"),
            ("method=fifo", "method"),
            ("by=colour", "by"),
            ("from=2026-01-02&to=2026-01-01", "from"),
        ):
            problem = await api.get(f"/api/report?{query}", 400)
            assert [each["field"] for each in problem["errors"]] == [field], query
        assert (await api.get("/api/report"))["total"]["fills"] == 3


async def test_a_report_waits_for_others_and_not_for_ever(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.engine.accounts.REPORTS_MAX", 1)
    monkeypatch.setattr("backend.api.routes.accounting.reports.PLACE_WAIT_S", 0.2)
    async with open_api(database_url, redis_url) as api:
        connection = await asyncpg.connect(database_url)
        try:
            async with asyncio.TaskGroup() as tasks:
                await connection.execute("BEGIN; LOCK TABLE order_events")
                first = tasks.create_task(api.get("/api/report?to=2030-01-01"))
                await wait_until(lambda: is_waiting(connection))
                problem = await api.get("/api/report", 503)
                await connection.execute("ROLLBACK")
            assert problem["code"] == "reports_busy"
            assert first.result()["total"]["fills"] == 0
        finally:
            await connection.close()


async def is_waiting(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def run_command(*options: str, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backend.cli", "report", *options),
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin", **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_writes_what_the_engine_tells(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("anna-key-0123456789\n")
    async with (
        open_api(database_url, redis_url, api_keys=KEYS) as api,
        open_driver(database_url, redis_url) as d,
    ):
        headers = {"X-API-Key": "anna-key-0123456789"}
        placed = await api.post("/api/orders/execute", ORDER_BODY, headers=headers)
        await d.confirm(UUID(placed["orderId"]))
        asked = "--url", api.url, "--key-file", str(key_file)
        status, out, err = await run_command(*asked, "--json", "--by", "dex")
        assert (status, err) == (0, "")
        told: Json = json.loads(out)
        assert (told["by"], told["total"]["fills"]) == ("dex", 1)
        status, out, _ = await run_command(*asked, "--csv", "--to", told["to"])
        lines = list(csv.DictReader(StringIO(out)))
        assert [line["key"] for line in lines] == ["SOL/USDC", "total"]
        assert lines[0] | {"key": ""} == lines[1] | {"key": ""}
        assert lines[1]["sold"] == "SOL:1.5"
        async with api.session.get("/api/report?by=pair", headers=headers | CSV) as response:
            assert response.content_type == "text/csv"
        status, out, _ = await run_command(*asked)
        assert "SOL/USDC" in out
        assert "sold: 1.5 SOL" in out
        status, _, err = await run_command(*asked, "--from", "yesterday")
        assert status == 1
        assert err.startswith("Error: --from must be a time")
        status, _, err = await run_command("--url", api.url)
        assert (status, "key" in err) == (1, True)
    status, _, err = await run_command("--url", "http://127.0.0.1:9")
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("Error: no report from http://127.0.0.1:9")


ORDER_BODY = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
