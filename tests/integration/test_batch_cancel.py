"""Cancelling with the batch script: by ids, by filters, what it asks, tells and writes."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
from pathlib import Path
from uuid import UUID

import pytest

from tests.integration.apis import ORDER, UNREACHABLE_NODE, RunningApi, open_api, open_driver
from tests.integration.test_submit_batch import SCRIPT, run_for_summary, run_script
from tests.tui.servers import run_api_process

NO_ORDER = "01a1ff2c-88eb-753c-8618-e62410a1c7e3"
NOTHING = {"cancelled": 0, "tooLate": {}, "mayLandUntil": None, "refused": {}, "lostAnswers": 0}


async def answer_question(url: str, answer: str, *arguments: str) -> tuple[int | None, str]:
    """Run the script with a terminal as its input; returns its exit code and what it wrote."""
    terminal, script_end = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(SCRIPT), "--url", url, *arguments),
            stdin=script_end,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        os.write(terminal, f"{answer}\n".encode())
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
        return process.returncode, output.decode()
    finally:
        os.close(terminal)
        os.close(script_end)


async def list_open(api: RunningApi) -> list[str]:
    page = await api.get("/api/orders?status=open&limit=1000&order=asc")
    return [order["orderId"] for order in page["orders"]]


async def test_orders_are_cancelled_by_their_ids_and_each_has_a_row(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    rows_file = tmp_path / "rows.csv"
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        ids = [str(await api.place_order(clientOrderId=f"mine-{n}")) for n in range(4)]
        await d.sign(await d.route(await d.claim(UUID(ids[1]))))
        named = [part for each in (*ids[:3], NO_ORDER) for part in ("--cancel", each)]
        code, summary = await run_for_summary(api.url, *named, "--out", str(rows_file))
        assert code == 1
        assert summary.pop("wallS") > 0
        assert summary == {
            **NOTHING,
            "cancelled": 2,
            "tooLate": {"submitted": 1},
            "mayLandUntil": 1234,
            "refused": {"order_not_found": 1},
        }
        assert await list_open(api) == [ids[1], ids[3]]
        code, output, _ = await run_script(api.url, "--cancel", ids[0])  # a repeat is as good
        assert (code, output) == (0, "cancelled 1, it will never be executed\n")
    rows = {row["id"]: row for row in csv.DictReader(rows_file.read_text().splitlines())}
    assert [(rows[each]["status"], rows[each]["code"]) for each in (*ids[:3], NO_ORDER)] == [
        ("cancelled", "cancelled_by_request"),
        ("submitted", "too_late"),
        ("cancelled", "cancelled_by_request"),
        ("refused", "order_not_found"),
    ]
    assert rows[ids[1]]["reason"] == "may land up to block height 1234"
    assert rows[ids[2]]["clientOrderId"] == "mine-2"


async def test_all_open_orders_of_a_filter_are_cancelled_and_no_other(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    rows_file = tmp_path / "rows.jsonl"
    async with open_api(database_url, redis_url) as api, open_driver(database_url, redis_url) as d:
        sale = [str(await api.place_order()) for _ in range(3)]
        buy = str(await api.place_order(tokenIn="USDC", tokenOut="SOL", clientOrderId="my buy"))
        jup = str(await api.place_order(tokenIn="JUP"))
        body = {"orders": [dict(ORDER)] * 1_000}
        batches = [(await api.post("/api/orders/batch", body))["batchId"] for _ in range(2)]
        await d.sign(await d.route(await d.claim(UUID(sale[0]))))
        every = "--cancel-all", "--yes"
        named = "--batch", batches[0], "--batch", batches[1], "--out", str(rows_file)
        code, summary = await run_for_summary(api.url, *every, *named)
        assert (code, summary["cancelled"]) == (0, 2_000)
        rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
        assert [row["line"] for row in rows] == list(range(1, 2_001))
        told = {(row["status"], row["code"], row["clientOrderId"]) for row in rows}
        assert told == {("cancelled", "cancelled_with_others", None)}
        names: list[str | None] = []
        for filters, cancelled in (
            (("--pair", "BONK/USDC"), 0),
            (("--pair", "SOL/USDC", "--side", "buy"), 1),
            (("--token-in", "JUP", "--status", "pending"), 1),
            (("--type", "limit"), 0),
        ):
            out = *filters, "--out", str(rows_file)
            code, summary = await run_for_summary(api.url, *every, *out)
            assert (code, summary["cancelled"], summary["tooLate"]) == (0, cancelled, {}), filters
            lines = rows_file.read_text().splitlines()
            names += [json.loads(line)["clientOrderId"] for line in lines]
        assert names == ["my buy", None]
        assert await list_open(api) == sale
        assert not {buy, jup} & set(sale)
        code, output, _ = await run_script(api.url, *every)
        assert code == 1
        assert output.splitlines() == [
            "cancelled 2, they will never be executed",
            "too late for 1: 1 submitted; what is submitted may land up to block height 1,234",
        ]


async def test_it_asks_on_a_terminal_and_names_count_and_filter(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for _ in range(3):
            await api.place_order()
        some = ("--cancel-all", "--pair", "SOL/USDC", "--side", "sell")
        code, output = await answer_question(api.url, "n", *some)
        assert code == 2
        assert "Cancel 3 open orders (pair SOL/USDC, side sell)? [y/N]" in output
        assert "nothing was cancelled" in output
        code, output, errors = await run_script(api.url, "--cancel-all")  # its input is a pipe
        assert (code, output) == (2, "")
        assert "no terminal to ask on: --yes" in errors
        assert len(await list_open(api)) == 3
        code, output = await answer_question(api.url, "y", "--cancel-all")
        assert code == 0
        assert "Cancel 3 open orders (no filter: all of yours)?" in output
        assert "cancelled 3, they will never be executed" in output
        assert await list_open(api) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--cancel-all", "--count", "3"), "--count: goes with placing orders"),
        (("--cancel", NO_ORDER, "--cancel-all"), "--cancel names its orders: leave --cancel-all"),
        (("--cancel", NO_ORDER, "--pair", "SOL/USDC"), "leave --pair out"),
        (("--cancel", "../orders?all=true"), "is not a valid UUID"),
        (("--batch", NO_ORDER), "--batch: goes with --cancel-all"),
        (("--cancel-all", "--pair", "SOL"), "SOL: write the pair as BASE/QUOTE"),
        (("--cancel-all", "--pair", "A/B", "--token-in", "A"), "leave --token-in and --token-out"),
        (("--cancel-all", "--side", "buy"), "--side needs a --pair"),
        (("--cancel-all", "--status", "failed"), "'failed' is not one of"),
        (("--cancel-all", "--yes"), "no order engine answers there"),
        (("--cancel", NO_ORDER), "no order engine answers there"),
    ],
)
async def test_what_is_not_clear_is_refused_and_nothing_is_sent(
    arguments: tuple[str, ...], reason: str
) -> None:
    code, output, errors = await run_script(UNREACHABLE_NODE, *arguments)
    assert (code, output) == (2, "")
    assert reason in errors
    assert "Traceback" not in errors


async def test_what_the_engine_refuses_cancels_nothing(database_url: str, redis_url: str) -> None:
    key = "anna-key-0123456789"
    async with open_api(database_url, redis_url, api_keys=f"anna:{key}") as api:
        for arguments, reason in (
            (("--yes",), "set ORDER_ENGINE_API_KEY or use --key-file"),
            (("--yes", "--key", key, "--batch", "7"), "batchId: "),
            (("--yes", "--key", key, "--token-in", "DOGE"), "tokenIn: unknown token 'DOGE'"),
        ):
            code, output, errors = await run_script(api.url, "--cancel-all", *arguments)
            assert (code, output) == (2, ""), errors
            assert reason in errors


async def test_it_goes_on_when_the_api_is_killed_and_started_again(
    database_url: str, redis_url: str
) -> None:
    async with (
        run_api_process(database_url, redis_url) as api,
        open_api(database_url, redis_url) as placing,
        asyncio.TaskGroup() as tasks,
    ):
        ids = [str(await placing.place_order()) for _ in range(400)]
        named = [part for each in ids for part in ("--cancel", each)]
        script = run_for_summary(api.url, *named, "--concurrency", "2", "--timeout", "60")
        running = tasks.create_task(script)
        async with asyncio.timeout(60):
            while len(await list_open(placing)) == 400:
                await asyncio.sleep(0.01)
        await api.kill()
        await api.start()
        code, summary = await running
        assert (code, summary["cancelled"]) == (0, 400)
        assert await list_open(placing) == []


async def test_a_run_whose_orders_are_cancelled_ends_and_says_so(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    rows_file = tmp_path / "rows.csv"
    async with open_api(database_url, redis_url) as api, asyncio.TaskGroup() as tasks:
        placing = run_script(api.url, "--count", "5", "--out", str(rows_file))
        running = tasks.create_task(placing)
        async with asyncio.timeout(60):
            while len(await list_open(api)) < 5:
                await asyncio.sleep(0.01)
        code, _, _ = await run_script(api.url, "--cancel-all", "--yes")
        assert code == 0
        code, output, _ = await running
    assert code == 1  # they were to be confirmed
    assert "⊘ cancelled" in output
    rows = list(csv.DictReader(rows_file.read_text().splitlines()))
    assert [(row["status"], row["code"]) for row in rows] == [
        ("cancelled", "cancelled_with_others")
    ] * 5
    assert all("nothing was sent" in row["reason"] for row in rows)
