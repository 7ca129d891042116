"""Which cluster a node is of, and where the exchange programs are there."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from backend.chain.wallet import create_wallet_file, load_wallet
from backend.chain.wire import (
    DEVNET_GENESIS_HASH,
    MAINNET_GENESIS_HASH,
    SIMULATED_GENESIS_HASH,
    TESTNET_GENESIS_HASH,
)
from backend.config import ConfigurationError, Settings
from backend.domain.errors import Rejected
from backend.domain.route_constraints import PROGRAM_NAMES
from backend.engine.nodes.cluster import build_cluster, identify_cluster, name_venue
from backend.venues import MAINNET_VENUES, Venues
from backend.venues.hosting import HostedVenue
from backend.venues.program_ids import DEVNET_PROGRAM_IDS, MAINNET_PROGRAM_IDS
from backend.venues.spl import MEMO_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import SwapAccounts
from tests.pools import NOW, SOL, USDC, encode_quote_accounts

OTHER_GENESIS = str(Pubkey(bytes([9] * 32)))
OTHER_IDS = {name: Pubkey(bytes([n + 40] * 32)) for n, name in enumerate(PROGRAM_NAMES)}
OTHER_VENUES = Venues(OTHER_IDS)
NOT_DERIVED = {SOL, USDC, TOKEN_PROGRAM, TOKEN_2022_PROGRAM, MEMO_PROGRAM}


@pytest.mark.parametrize(
    ("meant", "genesis_hash", "name"),
    [
        ("", MAINNET_GENESIS_HASH, "mainnet-beta"),
        ("mainnet", MAINNET_GENESIS_HASH, "mainnet-beta"),
        ("", DEVNET_GENESIS_HASH, "devnet"),
        ("devnet", DEVNET_GENESIS_HASH, "devnet"),
        ("testnet", TESTNET_GENESIS_HASH, "testnet"),
        ("", SIMULATED_GENESIS_HASH, "simulated"),
        ("localnet", SIMULATED_GENESIS_HASH, "simulated"),
        ("localnet", OTHER_GENESIS, "localnet"),
    ],
)
def test_a_cluster_is_known_by_its_genesis_hash(meant: str, genesis_hash: str, name: str) -> None:
    assert identify_cluster(Settings.load(cluster=meant), genesis_hash) == name


@pytest.mark.parametrize(
    ("meant", "genesis_hash", "reason"),
    [
        ("", OTHER_GENESIS, f"{OTHER_GENESIS}.*set ORDER_ENGINE_CLUSTER=localnet"),
        ("devnet", MAINNET_GENESIS_HASH, "is devnet, but .* the cluster mainnet-beta"),
        ("mainnet", DEVNET_GENESIS_HASH, "is mainnet-beta, but .* the cluster devnet"),
        ("localnet", MAINNET_GENESIS_HASH, "is localnet, but .* the cluster mainnet-beta"),
        ("simulated", OTHER_GENESIS, "is simulated, but .* a cluster that is not known"),
    ],
)
def test_a_node_of_another_cluster_is_refused(meant: str, genesis_hash: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        identify_cluster(Settings.load(cluster=meant), genesis_hash)


def test_programs_follow_from_the_cluster_and_a_setting_replaces_each() -> None:
    for name in ("mainnet-beta", "testnet", "localnet", "simulated"):
        cluster = build_cluster(Settings.load(), name)
        assert {name_venue(v): v.program for v in cluster.venues.all} == MAINNET_PROGRAM_IDS
    devnet = build_cluster(Settings.load(), "devnet").venues
    assert {name_venue(venue): venue.program for venue in devnet.all} == DEVNET_PROGRAM_IDS
    text = f"raydium-amm-v4={OTHER_IDS['raydium/amm_v4']}, meteora/dlmm={OTHER_IDS['meteora/dlmm']}"
    replaced = build_cluster(Settings.load(program_ids=text), "devnet").venues
    assert {name_venue(venue): venue.program for venue in replaced.all} == {
        **DEVNET_PROGRAM_IDS,
        "raydium/amm_v4": OTHER_IDS["raydium/amm_v4"],
        "meteora/dlmm": OTHER_IDS["meteora/dlmm"],
    }


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"cluster": "main"}, "ORDER_ENGINE_CLUSTER is 'main': .*must be one of mainnet-beta"),
        ({"program_ids": "orca=x"}, "'orca' is no program"),
        ({"program_ids": "raydium-cpmm=x"}, "the address of raydium/cpmm is no address"),
        ({"program_ids": "raydium-cpmm"}, "the address of raydium/cpmm is no address"),
        ({"program_ids": f"raydium-cpmm={SOL},raydium/cpmm={USDC}"}, "has two addresses"),
        ({"program_ids": f"raydium-cpmm={SOL},raydium-clmm={SOL}"}, "two programs"),
    ],
)
def test_what_is_wrong_in_a_setting_is_named(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Settings.load(**settings)


def test_the_address_of_one_program_is_not_given_to_another() -> None:
    text = f"raydium-cpmm={MAINNET_PROGRAM_IDS['raydium/clmm']}"
    with pytest.raises(ConfigurationError, match="the same address"):
        build_cluster(Settings.load(program_ids=text), "mainnet-beta")


@pytest.mark.parametrize("venue", OTHER_VENUES.hosted, ids=name_venue)
def test_all_of_a_pool_follows_from_the_address_of_its_program(venue: HostedVenue) -> None:
    [usual] = [each for each in MAINNET_VENUES.hosted if name_venue(each) == name_venue(venue)]
    pool, usual_pool = (
        each.create_pool(SOL, USDC, 10**13, 10**12, fee_e9=2_000_000).with_clock(NOW)
        for each in (venue, usual)
    )
    accounts = encode_quote_accounts(pool)
    decoded = venue.decode_pool(pool.address, accounts, 1)
    assert decoded.program == venue.program
    with pytest.raises(Rejected, match="bad_pool"):
        usual.decode_pool(pool.address, accounts, 1)

    trader = SwapAccounts(*(Pubkey(bytes([n] * 32)) for n in (1, 2, 3)))
    swap, usual_swap = (
        each.swap_instruction(trader, SOL, 10**9, 1) for each in (decoded, usual_pool)
    )
    assert swap.program_id == venue.program
    own, others = ({meta.pubkey for meta in each.accounts} for each in (swap, usual_swap))
    assert own & others <= {trader.owner, trader.account_in, trader.account_out, *NOT_DERIVED}
    quote = decoded.quote(SOL, 10**9)
    assert quote == replace(usual_pool.quote(SOL, 10**9), pool=str(pool.address), slot=1)


def test_a_wallet_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    address = create_wallet_file(path).address
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Rejected, match="exists: it is left as it is"):
        create_wallet_file(path)
    assert load_wallet(path).address == address
    with pytest.raises(Rejected, match="cannot be written"):
        create_wallet_file(tmp_path / "nowhere" / "wallet.json")


def test_the_engine_knows_programs_by_its_cluster_only() -> None:
    backend = Path(__file__).parents[2] / "backend"
    for package in ("api", "chain", "engine", "execution", "queue", "routing", "triggers"):
        for path in (backend / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "backend.venues":
                    assert [alias.name for alias in node.names] == ["Venues"], path
