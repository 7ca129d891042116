"""The simulated chain parses or refuses arbitrary bytes, and no transaction creates value."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.compute_budget import ComputeBudget
from backend.chain.rpc.results import Blockhash
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_swap,
    derive_wrap_seed,
)
from backend.chain.wallet import create_paper_wallet
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.ledger import LedgerInUse
from backend.simulator.options import SimulatorOptions
from backend.simulator.programs.runtime import ExecutionResult, TransactionRefused
from backend.simulator.wire import base58
from backend.simulator.wire.transaction_parser import (
    MalformedTransaction,
    ParsedTransaction,
    parse_transaction,
)
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedVenue
from tests.pools import SOL, USDC

SIGNATURES_END = 65
NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    simulated_chain = Chain(SimulatorOptions(), tmp_path_factory.mktemp("chain"), lambda: NOW)
    yield simulated_chain
    simulated_chain.close()


def build_swap_wire(chain: Chain, venue: HostedVenue, number: int = 1) -> bytes:
    slot = chain.clock.slot()
    height = chain.clock.height(slot)
    recent = Blockhash(chain.clock.blockhash(height), height + 150, slot)
    pool = chain.pools.get_pool(venue.derive_pool_address(SOL, USDC), slot)
    assert pool is not None
    legs = [SwapLeg(pool, 10**9, 1)]
    swap = SwapParameters(legs, SOL, USDC, derive_wrap_seed(UUID(int=number), 1))
    wallet = create_paper_wallet()
    return build_swap(swap, wallet.address, recent, ComputeBudget()).sign(wallet).wire


def replace_bytes(wire: bytes, flips: dict[int, int]) -> bytes:
    changed = bytearray(wire)
    for offset, value in flips.items():
        changed[offset % len(wire)] = value
    return bytes(changed)


FLIPS = st.dictionaries(st.integers(SIGNATURES_END, 1_200), st.integers(0, 255), max_size=4)


@given(st.binary(max_size=1_300))
def test_arbitrary_bytes_are_parsed_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedTransaction):
        parse_transaction(data)


@given(venue=st.sampled_from([CPMM, DAMM_V2]), flips=FLIPS)
def test_a_corrupted_transaction_creates_no_value(
    chain: Chain, venue: HostedVenue, flips: dict[int, int]
) -> None:
    try:
        transaction = parse_transaction(replace_bytes(build_swap_wire(chain, venue), flips))
        result = chain.simulate(transaction)
    except (MalformedTransaction, TransactionRefused):
        return

    check_conserved(transaction, result)


def check_conserved(transaction: ParsedTransaction, result: ExecutionResult) -> None:
    before, after = result.lamports
    assert sum(after) == sum(before) - transaction.fee
    # Wrapped SOL is part of the lamports.
    for mint in {balance.mint for balance in result.tokens} - {str(SOL)}:
        balances = [each for each in result.tokens if each.mint == mint]
        total_before = sum(each.amount_before or 0 for each in balances)
        assert sum(each.amount_after or 0 for each in balances) == total_before


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
def test_a_landed_transaction_has_the_simulated_effects(chain: Chain, venue: HostedVenue) -> None:
    transaction = parse_transaction(build_swap_wire(chain, venue, 7))
    expected = chain.simulate(transaction)
    check_conserved(transaction, expected)

    assert chain.land_batch([transaction, transaction]) == [transaction]

    receipt = chain.ledger.find_receipt(transaction.signature)
    assert receipt is not None
    assert list(receipt.tokens) == list(expected.tokens)
    assert receipt.fee == transaction.fee


def test_a_data_directory_can_be_open_in_one_node_only(tmp_path: Path) -> None:
    first = Chain(SimulatorOptions(), tmp_path, lambda: NOW)
    with pytest.raises(LedgerInUse):
        Chain(SimulatorOptions(), tmp_path, lambda: NOW)
    first.close()

    Chain(SimulatorOptions(), tmp_path, lambda: NOW).close()


@given(st.binary(max_size=80))
def test_base58_decodes_what_it_encodes(data: bytes) -> None:
    assert base58.decode(base58.encode(data)) == data
