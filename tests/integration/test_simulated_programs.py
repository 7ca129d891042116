"""The programs of the simulated node guard what is not the sender's, and undo what fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from backend.chain.outcomes import onchain_error
from backend.chain.transactions import token_address
from backend.domain.tokens import JUP, RAY, SOL, USDC
from backend.venues import CPMM
from backend.venues.spl import ATA_PROGRAM, NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import Trader
from tests.integration.market import Market, market, mint, refusal

STANDIN = Trader(*(Pubkey(bytes([mark] * 32)) for mark in (1, 2, 3)))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Market]:
    async with market(tmp_path) as running:
        yield running


def meta(key: Pubkey, *, signs: bool = False, writes: bool = True) -> AccountMeta:
    return AccountMeta(key, is_signer=signs, is_writable=writes)


async def test_only_its_owner_moves_a_wallets_tokens(node: Market) -> None:
    thief = await node.trader(10**9, USDC=1)
    victims = token_address(node.wallet.address, mint(USDC))
    mine = token_address(thief.address, mint(USDC))
    before = await node.held(USDC)
    amount = (10**6).to_bytes(8, "little")

    def steal(authority: Pubkey, *, signs: bool) -> Instruction:
        keys = [meta(victims), meta(mine), meta(authority, signs=signs, writes=False)]
        return Instruction(TOKEN_PROGRAM, b"\x03" + amount, keys)

    own_name = await node.executed(steal(thief.address, signs=True), wallet=thief)
    no_name = await node.executed(steal(node.wallet.address, signs=False), wallet=thief)

    assert refusal(own_name) == {"Custom": 4}
    assert refusal(no_name) == "MissingRequiredSignature"
    assert await node.held(USDC) == before


async def test_a_swap_does_not_spend_somebody_elses_tokens(node: Market) -> None:
    thief = await node.trader(10**9, USDC=1, JUP=1)
    pool = await node.pool(CPMM, USDC, JUP)
    victims = token_address(node.wallet.address, mint(USDC))
    trader = Trader(thief.address, victims, token_address(thief.address, mint(JUP)))

    landed = await node.executed(pool.swap(trader, mint(USDC), 10**6, 1), wallet=thief)

    assert refusal(landed) == {"Custom": 4}


async def test_a_swap_with_another_pools_vault_is_refused(node: Market) -> None:
    pool, other = await node.pool(CPMM, USDC, JUP), await node.pool(CPMM, USDC, RAY)
    accounts = (token_address(node.wallet.address, mint(token)) for token in (USDC, JUP))
    trader = Trader(node.wallet.address, *accounts)
    swap = pool.swap(trader, mint(USDC), 10**6, 1)
    foreign = other.swap(trader, mint(USDC), 10**6, 1)
    keys = [*swap.accounts[:6], foreign.accounts[6], *swap.accounts[7:]]

    landed = await node.executed(Instruction(swap.program_id, swap.data, keys))

    assert refusal(landed) == {"Custom": 2012}


async def test_nobody_moves_a_pools_tokens_but_its_program(node: Market) -> None:
    pool = await node.pool()
    vault = pool.swap(STANDIN, mint(USDC), 1, 1).accounts[6].pubkey
    mine = token_address(node.wallet.address, mint(USDC))
    keys = [meta(vault), meta(mine), meta(node.wallet.address, signs=True, writes=False)]
    gift = [meta(mine), meta(vault), meta(node.wallet.address, signs=True, writes=False)]
    amount = (10**6).to_bytes(8, "little")

    out = await node.executed(Instruction(TOKEN_PROGRAM, b"\x03" + amount, keys))
    into = await node.executed(Instruction(TOKEN_PROGRAM, b"\x03" + amount, gift))

    assert refusal(out) == {"Custom": 4}
    assert refusal(into) == "InvalidAccountData"


async def test_a_failure_undoes_what_came_before_it(node: Market) -> None:
    friend = await node.trader(0)
    before = await node.held(SOL)
    give = transfer(
        TransferParams(from_pubkey=node.wallet.address, to_pubkey=friend.address, lamports=10**9)
    )
    broken = Instruction(TOKEN_PROGRAM, b"\xff", [])

    landed = await node.executed(give, broken)

    assert refusal(landed) == {"Custom": 12}
    assert await node.held(SOL, friend) == 0
    assert await node.held(SOL) == before - landed.fee_lamports


async def test_wrapped_sol_is_what_its_account_holds(node: Market) -> None:
    owner = node.wallet.address
    wrapped = token_address(owner, NATIVE_MINT)
    before = await node.held(SOL)
    open_ = Instruction(
        ATA_PROGRAM,
        b"\x01",
        [
            meta(owner, signs=True),
            meta(wrapped),
            *(meta(k, writes=False) for k in (owner, NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_PROGRAM)),
        ],
    )
    pay = transfer(TransferParams(from_pubkey=owner, to_pubkey=wrapped, lamports=10**9))
    sync = Instruction(TOKEN_PROGRAM, b"\x11", [meta(wrapped)])
    close = Instruction(
        TOKEN_PROGRAM, b"\x09", [meta(wrapped), meta(owner), meta(owner, signs=True, writes=False)]
    )

    wrapping = await node.executed(open_, pay, sync)
    balance = await node.call("getTokenAccountBalance", str(wrapped))
    closing = await node.executed(close)

    assert wrapping.err is closing.err is None
    assert balance["result"]["value"]["amount"] == str(10**9)
    assert await node.account(wrapped) is None
    fees = wrapping.fee_lamports + closing.fee_lamports
    assert await node.held(SOL) == before - fees


async def test_an_account_may_not_fall_below_its_rent(node: Market) -> None:
    friend = await node.trader(0)
    give = transfer(
        TransferParams(from_pubkey=node.wallet.address, to_pubkey=friend.address, lamports=1)
    )

    landed = await node.executed(give)

    assert landed.err == {"InsufficientFundsForRent": {"account_index": 1}}
    assert onchain_error(landed.err, landed.logs).code == "insufficient_funds"
