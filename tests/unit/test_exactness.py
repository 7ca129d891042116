"""What random swaps pay on a simulated chain are their quotes, and a difference is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.simulator.chain.ledger_rows import LedgerEntry
from backend.simulator.wire.transaction_parser import ParsedTransaction
from backend.trials.exactness.command import exactness
from backend.trials.exactness.run import ExactnessRun
from backend.trials.exactness.trader import Trader
from backend.venues import MAINNET_VENUES


@pytest.fixture
def trader(tmp_path: Path) -> Iterator[Trader]:
    opened = Trader(tmp_path, seed=3)
    yield opened
    opened.chain.close()


@pytest.mark.long
def test_every_program_pays_what_was_quoted_alone_and_in_splits(trader: Trader) -> None:
    result = ExactnessRun(trader, seed=3).run(400)
    assert result.differences == []
    assert result.swaps.total() >= 400
    programs = {f"{venue.dex} {venue.name}" for venue in MAINNET_VENUES.hosted}
    assert {program for program, count in result.swaps.items() if count > 10} == programs
    assert result.refusals.total() > 10
    kinds = {kind for kind, count in result.transactions.items() if count}
    assert kinds >= {"one swap", "split over 2 pools", "split over 3 pools", "route over two hops"}


class LateTrader(Trader):
    """One whose transactions land in another slot than that of their quotes."""

    def land(self, transaction: ParsedTransaction) -> LedgerEntry:
        self.advance(1)
        return super().land(transaction)


def test_a_swap_in_another_state_than_it_was_quoted_in_is_a_difference(tmp_path: Path) -> None:
    trader = LateTrader(tmp_path, seed=1)
    result = ExactnessRun(trader, seed=1).run(1_000)
    trader.chain.close()
    assert result.differences
    assert result.transactions.total() < 100


def test_the_command_prints_a_table_of_programs() -> None:
    run = CliRunner().invoke(exactness, ["--swaps", "20"])
    assert run.exit_code == 0, run.output
    assert "raydium cpmm" in run.output
    assert ": ok" in run.output
