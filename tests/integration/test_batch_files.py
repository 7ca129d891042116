"""Files of orders as users have them, and what the batch script says of each line."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.integration.apis import UNREACHABLE_NODE
from tests.integration.full_engine import run_full_engine
from tests.integration.test_submit_batch import query, run_for_summary, run_script, start_script

COLUMNS: Final = "tokenIn,tokenOut,amount"
ORDER: Final = '{"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"'
FAULTY_FILES: Final = {
    "no header": (b"SOL,USDC,1\nSOL,USDC,2\n", ["line 1: there is no header"]),
    "semicolons": (b"tokenIn;tokenOut;amount\nSOL;USDC;1,5\n", ["line 1: ", "semicolons"]),
    "tabs": (b"tokenIn\ttokenOut\tamount\nSOL\tUSDC\t1\n", ["line 1: ", "tabs"]),
    "names": (
        b"tokenin,tokenOut,amount,slippageTolerance\nSOL,USDC,1,1\n",
        ["line 1: unknown name 'tokenin': did you mean tokenIn?", "slippageBps, in basis points"],
    ),
    "columns": (
        b"\xef\xbb\xbftokenIn,tokenOut,amount\r\n\r\nSOL,USDC,1,5\r\n,,\r\nSOL,USDC\r\nSOL,,1\r\n",
        ["line 3: has 4 columns, the header has 3", "line 5: has 2 columns", "line 6: 'tokenOut'"],
    ),
    "names twice": (
        b"tokenIn,tokenOut,amount,clientOrderId\nSOL,USDC,1,a\nSOL,USDC,2,b\nSOL,USDC,3,a\n",
        ["line 4: clientOrderId: 'a' is that of line 2 too"],
    ),
    "columns twice": (
        b"tokenIn,tokenOut,amount,amount\nSOL,USDC,1,2\n",
        ["'amount' is there twice"],
    ),
    "an open quote": (
        b'tokenIn,tokenOut,amount\nSOL,USDC,1\n"SOL,USDC,1\nSOL,USDC,2\n',
        ["line 3: a quote opens here"],
    ),
    "latin-1": (b"tokenIn,tokenOut,amount\nSOL,US\xe9,1\n", ["line 2: is no UTF-8 text"]),
    "utf-16": ("tokenIn,tokenOut,amount\n".encode("utf-16"), ["line 1: is UTF-16"]),
    "binary": (bytes(100_000), ["line 1: is longer than"]),
    "percentage": (
        b"tokenIn,tokenOut,amount,slippage\nSOL,USDC,1,0.005\nSOL,USDC,1,1\n",
        ["line 3: slippage: 1 is a fraction or a percentage", "write slippageBps"],
    ),
    "only a header": (b"tokenIn,tokenOut,amount\n\n", ["has no orders"]),
    "json": (
        f'{ORDER}}}\n\n{ORDER}, "amount": "2"}}\n[1]\n{ORDER}, "size": 1}}\n{ORDER}\n'.encode(),
        [
            "line 3: 'amount' is there twice",
            "line 4: is no JSON object",
            "line 5: unknown name 'size'",
            "line 6: is no JSON object of one line",
        ],
    ),
    "json array": (f"[{ORDER}}}]".encode(), ["line 1: a JSON array begins here"]),
}


@pytest.mark.parametrize(("content", "reasons"), FAULTY_FILES.values(), ids=FAULTY_FILES)
async def test_a_faulty_file_is_refused_with_its_lines_before_anything_is_sent(
    tmp_path: Path, content: bytes, reasons: list[str]
) -> None:
    file = tmp_path / "orders"
    file.write_bytes(content)
    code, output, errors = await run_script(UNREACHABLE_NODE, "--file", str(file))
    assert (code, output) == (2, "")
    assert "no order engine answers" not in errors  # nothing was even tried
    for reason in reasons:
        assert reason in errors


async def test_the_faults_of_a_large_file_are_counted_and_the_first_ones_shown(
    tmp_path: Path,
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{COLUMNS}\n" + "SOL,USDC,1\n" * 50_000 + "SOL,USDC,1,5\n" * 10_000)
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(file))
    assert code == 2
    assert "has 10,000 faults" in errors
    assert "line 50002: has 4 columns" in errors
    assert "… and 9,980 more" in errors
    assert len(errors.splitlines()) < 30


async def test_check_needs_no_server_and_names_wrong_values(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes(
        b'\xef\xbb\xbf"tokenIn",tokenOut,amount\r\nSOL,USDC,"1.5"\r\n\r\nSOL,SOL,x\r\n'
    )
    code, output, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--check")
    assert code == 1
    assert "line 4: amount: 'x' must be a number above 0" in errors
    assert "line 4: tokenOut: 'SOL' is the token that is sold" in errors
    assert "2 orders: 2 values are wrong; nothing was sent" in output
    code, output, errors = await run_script(
        UNREACHABLE_NODE, "--file", "-", "--check", stdin=f"\ufeff{COLUMNS}\nSOL,USDC,1\n"
    )
    assert (code, errors) == (0, "")
    assert "1 order: no fault found" in output


async def test_each_refused_line_is_named_with_its_reason_and_has_a_row(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    file, rows_file, lines_file = (data_dir / name for name in ("o.csv", "r.csv", "r.jsonl"))
    file.write_text(
        f"{COLUMNS},minAmountOut,clientOrderId\n"
        "SOL,USDC,1,,mine\n\nFOO,USDC,1,,\nSOL,USDC,0,,\nSOL,USDC,2,1000000,\n"
    )
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        single = await run_script(
            engine.api.url, "--file", str(file), "--out", str(rows_file), "--json"
        )
        batched = await run_script(
            *(engine.api.url, "--file", str(file), "--out", str(lines_file), "--json"),
            *("--batch-size", "3"),
        )
    for code, _, errors in (single, batched):
        assert code == 1
        assert "line 4: tokenIn: unknown token 'FOO'; known are" in errors
        assert "line 5: amount: " in errors
        assert "line 6: failed: " in errors
    rows = list(csv.DictReader(rows_file.read_text().splitlines()))
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
    [stored] = await query(
        database_url,
        "SELECT id::text, client_order_id, dex::text FROM orders WHERE status = 'confirmed'",
    )
    assert (rows[0]["id"], rows[0]["clientOrderId"], rows[0]["dex"]) == stored
    assert float(rows[0]["amountOut"]) == pytest.approx(float(rows[0]["price"]))  # of 1 SOL
    assert len(rows[0]["signature"]) > 80


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


async def test_a_result_file_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text(f"{COLUMNS}\nSOL,USDC,1\n")
    for out, sentence in (
        (tmp_path / "rows.txt", "must end in .csv or .jsonl"),
        (tmp_path / "none" / "rows.csv", "it does not exist"),
        (orders, "this is the file of the orders"),
    ):
        code, output, errors = await run_script(
            UNREACHABLE_NODE, "--file", str(orders), "--out", str(out)
        )
        assert (code, output) == (2, "")
        assert sentence in errors
    assert orders.read_text() == f"{COLUMNS}\nSOL,USDC,1\n"


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
    rows = list(csv.DictReader(rows_file.read_text().splitlines()))
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


async def test_again_does_not_change_names_that_the_file_gives(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{COLUMNS},clientOrderId\nSOL,USDC,1,mine\n")
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--again")
    assert code == 2
    assert "clientOrderId of their own" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_signal_says_what_was_accepted_and_the_same_command_follows_it(
    database_url: str, redis_url: str, data_dir: Path, number: signal.Signals
) -> None:
    rows_file = data_dir / "rows.jsonl"
    # Twenty orders a second: the rest waits for the server's limit.
    async with run_full_engine(database_url, redis_url, data_dir, rate_limit=20) as engine:
        command = ("--count", "60", "--concurrency", "4")
        async with start_script(engine.api.url, *command, "--out", str(rows_file)) as process:
            async with asyncio.timeout(30):
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


async def test_errors_are_words(tmp_path: Path) -> None:
    for url, sentence in (
        (UNREACHABLE_NODE, "nothing listens there"),
        ("http://nowhere.invalid", "the name nowhere.invalid is not known"),
        ("http://127.0.0.1:notaport", "no valid address"),
        ("ftp://127.0.0.1", "write the API's address as http://HOST:PORT"),
    ):
        code, output, errors = await run_script(url)
        assert (code, output) == (2, "")
        assert sentence in errors
        assert "ssl:default" not in errors
        assert "Traceback" not in errors
    for path, sentence in ((tmp_path / "none", "it does not exist"), (tmp_path, "is a folder")):
        code, _, errors = await run_script(UNREACHABLE_NODE, "--file", str(path))
        assert code == 2
        assert sentence in errors
        assert "Errno" not in errors
    code, _, errors = await run_script(UNREACHABLE_NODE, "--file", "x", "--slippage-bps", "1")
    assert code == 2
    assert "--slippage-bps: of drawn orders" in errors


async def test_help_lists_columns_and_examples_for_any_python() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "scripts/submit_batch.py", "--help"), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    for text in (b"clientOrderId", b"maxPriceImpactBps", b"Examples:", b"--dry-run", b"124"):
        assert text in output
