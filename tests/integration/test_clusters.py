"""Engines and nodes of other clusters than the simulated one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from structlog.testing import capture_logs

from backend.chain.rpc.client import RpcClient
from backend.chain.wallet import create_wallet_file
from backend.chain.wire import DEVNET_GENESIS_HASH, MAINNET_GENESIS_HASH, SIMULATED_GENESIS_HASH
from backend.config import ConfigurationError, Profile, Settings
from backend.domain.amounts import parse_amount
from backend.domain.errors import Rejected
from backend.domain.lifecycle import Status
from backend.domain.tokens import SOL, USDC
from backend.engine.api_services import open_api_services
from backend.engine.examination.node_report import diagnose_node
from backend.engine.nodes.cluster import build_cluster, find_missing_programs
from backend.engine.wallets.report import open_wallet_node, read_holdings, request_airdrop
from backend.simulator.options import SimulatorOptions
from backend.venues import MAINNET_VENUES
from backend.venues.program_ids import DEVNET_PROGRAM_IDS
from backend.venues.venue import Account, Venue
from tests.integration.apis import run_api
from tests.integration.node_proxy import Json, NodeProxy, run_node_proxy
from tests.integration.proxied_engine import open_proxied_engine
from tests.scenario import open_engine, run_node

STEADY: dict[str, Any] = {"profile": Profile.INSTANT, "has_moving_prices": False}
DEVNET = SimulatorOptions(**STEADY, dress="devnet")
OWN_GENESIS = str(Pubkey(bytes([9] * 32)))
PAIR = tuple(Pubkey.from_string(token.mint) for token in (SOL, USDC))
LAMPORTS = 10**9


@pytest.mark.parametrize("pools", ["default", "many"])
async def test_the_nodes_of_devnet_have_its_programs_and_pools_that_have_to_be_found(
    tmp_path: Path, pools: str
) -> None:
    options = SimulatorOptions(**STEADY, dress="devnet", pools=pools, nodes=2)
    cluster = build_cluster(Settings.load(), "devnet")
    venues = cluster.venues.all if pools == "many" else cluster.venues.default
    async with run_node(tmp_path, options) as url, aiohttp.ClientSession(url) as session:
        async with session.get("/control/state") as response:
            urls = (await response.json())["nodes"]
        assert len(urls) == 2
        for each in urls:
            async with RpcClient(each) as rpc:
                assert await rpc.get_genesis_hash() == DEVNET_GENESIS_HASH
                assert await find_missing_programs(cluster, rpc) == {}
                for venue in venues:
                    derived = venue.derive_pool_address(*PAIR)
                    assert (await rpc.get_multiple_accounts([derived]))[1] == [None]
                    filters = [{"dataSize": venue.search.data_size}]
                    _, found = await rpc.get_program_accounts(venue.program, filters)
                    assert set(PAIR) in [set(_read_mints(venue, pool)) for pool in found.values()]


def _read_mints(venue: Venue, account: Account) -> list[Pubkey]:
    return [Pubkey(account.data[at : at + 32]) for at in venue.search.mint_offsets]


async def test_a_program_that_is_not_there_is_named_in_one_sentence(tmp_path: Path) -> None:
    async with run_node(tmp_path, DEVNET) as url:
        wrong = f"raydium-cpmm={MAINNET_VENUES.cpmm.program},meteora-dlmm={PAIR[1]}"
        report = dict(await diagnose_node(Settings.load(program_ids=wrong), url))
        assert report["cluster"] == "devnet"
        assert report["program raydium/cpmm"] == (
            "the program raydium/cpmm is not on the cluster devnet:"
            f" there is no account at {MAINNET_VENUES.cpmm.program}"
        )
        assert report["program meteora/dlmm"] == (
            f"the program meteora/dlmm is not on the cluster devnet: no program is at {PAIR[1]}"
        )
        assert report["program raydium/clmm"] == str(DEVNET_PROGRAM_IDS["raydium/clmm"])
        refused = dict(await diagnose_node(Settings.load(cluster="mainnet"), url))
        assert refused["cluster"].startswith("refused: ORDER_ENGINE_CLUSTER is mainnet-beta, but")


async def test_without_one_program_orders_are_filled_by_the_others_and_it_is_told(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    settings = {"program_ids": f"raydium-cpmm={OWN_GENESIS}"}
    sentence = (
        "the program raydium/cpmm is not on the cluster simulated:"
        f" there is no account at {OWN_GENESIS}"
    )
    with capture_logs() as logs:
        async with (
            open_engine(database_url, redis_url, data_dir, settings=settings) as engine,
            run_api(engine.services.settings) as api,
        ):
            [order_id] = await engine.place_orders(engine.build_terms("1"))
            history = await engine.wait_ended(order_id)
            ready = await api.get("/readyz")
    assert history.record.status is Status.CONFIRMED
    assert history.record.dex == "meteora"
    assert ready["checks"]["programs"] == {"ok": False, "reason": sentence}
    assert sentence in [each.get("reason") for each in logs]


async def serve_api(settings: Settings) -> None:
    """Serve until something is wrong."""
    async with open_api_services(settings):
        await asyncio.Event().wait()


async def test_a_local_validator_is_taken_by_a_setting_and_refused_without(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    file = data_dir / "wallet.json"
    create_wallet_file(file)

    def have_own_genesis(call: Json, answer: Json) -> Json | None:
        own = answer.get("result") == SIMULATED_GENESIS_HASH
        return {"result": OWN_GENESIS} if own else None

    live = {"live": True, "open_access": "live", "wallet_file": file}
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=have_own_genesis, cluster="localnet", **live
    ) as proxied:
        settings = proxied.engine.services.settings
        with pytest.raises(ConfigurationError, match="ORDER_ENGINE_CLUSTER=localnet"):
            await serve_api(settings.model_copy(update={"cluster": ""}))
        async with open_wallet_node(settings) as node:
            assert node.cluster == "localnet"
            address = node.wallets[0].address
            await request_airdrop(node, address, 100 * LAMPORTS)
            [order_id] = await proxied.engine.place_orders(proxied.engine.build_terms("1"))
            history = await proxied.engine.wait_ended(order_id)
            held = dict(await read_holdings(node, address, []))
    assert history.record.status is Status.CONFIRMED
    assert held[USDC] == history.record.amount_out


async def test_the_faucet_of_devnet_has_limits_and_mainnet_has_none(tmp_path: Path) -> None:
    recipient = Keypair().pubkey()
    async with (
        run_node(tmp_path / "devnet", DEVNET) as url,
        open_wallet_node(Settings.load(solana_rpc_url=url)) as node,
    ):
        with pytest.raises(Rejected, match=r"no airdrop: .*-32603.*Internal error; https://fauc"):
            await request_airdrop(node, recipient, 5 * LAMPORTS + 1)
        for amount in (5 * LAMPORTS - 1, 5 * LAMPORTS):  # equal ones may be one transaction
            await request_airdrop(node, recipient, amount)
        await request_airdrop(node, Keypair().pubkey(), 1_000_000)
        [(token, amount)] = await read_holdings(node, recipient, [USDC.mint])
        assert (token, amount) == (SOL, 10 * LAMPORTS - 1)
        with pytest.raises(Rejected, match=f"there is no mint {OWN_GENESIS}"):
            await read_holdings(node, recipient, [OWN_GENESIS])
        with pytest.raises(Rejected, match=r"no airdrop: .*429.*airdrop limit"):
            await request_airdrop(node, recipient, 1)
    mainnet = SimulatorOptions(**STEADY, dress="mainnet")
    async with (
        run_node(tmp_path / "mainnet", mainnet) as url,
        open_wallet_node(Settings.load(solana_rpc_url=url)) as node,
    ):
        assert await node.rpc.get_genesis_hash() == MAINNET_GENESIS_HASH
        with pytest.raises(Rejected, match="there are no airdrops on mainnet-beta"):
            await request_airdrop(node, recipient, 1)
        with pytest.raises(Rejected, match=r"-32600.*Invalid request"):
            await node.rpc.request_airdrop(recipient, parse_amount("1", SOL.decimals))


async def test_an_api_that_took_its_node_for_one_of_another_cluster_ends_once_it_answers(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async def serve_before_the_node(proxy: NodeProxy) -> None:
        settings = Settings.load(
            database_url=database_url, redis_url=redis_url, solana_rpc_url=proxy.url
        )
        async with open_api_services(settings) as services:
            assert services.cluster.venues.cpmm.program == MAINNET_VENUES.cpmm.program
            proxy.status = None
            await asyncio.Event().wait()

    async with run_node(data_dir, DEVNET) as url, run_node_proxy(url) as proxy:
        proxy.status = 503
        with pytest.raises(ConfigurationError, match="of devnet, and did not answer when this"):
            await serve_before_the_node(proxy)
