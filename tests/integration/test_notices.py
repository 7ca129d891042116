"""What operators must hear: told once, in few messages, and without the addresses of services."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import asyncpg
import pytest
from aiohttp import web
from uuid_utils.compat import uuid7

from backend.config import ConfigurationError, Settings
from backend.domain.trading.states import ALL_ORDERS, TradingState
from backend.engine.notices import open_messenger
from backend.notices import notifier as notifier_module
from backend.notices.messenger import Messenger
from backend.notices.notifier import NoticePolicy
from backend.notices.texts import LINES_MAX, compose_message, list_new
from backend.runtime.background import run_in_background
from backend.store.audit_log.entries import Actor
from backend.store.database import DatabasePool, open_pool
from backend.store.notices.notice_store import NoticeStore
from backend.store.trading.breakers import BreakerReason, fire, read_armed
from backend.store.trading.changes import StateChange, lift_state, set_state
from tests.integration.apis import RunningApi, open_api, wait_until
from tests.integration.operator_commands import try_command

SECRET = "token-of-the-operator"


class Board:
    """A service that takes messages, as apprise posts them by ``json://``."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.status = 200
        self.attempts = 0
        self.port = 0

    @property
    def address(self) -> str:
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/"

    async def handle(self, request: web.Request) -> web.Response:
        self.attempts += 1
        if self.status == 200:
            self.bodies.append((await request.json())["message"])
        return web.Response(status=self.status)

    async def wait(self, is_enough: Callable[[], bool]) -> None:
        async def check() -> bool:
            return is_enough()

        await wait_until(check)


@asynccontextmanager
async def open_board() -> AsyncIterator[Board]:
    board, app = Board(), web.Application()
    app.router.add_post("/", board.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        board.port = runner.addresses[0][1]
        yield board
    finally:
        await runner.cleanup()


async def wait_for_position(database_url: str) -> None:
    """Wait until a process tells what happens from then on."""
    connection = await asyncpg.connect(database_url)
    try:

        async def is_there() -> bool:
            return bool(await connection.fetchval("SELECT txid FROM notice_positions"))

        await wait_until(is_there)
    finally:
        await connection.close()


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier_module, "LOOK_INTERVAL_S", 0.05)


async def make_it_happen(api: RunningApi, pool: DatabasePool, actor: Actor) -> str:
    """All that operators hear of; returns the id of the stop that fires."""
    await lift_state(pool, ALL_ORDERS, actor)
    await read_armed(pool, [BreakerReason.LOSS])
    await fire(pool, BreakerReason.LOSS, "too much was lost")
    await pool.execute(
        "INSERT INTO wallet_differences (wallet, token, amount, slot, at)"
        " VALUES ('wallet-1', 'SOL', -1500000000, 7, now() - interval '1 minute')"
    )
    stop = await api.post(
        "/api/orders/execute",
        {
            "tokenIn": "SOL",
            "tokenOut": "USDC",
            "amount": 1,
            "type": "stop",
            "triggerPrice": 90,
        },
    )
    await pool.execute(
        "INSERT INTO order_events (order_id, seq, status, at, attempt, data) VALUES"
        " ($1, 3, 'routing', now(), 1, $2)",
        stop["orderId"],
        '{"executablePrice":"89.5","triggerPrice":"90"}',
    )
    return str(stop["orderId"])


async def test_operators_hear_once_of_everything_from_several_processes(
    database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    anna = Actor("anna")
    async with (
        open_board() as board,
        open_pool(database_url, connections_max=2) as pool,
    ):
        settings = {"notify": board.address, "notify_interval_s": 0, "log_level": "debug"}
        await set_state(pool, StateChange(ALL_ORDERS, TradingState.HALTED, "earlier"), anna)
        async with (
            open_api(database_url, redis_url, **settings) as one,
            open_api(database_url, redis_url, **settings),
        ):
            await wait_for_position(database_url)
            order_id = await make_it_happen(one, pool, anna)
            expected = [
                "resumed by anna, all orders",
                "HALTED by the breaker: too much was lost",
                "wallet wallet-1: -1.5 SOL that no order explains",
                f"stop of local fired: SOL for USDC at 89.5, trigger 90 (order {order_id})",
            ]
            await board.wait(lambda: all(each in "\n".join(board.bodies) for each in expected))
            lines = [line for body in board.bodies for line in body.splitlines()]
            assert sorted(lines) == sorted(expected)
            async with one.session.get("/metrics") as response:
                assert SECRET not in await response.text()
    assert SECRET not in str(capsys.readouterr())


async def test_what_no_service_takes_is_told_later_and_stops_nothing(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        open_board() as board,
        open_pool(database_url, connections_max=2) as pool,
    ):
        board.status = 500
        store = NoticeStore(pool, uuid7())
        notifier = notifier_module.Notifier(
            store, Messenger(board.address), NoticePolicy(0, retry_s=0.02), Random(1)
        )
        async with run_in_background(notifier.run):
            await wait_for_position(database_url)
            await set_state(
                pool, StateChange(ALL_ORDERS, TradingState.HALTED, "why"), Actor("anna")
            )
            await board.wait(lambda: board.attempts > 2)
            board.status = 200
            await board.wait(lambda: bool(board.bodies))
            assert board.bodies == ["HALTED by anna, all orders: why"]
    shown = str(capsys.readouterr())
    assert SECRET not in shown
    assert "takes no message" in shown


async def test_the_command_says_what_each_service_has_taken() -> None:
    async with open_board() as board, open_board() as away:
        away.status = 500
        addresses = f"{board.address},{away.address}"
        code, output = await try_command("", "notify", "--test", ORDER_ENGINE_NOTIFY=addresses)
        assert (code, len(board.bodies)) == (1, 1)
        assert "1. JSON: sent\n2. JSON: FAILED" in output


def test_addresses_that_cannot_be_used_are_refused_without_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for addresses in (f"json://127.0.0.1/,nonsense://{SECRET}", SECRET, ","):
        with pytest.raises(ConfigurationError) as refused:
            open_messenger(Settings.load(notify=addresses))
        assert "ORDER_ENGINE_NOTIFY" in str(refused.value)
        assert SECRET not in str(refused.value)
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError, match="its extra `notify`"):
        open_messenger(Settings.load(notify="json://127.0.0.1/"))
    assert open_messenger(Settings.load(notify=" ")) is None


def test_many_notices_are_one_message() -> None:
    texts = [*["the same"] * 3, "", *(f"text {number}" for number in range(30))]
    lines = compose_message(texts).splitlines()
    assert (lines[0], len(lines)) == ("the same (3 times)", LINES_MAX + 1)
    assert lines[-1].startswith("and 11 more")
    assert list_new(["old", "new", ""], ["old"]) == ["new"]
