"""The whole engine as users start it: one command, real processes, real kills."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.e2e.up import START_TIMEOUT_S, RunningUp, build_command, build_environment, run_up
from tests.processes import is_running, wait_until
from tests.scenario import HAPPY_PATH
from tests.terminal import run_in_terminal

Json = dict[str, Any]
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 10}
INSTANT = ("--profile", "instant")
DASHBOARD_OPENS = "\x1b[?1049h"
"""Switches a terminal to its other screen."""


async def post_order(up: RunningUp, body: Json) -> Json:
    async with up.http.post("/api/orders/execute", json=body) as response:
        assert response.status == 202
        accepted: Json = await response.json()
        return accepted


async def receive_all(up: RunningUp, path: str, first: Json | None = None) -> list[Json]:
    """Receive every message of a socket until the server closes it."""
    async with (
        asyncio.timeout(START_TIMEOUT_S),
        up.http.ws_connect(path, autoclose=False) as socket,
    ):
        if first is not None:
            await socket.send_json(first)
        messages = [message.json() async for message in socket]
        assert socket.close_code == 1000
        return messages


async def connect_database(data_dir: Path) -> asyncpg.Connection[asyncpg.Record]:
    """Connect to the embedded PostgreSQL through the socket that its pid file names."""
    lines = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    return await asyncpg.connect(user="postgres", database="postgres", host=lines[4])


async def test_an_order_looks_the_same_through_every_interface(data_dir: Path) -> None:
    async with run_up(data_dir, *INSTANT) as up:
        accepted = await post_order(up, ORDER)
        assert accepted["status"] == "queued"
        order_id = accepted["orderId"]
        events = await receive_all(up, accepted["ws_url"])
        assert [event["status"] for event in events] == HAPPY_PATH
        assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
        building, submitted, confirmed = events[2:]
        assert {quote["dex"] for quote in building["quotes"]} == {"raydium", "meteora"}
        assert building["dex"] == confirmed["dex"]

        assert await receive_all(up, f"/api/orders/upgrade/{order_id}") == events
        assert await receive_all(up, f"/api/orders/upgrade/{order_id}?after=3") == events[3:]
        queued, *socket_events = await receive_all(up, "/api/orders/execute", ORDER)
        assert queued["status"] == "queued"
        assert [event["status"] for event in socket_events] == HAPPY_PATH

        entry = await up.control(f"ledger/{submitted['txHash']}")
        assert entry["err"] is None
        totals = await up.control("totals")
        assert totals["swaps"] == 2
        connection = await connect_database(data_dir)
        row = await connection.fetchrow("SELECT * FROM orders WHERE id = $1", order_id)
        await connection.close()
        assert row is not None
        assert (row["status"], row["dex"]) == ("confirmed", confirmed["dex"])
        assert (row["tx_hash"], row["seq"]) == (confirmed["txHash"], 5)
        assert str(row["executed_price"]) == confirmed["executedPrice"]
        assert str(row["amount_out"]) == entry["amount_out"]


async def test_with_many_pools_a_large_order_is_split_over_all_programs(data_dir: Path) -> None:
    async with (
        asyncio.timeout(START_TIMEOUT_S),
        run_up(data_dir, *INSTANT, "--pools", "many") as up,
    ):
        legs: list[Json] = []
        while len(legs) < 3:  # the pools of a pair are looked for once it is quoted
            accepted = await post_order(up, {**ORDER, "amount": 80_000})
            events = await receive_all(up, accepted["ws_url"])
            assert [event["status"] for event in events] == HAPPY_PATH
            legs = events[2].get("legs", [])
        assert {leg["program"] for leg in legs} & {"clmm", "dlmm"}, "they need a lookup table"
        entry = await up.control(f"ledger/{events[-1]['txHash']}")
        assert len(entry["swaps"]) == len(legs)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_it_stops_when_asked_and_leaves_no_process(
    data_dir: Path, number: signal.Signals
) -> None:
    async with run_up(data_dir, *INSTANT, "--workers", "2") as up:
        children = up.children()
        names = {part for child in children for part in child.cmdline()}
        assert {"api", "worker", "chain"} <= names
        for _ in range(20):
            await post_order(up, ORDER)
        assert await up.stop(number) == 0
        assert [child for child in children if child.is_running()] == []


@pytest.mark.long
async def test_what_was_accepted_before_a_stop_ends_after_the_next_start(data_dir: Path) -> None:
    async with run_up(data_dir, "--profile", "demo") as up:
        ids = [(await post_order(up, ORDER))["orderId"] for _ in range(10)]
        assert await up.stop() == 0
    async with run_up(data_dir, "--profile", "demo") as up:
        for order_id in ids:
            events = await receive_all(up, f"/api/orders/upgrade/{order_id}")
            assert events[-1]["status"] == "confirmed"
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        totals = await up.control("totals")
        assert totals["swaps"] == len(ids)


async def test_a_killed_worker_is_replaced_and_its_orders_are_executed_once(
    data_dir: Path,
) -> None:
    short = {
        "ORDER_ENGINE_LEASE_S": "1",
        "ORDER_ENGINE_SWEEP_S": "0.2",
        "ORDER_ENGINE_REKICK_S": "1",
    }
    async with run_up(data_dir, "--profile", "demo", **short) as up:
        ids = [(await post_order(up, ORDER))["orderId"] for _ in range(20)]
        up.child("worker").kill()
        ends = [(await receive_all(up, f"/api/orders/upgrade/{each}"))[-1] for each in ids]
        assert {end["status"] for end in ends} == {"confirmed"}
        totals = await up.control("totals")
        assert totals["swaps"] == len(ids)


async def test_when_it_is_killed_everything_it_started_dies_with_it(data_dir: Path) -> None:
    async with run_up(data_dir, *INSTANT) as up:
        children = up.children()
        assert len(children) >= 5
        up.process.kill()
        await up.process.wait()
        await wait_until(lambda: not any(is_running(child.pid) for child in children))


async def run_command(*arguments: str, **settings: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *build_command(*arguments),
        env=build_environment(**settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(START_TIMEOUT_S):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (("api", "--port", "70000"), {}, "ORDER_ENGINE_PORT is 70000"),
        (("api",), {"ORDER_ENGINE_LEASE_S": "soon"}, "ORDER_ENGINE_LEASE_S is 'soon'"),
        (("api", "--port", "0"), {}, "DATABASE_URL must be set"),
        (("worker",), {"DATABASE_URL": "postgresql:///x"}, "REDIS_URL must be set"),
        (("up", "--workers", "0"), {}, "ORDER_ENGINE_WORKERS is 0"),
        (("migrate",), {}, "DATABASE_URL must be set"),
        (("migrate",), {"ORDER_ENGINE_APIKEYS": "x"}, "did you mean ORDER_ENGINE_API_KEYS?"),
        (
            ("migrate",),
            {"DATABASE_URL": "postgresql://127.0.0.1:1/x"},
            "nothing listens for PostgreSQL at 127.0.0.1:1",
        ),
    ],
)
async def test_a_configuration_error_is_explained_in_a_sentence(
    arguments: tuple[str, ...], settings: dict[str, str], sentence: str
) -> None:
    code, output = await run_command(*arguments, **settings)
    assert code == 1
    assert sentence in output
    assert "Traceback" not in output


async def test_the_smoke_test_ends_well_with_a_signer_and_shows_every_order(data_dir: Path) -> None:
    folder = data_dir / "with blanks"
    arguments = ("up", "--port", "0", "--data-dir", str(folder), *INSTANT, "--smoke", "--signer")
    keys = "anna:anna-key-0123456789,bert:bert-key-0123456789"
    code, output = await run_command(*arguments, ORDER_ENGINE_API_KEYS=keys)
    assert code == 0, output
    assert "20 of 20 orders ended as they should" in output
    assert output.count("confirmed") == 18
    assert output.count("min_out_not_met") == 2
    assert (folder / "paper-wallet.json.count").exists()  # of what was signed
    code, output = await run_command(*arguments, ORDER_ENGINE_WALLET_FILE="wallet.json")
    assert code == 2
    assert "--signer starts a signer of the simulated node's paper wallet" in output
    assert "ORDER_ENGINE_WALLET_FILE is set" in output


async def test_on_a_terminal_the_start_shows_its_steps_and_what_to_open(
    data_dir: Path, tmp_path: Path
) -> None:
    arguments = ("up", "--port", "0", "--data-dir", str(data_dir), *INSTANT)
    async with run_in_terminal(tmp_path, *arguments, program=("-m", "backend.cli")) as terminal:
        await terminal.wait_for_output(DASHBOARD_OPENS)
        shown = terminal.output.decode().partition(DASHBOARD_OPENS)[0]
        places = [
            shown.find(step)
            for step in (
                *(f"its data and logs are in {data_dir}", "postgres starts", "postgres is ready"),
                *("database is brought up to date", "chain starts", "worker-1 starts"),
                *("api starts", "api is ready", "ready http://127.0.0.1:", "  page       http://"),
                *("/docs", "dashboard --url http://127.0.0.1:"),
            )
        ]
        assert -1 not in places, shown
        assert places == sorted(places), shown
        await terminal.wait_for_output("live")
        os.write(terminal.master, b"q")
        assert await terminal.wait_for_exit() == 0
        assert b"api stopped" in terminal.output
