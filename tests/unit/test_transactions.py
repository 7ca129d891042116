"""Transactions are built whole and signed for known programs only; their errors are read."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.chain.bundles.tips import Tip
from backend.chain.compute_budget import ComputeBudget
from backend.chain.messages import WIRE_BYTES_MAX
from backend.chain.outcomes import classify_onchain_error
from backend.chain.rpc.results import Blockhash
from backend.chain.transaction_costs import has_transfer
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_swap,
    derive_wrap_seed,
)
from backend.chain.wallet import create_paper_wallet
from backend.domain.amounts import U64_MAX
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.orders import SignedTransaction
from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM, MAINNET_VENUES
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import NATIVE_MINT, SYSTEM_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from tests.pools import SOL, USDC

JUP = Pubkey.from_string("JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN")
RECENT_BLOCKHASH = Blockhash(Hash(bytes(range(32))), 1_150, 1_000)
ORDER_ID = UUID(int=42)


def create_pool(venue: HostedVenue, a: Pubkey, b: Pubkey) -> HostedPool:
    return venue.create_pool(a, b, 10**15, 10**14, fee_e9=3_000_000)


def build_transaction(
    venue: HostedVenue = CPMM,
    pair: tuple[Pubkey, Pubkey] = (SOL, USDC),
    *,
    seed: str = derive_wrap_seed(ORDER_ID, 1),
) -> SignedTransaction:
    legs = [SwapLeg(create_pool(venue, *pair), 10**9, 1)]
    swap = SwapParameters(legs, pair[0], pair[1], seed)
    wallet = create_paper_wallet()
    return build_swap(swap, wallet.address, RECENT_BLOCKHASH, ComputeBudget()).sign(wallet)


def read_message(signed: SignedTransaction) -> MessageV0:
    transaction = VersionedTransaction.from_bytes(signed.wire)
    assert all(transaction.verify_with_results())
    assert isinstance(transaction.message, MessageV0)
    return transaction.message


def test_a_tip_is_paid_in_the_end_and_left_out_where_there_is_no_room() -> None:
    wallet, tip = create_paper_wallet(), Tip(Pubkey(bytes([9] * 32)), 12_345)
    for venues, is_tipped in (((CPMM,), True), ((AMM_V4, CLMM), False), ((DLMM, DAMM_V2), False)):
        legs = [SwapLeg(create_pool(venue, SOL, USDC), 10**9, 1) for venue in venues]
        swap = SwapParameters(legs, SOL, USDC, derive_wrap_seed(ORDER_ID, 1))
        signed = build_swap(swap, wallet.address, RECENT_BLOCKHASH, ComputeBudget(), tip=tip).sign(
            wallet
        )
        message = read_message(signed)
        last = message.instructions[-1]
        assert has_transfer(signed.wire) == is_tipped == (tip.account in message.account_keys)
        if is_tipped:
            assert message.account_keys[last.program_id_index] == SYSTEM_PROGRAM
            paid = [message.account_keys[each] for each in last.accounts]
            assert (paid, last.data[4:]) == (
                [wallet.address, tip.account],
                struct.pack("<Q", 12_345),
            )


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
@pytest.mark.parametrize("pair", [(SOL, USDC), (USDC, SOL), (USDC, JUP)])
def test_a_swap_is_one_signed_transaction_that_fits_a_packet(
    venue: HostedVenue, pair: tuple[Pubkey, Pubkey]
) -> None:
    signed = build_transaction(venue, pair)

    message = read_message(signed)
    assert signed.signature == str(VersionedTransaction.from_bytes(signed.wire).signatures[0])
    assert signed.last_valid_height == RECENT_BLOCKHASH.last_valid_height
    assert message.recent_blockhash == RECENT_BLOCKHASH.hash
    assert message.account_keys[0] == create_paper_wallet().address
    assert message.header.num_required_signatures == 1
    assert len(signed.wire) < WIRE_BYTES_MAX
    programs = [message.account_keys[i.program_id_index] for i in message.instructions]
    assert programs.count(venue.program) == 1
    wraps = SOL in pair
    assert programs.count(TOKEN_PROGRAM) == (2 if wraps else 0)
    assert programs.count(SYSTEM_PROGRAM) == (1 if wraps else 0)


def test_two_orders_never_share_a_temporary_account() -> None:
    seeds = {derive_wrap_seed(UUID(int=n), attempt) for n in range(50) for attempt in range(1, 4)}

    assert len(seeds) == 150
    assert max(len(seed) for seed in seeds) <= 32
    first, second = (
        build_transaction(seed=derive_wrap_seed(ORDER_ID, 1)),
        build_transaction(seed=derive_wrap_seed(ORDER_ID, 2)),
    )
    owner = create_paper_wallet().address
    temporary = Pubkey.create_with_seed(owner, derive_wrap_seed(ORDER_ID, 1), TOKEN_PROGRAM)
    assert temporary in read_message(first).account_keys
    assert temporary not in read_message(second).account_keys


def test_equal_orders_are_different_transactions() -> None:
    pair = (USDC, JUP)
    first, second = (
        build_transaction(pair=pair, seed=derive_wrap_seed(UUID(int=n), 1)) for n in (1, 2)
    )

    assert first.signature != second.signature


def test_the_same_order_and_attempt_is_the_same_transaction() -> None:
    assert build_transaction() == build_transaction()


def test_a_swap_without_a_minimum_is_never_signed() -> None:
    swap = SwapParameters([SwapLeg(create_pool(CPMM, SOL, USDC), 10**9, 0)], SOL, USDC, "seed")

    with pytest.raises(AssertionError):
        build_swap(swap, create_paper_wallet().address, RECENT_BLOCKHASH, ComputeBudget())


class FixedInstructionPool:
    """A pool whose swap is a given instruction."""

    def __init__(self, pool: HostedPool, instruction: Instruction) -> None:
        self._pool = pool
        self._instruction = instruction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def swap_instruction(self, *_: object) -> Instruction:
        return self._instruction


def test_a_program_that_is_not_known_is_never_signed_for() -> None:
    alien = Instruction(Pubkey(bytes([5] * 32)), b"", [])
    pool = FixedInstructionPool(create_pool(CPMM, SOL, USDC), alien)
    swap = SwapParameters([SwapLeg(pool, 1, 1)], SOL, USDC, "seed")

    with pytest.raises(AssertionError, match="refusing to sign"):
        build_swap(swap, create_paper_wallet().address, RECENT_BLOCKHASH, ComputeBudget())


def test_a_transaction_that_fits_no_packet_is_rejected() -> None:
    keys = [
        AccountMeta(Pubkey(bytes([n] * 32)), is_signer=False, is_writable=True)
        for n in range(50, 90)
    ]
    wide = FixedInstructionPool(create_pool(CPMM, SOL, USDC), Instruction(CPMM.program, b"", keys))

    with pytest.raises(Rejected) as error:
        build_swap(
            SwapParameters([SwapLeg(wide, 1, 1)], SOL, USDC, "seed"),
            create_paper_wallet().address,
            RECENT_BLOCKHASH,
            ComputeBudget(),
        )

    assert error.value.code == "transaction_too_large"


def make_program_logs(program: Pubkey, code: int, *inner: str) -> list[str]:
    return [f"Program {program} invoke [1]", *inner, f"Program {program} failed: custom {code}"]


INSUFFICIENT_FUNDS_LOG = f"Program {TOKEN_PROGRAM} failed: custom program error: 0x1"
SLIPPAGE_LOG = "Program log: AnchorError occurred. Error Code: ExceededSlippage. Error Number: {}."


@pytest.mark.parametrize(
    ("err", "logs", "kind", "code"),
    [
        (
            6005,
            make_program_logs(CPMM.program, 6005, SLIPPAGE_LOG.format(6005)),
            Transient,
            "slippage",
        ),
        (
            6002,
            make_program_logs(DAMM_V2.program, 6002, SLIPPAGE_LOG.format(6002)),
            Transient,
            "slippage",
        ),
        (6000, make_program_logs(CPMM.program, 6000), Rejected, "pool_disabled"),
        (
            1,
            make_program_logs(CPMM.program, 1, INSUFFICIENT_FUNDS_LOG),
            Rejected,
            "insufficient_funds",
        ),
        (17, make_program_logs(TOKEN_2022_PROGRAM, 17), Rejected, "account_frozen"),
        (4, make_program_logs(TOKEN_PROGRAM, 4), Rejected, "wrong_owner"),
        (9, make_program_logs(TOKEN_PROGRAM, 9), Rejected, "token_error"),
        (1, make_program_logs(SYSTEM_PROGRAM, 1), Rejected, "insufficient_funds"),
        (0, make_program_logs(SYSTEM_PROGRAM, 0), Rejected, "system_error"),
        (3, make_program_logs(NATIVE_MINT, 3), Rejected, "program_error"),
        (6005, [], Transient, "failed_on_chain"),
    ],
)
def test_a_program_error_is_read_by_the_program_that_failed_first(
    err: int, logs: list[str], kind: type[EngineError], code: str
) -> None:
    error = classify_onchain_error(
        {"InstructionError": [3, {"Custom": err}]}, logs, MAINNET_VENUES.all
    )

    assert type(error) is kind
    assert error.code == code
    assert error.reason


@pytest.mark.parametrize(
    ("err", "kind", "code"),
    [
        ("InsufficientFundsForFee", Rejected, "insufficient_funds"),
        ("AccountNotFound", Rejected, "insufficient_funds"),
        ({"InsufficientFundsForRent": {"account_index": 0}}, Rejected, "insufficient_funds"),
        ("InvalidAccountForFee", Rejected, "invalid_wallet"),
        ("SignatureFailure", Rejected, "signature_failure"),
        ("BlockhashNotFound", Transient, "blockhash_not_found"),
        ("WouldExceedMaxBlockCostLimit", Transient, "node_busy"),
        ({"InstructionError": [0, "ComputationalBudgetExceeded"]}, Transient, "out_of_compute"),
        ({"InstructionError": [0, "ProgramFailedToComplete"]}, Transient, "out_of_compute"),
        ({"InstructionError": [0, "InsufficientFunds"]}, Rejected, "insufficient_funds"),
        ({"InstructionError": [0, {"BorshIoError": "x"}]}, Rejected, "transaction_refused"),
        ({"InstructionError": 7}, Rejected, "transaction_refused"),
        ({}, Rejected, "transaction_refused"),
        ("SomethingNew", Rejected, "transaction_refused"),
    ],
)
def test_an_error_of_the_runtime_is_read_by_its_word(
    err: object, kind: type[EngineError], code: str
) -> None:
    error = classify_onchain_error(err, [], MAINNET_VENUES.all)

    assert type(error) is kind
    assert error.code == code


def test_an_amount_of_sol_that_no_account_can_hold_is_rejected() -> None:
    legs = [SwapLeg(create_pool(CPMM, SOL, USDC), U64_MAX, 1)]
    swap = SwapParameters(legs, SOL, USDC, derive_wrap_seed(ORDER_ID, 1))
    with pytest.raises(Rejected) as error:
        build_swap(swap, create_paper_wallet().address, RECENT_BLOCKHASH, ComputeBudget())
    assert error.value.code == "amount_too_large"
