"""What the batch script says and writes of orders that an engine was sent, and how it ends."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
from pathlib import Path

import pytest

from tests.integration.full_engine import run_full_engine
from tests.integration.test_batch_files import COLUMNS
from tests.integration.test_submit_batch import query, run_for_summary, run_script, start_script


def read_rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


async def test_each_refused_line_is_named_with_its_reason_and_has_a_row(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    file, rows_file, lines_file = (data_dir / name for name in ("o.csv", "r.csv", "r.jsonl"))
    file.write_text(
        f"{COLUMNS},minAmountOut,clientOrderId\n"
        "SOL,USDC,1,,mine\n\nFOO,USDC,1,,\nSOL,USDC,0,,\nSOL,USDC,2,1000000,\n"
    )
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        arguments = (engine.api.url, "--file", str(file), "--skip-faulty", "--json", "--out")
        single = await run_script(*arguments, str(rows_file))
        batched = await run_script(
            *(*arguments, str(lines_file)),
            *("--batch-size", "3"),
        )
    for code, _, errors in (single, batched):
        assert code == 1
        assert "line 4: tokenIn: unknown token 'FOO'; known are" in errors
        assert "line 5: amount: " in errors
        assert "line 6: failed: " in errors
    rows = read_rows(rows_file)
    assert rows == [
        {name: "" if value is None else str(value) for name, value in json.loads(line).items()}
        for line in lines_file.read_text().splitlines()
    ]
    assert list(rows[0]) == [
        *("line", "id", "clientOrderId", "status", "dex", "price", "amountOut"),
        *("signature", "code", "reason"),
    ]
    statuses = [(row["line"], row["status"], row["code"]) for row in rows]
    assert statuses == [
        ("2", "confirmed", ""),
        ("4", "refused", "unknown_token"),
        ("5", "refused", "invalid_field"),
        ("6", "failed", "min_out_not_met"),
    ]
    await assert_row_is_as_stored(rows[0], database_url)


async def assert_row_is_as_stored(row: dict[str, str], database_url: str) -> None:
    """Assert that the row of the only confirmed order, which sold 1 SOL, is as it is stored."""
    [stored] = await query(
        database_url,
        "SELECT id::text, client_order_id, dex::text FROM orders WHERE status = 'confirmed'",
    )
    assert (row["id"], row["clientOrderId"], row["dex"]) == stored
    assert float(row["amountOut"]) == pytest.approx(float(row["price"]))
    assert len(row["signature"]) > 80


async def test_many_refused_lines_are_bounded_and_counted(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    file = data_dir / "orders.csv"
    file.write_text(f"{COLUMNS}\n" + "FOO,USDC,1\n" * 100)
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        code, _, errors = await run_script(engine.api.url, "--file", str(file))
    assert code == 1
    assert "line 2: " in errors
    assert "… and 80 more refused" in errors
    assert len(errors.splitlines()) < 30


async def test_a_dry_run_quotes_every_order_and_places_none(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    file, rows_file = data_dir / "orders.csv", data_dir / "rows.csv"
    file.write_text(f"{COLUMNS}\nSOL,USDC,1.5\nFOO,USDC,1\nUSDC,SOL,20\nSOL,USDC,2.5\n")
    arguments = ("--file", str(file), "--dry-run", "--out", str(rows_file))
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        code, summary = await run_for_summary(engine.api.url, *arguments)
        _, table, errors = await run_script(engine.api.url, *arguments)
    assert code == 1
    assert (summary["orders"], summary["quoted"]) == (4, 3)
    assert summary["amountsIn"] == {"SOL": "4.0", "USDC": "20"}
    assert [swap["orders"] for swap in summary["swaps"]] == [2, 1]
    assert "line 3: tokenIn: unknown token 'FOO'" in errors
    assert "In total they pay 4.0 SOL + 20 USDC" in table
    rows = read_rows(rows_file)
    assert [row["status"] for row in rows] == ["quoted", "refused", "quoted", "quoted"]
    assert await query(database_url, "SELECT count(*) FROM orders") == [(0,)]


async def test_a_repeat_says_first_that_it_places_nothing_and_again_places_anew(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    command = ("--count", "5")
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        _, _, errors = await run_script(engine.api.url, *command)
        assert errors == ""
        code, output, errors = await run_script(engine.api.url, *command)
        assert code == 0
        first = errors.splitlines()[0]
        assert "ran before" in first
        assert "--again" in first
        assert "5 orders, placed before" in output
        code, _, errors = await run_script(engine.api.url, *command, "--again")
        assert code == 0
        assert "ran before" not in errors
        run = errors.split("--run ")[1].split()[0]
        code, summary = await run_for_summary(engine.api.url, *command, "--run", run)
        assert (code, summary["replayed"]) == (0, 5)
    assert await query(database_url, "SELECT count(*) FROM orders") == [(10,)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_signal_says_what_was_accepted_and_the_same_command_follows_it(
    database_url: str, redis_url: str, data_dir: Path, number: signal.Signals
) -> None:
    rows_file = data_dir / "rows.jsonl"
    # Twenty orders a second: the rest waits for the server's limit.
    async with run_full_engine(database_url, redis_url, data_dir, rate_limit=20) as engine:
        command = ("--count", "60", "--concurrency", "4")
        async with start_script(engine.api.url, *command, "--out", str(rows_file)) as process:
            async with asyncio.timeout(60):
                while not await query(database_url, "SELECT 1 FROM orders LIMIT 1"):
                    await asyncio.sleep(0.01)
            process.send_signal(number)
            _, errors = await process.communicate()
        assert process.returncode == 128 + number
        text = errors.decode()
        assert "of 60 orders were accepted" in text
        assert "the same command follows them and places the rest" in text
        assert "Traceback" not in text
        statuses = [json.loads(line)["status"] for line in rows_file.read_text().splitlines()]
        assert len(statuses) == 60
        assert "not_placed" in statuses
        code, summary = await run_for_summary(engine.api.url, *command)
        assert (code, summary["byStatus"]) == (0, {"confirmed": 60})
        assert summary["replayed"] > 0
    assert await query(database_url, "SELECT count(*) FROM orders") == [(60,)]


async def test_a_timeout_has_an_exit_code_of_its_own(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir, rate_limit=1) as engine:
        code, output, errors = await run_script(engine.api.url, "--count", "9", "--timeout", "1")
    assert code == 124
    assert "not all orders have ended after 1 s" in errors
    assert "the same command follows them" in errors
    assert "9 orders" in output


async def test_a_balance_that_no_order_explains_is_the_last_line(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    insert = "INSERT INTO wallet_differences (at, wallet, token, amount, slot) VALUES "
    long_ago = "(now() - interval '25 hours', 'walletA', 'SOL', 7, 1)"
    back = "(now(), 'walletA', 'JUP', 5, 1), (now(), 'walletA', 'JUP', -5, 1)"
    missing = "(now(), 'walletA', 'SOL', -2500000000, 2), (now(), 'walletB', 'USDC', 1, 2)"
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        await query(database_url, f"{insert}{long_ago}, {back}")
        code, _, errors = await run_script(engine.api.url, "--count", "2")
        assert (code, errors) == (0, "")
        await query(database_url, f"{insert}{missing}")
        code, output, errors = await run_script(engine.api.url, "--count", "3", "--json")
    assert code == 0
    [line] = errors.splitlines()
    assert line.startswith("! wallet walletA holds 2.5 SOL less than its orders explain, since 20")
    assert line.endswith(", and 1 more such: see GET /api/balances")
    assert json.loads(output)["orders"] == 3
