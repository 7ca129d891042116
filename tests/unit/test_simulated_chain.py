"""Whatever bytes arrive, the simulated chain reads them or refuses them, and no value is made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.rpc_results import Blockhash
from backend.chain.transactions import Budget, Swap, build, wrap_seed
from backend.chain.wallet import paper_wallet
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.ledger import LedgerInUse
from backend.simulator.options import SimulatedOptions
from backend.simulator.programs.runtime import Outcome, Refused
from backend.simulator.wire import base58
from backend.simulator.wire.transaction_parser import Malformed, Parsed, parse
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedVenue
from tests.pools import SOL, USDC

SIGNATURES_END = 65
NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    opened = Chain(SimulatedOptions(), tmp_path_factory.mktemp("chain"), lambda: NOW)
    yield opened
    opened.close()


def swap_wire(chain: Chain, venue: HostedVenue, number: int = 1) -> bytes:
    slot = chain.clock.slot()
    height = chain.clock.height(slot)
    recent = Blockhash(chain.clock.blockhash(height), height + 150, slot)
    pool = chain.pools.get(venue.pool_address(SOL, USDC), slot)
    assert pool is not None
    swap = Swap(pool, SOL, USDC, 10**9, 1, wrap_seed(UUID(int=number), 1))
    return build(swap, paper_wallet(), recent, Budget()).wire


def flipped(wire: bytes, flips: dict[int, int]) -> bytes:
    changed = bytearray(wire)
    for place, value in flips.items():
        changed[place % len(wire)] = value
    return bytes(changed)


FLIPS = st.dictionaries(st.integers(SIGNATURES_END, 1_200), st.integers(0, 255), max_size=4)


@given(st.binary(max_size=1_300))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse(data)


@given(venue=st.sampled_from([CPMM, DAMM_V2]), flips=FLIPS)
def test_a_garbled_transaction_makes_no_value(
    chain: Chain, venue: HostedVenue, flips: dict[int, int]
) -> None:
    try:
        parsed = parse(flipped(swap_wire(chain, venue), flips))
        outcome = chain.attempt(parsed)
    except (Malformed, Refused):
        return

    check_conserved(parsed, outcome)


def check_conserved(parsed: Parsed, outcome: Outcome) -> None:
    before, after = outcome.lamports
    assert sum(after) == sum(before) - parsed.fee
    # Wrapped SOL is lamports.
    for mint in {held.mint for held in outcome.tokens} - {str(SOL)}:
        held = [h for h in outcome.tokens if h.mint == mint]
        assert sum(h.after or 0 for h in held) == sum(h.before or 0 for h in held)


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
def test_what_lands_is_what_was_attempted(chain: Chain, venue: HostedVenue) -> None:
    parsed = parse(swap_wire(chain, venue, 7))
    expected = chain.attempt(parsed)
    check_conserved(parsed, expected)

    assert chain.land([parsed, parsed]) == [parsed]

    receipt = chain.ledger.receipt(parsed.signature)
    assert receipt is not None
    assert list(receipt.tokens) == list(expected.tokens)
    assert receipt.fee == parsed.fee


def test_one_folder_is_one_nodes(tmp_path: Path) -> None:
    first = Chain(SimulatedOptions(), tmp_path, lambda: NOW)
    with pytest.raises(LedgerInUse):
        Chain(SimulatedOptions(), tmp_path, lambda: NOW)
    first.close()

    Chain(SimulatedOptions(), tmp_path, lambda: NOW).close()


@given(st.binary(max_size=80))
def test_base58_comes_back_as_it_was(data: bytes) -> None:
    assert base58.decode(base58.encode(data)) == data
