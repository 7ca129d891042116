"""The simulated node executes transactions like a real one: exactly, atomically and once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from backend.chain.outcomes import classify_onchain_error, read_fill
from backend.chain.wire import Commitment
from backend.domain.amounts import Token, TransactionCosts
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.tokens import BONK, JUP, RAY, SOL, USDC, USDT
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_PROGRAM
from tests.integration.simulator_client import (
    SimulatorClient,
    mint_address,
    open_simulator,
    read_instruction_error,
)

FEE = 5_120
PAIRS = ((SOL, USDC), (USDT, SOL), (JUP, BONK), (BONK, RAY))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatorClient]:
    async with open_simulator(tmp_path) as client:
        yield client


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
@pytest.mark.parametrize("pair", PAIRS)
async def test_a_swap_pays_exactly_what_its_venue_quotes(
    node: SimulatorClient, venue: HostedVenue, pair: tuple[Token, Token]
) -> None:
    amount_in = 1_234_567_891
    pool = await node.read_pool(venue, *pair)
    quote = pool.quote(mint_address(pair[0]), amount_in)
    before = [await node.read_balance(token) for token in pair]

    transaction = await node.build_swap(amount_in, venue=venue, pair=pair, min_out=quote.amount_out)
    fill = await node.land_swap(transaction, pair[1])

    assert fill.amount_out == quote.amount_out
    assert fill.costs == TransactionCosts(FEE, FEE - 5_000)
    fees = [FEE if token == SOL else 0 for token in pair]
    assert await node.read_balance(pair[0]) == before[0] - amount_in - fees[0]
    assert await node.read_balance(pair[1]) == before[1] + quote.amount_out - fees[1]


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
async def test_a_swap_leaves_the_pool_in_the_state_that_its_venue_computes(
    node: SimulatorClient, venue: HostedVenue
) -> None:
    before = await node.read_pool(venue)
    _, expected = before.after_swap(mint_address(SOL), 10**12)

    await node.land_swap(await node.build_swap(10**12, venue=venue), USDC)

    expected_accounts = as_hosted(expected).encode_accounts()
    for key, account in expected_accounts.items():
        assert await node.read_account(key) == account


def as_hosted(pool: object) -> HostedPool:
    return pool  # type: ignore[return-value]


async def test_the_next_swap_of_a_block_executes_at_the_price_after_the_first(
    node: SimulatorClient,
) -> None:
    first = (await node.read_pool()).quote(mint_address(SOL), 10**13)
    await node.land_swap(await node.build_swap(10**13), USDC)
    second = (await node.read_pool()).quote(mint_address(SOL), 10**13)

    fill = await node.land_swap(await node.build_swap(10**13), USDC)

    assert second.amount_out < first.amount_out
    assert fill.amount_out == second.amount_out


async def test_arbitrage_resets_a_pool_in_the_next_block(node: SimulatorClient) -> None:
    before = await node.read_pool()
    await node.land_swap(await node.build_swap(10**13), USDC)

    await node.call_control("advance", {"blocks": 1})

    after = await node.read_pool()
    assert (
        after.quote(mint_address(SOL), 10**9).amount_out
        == before.quote(mint_address(SOL), 10**9).amount_out
    )


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
async def test_a_minimum_that_is_not_met_fails_on_chain_and_costs_the_fee(
    node: SimulatorClient, venue: HostedVenue
) -> None:
    quote = (await node.read_pool(venue)).quote(mint_address(SOL), 10**9)
    before = [await node.read_balance(token) for token in (SOL, USDC)]

    landed = await node.land(await node.build_swap(venue=venue, min_out=quote.amount_out + 1))

    number = {CPMM: 6005, DAMM_V2: 6002}[venue]
    assert read_instruction_error(landed) == {"Custom": number}
    assert any(f"Error Number: {number}." in line for line in landed.logs)
    assert landed.logs[-1] == f"Program {venue.program} failed: custom program error: {number:#x}"
    check_error(
        classify_onchain_error(landed.err, landed.logs, MAINNET_VENUES.all), Transient, "slippage"
    )
    assert await node.read_balance(SOL) == before[0] - FEE
    assert await node.read_balance(USDC) == before[1]


def check_error(error: EngineError, kind: type[EngineError], code: str) -> None:
    assert type(error) is kind
    assert error.code == code


async def test_a_doubled_signature_lands_once(node: SimulatorClient) -> None:
    transaction = await node.build_swap()
    assert await node.rpc.send_transactions([transaction.wire] * 3) == [transaction.signature] * 3
    await node.wait_until_landed(transaction.signature)

    await node.send(transaction)
    again = await node.rpc.send_transactions([transaction.wire], skip_preflight=False)
    simulated = await node.rpc.simulate_transaction(transaction.wire)

    assert again == [transaction.signature]
    assert simulated.err == "AlreadyProcessed"
    await node.land_swap(await node.build_swap(), USDC)
    assert [e["signature"] for e in await node.list_entries()].count(transaction.signature) == 1


async def test_a_transaction_expires_with_its_blockhash(node: SimulatorClient) -> None:
    transaction = await node.build_swap()
    await node.call_control("advance", {"blocks": 150})
    tip = await node.rpc.get_epoch_info(Commitment.FINALIZED)
    assert tip.height == transaction.last_valid_height
    assert (await node.rpc.simulate_transaction(transaction.wire)).err is None

    await node.call_control("advance", {"blocks": 1})

    assert (await node.rpc.simulate_transaction(transaction.wire)).err == "BlockhashNotFound"
    await node.send(transaction)
    await node.assert_never_lands(transaction.signature)


async def test_a_blockhash_is_invalid_after_its_last_valid_height(node: SimulatorClient) -> None:
    recent = await node.rpc.get_latest_blockhash()
    valid = await node.call_rpc("isBlockhashValid", str(recent.hash))
    await node.call_control("advance", {"blocks": 151})
    expired = await node.call_rpc("isBlockhashValid", str(recent.hash))
    unknown = await node.call_rpc("isBlockhashValid", str(Pubkey.from_string(USDC.mint)))

    assert [each["result"]["value"] for each in (valid, expired, unknown)] == [
        True,
        False,
        False,
    ]


async def test_a_swap_of_more_than_the_wallet_holds_is_refused_by_the_token_program(
    node: SimulatorClient,
) -> None:
    trader = await node.create_wallet(10**9, USDC=999_999)

    landed = await node.land(await node.build_swap(1_000_000, pair=(USDC, JUP), wallet=trader))

    assert read_instruction_error(landed) == {"Custom": 1}
    assert f"Program {TOKEN_PROGRAM} failed: custom program error: 0x1" in landed.logs
    check_error(
        classify_onchain_error(landed.err, landed.logs, MAINNET_VENUES.all),
        Rejected,
        "insufficient_funds",
    )
    assert await node.read_balance(USDC, trader) == 999_999


async def test_wrapping_more_sol_than_there_is_is_refused_by_the_system_program(
    node: SimulatorClient,
) -> None:
    trader = await node.create_wallet(10**9)

    landed = await node.land(await node.build_swap(10**9, wallet=trader))

    assert read_instruction_error(landed) == {"Custom": 1}
    assert f"Program {SYSTEM_PROGRAM} failed: custom program error: 0x1" in landed.logs
    check_error(
        classify_onchain_error(landed.err, landed.logs, MAINNET_VENUES.all),
        Rejected,
        "insufficient_funds",
    )
    assert await node.read_balance(SOL, trader) == 10**9 - FEE


async def test_a_transaction_whose_payer_cannot_pay_the_fee_is_refused_and_never_lands(
    node: SimulatorClient,
) -> None:
    trader = await node.create_wallet(FEE - 1, USDC=10**9)
    transaction = await node.build_swap(1_000_000, pair=(USDC, JUP), wallet=trader)

    [error] = await node.rpc.send_transactions([transaction.wire], skip_preflight=False)
    await node.send(transaction)

    assert isinstance(error, Rejected)
    assert error.code == "insufficient_funds"
    await node.assert_never_lands(transaction.signature)


async def test_the_temporary_account_of_a_swap_is_closed_and_its_rent_refunded(
    node: SimulatorClient,
) -> None:
    before = await node.read_balance(SOL)
    transaction = await node.build_swap(10**9)
    landed = await node.land(transaction)

    assert landed.err is None
    assert await node.read_balance(SOL) == before - 10**9 - FEE
    keys = {balance.mint for balance in landed.tokens_after.values()}
    assert keys == {SOL.mint, USDC.mint}  # the vaults and the wallet's USDC
    owners = {b.owner for b in landed.tokens_after.values() if b.mint == SOL.mint}
    assert str(node.wallet.address) not in owners


async def test_a_new_token_account_costs_its_rent(node: SimulatorClient) -> None:
    trader = await node.create_wallet(10**10)

    landed = await node.land(await node.build_swap(10**9, wallet=trader))

    assert landed.err is None
    assert await node.read_balance(SOL, trader) == 10**10 - 10**9 - FEE - 2_039_280
    received = read_fill(landed, trader.address, NATIVE_MINT, mint_address(USDC)).amount_out
    assert await node.read_balance(USDC, trader) == received > 0


async def test_a_swap_into_sol_fills_with_lamports(node: SimulatorClient) -> None:
    trader = await node.create_wallet(10**9, USDC=10**9)
    quote = (await node.read_pool()).quote(mint_address(USDC), 10**9)

    landed = await node.land(await node.build_swap(10**9, pair=(USDC, SOL), wallet=trader))

    fill = read_fill(landed, trader.address, mint_address(USDC), NATIVE_MINT)
    assert fill.amount_out == quote.amount_out
    assert await node.read_balance(SOL, trader) == 10**9 + quote.amount_out - FEE
