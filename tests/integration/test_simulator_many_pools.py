"""A simulated node with many pools of a pair, in every program, and a token with a transfer fee."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from backend.cli import main
from backend.domain.amounts import Token
from backend.domain.errors import Rejected
from backend.domain.tokens import JUP, KNOWN_TOKENS, SOL, USDC, USDT
from backend.simulator.chain.chain import Chain
from backend.simulator.market.mints import FEE_TOKEN
from backend.simulator.options import POOL_SETS, SimulatorOptions
from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM, MAINNET_VENUES
from backend.venues.hosting import HostedVenue
from backend.venues.mint import read_mint
from backend.venues.spl import (
    ATA_PROGRAM,
    CLOCK_SYSVAR,
    NATIVE_MINT,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    derive_ata,
)
from backend.venues.venue import AccountsMissing, Pool, SwapAccounts
from tests.integration.node_socket import open_socket
from tests.integration.simulator_client import (
    STATIC_PRICES,
    SimulatorClient,
    mint_address,
    open_simulator,
)
from tests.integration.test_simulator_launches import build_filters

MANY = replace(STATIC_PRICES, pools="many")
NOW = 1_800_000_000.0
ONE_SOL = 10**9
POOLS_PER_PROGRAM = {AMM_V4: 3, CLMM: 3, CPMM: 3, DAMM_V2: 3, DLMM: 3}


async def list_pools(node: SimulatorClient, venue: HostedVenue, a: Token, b: Token) -> list[Pubkey]:
    """The pools of two tokens in a program, as an engine finds them."""
    found = []
    for mints in ((a.mint, b.mint), (b.mint, a.mint)):
        options = {"encoding": "base64", "filters": build_filters(venue, *mints)}
        response = await node.call_rpc("getProgramAccounts", str(venue.program), options)
        found += [Pubkey.from_string(each["pubkey"]) for each in response["result"]]
    return found


async def read_pool(
    node: SimulatorClient, venue: HostedVenue, address: Pubkey, mint: Pubkey, amount: int
) -> Pool:
    """A pool with the accounts that a quote of an amount needs; raises ``Rejected``."""
    account = await node.read_account(address)
    assert account is not None
    keys = list(venue.list_accounts(address, account))
    keys += venue.guess_accounts(address, {address: account})
    while True:
        slot, accounts = await node.rpc.get_multiple_accounts(keys)
        pool = venue.decode_pool(address, dict(zip(keys, accounts, strict=True)), slot)
        try:
            pool.quote(mint, amount)
        except AccountsMissing as missing:
            keys += missing.keys
        else:
            return pool


def build_creation(owner: Pubkey, mint: Pubkey, program: Pubkey) -> Instruction:
    """Creates the token account of a wallet, if there is none."""
    keys = [
        AccountMeta(owner, is_signer=True, is_writable=True),
        AccountMeta(derive_ata(owner, mint, program), is_signer=False, is_writable=True),
        AccountMeta(owner, is_signer=False, is_writable=False),
        AccountMeta(mint, is_signer=False, is_writable=False),
        AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
        AccountMeta(program, is_signer=False, is_writable=False),
    ]
    return Instruction(ATA_PROGRAM, b"\x01", keys)


async def land_swap(
    node: SimulatorClient, pool: Pool, mints: tuple[Pubkey, Pubkey], amount: int, minimum: int
) -> int:
    """Land a swap between token accounts, also of wrapped SOL. Returns what it paid."""
    owner = node.wallet.address
    account_in, account_out = (derive_ata(owner, m, pool.token_program(m)) for m in mints)
    before = [build_creation(owner, mint, pool.token_program(mint)) for mint in mints]
    if mints[0] == NATIVE_MINT:
        wrap = TransferParams(from_pubkey=owner, to_pubkey=account_in, lamports=amount)
        keys = [AccountMeta(account_in, is_signer=False, is_writable=True)]
        before += [transfer(wrap), Instruction(TOKEN_PROGRAM, b"\x11", keys)]
    held = await node.read_account(account_out)
    accounts = SwapAccounts(owner, account_in, account_out)
    swap = pool.swap_instruction(accounts, mints[0], amount, minimum)
    landed = await node.land_instructions(*before, swap)
    assert landed.err is None, landed.logs
    holds = await node.read_account(account_out)
    assert holds is not None
    had = 0 if held is None else TOKEN_ACCOUNT.read(held.data).amount
    return TOKEN_ACCOUNT.read(holds.data).amount - had


def count_pools(chain: Chain) -> Counter[str]:
    return Counter(
        venue.name
        for venue in MAINNET_VENUES.hosted
        for _, account in chain.list_program_accounts(venue.program)
        if len(account.data) == venue.search.data_size
    )


def test_by_default_each_exchange_has_one_pool_of_each_pair(tmp_path: Path) -> None:
    chain = Chain(SimulatorOptions(), tmp_path, lambda: NOW)
    pairs = len(KNOWN_TOKENS) * (len(KNOWN_TOKENS) - 1) // 2
    assert count_pools(chain) == {"cpmm": pairs, "damm_v2": pairs}
    assert chain.get_account(mint_address(FEE_TOKEN)) is None
    chain.close()


def test_a_chain_can_be_opened_with_other_pools_and_keeps_its_accounts(tmp_path: Path) -> None:
    for pools in ("default", "many", "default", "many"):
        chain = Chain(SimulatorOptions(pools=pools), tmp_path, lambda: NOW)
        has_fee_token = chain.get_account(mint_address(FEE_TOKEN)) is not None
        assert has_fee_token is (pools == "many")
        assert (count_pools(chain)["dlmm"] > 0) is (pools == "many")
        chain.close()


def test_the_pools_that_a_default_chain_has_are_the_same_with_many(tmp_path: Path) -> None:
    chains = [
        Chain(SimulatorOptions(pools=pools), tmp_path / pools, lambda: NOW) for pools in POOL_SETS
    ]
    for seconds in (0, 100):
        for chain in chains:
            chain.clock.skip_blocks(seconds)
        for venue in (CPMM, DAMM_V2):
            for pair in ((SOL, USDC), (JUP, USDT)):
                address = venue.derive_pool_address(*map(mint_address, pair))
                one, other = (chain.get_account(address) for chain in chains)
                assert one == other
    for chain in chains:
        chain.close()


@pytest.mark.parametrize("pair", [(SOL, USDC), (SOL, USDT), (SOL, JUP)])
async def test_a_deep_pair_has_pools_of_every_program(
    pair: tuple[Token, Token], tmp_path: Path
) -> None:
    async with open_simulator(tmp_path, MANY) as node:
        quoted, refused = [], Counter[str]()
        for venue in MAINNET_VENUES.hosted:
            pools = await list_pools(node, venue, *pair)
            assert len(set(pools)) == len(pools) == POOLS_PER_PROGRAM[venue]
            assert venue.derive_pool_address(*map(mint_address, pair)) in pools
            for address in pools:
                try:
                    pool = await read_pool(node, venue, address, mint_address(SOL), ONE_SOL)
                except Rejected as refusal:
                    refused[refusal.code] += 1
                else:
                    quoted.append(pool.quote(mint_address(SOL), ONE_SOL))
        assert refused == {"pool_disabled": 1, "not_open": 1}
        assert len(quoted) == 13
        assert len({quote.fee_e9 for quote in quoted}) >= 6
        amounts = sorted(quote.amount_out for quote in quoted)
        assert amounts[-1] < amounts[0] * 1.05
        impacts = sorted(quote.price_impact_e9 for quote in quoted)
        assert impacts[-1] > 100 * max(impacts[0], 1), "some are shallow"


async def test_the_price_of_a_stale_pool_stays_and_those_of_others_part(tmp_path: Path) -> None:
    options = replace(MANY, has_moving_prices=True)
    async with open_simulator(tmp_path, options) as node:
        venues: dict[Pubkey, HostedVenue] = {}
        for venue in MAINNET_VENUES.hosted:
            for address in await list_pools(node, venue, SOL, USDC):
                venues[address] = venue
        prices: dict[Pubkey, set[int]] = {}
        best = set()
        for _ in range(12):
            now = {}
            for address, venue in venues.items():
                try:
                    pool = await read_pool(node, venue, address, mint_address(SOL), 10**6)
                except Rejected:
                    continue
                now[address] = pool.quote(mint_address(SOL), 10**6).amount_out
                prices.setdefault(address, set()).add(now[address])
            best.add(max(now, key=lambda each: now[each]))
            await node.call_control("advance", {"blocks": 5})
        [stale] = [address for address, seen in prices.items() if len(seen) == 1]
        assert venues[stale] is AMM_V4
        assert len(best) >= 3, "different pools are the best at different times"
        await node.call_control("price", {"pair": ["SOL", "USDC"], "bps": 1_000})
        pool = await read_pool(node, AMM_V4, stale, mint_address(SOL), 10**6)
        assert {pool.quote(mint_address(SOL), 10**6).amount_out} == prices[stale]


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2, CLMM], ids=lambda venue: venue.name)
@pytest.mark.parametrize("other", [SOL, USDC], ids=lambda token: token.symbol)
async def test_the_token_with_a_transfer_fee_swaps_as_quoted(
    venue: HostedVenue, other: Token, tmp_path: Path
) -> None:
    async with open_simulator(tmp_path, MANY) as node:
        mint = mint_address(FEE_TOKEN)
        facts = read_mint(mint, await node.read_account(mint), 0)
        assert facts.token_program == TOKEN_2022_PROGRAM
        assert facts.transfer_fee is not None
        [address] = await list_pools(node, venue, FEE_TOKEN, other)
        account = derive_ata(node.wallet.address, mint, TOKEN_2022_PROGRAM)
        for token_in, token_out in ((other, FEE_TOKEN), (FEE_TOKEN, other)):
            mints = mint_address(token_in), mint_address(token_out)
            pool = await read_pool(node, venue, address, mints[0], 10**9)
            amount_out = pool.quote(mints[0], 10**9).amount_out
            held = await node.read_account(account)
            assert await land_swap(node, pool, mints, 10**9, amount_out) == amount_out
            holds = await node.read_account(account)
            assert held is not None
            assert holds is not None
            change = TOKEN_ACCOUNT.read(holds.data).amount - TOKEN_ACCOUNT.read(held.data).amount
            assert change == (amount_out if token_out == FEE_TOKEN else -(10**9))


@pytest.mark.parametrize("venue", [CLMM, DLMM], ids=lambda venue: venue.name)
async def test_a_swap_notifies_the_pool_and_the_arrays_that_it_changes(
    venue: HostedVenue, tmp_path: Path
) -> None:
    async with open_socket(tmp_path, MANY) as (node, socket):
        mint, amount = mint_address(SOL), 10**14
        address = venue.derive_pool_address(mint, mint_address(USDC))
        pool = await read_pool(node, venue, address, mint, amount)
        _, after = pool.after_swap(mint, amount)
        before, expected = pool.encode_quote_accounts(), after.encode_quote_accounts()
        changed = [key for key in expected if expected[key] != before[key] and key != CLOCK_SYSVAR]
        assert address in changed
        assert len(changed) > 3, "the pool, both vaults, and arrays"
        options = {"encoding": "base64"}
        numbers = {
            key: await socket.subscribe("accountSubscribe", str(key), options) for key in changed
        }
        program = await socket.subscribe("programSubscribe", str(venue.program), options)
        await land_swap(node, pool, (mint, mint_address(USDC)), amount, 1)
        told: dict[int, Any] = {}
        while not told.keys() >= {*numbers.values(), program}:
            message = await socket.receive()
            told[message["params"]["subscription"]] = message["params"]["result"]["value"]
        for key, number in numbers.items():
            account = expected[key]
            assert account is not None
            assert told[number]["space"] == len(account.data)
            assert await node.read_account(key) == account
        assert told[program]["account"]["owner"] == str(venue.program)


@pytest.mark.parametrize("venue", MAINNET_VENUES.hosted, ids=lambda venue: venue.name)
async def test_a_pool_of_any_program_can_be_launched(venue: HostedVenue, tmp_path: Path) -> None:
    async with open_simulator(tmp_path, STATIC_PRICES) as node:
        body = {"venue": venue.dex, "program": venue.name, "default": False, "fee_bps": 40}
        launch = await node.call_control("launch", body)
        assert launch["program"] == venue.name
        token = Token("NEW", launch["mint"], 6)
        address = Pubkey.from_string(launch["pool"])
        assert await list_pools(node, venue, token, SOL) == [address]
        await node.call_control("advance", {"blocks": 1})  # CLMM opens after its time, not at it
        pool = await read_pool(node, venue, address, mint_address(SOL), ONE_SOL)
        assert pool.quote(mint_address(SOL), ONE_SOL).fee_e9 == 4_000_000


async def test_a_program_that_an_exchange_has_not_is_refused(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, STATIC_PRICES) as node:
        body = {"venue": "meteora", "program": "clmm"}
        async with node.http.post("/control/launch", json=body) as response:
            assert response.status == 400
            assert "program: meteora has damm_v2, dlmm" in (await response.json())["error"]


@pytest.mark.parametrize("command", ["up", "chain"])
def test_the_commands_take_the_pools_of_the_node(command: str) -> None:
    run = CliRunner().invoke(main, [command, "--pools", "none"])
    assert run.exit_code == 2
    assert "'default', 'many'" in run.output
