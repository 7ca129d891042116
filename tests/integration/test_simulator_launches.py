"""Tokens and pools that the simulated node launches on demand: how they look, and their swaps."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.outcomes import Fill
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_swap,
    derive_wrap_seed,
)
from backend.domain.amounts import BPS, Token, ceil_div
from backend.domain.errors import Rejected
from backend.domain.quotes import Dex
from backend.domain.tokens import SOL
from backend.venues import MAINNET_VENUES
from backend.venues.mint import read_mint
from backend.venues.spl import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import Account, Pool, Venue
from tests.integration.simulator_client import (
    STATIC_PRICES,
    SimulatorClient,
    mint_address,
    open_simulator,
)

ONE_SOL = 10**9
Json = Any


def find_venue(dex: str) -> Venue:
    return next(venue for venue in MAINNET_VENUES.default if venue.dex == dex)


def build_filters(venue: Venue, mint_a: str, mint_b: str) -> list[Json]:
    at_a, at_b = venue.search.mint_offsets
    return [
        {"dataSize": venue.search.data_size},
        {"memcmp": {"offset": at_a, "bytes": mint_a}},
        {"memcmp": {"offset": at_b, "bytes": mint_b}},
    ]


async def list_pools(client: SimulatorClient, venue: Venue, mint: str) -> list[str]:
    """The pools of a token and SOL, in either order of the two."""
    found = []
    for mints in ((mint, SOL.mint), (SOL.mint, mint)):
        options = {"encoding": "base64", "filters": build_filters(venue, *mints)}
        response = await client.call_rpc("getProgramAccounts", str(venue.program), options)
        assert all(each["account"]["owner"] == str(venue.program) for each in response["result"])
        found += [each["pubkey"] for each in response["result"]]
    return found


async def read_pool(client: SimulatorClient, venue: Venue, address: Pubkey) -> Pool:
    account = await client.read_account(address)
    assert account is not None
    keys = list(venue.list_accounts(address, account))
    slot, accounts = await client.rpc.get_multiple_accounts(keys)
    return venue.decode_pool(address, dict(zip(keys, accounts, strict=True)), slot)


async def swap(
    client: SimulatorClient, pool: Pool, token_in: Token, token_out: Token, amount: int, least: int
) -> Fill:
    mints = mint_address(token_in), mint_address(token_out)
    legs = [SwapLeg(pool, amount, least)]
    parameters = SwapParameters(legs, *mints, derive_wrap_seed(UUID(int=1), 1))
    recent = await client.rpc.get_latest_blockhash()
    unsigned = build_swap(parameters, client.wallet.address, recent, ComputeBudget())
    return await client.land_swap(unsigned.sign(client.wallet), token_out)


@pytest.mark.parametrize("dex", list(Dex))
@pytest.mark.parametrize("is_default", [True, False])
async def test_a_launched_pool_is_listed_and_swaps(
    dex: Dex, is_default: bool, data_dir: Path
) -> None:
    venue = find_venue(dex)
    async with open_simulator(data_dir, STATIC_PRICES) as client:
        mint = (await client.call_control("mint", {"decimals": 4}))["mint"]
        assert await list_pools(client, venue, mint) == []
        launch = await client.call_control(
            "launch", {"venue": dex, "mint": mint, "default": is_default, "locked_bps": 7_500}
        )
        assert await list_pools(client, venue, mint) == [launch["pool"]]
        address = Pubkey.from_string(launch["pool"])
        derived = venue.derive_pool_address(Pubkey.from_string(mint), mint_address(SOL))
        assert (address == derived) is is_default
        pool = await read_pool(client, venue, address)
        quote = pool.quote(mint_address(SOL), ONE_SOL)
        fill = await swap(client, pool, SOL, Token("NEW", mint, 4), ONE_SOL, quote.amount_out)
        assert fill.amount_out == quote.amount_out


@pytest.mark.parametrize("dex", list(Dex))
async def test_a_transfer_fee_is_withheld_from_a_swap(dex: Dex, data_dir: Path) -> None:
    venue = find_venue(dex)
    async with open_simulator(data_dir, STATIC_PRICES) as client:
        launch = await client.call_control(
            "launch", {"venue": dex, "token": {"transfer_fee_bps": 500}}
        )
        pool = await read_pool(client, venue, Pubkey.from_string(launch["pool"]))
        token = Token("NEW", launch["mint"], 6)
        assert pool.token_program(mint_address(token)) == TOKEN_2022_PROGRAM
        quote = pool.quote(mint_address(SOL), ONE_SOL)
        free = await client.call_control("launch", {"venue": dex})
        other = await read_pool(client, venue, Pubkey.from_string(free["pool"]))
        gross = other.quote(mint_address(SOL), ONE_SOL).amount_out
        assert quote.amount_out == gross - ceil_div(gross * 500, BPS)
        fill = await swap(client, pool, SOL, token, ONE_SOL, quote.amount_out)
        assert fill.amount_out == quote.amount_out


@pytest.mark.parametrize(
    ("token", "program", "minter", "freezer", "fee_bps"),
    [
        ({}, TOKEN_PROGRAM, False, False, None),
        ({"mint_authority": True}, TOKEN_PROGRAM, True, False, None),
        ({"freeze_authority": True}, TOKEN_PROGRAM, False, True, None),
        ({"transfer_fee_bps": 250}, TOKEN_2022_PROGRAM, False, False, 250),
    ],
)
async def test_a_launched_mint_shows_its_traits(
    token: Json,
    program: Pubkey,
    minter: bool,
    freezer: bool,
    fee_bps: int | None,
    data_dir: Path,
) -> None:
    async with open_simulator(data_dir, STATIC_PRICES) as client:
        launched = await client.call_control("mint", {"decimals": 7, **token})
        assert launched["program"] == str(program)
        facts = read_mint(*await read_account(client, launched["mint"]), epoch=0)
        assert (facts.token_program, facts.decimals) == (program, 7)
        assert (facts.mint_authority is not None, facts.freeze_authority is not None) == (
            minter,
            freezer,
        )
        assert (None if facts.transfer_fee is None else facts.transfer_fee.bps) == fee_bps
        hooked = await client.call_control("mint", {"hook": True})
        with pytest.raises(Rejected, match="unsupported_mint"):
            read_mint(*await read_account(client, hooked["mint"]), epoch=0)


async def read_account(client: SimulatorClient, address: str) -> tuple[Pubkey, Account | None]:
    key = Pubkey.from_string(address)
    _, [account] = await client.rpc.get_multiple_accounts([key])
    return key, account


async def test_a_launch_is_told_to_those_who_subscribed_to_its_program(data_dir: Path) -> None:
    async with open_simulator(data_dir, STATIC_PRICES, slot_s=0.05) as client:
        mint = (await client.call_control("mint", {}))["mint"]
        venue = find_venue(Dex.METEORA)
        async with client.http.ws_connect("/") as socket:
            for mints in ((mint, SOL.mint), (SOL.mint, mint)):
                options = {"encoding": "base64", "filters": build_filters(venue, *mints)}
                call = {"jsonrpc": "2.0", "id": 1, "method": "programSubscribe"}
                await socket.send_json({**call, "params": [str(venue.program), options]})
                assert isinstance((await socket.receive_json())["result"], int)
            await client.call_control("launch", {"venue": "raydium", "mint": mint})
            launch = await client.call_control("launch", {"venue": "meteora", "mint": mint})
            told = await receive_method(socket, "programNotification")
            assert told["value"]["pubkey"] == launch["pool"]
            data = b64decode(told["value"]["account"]["data"][0])
            assert len(data) == venue.search.data_size


async def receive_method(socket: aiohttp.ClientWebSocketResponse, method: str) -> Json:
    async with asyncio.timeout(60):
        while True:
            message = await socket.receive_json()
            if message.get("method") == method:
                return message["params"]["result"]


async def test_a_launch_outlives_a_restart_and_opens_at_its_time(data_dir: Path) -> None:
    async with open_simulator(data_dir, STATIC_PRICES) as client:
        launch = await client.call_control(
            "launch", {"venue": "raydium", "opens_in_seconds": 3_600, "trap": "freeze_authority"}
        )
    async with open_simulator(data_dir, STATIC_PRICES) as client:
        venue, address = find_venue(Dex.RAYDIUM), Pubkey.from_string(launch["pool"])
        assert await list_pools(client, venue, launch["mint"]) == [launch["pool"]]
        assert read_mint(*await read_account(client, launch["mint"]), epoch=0).freeze_authority
        with pytest.raises(Rejected, match="not_open"):
            (await read_pool(client, venue, address)).quote(mint_address(SOL), ONE_SOL)
        await client.call_control("advance", {"blocks": 60})  # of a minute each
        pool = await read_pool(client, venue, address)
        assert pool.quote(mint_address(SOL), ONE_SOL).amount_out > 0


async def test_a_node_may_not_list_what_programs_own(data_dir: Path) -> None:
    async with open_simulator(data_dir, STATIC_PRICES) as client:
        await client.arm_fault(fault="refuse_method", methods=["getProgramAccounts"])
        response = await client.call_rpc(
            "getProgramAccounts", str(MAINNET_VENUES.default[0].program)
        )
        assert response["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("mint", {"decimals": 19}, "decimals"),
        ("launch", {}, "venue"),
        ("launch", {"venue": "raydium", "mint": "x"}, "base58"),
        ("launch", {"venue": "raydium", "fee_bps": 10}, "fee_bps"),
        ("launch", {"venue": "raydium", "mint": SOL.mint, "quote": "USDC"}, "there is a pool"),
        ("launch", {"venue": "raydium", "mint": SOL.mint, "trap": "transfer_fee"}, "trap"),
        ("launch", {"venue": "raydium", "mint": str(Pubkey(bytes([7] * 32)))}, "there is no mint"),
    ],
)
async def test_a_bad_launch_is_refused_with_a_sentence(
    path: str, body: Json, reason: str, data_dir: Path
) -> None:
    async with (
        open_simulator(data_dir, STATIC_PRICES) as client,
        client.http.post(f"/control/{path}", json=body) as response,
    ):
        assert response.status == 400
        assert reason in (await response.json())["error"]
