"""The programs of the simulated node check ownership and revert failed transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from backend.chain.outcomes import classify_onchain_error
from backend.chain.token_accounts import derive_token_address
from backend.domain.tokens import JUP, RAY, SOL, USDC
from backend.venues import CPMM, MAINNET_VENUES
from backend.venues.spl import ATA_PROGRAM, NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import SwapAccounts
from tests.integration.simulator_client import (
    SimulatorClient,
    mint_address,
    open_simulator,
    read_instruction_error,
)

PLACEHOLDER_ACCOUNTS = SwapAccounts(*(Pubkey(bytes([mark] * 32)) for mark in (1, 2, 3)))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatorClient]:
    async with open_simulator(tmp_path) as client:
        yield client


def account_meta(key: Pubkey, *, signs: bool = False, writes: bool = True) -> AccountMeta:
    return AccountMeta(key, is_signer=signs, is_writable=writes)


async def test_only_the_owner_can_move_the_tokens_of_a_wallet(node: SimulatorClient) -> None:
    thief = await node.create_wallet(10**9, USDC=1)
    victim_account = derive_token_address(node.wallet.address, mint_address(USDC))
    own_account = derive_token_address(thief.address, mint_address(USDC))
    before = await node.read_balance(USDC)
    amount = (10**6).to_bytes(8, "little")

    def steal(authority: Pubkey, *, signs: bool) -> Instruction:
        keys = [
            account_meta(victim_account),
            account_meta(own_account),
            account_meta(authority, signs=signs, writes=False),
        ]
        return Instruction(TOKEN_PROGRAM, b"\x03" + amount, keys)

    signed_by_thief = await node.land_instructions(steal(thief.address, signs=True), wallet=thief)
    unsigned_by_owner = await node.land_instructions(
        steal(node.wallet.address, signs=False), wallet=thief
    )

    assert read_instruction_error(signed_by_thief) == {"Custom": 4}
    assert read_instruction_error(unsigned_by_owner) == "MissingRequiredSignature"
    assert await node.read_balance(USDC) == before


async def test_a_swap_cannot_spend_the_tokens_of_another_wallet(node: SimulatorClient) -> None:
    thief = await node.create_wallet(10**9, USDC=1, JUP=1)
    pool = await node.read_pool(CPMM, USDC, JUP)
    victim_account = derive_token_address(node.wallet.address, mint_address(USDC))
    trader = SwapAccounts(
        thief.address, victim_account, derive_token_address(thief.address, mint_address(JUP))
    )

    landed = await node.land_instructions(
        pool.swap_instruction(trader, mint_address(USDC), 10**6, 1), wallet=thief
    )

    assert read_instruction_error(landed) == {"Custom": 4}


async def test_a_swap_with_another_pools_vault_is_refused(node: SimulatorClient) -> None:
    pool, other = await node.read_pool(CPMM, USDC, JUP), await node.read_pool(CPMM, USDC, RAY)
    accounts = (
        derive_token_address(node.wallet.address, mint_address(token)) for token in (USDC, JUP)
    )
    trader = SwapAccounts(node.wallet.address, *accounts)
    swap = pool.swap_instruction(trader, mint_address(USDC), 10**6, 1)
    foreign = other.swap_instruction(trader, mint_address(USDC), 10**6, 1)
    keys = [*swap.accounts[:6], foreign.accounts[6], *swap.accounts[7:]]

    landed = await node.land_instructions(Instruction(swap.program_id, swap.data, keys))

    assert read_instruction_error(landed) == {"Custom": 2012}


async def test_only_the_program_of_a_pool_can_move_its_tokens(node: SimulatorClient) -> None:
    pool = await node.read_pool()
    vault = pool.swap_instruction(PLACEHOLDER_ACCOUNTS, mint_address(USDC), 1, 1).accounts[6].pubkey
    own_account = derive_token_address(node.wallet.address, mint_address(USDC))
    withdrawal_keys = [
        account_meta(vault),
        account_meta(own_account),
        account_meta(node.wallet.address, signs=True, writes=False),
    ]
    deposit_keys = [
        account_meta(own_account),
        account_meta(vault),
        account_meta(node.wallet.address, signs=True, writes=False),
    ]
    amount = (10**6).to_bytes(8, "little")

    withdrawal = await node.land_instructions(
        Instruction(TOKEN_PROGRAM, b"\x03" + amount, withdrawal_keys)
    )
    deposit = await node.land_instructions(
        Instruction(TOKEN_PROGRAM, b"\x03" + amount, deposit_keys)
    )

    assert read_instruction_error(withdrawal) == {"Custom": 4}
    assert read_instruction_error(deposit) == "InvalidAccountData"


async def test_a_failure_reverts_the_instructions_before_it(node: SimulatorClient) -> None:
    friend = await node.create_wallet(0)
    before = await node.read_balance(SOL)
    transfer_instruction = transfer(
        TransferParams(from_pubkey=node.wallet.address, to_pubkey=friend.address, lamports=10**9)
    )
    invalid_instruction = Instruction(TOKEN_PROGRAM, b"\xff", [])

    landed = await node.land_instructions(transfer_instruction, invalid_instruction)

    assert read_instruction_error(landed) == {"Custom": 12}
    assert await node.read_balance(SOL, friend) == 0
    assert await node.read_balance(SOL) == before - landed.fee_lamports


async def test_wrapped_sol_is_the_lamports_of_its_account(node: SimulatorClient) -> None:
    owner = node.wallet.address
    wrapped = derive_token_address(owner, NATIVE_MINT)
    before = await node.read_balance(SOL)
    create_account = Instruction(
        ATA_PROGRAM,
        b"\x01",
        [
            account_meta(owner, signs=True),
            account_meta(wrapped),
            *(
                account_meta(k, writes=False)
                for k in (owner, NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_PROGRAM)
            ),
        ],
    )
    fund_account = transfer(TransferParams(from_pubkey=owner, to_pubkey=wrapped, lamports=10**9))
    sync_native = Instruction(TOKEN_PROGRAM, b"\x11", [account_meta(wrapped)])
    close_account = Instruction(
        TOKEN_PROGRAM,
        b"\x09",
        [account_meta(wrapped), account_meta(owner), account_meta(owner, signs=True, writes=False)],
    )

    wrap_transaction = await node.land_instructions(create_account, fund_account, sync_native)
    balance = await node.call_rpc("getTokenAccountBalance", str(wrapped))
    close_transaction = await node.land_instructions(close_account)

    assert wrap_transaction.err is close_transaction.err is None
    assert balance["result"]["value"]["amount"] == str(10**9)
    assert await node.read_account(wrapped) is None
    fees = wrap_transaction.fee_lamports + close_transaction.fee_lamports
    assert await node.read_balance(SOL) == before - fees


async def test_an_account_cannot_fall_below_its_rent(node: SimulatorClient) -> None:
    friend = await node.create_wallet(0)
    transfer_instruction = transfer(
        TransferParams(from_pubkey=node.wallet.address, to_pubkey=friend.address, lamports=1)
    )

    landed = await node.land_instructions(transfer_instruction)

    assert landed.err == {"InsufficientFundsForRent": {"account_index": 1}}
    assert (
        classify_onchain_error(landed.err, landed.logs, MAINNET_VENUES.all).code
        == "insufficient_funds"
    )
