"""Fills: what a transaction brought and left, as its balances before and after it tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.chain.bundles.tips import Tip
from backend.chain.compute_budget import ComputeBudget
from backend.chain.outcomes import Fill, Residual, read_fill
from backend.chain.rpc.results import LandedTransaction, TokenBalance
from backend.chain.transaction_costs import read_fees
from backend.chain.transactions import SwapLeg, SwapParameters, build_swap
from backend.chain.wallet import create_paper_wallet
from backend.domain.amounts import TransactionCosts
from backend.venues import CPMM
from backend.venues.spl import NATIVE_MINT
from tests.pools import USDC
from tests.unit.test_transactions import (
    JUP,
    RECENT_BLOCKHASH,
    build_transaction,
    create_pool,
    read_message,
)

RENT = 2_039_280
COSTS = TransactionCosts(5_120, 120)
VAULT = {9: TokenBalance(str(USDC), str(CPMM.program), 10**9)}


def make_landed(
    before: dict[int, TokenBalance],
    after: dict[int, TokenBalance],
    lamports: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> LandedTransaction:
    return LandedTransaction(
        slot=77,
        err=None,
        fee_lamports=5_120,
        logs=(),
        units=None,
        lamports_before=tuple(lamports[0]),
        lamports_after=tuple(lamports[1]),
        tokens_before=VAULT | before,
        tokens_after=VAULT | after,
        wire=build_transaction().wire,
    )


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_a_fill_is_what_the_owners_accounts_gained(balance: int, received: int) -> None:
    owner, vault = create_paper_wallet().address, str(CPMM.program)
    before = {
        1: TokenBalance(str(USDC), str(owner), balance),
        2: TokenBalance(str(USDC), vault, 2**63),
        3: TokenBalance(str(JUP), str(owner), 9),
    }
    after = {**before, 1: TokenBalance(str(USDC), str(owner), balance + received)}

    assert read_fill(make_landed(before, after), owner, NATIVE_MINT, USDC) == Fill(
        received, 77, COSTS
    )


def test_a_fill_into_a_new_account_is_all_that_it_holds_and_costs_its_rent() -> None:
    owner = create_paper_wallet().address
    after = {
        4: TokenBalance(str(USDC), str(owner), 123),
        5: TokenBalance(str(NATIVE_MINT), str(owner), 7),
        6: TokenBalance(str(USDC), str(CPMM.program), 1),
    }
    # Somebody has sent lamports to the address before, and wrapped SOL is not rent.
    lamports = [10**9, 0, 0, 0, 1_000, 0, 0], [0, 0, 0, 0, RENT, RENT + 7, RENT]
    fill = read_fill(make_landed({}, after, lamports), owner, JUP, USDC)
    assert (fill.amount_out, fill.costs) == (123, COSTS._replace(rent=2 * RENT - 1_000))


def test_a_record_without_the_tokens_before_a_swap_tells_no_fill() -> None:
    owner = create_paper_wallet().address
    count = len(read_message(build_transaction()).account_keys)
    lamports = [10**9] * count, [10**9 + 500] * count
    after = {4: TokenBalance(str(USDC), str(owner), 123)}
    for mint_out in (USDC, NATIVE_MINT):
        landed = replace(make_landed({}, after, lamports), tokens_before={})
        with pytest.raises(ValueError, match="missing"):
            read_fill(landed, owner, JUP, mint_out)


def test_a_reverted_transaction_has_cost_its_fee_by_the_number_of_its_signatures() -> None:
    reverted = replace(make_landed({}, {}), err="AccountInUse")
    assert read_fees(reverted) == TransactionCosts(5_120, 120)
    two = replace(reverted, wire=b"\x02" + reverted.wire[1:], fee_lamports=10_000)
    assert read_fees(two) == TransactionCosts(10_000, 0)


def test_a_fill_of_sol_is_the_lamports_and_the_fee_that_they_paid() -> None:
    count = len(read_message(build_transaction()).account_keys)
    before, after = [10**9] * count, [10**9 + 500 - 5_120, *[10**9] * (count - 1)]

    owner = create_paper_wallet().address
    filled = read_fill(make_landed({}, {}, (before, after)), owner, USDC, NATIVE_MINT)

    assert filled == Fill(500, 77, COSTS)


def test_a_fill_of_sol_is_what_arrived_before_the_tip_was_paid() -> None:
    wallet, tip = create_paper_wallet(), Tip(Pubkey(bytes([9] * 32)), 12_345)
    legs = [SwapLeg(create_pool(CPMM, USDC, NATIVE_MINT), 10**9, 1)]
    swap = SwapParameters(legs, USDC, NATIVE_MINT, "0" * 32)
    signed = build_swap(swap, wallet.address, RECENT_BLOCKHASH, ComputeBudget(), tip=tip)
    keys = read_message(signed.sign(wallet)).account_keys
    before, after = [10**9] * len(keys), [10**9] * len(keys)
    after[0] += 500 - 5_120 - 12_345
    after[keys.index(tip.account)] += 12_345
    landed = replace(make_landed({}, {}, (before, after)), wire=signed.sign(wallet).wire)

    filled = read_fill(landed, wallet.address, USDC, NATIVE_MINT)
    assert filled == Fill(500, 77, COSTS._replace(tip=12_345))


def test_what_is_left_of_other_tokens_is_part_of_a_fill() -> None:
    owner, other = create_paper_wallet().address, Pubkey(bytes([5] * 32))
    count = len(read_message(build_transaction()).account_keys)
    before, after = [10**9] * count, [10**9] * count
    after[0] += 500 - 5_120 - RENT  # SOL is left too, and the account of the token out is new
    before[3], after[3] = 0, RENT
    tokens_before = {
        1: TokenBalance(str(USDC), str(owner), 100),
        2: TokenBalance(str(other), str(owner), 7),
        4: TokenBalance(str(JUP), str(CPMM.program), 1),
    }
    tokens_after = {
        1: TokenBalance(str(USDC), str(owner), 0),
        2: TokenBalance(str(other), str(owner), 10),
        3: TokenBalance(str(JUP), str(owner), 42),
        4: TokenBalance(str(JUP), str(CPMM.program), 9),
    }

    landed = make_landed(tokens_before, tokens_after, (before, after))
    residuals = (Residual(str(other), 3), Residual(str(NATIVE_MINT), 500))
    costs = COSTS._replace(rent=RENT)
    assert read_fill(landed, owner, USDC, JUP) == Fill(42, 77, costs, residuals)
