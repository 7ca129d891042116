"""What ``doctor --live`` says of nodes, wallets, pools and a swap, and of what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import ceil
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backend.chain.wallet import create_wallet_file
from backend.config import Profile, Settings
from backend.domain.lifecycle import Status
from backend.engine.examination.live_report import LiveReport, report_live
from backend.engine.examination.market_services import open_market_services
from backend.engine.examination.node_examination import examine_nodes
from backend.engine.examination.orders import Pair
from backend.engine.examination.pool_listing import list_pools
from backend.engine.examination.wallet_examination import examine_wallets
from backend.simulator.chain.genesis import PAPER_WALLET
from backend.simulator.options import SimulatorOptions
from tests.integration.commands import run_command
from tests.integration.node_proxy import Json, NodeProxy, run_node_proxy
from tests.scenario import open_engine, run_node

OPTIONS = SimulatorOptions(
    profile=Profile.INSTANT, has_moving_prices=False, slot_s=0.05, finalized_slots=2, nodes=3
)
MANY = SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False, pools="many")
PAIR = Pair("SOL", "USDC")


@asynccontextmanager
async def run_nodes(data_dir: Path) -> AsyncIterator[list[str]]:
    async with (
        run_node(data_dir, OPTIONS) as url,
        aiohttp.ClientSession(url) as http,
        http.get("/control/state") as response,
    ):
        yield (await response.json())["nodes"]


async def arm(url: str, **fault: Any) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/control/faults", json=fault) as response,
    ):
        assert response.status == 200, await response.text()


async def report(urls: Sequence[str], amount: str = "1", **settings: Any) -> LiveReport:
    loaded = Settings.load(solana_rpc_url=",".join(urls), **settings)
    return await report_live(loaded, urls, PAIR, amount)


def list_texts(found: LiveReport, *, is_fault: bool) -> list[str]:
    return [each.text for each in found.findings if each.is_fault is is_fault]


def find_rows(found: LiveReport, title: str) -> dict[str, str]:
    [rows] = [each.rows for each in found.sections if each.title.startswith(title)]
    return dict(rows)


async def test_of_good_nodes_it_shows_a_swap_that_pays_its_quote(tmp_path: Path) -> None:
    async with run_nodes(tmp_path) as urls:
        socket = urls[0].replace("http", "ws", 1)
        found = await report(urls, rpc_ws_url=socket)
        async with aiohttp.ClientSession(urls[0]) as http, http.get("/control/ledger") as response:
            ledger = await response.json()
    assert list_texts(found, is_fault=True) == []
    assert ledger["transactions"] == []  # nothing was sent
    assert find_rows(found, "Cluster")["cluster"].startswith("simulated, genesis ")
    node = find_rows(found, f"Node 127.0.0.1:{urls[0].rpartition(':')[2]}")
    assert node["state"] == "used"
    assert node["version"] == "3.0.0"
    assert {node[name] for name in ("getTransaction", "subscriptions", "blockSubscribe")} == {"yes"}
    swap = find_rows(found, "Swap of 1 SOL for USDC, simulated and not sent")
    assert swap["simulated"].endswith(": equal")
    assert swap["simulated"].partition(" ")[0] == swap["quote"].partition(" ")[0]
    limit = int(swap["compute units"].rpartition(" ")[2].replace(",", ""))
    assert swap["fee"] == f"{5_000 + ceil(limit / 1_000):,} lamports"
    assert find_rows(found, "Wallet ")["orders in flight"].startswith("not known: DATABASE_URL")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"fault": "behind", "slots": 40}, " slots behind the newest node: wait until"),
        ({"fault": "forked"}, "is on another fork"),
        ({"fault": "unreachable"}, "cannot be used (the connection to the node failed"),
        ({"fault": "html"}, "cannot be used (the node's response is not JSON)"),
        ({"fault": "http", "status": 429, "retry_after_seconds": 60}, "ask its provider for more"),
    ],
)
async def test_a_faulty_node_of_three_is_named_with_what_to_do(
    tmp_path: Path, fault: dict[str, Any], sentence: str
) -> None:
    async with run_nodes(tmp_path) as urls:
        await arm(urls[2], **fault)
        found = await report(urls)
    [text] = list_texts(found, is_fault=True)
    assert text.startswith(urls[2].removeprefix("http://"))
    assert sentence in text
    assert find_rows(found, "Swap of")["simulated"].endswith(": equal")


def show_other_cluster(call: Json, answer: Json) -> Json | None:
    """A rule: the node is of another chain, which has come further."""
    result = answer.get("result")
    if call["method"] == "getGenesisHash":
        return {"result": "1" * 32}
    if not isinstance(result, dict) or "context" not in result:
        return None
    context = {**result["context"], "slot": result["context"]["slot"] + 1_000}
    return {"result": {**result, "context": context}}


async def test_the_wallets_of_another_cluster_are_looked_at_before_trading_is_switched_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wallet.json"
    address = create_wallet_file(path).address
    async with run_node(
        tmp_path, SimulatorOptions(profile=Profile.INSTANT, dress="mainnet")
    ) as url:
        async with aiohttp.ClientSession(url) as http:
            body = {"owner": str(address), "token": "SOL", "amount": 10**9}
            async with http.post("/control/fund", json=body) as response:
                assert response.status == 200
        found = await report([url], "0.1", wallet_file=path)
        assert list_texts(found, is_fault=True) == []
        assert find_rows(found, "Cluster")["cluster"].startswith("mainnet-beta, genesis ")
        assert "equal" in find_rows(found, "Swap of 0.1 SOL")["simulated"]
        assert find_rows(found, "Programs of mainnet-beta")["raydium/cpmm"].startswith("CPMM")


async def test_a_node_of_another_cluster_is_named(tmp_path: Path) -> None:
    async with run_nodes(tmp_path) as urls, run_node_proxy(urls[2]) as proxy:
        proxy.rule = show_other_cluster
        found = await report([*urls[:2], proxy.url])
    [text] = list_texts(found, is_fault=True)
    assert text.startswith(proxy.url.removeprefix("http://") + " is of another cluster")
    assert "genesis " + "1" * 32 in text
    assert find_rows(found, f"Node {urls[0].removeprefix('http://')}")["state"] == "used"


async def test_of_two_nodes_that_disagree_none_is_said_to_be_wrong(tmp_path: Path) -> None:
    async with run_nodes(tmp_path) as urls:
        await arm(urls[1], fault="forked")
        nodes = await examine_nodes(Settings.load(), urls[:2])  # the fork begins
        found = await report(urls[:2])
    assert all(node.error is None for node in nodes)
    assert any(
        "do not know each other's blockhashes" in text for text in list_texts(found, is_fault=True)
    )


async def test_what_one_node_refuses_is_a_note_and_what_all_refuse_a_fault(tmp_path: Path) -> None:
    refused = ["getProgramAccounts", "getTransaction", "simulateTransaction"]
    async with run_nodes(tmp_path) as urls:
        await arm(urls[0], fault="refuse_arrays")
        await arm(urls[0], fault="refuse_method", methods=refused)
        found = await report(urls[:2])
        assert list_texts(found, is_fault=True) == []
        notes = " ".join(list_texts(found, is_fault=False))
        assert "refuses subscriptions: " in notes, "as no WebSocket follows from its address"
        assert "refuses blockSubscribe" not in notes, "which is part of it"
        assert "refuses JSON-RPC arrays: every call is a request of its own" in notes
        assert all(f"refuses {name}: another node is asked" in notes for name in refused)
        found = await report(urls[:1])
    faults = list_texts(found, is_fault=True)
    named = [text.split()[3] for text in faults if text.startswith("no node answers")]
    assert sorted(named) == sorted(refused)
    assert any("cannot be simulated" in text for text in faults)


async def test_a_swap_that_would_fail_is_a_fault(tmp_path: Path) -> None:
    async with run_node(tmp_path) as url:
        found = await report([url], amount="20000000")
    assert any(
        text.startswith("20000000 SOL for USDC cannot be")
        for text in list_texts(found, is_fault=True)
    )
    async with run_node(tmp_path / "2") as url, run_node_proxy(url) as proxy:
        _fail_simulations(proxy)
        found = await report([proxy.url])
    [text] = list_texts(found, is_fault=True)
    assert text.startswith("the swap of 1 SOL for USDC would fail (insufficient_funds): ")


def _fail_simulations(proxy: NodeProxy) -> None:
    failed = {"err": "InsufficientFundsForFee", "logs": [], "unitsConsumed": 0, "accounts": None}
    proxy.rule = lambda call, answer: (
        {"result": {**answer["result"], "value": failed}}
        if call["method"] == "simulateTransaction"
        else None
    )


async def test_pools_are_listed_with_their_depth_and_why_some_are_left_out(tmp_path: Path) -> None:
    async with run_node(tmp_path, MANY) as url:
        async with open_market_services(Settings.load(), [url]) as market:
            sol, usdc = market.tokens.find("SOL", "a"), market.tokens.find("USDC", "b")
            pools = await list_pools(market, sol, usdc)
        quoted = [each for each in pools if not each.left_out]
        file = tmp_path / "pools.toml"
        file.write_text(f'exclude = ["{quoted[0].found.address}"]')
        settings = Settings.load(pools_file=str(file))
        async with open_market_services(settings, [url]) as market:
            fewer = await list_pools(market, sol, usdc)
    assert {each.program for each in quoted} == {
        *("raydium cpmm", "raydium amm_v4", "raydium clmm", "meteora damm_v2", "meteora dlmm")
    }
    depths = [each.depth or 0 for each in quoted]
    assert depths == sorted(depths, reverse=True)
    reasons = {each.left_out for each in pools if each.left_out}
    assert "less than 10 bps of the deepest, ORDER_ENGINE_POOL_DEPTH_MIN_BPS" in reasons
    left_out = {each.found.address: each.left_out for each in fewer}
    assert left_out[quoted[0].found.address] == "excluded by ORDER_ENGINE_POOLS_FILE"


async def test_a_wrong_setting_is_a_fault_beside_what_was_found_of_the_nodes(
    tmp_path: Path,
) -> None:
    async with run_node(tmp_path) as url:
        found = await report([url], pools_file=str(tmp_path / "none.toml"))
    [text] = list_texts(found, is_fault=True)
    assert text.startswith("ORDER_ENGINE_POOLS_FILE")
    assert find_rows(found, "Node ")["state"] == "used"


async def test_what_orders_in_flight_reserve_is_shown(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="drop")
        [order_id] = await engine.place_orders(engine.build_terms("3"))
        await engine.wait_status(order_id, Status.SUBMITTED)
        url = str(engine.services.settings.solana_rpc_url)
        settings = Settings.load(database_url=database_url)
        async with open_market_services(settings, [url]) as market:
            [wallet] = await examine_wallets(market, [PAPER_WALLET.pubkey()])
        await engine.control_node("advance", {"blocks": 200})
        await engine.remove_faults()
        await engine.wait_ended(order_id)
    assert wallet.orders == 1
    assert wallet.reserved[market.tokens.find("SOL", "token")] >= 3 * 10**9


async def test_the_command_shows_no_key_and_exits_by_the_faults(tmp_path: Path) -> None:
    async with run_nodes(tmp_path) as urls:
        rpc = f"{urls[0]}/?api-key=hidden,{urls[1]}/key/hidden"
        arguments = ["doctor", "--live", "--pair", "USDC/SOL", "--amount", "10"]
        good = await run_command(*arguments, SOLANA_RPC_URL=rpc)
        await arm(urls[1], fault="http", status=503)
        bad = await run_command(*arguments, SOLANA_RPC_URL=rpc)
    assert (good.exit_code, bad.exit_code) == (0, 1), good.output
    assert "Swap of 10 USDC for SOL, simulated and not sent" in good.output
    assert "cannot be used (the node returns HTTP 503)" in bad.output
    assert "hidden" not in good.output + bad.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--pair", "SOL"], "is no pair"),
        (["--pair", "SOL/SOL"], "the same token twice"),
        (["--pair", "SOL/wsol"], "the same token twice"),
        (["--pair", "SOL/NOPE"], "unknown token 'NOPE'"),
        (["--amount", "none"], "(SOL)"),
        (["--amount", "0.0000000001"], "has more than 9 decimals (SOL)"),
    ],
)
async def test_a_wrong_pair_or_amount_is_refused_in_a_sentence(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    async with run_node(tmp_path) as url:
        ended = await run_command("doctor", "--live", *arguments, SOLANA_RPC_URL=url)
    assert ended.exit_code in {1, 2}
    assert reason in ended.output
    assert "Traceback" not in ended.output
