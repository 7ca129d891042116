"""The simulated chain executes and records several swaps in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from backend.domain.tokens import JUP
from backend.simulator.chain.ledger import Ledger
from backend.simulator.chain.ledger_rows import LedgerEntry
from backend.simulator.programs.runtime import ExecutionResult
from backend.simulator.wire.transaction_parser import ParsedTransaction
from backend.trials.audit.evidence import parse_swaps
from backend.trials.exactness.trader import PoolLocation, Trader
from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM
from backend.venues.venue import Pool, Venue
from tests.pools import SOL, USDC

JUP_MINT = Pubkey.from_string(JUP.mint)
Leg = tuple[Venue, Pubkey, Pubkey, int, int]
"""A program, the mints in and out, the amount in, and what the minimum is above the quote."""

OLD_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE transactions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    signature TEXT NOT NULL UNIQUE,
    slot INTEGER NOT NULL,
    err TEXT,
    wire BLOB NOT NULL,
    receipt BLOB NOT NULL,
    owner TEXT, pool TEXT, mint_in TEXT, mint_out TEXT, amount_in TEXT, amount_out TEXT
);
INSERT INTO transactions (signature, slot, wire, receipt, owner, pool, mint_in, mint_out,
    amount_in, amount_out) VALUES ('one', 7, x'', x'', 'me', 'pool', 'in', 'out', '5', '6'),
    ('two', 8, x'', x'', 'me', NULL, NULL, NULL, NULL, NULL);
"""
"""As it was before a transaction could have several swaps."""


@pytest.fixture(scope="module")
def trader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    opened = Trader(tmp_path_factory.mktemp("routes"), seed=1)
    yield opened
    opened.chain.close()


def read_pool(trader: Trader, venue: Venue, mint_in: Pubkey, mint_out: Pubkey, amount: int) -> Pool:
    address = venue.derive_pool_address(mint_in, mint_out)
    return trader.read_pool(PoolLocation(venue, address, (mint_in, mint_out)), mint_in, amount)


def sign_route(trader: Trader, legs: Sequence[Leg]) -> tuple[ParsedTransaction, list[int]]:
    """The transaction, and what each leg is quoted to pay."""
    swaps, quoted = [], []
    for venue, mint_in, mint_out, amount, above in legs:
        pool = read_pool(trader, venue, mint_in, mint_out, amount)
        quoted.append(pool.quote(mint_in, amount).amount_out)
        minimum = quoted[-1] + above
        swaps.append(trader.build_swap(pool, (mint_in, mint_out), amount, minimum))
    return trader.sign(swaps), quoted


def land_route(trader: Trader, legs: Sequence[Leg]) -> tuple[LedgerEntry, list[int]]:
    transaction, quoted = sign_route(trader, legs)
    return trader.land(transaction), quoted


def test_a_split_is_one_transaction_with_the_sums_and_all_its_swaps(trader: Trader) -> None:
    totals = trader.chain.ledger.compute_totals()
    legs: list[Leg] = [
        (CPMM, SOL, USDC, 10**9, 0),
        (AMM_V4, SOL, USDC, 2 * 10**9, 0),
        (DAMM_V2, SOL, USDC, 3 * 10**9, 0),
    ]
    entry, quoted = land_route(trader, legs)
    assert entry.err is None
    assert entry.to_json() == asdict(entry)
    assert (entry.mint_in, entry.mint_out) == (str(SOL), str(USDC))
    assert (entry.amount_in, entry.amount_out) == (str(6 * 10**9), str(sum(quoted)))
    assert [int(swap.amount_in) for swap in entry.swaps] == [10**9, 2 * 10**9, 3 * 10**9]
    assert [int(swap.amount_out) for swap in entry.swaps] == quoted
    assert entry.pool == entry.swaps[2].pool == str(DAMM_V2.derive_pool_address(SOL, USDC))
    [again] = trader.chain.ledger.list_entries(entry.number - 1, 1)
    assert again == entry
    after = trader.chain.ledger.compute_totals()
    assert after["swaps"] == totals["swaps"] + 1, "it is one execution"  # type: ignore[operator]


