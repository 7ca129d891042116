"""Transactions that pay a tip and go to a bundle endpoint, whatever that does with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from solders.pubkey import Pubkey

from backend.config import ConfigurationError, Settings
from backend.engine.nodes.header_file import read_header
from backend.simulator.chain.genesis import TIP_ACCOUNTS
from backend.simulator.server import BUNDLES_PATH
from backend.venues import CPMM
from backend.venues.spl import CLOCK_SYSVAR
from tests.integration.simulator_client import STATIC_PRICES
from tests.scenario import HAPPY_PATH, EngineHarness, OrderHistory, open_engine

TIP = 12_345
MODES = ("beside", "first")
WAIT_S = 60
GOING_PRICE = 10**9
SECRET = "0123456789-secret"
FAST = {"tip_lamports": TIP, "resend_s": 0.2, "reconcile_s": 0}

Json = dict[str, Any]


async def execute(engine: EngineHarness, count: int = 1) -> list[OrderHistory]:
    ids = await engine.place_orders(*[engine.build_terms("0.1")] * count)
    return await engine.wait_all_ended(ids)


async def await_tips(engine: EngineHarness) -> None:
    """Execute orders until one has paid a tip: until the tip accounts are known."""
    async with asyncio.timeout(WAIT_S):
        while not (await execute(engine))[0].record.tip_lamports:
            await asyncio.sleep(0.05)


async def assert_executed_once(engine: EngineHarness, histories: Sequence[OrderHistory]) -> None:
    """Every order was executed by its first transaction, which landed once."""
    landed = await engine.read_ledger()
    for history in histories:
        assert history.statuses == HAPPY_PATH
        mine = [each for each in landed if each["signature"] == history.record.tx_hash]
        assert [each["err"] for each in mine] == [None]
    assert len({each["signature"] for each in landed}) == len(landed)


async def read_tips(engine: EngineHarness) -> int:
    """What the tip accounts have received, by the node itself."""
    total = 0
    for key in TIP_ACCOUNTS:
        total += await engine.services.rpc.get_balance(key) - 890_880
    return total


@asynccontextmanager
async def run_tipping(
    database_url: str, redis_url: str, data_dir: Path, **settings: object
) -> AsyncIterator[EngineHarness]:
    async with open_engine(
        *(database_url, redis_url, data_dir),
        options=STATIC_PRICES,
        settings={**FAST, **settings},
        has_bundles="jito_url" not in settings,
    ) as engine:
        yield engine


@pytest.mark.parametrize("mode", MODES)
async def test_a_bundle_lands_what_no_node_takes_and_its_tip_is_told(
    database_url: str, redis_url: str, data_dir: Path, mode: str
) -> None:
    async with run_tipping(database_url, redis_url, data_dir, jito_send=mode) as engine:
        await await_tips(engine)
        tips = await read_tips(engine)
        # The endpoint is another way in: a node neither takes it, nor pays it what blocks cost.
        await engine.inject_fault(fault="http", status=503, methods=["sendTransaction"])
        await engine.control_node("congestion", {"unit_price": GOING_PRICE})
        histories = await execute(engine, 5)
        await assert_executed_once(engine, histories)
        assert await read_tips(engine) == tips + 5 * TIP
        for history in histories:
            [confirmed] = history.event_data("confirmed")
            assert (confirmed["tipLamports"], history.record.tip_lamports) == (TIP, TIP)
            assert confirmed["networkFeeLamports"] - confirmed["priorityFeeLamports"] == 5_000


async def test_the_nodes_get_first_only_what_the_endpoint_does_not_take(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    settings: Json = {"jito_send": "first", "resend_s": 60}
    async with run_tipping(database_url, redis_url, data_dir, **settings) as engine:
        await await_tips(engine)
        refusals = 1_000
        await engine.inject_fault(
            fault="http", status=503, methods=["sendTransaction"], count=refusals
        )
        await assert_executed_once(engine, await execute(engine, 5))
        [armed] = (await engine.control_node("faults"))["faults"]
        assert armed["left"] == refusals, "no node was sent anything"
        await engine.remove_faults()
        await engine.inject_fault(fault="http", status=429, methods=["sendBundle"])
        await assert_executed_once(engine, await execute(engine, 5))


async def test_a_reverted_attempt_pays_no_tip(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_tipping(database_url, redis_url, data_dir, backoff_s=0) as engine:
        await await_tips(engine)
        tips = await read_tips(engine)
        await engine.inject_fault(fault="fail", reason="slippage", count=1)
        [history] = await execute(engine)
        [reverted] = [each for each in history.event_data("routing") if "code" in each]
        assert reverted["tipLamports"] == 0 < reverted["networkFeeLamports"]
        assert history.record.tip_lamports == TIP == await read_tips(engine) - tips


FAULTS: Sequence[Json] = (
    {"fault": "http", "status": 503, "methods": ["sendBundle"]},
    {"fault": "http", "status": 429, "methods": ["sendBundle"], "retry_after_seconds": 3_600},
    {"fault": "slow", "by_seconds": 600, "methods": ["sendBundle"]},
    {"fault": "refuse_method", "methods": ["sendBundle"]},
    {"fault": "uncle_bundle"},
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", FAULTS, ids=["down", "429", "slow", "refusing", "uncled"])
async def test_an_endpoint_that_does_not_do_its_work_costs_no_order_and_no_attempt(
    database_url: str, redis_url: str, data_dir: Path, mode: str, fault: Json
) -> None:
    async with run_tipping(database_url, redis_url, data_dir, jito_send=mode) as engine:
        await await_tips(engine)
        await engine.inject_fault(**fault)
        histories = await execute(engine, 20)
        await assert_executed_once(engine, histories)
        assert {history.record.tip_lamports for history in histories} == {TIP}


async def test_what_an_endpoint_tells_of_a_bundle_proves_nothing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    settings: Json = {"jito_send": "first", "resend_s": 60}
    async with run_tipping(database_url, redis_url, data_dir, **settings) as engine:
        await await_tips(engine)
        uncle = await engine.inject_fault(fault="uncle_bundle")
        [order_id] = await engine.place_orders(engine.build_terms("0.1"))
        await engine.wait_until(order_id, lambda events: events[-1].status.value == "submitted")
        await engine.remove_faults(uncle)
        # Only once it can never land is it sent anew: with another signature, and once.
        await engine.control_node("advance", {"blocks": 200})
        history = await engine.wait_ended(order_id)
        assert history.statuses.count("submitted") == 2
        landed = [each["signature"] for each in await engine.read_ledger()]
        first, second = (each["txHash"] for each in history.event_data("submitted"))
        assert (first in landed, landed.count(second)) == (False, 1)


class FakeEndpoint:
    """A real HTTP server that answers what a test wants."""

    def __init__(self, accounts: object, sent: object = "id") -> None:
        self.headers: list[str | None] = []
        self.methods: list[str] = []
        self._results = {"getTipAccounts": accounts, "sendBundle": sent}

    async def handle(self, request: web.Request) -> web.Response:
        call = await request.json()
        self.headers.append(request.headers.get("x-jito-auth"))
        self.methods.append(call["method"])
        result = self._results[call["method"]]
        if isinstance(result, bytes):
            return web.Response(body=result)
        return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": result})


@asynccontextmanager
async def serve_endpoint(endpoint: FakeEndpoint) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post(BUNDLES_PATH, endpoint.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}{BUNDLES_PATH}"
    finally:
        await runner.cleanup()


LIES: Sequence[object] = (
    # A program, a sysvar, and an account that is not there.
    [str(CPMM.program), str(CLOCK_SYSVAR), str(Pubkey(bytes([9] * 32)))],
    [],
    ["no address"],
    {"accounts": 7},
    None,
    b"<html>",
)


@pytest.mark.parametrize("accounts", LIES)
async def test_tip_accounts_that_cannot_be_paid_are_not(
    database_url: str, redis_url: str, data_dir: Path, accounts: object
) -> None:
    endpoint = FakeEndpoint(accounts)
    async with (
        serve_endpoint(endpoint) as url,
        run_tipping(database_url, redis_url, data_dir, jito_url=url) as engine,
    ):
        async with asyncio.timeout(WAIT_S):
            while not endpoint.methods:
                await asyncio.sleep(0.01)
        histories = await execute(engine, 5)
        await assert_executed_once(engine, histories)
        assert {history.record.tip_lamports for history in histories} == {0}
        assert "sendBundle" not in endpoint.methods


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sent", [7, None, b"<html>", b"", ["id"]])
async def test_an_answer_that_is_no_bundle_costs_no_order(
    database_url: str, redis_url: str, data_dir: Path, mode: str, sent: object, tmp_path: Path
) -> None:
    header = tmp_path / "auth"
    header.write_text(SECRET + "\n")
    header.chmod(0o600)
    endpoint = FakeEndpoint([str(TIP_ACCOUNTS[0])], sent)
    async with (
        serve_endpoint(endpoint) as url,
        run_tipping(
            *(database_url, redis_url, data_dir),
            jito_url=url,
            jito_auth_file=header,
            jito_send=mode,
        ) as engine,
    ):
        await await_tips(engine)
        await assert_executed_once(engine, await execute(engine, 5))
    assert "sendBundle" in endpoint.methods
    assert set(endpoint.headers) == {SECRET}


@pytest.mark.parametrize("mode", MODES)
async def test_an_endpoint_that_is_not_there_is_not_paid_and_its_key_not_shown(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    mode: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    url = f"http://user:{SECRET}@127.0.0.1:9{BUNDLES_PATH}?uuid={SECRET}"
    async with run_tipping(
        *(database_url, redis_url, data_dir), jito_url=url, jito_send=mode
    ) as engine:
        histories = await execute(engine, 5)
        await assert_executed_once(engine, histories)
        assert {history.record.tip_lamports for history in histories} == {0}
    captured = capfd.readouterr()
    assert SECRET not in captured.out + captured.err


@pytest.mark.parametrize(
    "url", [f"ftp://x?uuid={SECRET}", f"http://a?uuid={SECRET},http://b?uuid={SECRET}", SECRET]
)
def test_an_address_that_cannot_be_is_refused_without_its_key(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ORDER_ENGINE_JITO_URL") as error:
        Settings.load(jito_url=url)
    assert SECRET not in str(error.value)


def test_a_header_that_cannot_be_read_is_named_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for name in ("missing", "empty"):
        with pytest.raises(ConfigurationError, match="ORDER_ENGINE_JITO_AUTH_FILE"):
            read_header(tmp_path / name, "ORDER_ENGINE_JITO_AUTH_FILE")
    assert read_header(None, "ORDER_ENGINE_JITO_AUTH_FILE") == ""
