"""A rehearsal quotes and simulates real orders, and never sends anything."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from solders.pubkey import Pubkey

from backend.config import Profile, Settings
from backend.domain.tokens import JUP, WBTC
from backend.engine.examination.answer_recorder import record_answers
from backend.engine.examination.market_services import open_market_services
from backend.engine.examination.orders import Pair
from backend.engine.examination.rehearsal import (
    RehearsalPlan,
    RehearsedOrder,
    rehearse_orders,
    summarize_orders,
)
from backend.simulator.chain.genesis import PAPER_WALLET
from backend.simulator.options import SimulatorOptions
from backend.venues import MAINNET_VENUES
from tests.integration.commands import Ended, run_command
from tests.integration.handler_node import serve_handler
from tests.integration.node_proxy import Json, run_node_proxy
from tests.integration.recorded_node import Recording
from tests.scenario import run_node

MANY = SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False, slot_s=60, pools="many")
FEW = replace(MANY, pools="default")
READS = {
    *("getGenesisHash", "getMultipleAccounts", "getProgramAccounts"),
    *("getLatestBlockhash", "simulateTransaction", "getRecentPrioritizationFees"),
}
WALLET = PAPER_WALLET.pubkey()
SOL_USDC = Pair("SOL", "USDC")


async def rehearse(url: str, *arguments: str, **environ: str) -> Ended:
    return await run_command("rehearse", "--rpc", url, *arguments, **environ)


async def rehearse_one(
    url: str, pair: Pair = SOL_USDC, amount: str = "1", wallet: Pubkey = WALLET
) -> RehearsedOrder:
    async with open_market_services(Settings.load(quote_age_s=0), [url]) as market:
        plan = RehearsalPlan([pair], [amount], 1)
        [order] = [each async for each in rehearse_orders(market, wallet, plan)]
    return order


class Meddler:
    """Uses the control interface of a node just before its next simulations."""

    def __init__(self, url: str, path: str, body: Json, times: int = 1) -> None:
        self._url, self._path, self._body = url, path, body
        self.times = times

    async def __call__(self, calls: Sequence[Json]) -> None:
        if calls[0]["method"] != "simulateTransaction" or not self.times:
            return
        self.times -= 1
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self._url}/control/{self._path}", json=self._body) as response,
        ):
            assert response.status == 200, await response.text()


async def test_orders_of_every_kind_of_route_pay_their_quotes_and_none_is_sent(
    tmp_path: Path,
) -> None:
    mints = [Pubkey.from_string(token.mint) for token in (JUP, WBTC)]
    direct = [str(venue.derive_pool_address(*mints)) for venue in MAINNET_VENUES.default]
    pools = tmp_path / "pools.toml"
    pools.write_text(f"exclude = {direct}")  # only routes through other tokens are left
    environ = {"ORDER_ENGINE_POOLS_FILE": str(pools), "ORDER_ENGINE_PRIORITY_FEE": "auto"}
    file = tmp_path / "all.json"
    arguments = ["--pairs", "SOL/USDC,USDC/SOL,JUP/WBTC", "--amounts", "1,20000"]
    arguments += ["--hops", "2", "--orders", "7"]
    async with run_node(tmp_path, MANY) as url, run_node_proxy(url) as proxy:
        address = f"{proxy.url}/?api-key=hidden"
        ended = await rehearse(address, *arguments, "--json", str(file), **environ)
        async with aiohttp.ClientSession(url) as http, http.get("/control/ledger") as response:
            ledger = await response.json()
    assert ended.exit_code == 0, ended.output
    assert set(proxy.calls) <= READS  # no sendTransaction
    assert proxy.calls["simulateTransaction"] >= 7
    assert ledger["transactions"] == []
    rehearsed = json.loads(file.read_text())
    summary = rehearsed["summary"]
    assert summary["filled"] == summary["equal"] == summary["sameSlotEqual"] == 7
    assert summary["split"] > 0
    assert summary["throughOtherTokens"] > 0
    assert {each["differenceBaseUnits"] for each in rehearsed["orders"]} == {"0"}
    assert all(0 < each["computeUnits"] <= each["computeUnitLimit"] for each in rehearsed["orders"])
    assert all(each["taken"] == each["amountIn"] for each in rehearsed["orders"])
    assert rehearsed["wallet"] == str(WALLET)
    assert "hidden" not in ended.output + file.read_text()


@pytest.mark.parametrize("pair", [SOL_USDC, Pair("USDC", "SOL"), Pair("JUP", "RAY")])
async def test_a_price_that_moves_after_the_quote_is_the_difference(
    tmp_path: Path, pair: Pair
) -> None:
    async with run_node(tmp_path, FEW) as url, run_node_proxy(url) as proxy:
        # Less than the slippage of the order: it would still be filled.
        proxy.on_calls = Meddler(url, "price", {"pair": [*pair], "bps": -20})
        order = await rehearse_one(proxy.url, pair)
    assert order.error is None
    assert order.swap is not None
    part = order.swap.difference_part * 10_000
    assert -21 < part < -19
    assert order.swap.effects is not None
    assert order.swap.effects.amount_in == order.terms.amount_in


async def test_a_price_that_moves_too_far_is_an_error_by_its_name(tmp_path: Path) -> None:
    async with run_node(tmp_path, FEW) as url, run_node_proxy(url) as proxy:
        proxy.on_calls = Meddler(url, "price", {"pair": ["SOL", "USDC"], "bps": -200})
        order = await rehearse_one(proxy.url)
    assert order.error is not None
    assert order.error.code == "slippage"
    summary = summarize_orders([order])
    assert (summary.errors, summary.differences) == ({"slippage": 1}, ())


async def test_a_wallet_that_somebody_uses_meanwhile_is_looked_at_again(tmp_path: Path) -> None:
    credit = {"owner": str(WALLET), "token": "USDC", "amount": 5}
    async with run_node(tmp_path, FEW) as url, run_node_proxy(url) as proxy:
        proxy.on_calls = Meddler(url, "fund", credit)
        order = await rehearse_one(proxy.url)
        assert proxy.calls["simulateTransaction"] > 1
        assert order.swap is not None
        assert order.swap.difference == 0
        proxy.on_calls = Meddler(url, "fund", credit, times=99)
        order = await rehearse_one(proxy.url)
    assert order.error is not None
    assert order.error.code == "wallet_in_use"


async def test_a_node_that_does_not_know_the_blockhash_says_nothing_of_the_order(
    tmp_path: Path,
) -> None:
    failed = {"err": "BlockhashNotFound", "logs": [], "unitsConsumed": 0, "accounts": None}

    async with run_node(tmp_path, FEW) as url, run_node_proxy(url) as proxy:

        def fail_first(call: Json, answer: Json) -> Json | None:
            is_first = proxy.calls["simulateTransaction"] <= 2
            if call["method"] != "simulateTransaction" or not is_first:
                return None
            return {"result": {**answer["result"], "value": failed}}

        proxy.rule = fail_first
        order = await rehearse_one(proxy.url)
    assert proxy.calls["simulateTransaction"] > 2
    assert order.error is None


async def test_rent_of_an_account_that_is_opened_is_no_part_of_the_amount(tmp_path: Path) -> None:
    owner = Pubkey(bytes([5] * 32))
    async with run_node(tmp_path, FEW) as url, aiohttp.ClientSession(url) as http:
        order = await rehearse_one(url, wallet=owner)
        assert order.error is not None
        assert order.error.code == "insufficient_funds"
        funds = {"owner": str(owner), "token": "SOL", "amount": 2 * 10**9}
        async with http.post("/control/fund", json=funds) as response:
            assert response.status == 200
        order = await rehearse_one(url, wallet=owner)
    assert order.swap is not None
    assert order.swap.effects is not None
    assert order.swap.effects.rent_lamports == 2_039_280
    assert order.swap.effects.amount_in == 10**9
    assert order.swap.difference == 0


async def test_orders_that_would_fail_are_counted_by_name_and_are_the_exit_code(
    tmp_path: Path,
) -> None:
    stranger = str(Pubkey(bytes([6] * 32)))
    async with run_node(tmp_path, FEW) as url:
        ended = await rehearse(url, "--wallet", stranger, "--amounts", "1", "--orders", "2")
    assert ended.exit_code == 1
    assert "insufficient_funds: 2 orders" in ended.output
    assert "2 orders, 0 would be filled" in ended.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--wallet", "x"], "is no address"),
        (["--pairs", "SOL"], "is no pair"),
        (["--pairs", ","], "names none"),
        (["--pairs", "SOL/NOPE"], "unknown token 'NOPE'"),
        (["--pairs", f"SOL/{'1' * 31}2"], "is not the mint of a token"),
        (["--amounts", "-1"], "must be greater than 0"),
        (["--orders", "0"], "0 is not in the range"),
        (["--rpc", "ftp://key@host"], "must begin with http"),
        (["--json", "/nowhere/at/all.json", "--orders", "1"], "No such file or directory"),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    async with run_node(tmp_path, FEW) as url:
        ended = await rehearse(url, *arguments)
    assert ended.exit_code in {1, 2}
    assert reason in ended.output
    assert "Traceback" not in ended.output
    assert "key@" not in ended.output


async def test_every_answer_can_be_recorded_as_it_came(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    async with run_node(tmp_path, FEW) as url, run_node_proxy(url) as proxy:
        ended = await rehearse(
            f"{proxy.url}/hidden", "--orders", "1", "--amounts", "1", "--record", str(file)
        )
        total = proxy.calls.total()
    assert ended.exit_code == 0, ended.output
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(entries) == total
    assert {each["request"]["method"] for each in entries} >= {"simulateTransaction"}
    assert all(json.loads(each["body"])["id"] == each["request"]["id"] for each in entries)
    assert "hidden" not in file.read_text()


async def test_a_recorded_node_gives_the_same_rehearsal_again(tmp_path: Path) -> None:
    recording, results = tmp_path / "answers.jsonl", [tmp_path / "1.json", tmp_path / "2.json"]
    arguments = ["--orders", "4", "--amounts", "1,20000", "--json"]
    async with run_node(tmp_path, MANY) as url:
        await rehearse(url, *arguments, str(results[0]), "--record", str(recording))
    async with serve_handler(Recording(recording).answer) as url:
        await rehearse(url, *arguments, str(results[1]))
    first, again = (json.loads(file.read_text()) for file in results)
    assert first["orders"] == again["orders"]
    assert first["summary"]["filled"] == 4


async def test_a_recorder_passes_compressed_and_refused_answers_on(tmp_path: Path) -> None:
    answers: list[Any] = [
        web.Response(
            body=gzip.compress(b'{"id":0,"result":"5eykt"}'),
            headers={"Content-Encoding": "gzip", "Set-Cookie": "session=hidden"},
        ),
        web.Response(status=429, headers={"Retry-After": "7", "X-RateLimit-Method-Limit": "40"}),
    ]

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        response: web.Response = answers.pop(0)
        return response

    file = tmp_path / "answers.jsonl"
    async with (
        serve_handler(answer) as node,
        record_answers([node], file) as [url],
        aiohttp.ClientSession(url) as http,
    ):
        async with http.post("/", data=b'{"id":0}') as first:
            assert orjson.loads(await first.read()) == {"id": 0, "result": "5eykt"}
        async with http.post("/", data=b'{"id":1}') as second:
            assert (second.status, second.headers["Retry-After"]) == (429, "7")
    one, other = map(json.loads, file.read_text().splitlines())
    assert json.loads(one["body"]) == {"id": 0, "result": "5eykt"}
    assert other["headers"]["X-RateLimit-Method-Limit"] == "40"
    assert "hidden" not in file.read_text()