def test_a_route_over_two_hops_leaves_what_its_second_leg_does_not_spend(trader: Trader) -> None:
    pool = read_pool(trader, AMM_V4, USDC, SOL, 10**8)
    middle = pool.quote(USDC, 10**8).amount_out - 1_000
    had = [trader.read_balance(mint) for mint in (USDC, SOL, JUP_MINT)]
    entry, quoted = land_route(
        trader, [(AMM_V4, USDC, SOL, 10**8, 0), (DAMM_V2, SOL, JUP_MINT, middle, 0)]
    )
    assert entry.err is None
    assert (entry.mint_in, entry.amount_in) == (str(USDC), str(10**8))
    assert (entry.mint_out, entry.amount_out) == (str(JUP_MINT), str(quoted[1]))
    has = [trader.read_balance(mint) for mint in (USDC, SOL, JUP_MINT)]
    assert [b - a for a, b in zip(had, has, strict=True)] == [-(10**8), 1_000, quoted[1]]
    [swap] = parse_swaps([asdict(entry)])
    assert (swap.amount_in, swap.amount_out) == (10**8, quoted[1])
    assert swap.list_residuals() == {str(SOL): 1_000}


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_route_whose_leg_fails_moves_nothing(trader: Trader, failing: int) -> None:
    mints = (SOL, USDC)
    had = [trader.read_balance(mint) for mint in mints]
    legs: list[Leg] = [
        (CPMM, SOL, USDC, 10**9, int(failing == 0)),
        (DAMM_V2, SOL, USDC, 10**9, int(failing == 1)),
        (AMM_V4, SOL, USDC, 10**9, int(failing == 2)),
    ]
    before = [read_pool(trader, leg[0], SOL, USDC, 10**9).encode_quote_accounts() for leg in legs]
    entry, _ = land_route(trader, legs)
    assert entry.err is not None
    assert [trader.read_balance(mint) for mint in mints] == had
    assert entry.amount_out == "0"
    assert [swap.amount_out for swap in entry.swaps] == ["0"] * (failing + 1), "so far as it came"
    for accounts in before:
        assert {key: trader.chain.get_account(key) for key in accounts} == accounts
    assert parse_swaps([asdict(entry)]) == []


def test_two_swaps_of_one_pool_follow_each_other(trader: Trader) -> None:
    pool = read_pool(trader, CPMM, SOL, USDC, 10**12)
    first, after = pool.after_swap(SOL, 10**12)
    second, _ = after.after_swap(SOL, 10**12)
    assert second < first
    swaps = [trader.build_swap(pool, (SOL, USDC), 10**12, minimum) for minimum in (first, second)]
    entry = trader.land(trader.sign(swaps))
    assert [int(swap.amount_out) for swap in entry.swaps] == [first, second]


def simulate(trader: Trader, venue: Venue, amount: int) -> ExecutionResult:
    transaction, _ = sign_route(trader, [(venue, SOL, USDC, amount, 0)])
    return trader.chain.simulate(transaction)


@pytest.mark.parametrize(
    ("venue", "each", "amount"), [(CLMM, 10_000, 3 * 10**14), (DLMM, 12_000, 10**14)]
)
def test_a_swap_over_more_arrays_takes_more_compute_units(
    trader: Trader, venue: Venue, each: int, amount: int
) -> None:
    small, large = (simulate(trader, venue, size) for size in (10**6, amount))
    assert small.err is large.err is None
    more = large.compute_units - small.compute_units
    assert more > 0
    assert more % each == 0


def test_compute_units_add_up_over_the_swaps_of_a_transaction(trader: Trader) -> None:
    singles = [simulate(trader, venue, 10**6).compute_units for venue in (CPMM, AMM_V4)]
    legs: list[Leg] = [(venue, SOL, USDC, 10**6, 0) for venue in (CPMM, AMM_V4)]
    both = trader.chain.simulate(sign_route(trader, legs)[0]).compute_units
    overhead = singles[0] - 38_000
    assert singles[1] - 30_000 == overhead
    assert both == overhead + 38_000 + 30_000


def test_a_ledger_of_before_routes_opens(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(OLD_SCHEMA)
    old.close()
    for _ in range(2):
        ledger = Ledger(path)
        first, second = ledger.list_entries(0, 10)
        assert [asdict(swap) for swap in first.swaps] == [
            {
                "pool": "pool",
                "mint_in": "in",
                "mint_out": "out",
                "amount_in": "5",
                "amount_out": "6",
            }
        ]
        assert (first.amount_in, first.amount_out) == ("5", "6")
        assert second.swaps == []
        assert ledger.compute_totals()["tokens"] == {
            "in": {"in": 5, "out": 0},
            "out": {"in": 0, "out": 6},
        }
        ledger.close()


def test_an_old_ledger_records_routes(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chain.sqlite") as old:
        old.executescript(OLD_SCHEMA)
    old.close()
    trader = Trader(tmp_path, seed=1)
    legs: list[Leg] = [(venue, SOL, USDC, 10**9, 0) for venue in (CPMM, DAMM_V2)]
    entry, quoted = land_route(trader, legs)
    assert [int(swap.amount_out) for swap in entry.swaps] == quoted
    trader.chain.close()
