"""The batch script as users run it: as a separate process against a whole engine."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from tests.e2e.up import run_up
from tests.integration.apis import UNREACHABLE_NODE, Json, open_api
from tests.integration.full_engine import run_full_engine

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "submit_batch.py"
SCRIPT_TIMEOUT_S = 120


@asynccontextmanager
async def start_script(url: str, *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), "--url", url, *arguments),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # closes its pipes


async def run_script(url: str, *arguments: str, stdin: str = "") -> tuple[int | None, str, str]:
    """Run the script; return its exit code, standard output and standard error."""
    async with start_script(url, *arguments) as process, asyncio.timeout(SCRIPT_TIMEOUT_S):
        output, errors = await process.communicate(stdin.encode())
        return process.returncode, output.decode(), errors.decode()


async def run_for_summary(url: str, *arguments: str, stdin: str = "") -> tuple[int | None, Json]:
    code, output, errors = await run_script(url, *arguments, "--json", stdin=stdin)
    assert output, errors
    return code, json.loads(output)


async def query(database_url: str, sql: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database_url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def test_the_summary_is_what_the_database_says(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        pairs = ("--pair", "SOL/USDC:3", "--pair", "JUP/USDC")
        code, report = await run_for_summary(engine.api.url, "--count", "80", *pairs)
    assert code == 0
    assert (report["orders"], report["accepted"], report["byStatus"]) == (80, 80, {"confirmed": 80})
    assert (report["refused"], report["failures"], report["replayed"]) == ({}, {}, 0)
    by_dex = await query(database_url, "SELECT dex::text, count(*) FROM orders GROUP BY dex")
    assert report["dexShare"] == {str(dex): round(int(str(n)) / 80, 4) for dex, n in by_dex}
    [(p50, p99)] = await query(
        database_url,
        """
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY took),
               percentile_disc(0.99) WITHIN GROUP (ORDER BY took)
        FROM (SELECT extract(epoch FROM max(at) - min(at))::float8 AS took
              FROM order_events GROUP BY order_id) AS lives
        """,
    )
    assert (report["latencyS"]["p50"], report["latencyS"]["p99"]) == (p50, p99)
    tokens = "SELECT count(*) FILTER (WHERE 'SOL' IN (token_in, token_out)), count(*) FROM orders"
    [(with_sol, count)] = await query(database_url, tokens)
    assert count == 80
    assert 45 <= int(str(with_sol)) <= 75


async def test_the_same_command_again_places_nothing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        single, batched = ("--count", "20"), ("--count", "20", "--batch-size", "7")
        code, first = await run_for_summary(engine.api.url, *single)
        assert (code, first["replayed"]) == (0, 0)
        for again in (single, batched, batched):
            code, repeat = await run_for_summary(engine.api.url, *again)
            assert (code, repeat["accepted"], repeat["replayed"]) == (0, 20, 20)
            assert repeat["latencyS"] == first["latencyS"]
        code, other = await run_for_summary(engine.api.url, *batched, "--seed", "43")
        assert (code, other["replayed"]) == (0, 0)
    assert await query(database_url, "SELECT count(*) FROM orders") == [(40,)]


async def test_orders_come_from_a_file_and_refused_ones_are_reported(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    table = data_dir / "orders.csv"
    table.write_text(
        "tokenIn,tokenOut,amount,slippageBps,clientOrderId\n"
        "SOL,USDC,1.5,50,mine\nUSDC,SOL,20,,\nSOL,USDC,0,50,\n"
    )
    lines = (
        '{"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": 1.000000001}\n'
        '{"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1", "minAmountOut": "1000000"}\n'
    )
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        for batch_options in ((), ("--batch-size", "10")):
            code, report = await run_for_summary(
                *(engine.api.url, "--file", str(table), "--skip-faulty"), *batch_options
            )
            assert (code, report["refused"]) == (1, {"invalid_field": 1})
            assert report["byStatus"] == {"confirmed": 2}
        code, report = await run_for_summary(engine.api.url, "--file", "-", stdin=lines)
        assert (code, report["failures"]) == (1, {"min_out_not_met": 1})
        code, _ = await run_for_summary(
            engine.api.url, "--file", "-", "--expect", "ended", stdin=lines
        )
        assert code == 0
    amounts = await query(
        database_url, "SELECT amount_in::text FROM orders WHERE amount_in % 2 = 1"
    )
    assert amounts == [("1000000001",)]
    named = await query(database_url, "SELECT count(*) FROM orders WHERE client_order_id = 'mine'")
    assert named == [(1,)]


async def test_it_waits_as_long_as_the_server_requests(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir, rate_limit=20) as engine:
        code, report = await run_for_summary(engine.api.url, "--count", "50", "--concurrency", "10")
    assert (code, report["byStatus"]) == (0, {"confirmed": 50})
    assert report["retries"] > 0
    assert report["wallS"] > 1


async def test_it_goes_on_where_it_was_when_the_api_is_killed(data_dir: Path) -> None:
    async with run_up(data_dir, "--profile", "demo", "--headless") as engine:
        arguments = ("--count", "100", "--json")
        async with (
            start_script(engine.url, *arguments) as process,
            asyncio.timeout(SCRIPT_TIMEOUT_S),
        ):
            async with engine.http.ws_connect("/api/orders/stream") as stream:
                async for message in stream:
                    if "submitted" in message.data:
                        break
            engine.child("api").kill()
            output, errors = await process.communicate()
            report = json.loads(output)
        assert process.returncode == 0, errors
        assert report["byStatus"] == {"confirmed": 100}
        assert report["reconnects"] >= 1


async def test_without_a_terminal_it_prints_a_plain_table(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        code, output, errors = await run_script(engine.api.url, "--count", "3")
    assert code == 0
    assert "\x1b" not in output + errors
    for words in ("3 orders", "● confirmed", "routed to", "latency p99", "orders per second"):
        assert words in output


async def test_an_invalid_command_is_explained_in_a_sentence() -> None:
    for arguments, sentence in (
        (("--amount", "5..1"), "amounts go from low to high"),
        (("--pair", "SOL/USDC:often"), "the weight behind the colon must be a number"),
        (("--file", "/nowhere"), "/nowhere cannot be read"),
        (("--count", "0"), "0 is not in the range"),
        (("--type", "limit"), "--type limit: limitPrice: is required, or minAmountOut"),
        (("--type", "market", "--type", "stop:2"), "give it with --file"),
        (("--type", "limit", "--min-amount-out", "1"), "no order engine answers there"),
        ((), "no order engine answers there"),
    ):
        code, output, errors = await run_script(UNREACHABLE_NODE, *arguments)
        assert (code, output) == (2, "")
        assert sentence in errors
        assert "Traceback" not in errors


async def test_a_key_comes_from_a_file_and_who_is_refused_is_told_what_to_give(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("anna-key-0123456789\n")
    once = ("--count", "1", "--timeout", "1")
    async with open_api(database_url, redis_url, api_keys="anna:anna-key-0123456789") as api:
        code, _, errors = await run_script(api.url, *once)
        assert (code, "ORDER_ENGINE_API_KEY" in errors) == (2, True)
        code, _, errors = await run_script(api.url, *once, "--key", "another-key-0123456789")
        assert (code, "the list of processes shows --key" in errors) == (2, True)
        code, _, errors = await run_script(api.url, *once, "--key-file", str(key_file))
        assert (code, "not all orders have ended" in errors) == (124, True)
        assert "Traceback" not in errors


async def test_groups_and_brackets_are_placed_from_a_file(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A part never ends between the two lines of a group."""
    file = tmp_path / "orders.csv"
    file.write_text(
        "tokenIn,tokenOut,amount,type,limitPrice,triggerPrice,ocoGroup,bracketTakeProfit,"
        "bracketStop,bracketTrailBps\n"
        "USDC,SOL,100,limit,9,,,1000,0.001,\n"
        "SOL,USDC,1,takeProfit,,1000,a,,,\nSOL,USDC,1,stop,,0.001,a,,,\n"
        "SOL,USDC,1,limit,1000,,b,,,\nSOL,USDC,1,stop,,0.001,b,,,\n"
        "USDC,SOL,100,limit,9,,,,,300\n"
    )
    async with open_api(database_url, redis_url) as api:
        for size in ("2", "0"):
            options = ("--file", str(file), "--batch-size", size, "--again")
            code, summary = await run_for_summary(api.url, *options)
            assert (code, summary["accepted"]) == (0, 6)
    groups = await query(
        database_url, "SELECT count(*) FROM orders WHERE oco_group IS NOT NULL GROUP BY oco_group"
    )
    assert groups == [(2,)] * 4
    brackets = await query(
        database_url,
        "SELECT DISTINCT bracket->'stop'->'condition'->>'kind' FROM orders"
        " WHERE bracket IS NOT NULL ORDER BY 1",
    )
    assert brackets == [("stop",), ("trailingStop",)]


