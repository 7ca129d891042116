"""The batch script as people run it: a process of its own against a whole engine."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from tests.e2e.up import running_up
from tests.integration.apis import NO_NODE, Json
from tests.integration.whole import whole_engine

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "submit_batch.py"
WAIT_S = 120


@asynccontextmanager
async def running(url: str, *arguments: str) -> AsyncIterator[Process]:
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
        process._transport.close()  # type: ignore[attr-defined]  # its pipes have no other end


async def run(url: str, *arguments: str, given: str = "") -> tuple[int | None, str, str]:
    """Its exit code, and what it says on standard output and standard error."""
    async with running(url, *arguments) as process, asyncio.timeout(WAIT_S):
        output, errors = await process.communicate(given.encode())
        return process.returncode, output.decode(), errors.decode()


async def summary(url: str, *arguments: str, given: str = "") -> tuple[int | None, Json]:
    code, output, errors = await run(url, *arguments, "--json", given=given)
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
    async with whole_engine(database_url, redis_url, data_dir) as engine:
        pairs = ("--pair", "SOL/USDC:3", "--pair", "JUP/USDC")
        code, told = await summary(engine.api.url, "--count", "80", *pairs)
    assert code == 0
    assert (told["orders"], told["accepted"], told["byStatus"]) == (80, 80, {"confirmed": 80})
    assert (told["refused"], told["failures"], told["replayed"]) == ({}, {}, 0)
    by_dex = await query(database_url, "SELECT dex::text, count(*) FROM orders GROUP BY dex")
    assert told["dexShare"] == {str(dex): round(int(str(n)) / 80, 4) for dex, n in by_dex}
    [(p50, p99)] = await query(
        database_url,
        """
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY took),
               percentile_disc(0.99) WITHIN GROUP (ORDER BY took)
        FROM (SELECT extract(epoch FROM max(at) - min(at))::float8 AS took
              FROM order_events GROUP BY order_id) AS lives
        """,
    )
    assert (told["latencyS"]["p50"], told["latencyS"]["p99"]) == (p50, p99)
    tokens = "SELECT count(*) FILTER (WHERE 'SOL' IN (token_in, token_out)), count(*) FROM orders"
    [(with_sol, count)] = await query(database_url, tokens)
    assert count == 80
    assert 45 <= int(str(with_sol)) <= 75


async def test_the_same_command_again_places_nothing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with whole_engine(database_url, redis_url, data_dir) as engine:
        single, batched = ("--count", "20"), ("--count", "20", "--batch-size", "7")
        code, first = await summary(engine.api.url, *single)
        assert (code, first["replayed"]) == (0, 0)
        for again in (single, batched, batched):
            code, repeat = await summary(engine.api.url, *again)
            assert (code, repeat["accepted"], repeat["replayed"]) == (0, 20, 20)
            assert repeat["latencyS"] == first["latencyS"]
        code, other = await summary(engine.api.url, *batched, "--seed", "43")
        assert (code, other["replayed"]) == (0, 0)
    assert await query(database_url, "SELECT count(*) FROM orders") == [(40,)]


async def test_orders_come_from_a_file_and_those_that_are_refused_are_told(
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
    async with whole_engine(database_url, redis_url, data_dir) as engine:
        for way in ((), ("--batch-size", "10")):
            code, told = await summary(engine.api.url, "--file", str(table), *way)
            assert (code, told["refused"]) == (1, {"invalid_field": 1})
            assert told["byStatus"] == {"confirmed": 2}
        code, told = await summary(engine.api.url, "--file", "-", given=lines)
        assert (code, told["failures"]) == (1, {"min_out_not_met": 1})
        code, _ = await summary(engine.api.url, "--file", "-", "--expect", "ended", given=lines)
        assert code == 0
    amounts = await query(
        database_url, "SELECT amount_in::text FROM orders WHERE amount_in % 2 = 1"
    )
    assert amounts == [("1000000001",)]
    named = await query(database_url, "SELECT count(*) FROM orders WHERE client_order_id = 'mine'")
    assert named == [(1,)]


async def test_it_waits_when_the_server_asks_it_to(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with whole_engine(database_url, redis_url, data_dir, rate_limit=20) as engine:
        code, told = await summary(engine.api.url, "--count", "50", "--concurrency", "10")
    assert (code, told["byStatus"]) == (0, {"confirmed": 50})
    assert told["retries"] > 0
    assert told["wallS"] > 1


async def test_it_goes_on_where_it_was_when_the_api_is_killed(data_dir: Path) -> None:
    async with running_up(data_dir, "--profile", "demo", "--headless") as up:
        arguments = ("--count", "100", "--json")
        async with running(up.url, *arguments) as process, asyncio.timeout(WAIT_S):
            async with up.http.ws_connect("/api/orders/stream") as stream:
                async for message in stream:
                    if "submitted" in message.data:
                        break
            up.child("api").kill()
            output, errors = await process.communicate()
            told = json.loads(output)
        assert process.returncode == 0, errors
        assert told["byStatus"] == {"confirmed": 100}
        assert told["reconnects"] >= 1


async def test_without_a_terminal_it_prints_a_plain_table(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with whole_engine(database_url, redis_url, data_dir) as engine:
        code, output, errors = await run(engine.api.url, "--count", "3")
    assert code == 0
    assert "\x1b" not in output + errors
    for words in ("3 orders", "● confirmed", "routed to", "latency p99", "orders per second"):
        assert words in output


async def test_what_cannot_be_tried_is_said_in_a_sentence() -> None:
    for arguments, sentence in (
        (("--amount", "5..1"), "amounts go from low to high"),
        (("--pair", "SOL/USDC:often"), "the weight behind the colon must be a number"),
        (("--file", "/nowhere"), "/nowhere cannot be read"),
        (("--count", "0"), "0 is not in the range"),
        ((), "no order engine answers there"),
    ):
        code, output, errors = await run(NO_NODE, *arguments)
        assert (code, output) == (2, "")
        assert sentence in errors
        assert "Traceback" not in errors
