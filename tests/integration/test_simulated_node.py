"""The simulated node executes what a real one would: exactly, once, whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from backend.chain.outcomes import fill, onchain_error
from backend.chain.wire import Commitment
from backend.domain.amounts import Token
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.tokens import BONK, JUP, RAY, SOL, USDC, USDT
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_PROGRAM
from tests.integration.market import Market, market, mint, refusal

FEE = 5_120
PAIRS = ((SOL, USDC), (USDT, SOL), (JUP, BONK), (BONK, RAY))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Market]:
    async with market(tmp_path) as running:
        yield running


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
@pytest.mark.parametrize("pair", PAIRS)
async def test_a_swap_pays_exactly_what_its_venue_quotes(
    node: Market, venue: HostedVenue, pair: tuple[Token, Token]
) -> None:
    amount_in = 1_234_567_891
    pool = await node.pool(venue, *pair)
    quote = pool.quote(mint(pair[0]), amount_in)
    before = [await node.held(token) for token in pair]

    signed = await node.signed(amount_in, venue=venue, pair=pair, min_out=quote.amount_out)
    filled = await node.filled(signed, pair[1])

    assert filled.amount_out == quote.amount_out
    assert filled.fee_lamports == FEE
    fees = [FEE if token == SOL else 0 for token in pair]
    assert await node.held(pair[0]) == before[0] - amount_in - fees[0]
    assert await node.held(pair[1]) == before[1] + quote.amount_out - fees[1]


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
async def test_a_swap_leaves_the_pool_as_its_venue_says(node: Market, venue: HostedVenue) -> None:
    before = await node.pool(venue)
    _, expected = before.swapped(mint(SOL), 10**12)

    await node.filled(await node.signed(10**12, venue=venue), USDC)

    wanted = hosted(expected).accounts()
    for key, account in wanted.items():
        assert await node.account(key) == account


def hosted(pool: object) -> HostedPool:
    return pool  # type: ignore[return-value]


async def test_the_next_swap_of_a_block_meets_the_price_that_the_first_left(node: Market) -> None:
    first = (await node.pool()).quote(mint(SOL), 10**13)
    await node.filled(await node.signed(10**13), USDC)
    second = (await node.pool()).quote(mint(SOL), 10**13)

    filled = await node.filled(await node.signed(10**13), USDC)

    assert second.amount_out < first.amount_out
    assert filled.amount_out == second.amount_out


async def test_arbitrage_brings_a_pool_back_in_the_next_block(node: Market) -> None:
    before = await node.pool()
    await node.filled(await node.signed(10**13), USDC)

    await node.control("advance", {"blocks": 1})

    after = await node.pool()
    assert after.quote(mint(SOL), 10**9).amount_out == before.quote(mint(SOL), 10**9).amount_out


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
async def test_a_minimum_that_is_not_met_fails_on_chain_and_costs_the_fee(
    node: Market, venue: HostedVenue
) -> None:
    quote = (await node.pool(venue)).quote(mint(SOL), 10**9)
    before = [await node.held(token) for token in (SOL, USDC)]

    landed = await node.landed(await node.signed(venue=venue, min_out=quote.amount_out + 1))

    number = {CPMM: 6005, DAMM_V2: 6002}[venue]
    assert refusal(landed) == {"Custom": number}
    assert any(f"Error Number: {number}." in line for line in landed.logs)
    assert landed.logs[-1] == f"Program {venue.program} failed: custom program error: {number:#x}"
    check(onchain_error(landed.err, landed.logs), Transient, "slippage")
    assert await node.held(SOL) == before[0] - FEE
    assert await node.held(USDC) == before[1]


def check(error: EngineError, kind: type[EngineError], code: str) -> None:
    assert type(error) is kind
    assert error.code == code


async def test_a_doubled_signature_lands_once(node: Market) -> None:
    signed = await node.signed()
    assert await node.rpc.send_transactions([signed.wire] * 3) == [signed.signature] * 3
    await node.settled(signed.signature)

    await node.send(signed)
    again = await node.rpc.send_transactions([signed.wire], skip_preflight=False)
    simulated = await node.rpc.simulate_transaction(signed.wire)

    assert again == [signed.signature]
    assert simulated.err == "AlreadyProcessed"
    await node.filled(await node.signed(), USDC)
    assert [e["signature"] for e in await node.entries()].count(signed.signature) == 1


async def test_a_transaction_is_dead_once_its_blockhash_is_too_old(node: Market) -> None:
    signed = await node.signed()
    await node.control("advance", {"blocks": 150})
    tip = await node.rpc.get_epoch_info(Commitment.FINALIZED)
    assert tip.height == signed.last_valid_height
    assert (await node.rpc.simulate_transaction(signed.wire)).err is None

    await node.control("advance", {"blocks": 1})

    assert (await node.rpc.simulate_transaction(signed.wire)).err == "BlockhashNotFound"
    await node.send(signed)
    await node.never_lands(signed.signature)


async def test_a_blockhash_is_no_good_after_the_height_that_came_with_it(node: Market) -> None:
    recent = await node.rpc.get_latest_blockhash()
    valid = await node.call("isBlockhashValid", str(recent.hash))
    await node.control("advance", {"blocks": 151})
    expired = await node.call("isBlockhashValid", str(recent.hash))
    unknown = await node.call("isBlockhashValid", str(Pubkey.from_string(USDC.mint)))

    assert [answer["result"]["value"] for answer in (valid, expired, unknown)] == [
        True,
        False,
        False,
    ]


async def test_a_swap_of_more_than_the_wallet_holds_is_refused_by_the_token_program(
    node: Market,
) -> None:
    trader = await node.trader(10**9, USDC=999_999)

    landed = await node.landed(await node.signed(1_000_000, pair=(USDC, JUP), wallet=trader))

    assert refusal(landed) == {"Custom": 1}
    assert f"Program {TOKEN_PROGRAM} failed: custom program error: 0x1" in landed.logs
    check(onchain_error(landed.err, landed.logs), Rejected, "insufficient_funds")
    assert await node.held(USDC, trader) == 999_999


async def test_wrapping_more_sol_than_there_is_is_refused_by_the_system_program(
    node: Market,
) -> None:
    trader = await node.trader(10**9)

    landed = await node.landed(await node.signed(10**9, wallet=trader))

    assert refusal(landed) == {"Custom": 1}
    assert f"Program {SYSTEM_PROGRAM} failed: custom program error: 0x1" in landed.logs
    check(onchain_error(landed.err, landed.logs), Rejected, "insufficient_funds")
    assert await node.held(SOL, trader) == 10**9 - FEE


async def test_who_cannot_pay_the_fee_is_told_so_and_never_lands(node: Market) -> None:
    trader = await node.trader(FEE - 1, USDC=10**9)
    signed = await node.signed(1_000_000, pair=(USDC, JUP), wallet=trader)

    [refusal] = await node.rpc.send_transactions([signed.wire], skip_preflight=False)
    await node.send(signed)

    assert isinstance(refusal, Rejected)
    assert refusal.code == "insufficient_funds"
    await node.never_lands(signed.signature)


async def test_the_temporary_account_of_a_swap_is_gone_and_its_rent_is_back(node: Market) -> None:
    before = await node.held(SOL)
    signed = await node.signed(10**9)
    landed = await node.landed(signed)

    assert landed.err is None
    assert await node.held(SOL) == before - 10**9 - FEE
    keys = {balance.mint for balance in landed.tokens_after.values()}
    assert keys == {SOL.mint, USDC.mint}  # the vaults and the wallet's USDC
    owners = {b.owner for b in landed.tokens_after.values() if b.mint == SOL.mint}
    assert str(node.wallet.address) not in owners


async def test_a_new_token_account_costs_its_rent(node: Market) -> None:
    trader = await node.trader(10**10)

    landed = await node.landed(await node.signed(10**9, wallet=trader))

    assert landed.err is None
    assert await node.held(SOL, trader) == 10**10 - 10**9 - FEE - 2_039_280
    received = fill(landed, trader.address, mint(USDC)).amount_out
    assert await node.held(USDC, trader) == received > 0


async def test_a_swap_into_sol_fills_with_lamports(node: Market) -> None:
    trader = await node.trader(10**9, USDC=10**9)
    quote = (await node.pool()).quote(mint(USDC), 10**9)

    landed = await node.landed(await node.signed(10**9, pair=(USDC, SOL), wallet=trader))

    assert fill(landed, trader.address, NATIVE_MINT).amount_out == quote.amount_out
    assert await node.held(SOL, trader) == 10**9 + quote.amount_out - FEE