async def test_orders_that_wait_are_placed_from_a_file_and_not_waited_for(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    csv, lines = tmp_path / "orders.csv", tmp_path / "orders.jsonl"
    csv.write_text(
        "tokenIn,tokenOut,amount,type,limitPrice,stopPrice,trailBps\n"
        "SOL,USDC,1,limit,1000000,,\nSOL,USDC,1,stop,,0.001,\nSOL,USDC,1,trailingStop,,,5000\n"
    )
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1, "type": "limit", "limitPrice": 1e6}
    lines.write_text(json.dumps(order) + "\n")
    async with open_api(database_url, redis_url) as api:
        for file, count in ((csv, 3), (lines, 1)):
            code, summary = await run_for_summary(api.url, "--file", str(file))
            assert (code, summary["accepted"]) == (0, count)
    rows = await query(database_url, "SELECT DISTINCT status::text FROM orders")
    assert rows == [("waiting",)]


async def test_what_waits_is_followed_to_its_end_where_it_is_watched(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    met = (
        '{"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1", "type": "limit", "limitPrice": 90}\n'
    )
    far = met.replace("90", "900")
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        watched = ("--file", "-", "--watch")
        code, report = await run_for_summary(engine.api.url, *watched, stdin=met)
        assert (code, report["byStatus"]) == (0, {"confirmed": 1})
        code, report = await run_for_summary(engine.api.url, "--file", "-", stdin=far)
        assert (code, report["byStatus"], report["open"]) == (0, {"waiting": 1}, 0)
        code, report = await run_for_summary(engine.api.url, *watched, "--timeout", "1", stdin=far)
        assert (code, report["byStatus"], report["open"]) == (124, {"waiting": 1}, 1)
