"""The printed output of a chaos run: its schedule, its progress, and its table of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from backend.trials.audit.records import CancelObservations, Violation, ViolationKind
from backend.trials.chaos.runner import TurnResult
from backend.trials.chaos.scenarios import SCENARIOS
from backend.trials.chaos.schedule import SHORT_ORDERS, Turn
from backend.trials.chaos.timing import LEASE_S, recovery_bound_s

VIOLATIONS_SHOWN: Final = 20


class ChaosReport:
    """Prints the output to a console."""

    def __init__(self, machine_s: float, console: Console | None = None) -> None:
        self._machine_s = machine_s
        self._console = console or Console()
        if not self._console.is_terminal:
            self._console.width = 140

    def print_scenarios(self) -> None:
        """Print each scenario with its description."""
        for name, scenario in SCENARIOS.items():
            self._print(f"{name:<24} {scenario.description}")

    def print_schedule(self, turns: Sequence[Turn]) -> None:
        """Print the planned faults of each turn."""
        for turn in turns:
            self._print(f"{turn.number}. {turn.name}: {turn.orders} orders in {turn.post_s:g} s")
            for fault in turn.faults:
                self._print(f"   {fault}")

    def print_start(self, data_dir: Path, turns: int) -> None:
        """Print that a run begins."""
        self._print(f"starting all processes in {data_dir} for {turns} turns")

    def print_turn(self, number: int, turns: int, result: TurnResult) -> None:
        """Print the result of one turn."""
        ends = ", ".join(f"{count} {status}" for status, count in result.end_counts.items())
        verdict = "ok" if result.has_passed else "FAILED"
        self._print(
            f"{number:>3}/{turns} {result.scenario:<24} {result.orders} orders: {ends};"
            f" {result.faults_injected} faults, {result.errors} requests retried,"
            f" recovered in {result.recovery_s:.2f} s  {verdict}"
        )
        self.print_violations(result.violations)
        if result.faults_injected < result.faults_planned:
            ineffective = result.faults_planned - result.faults_injected
            self._print(f"        {ineffective} faults did not take effect")

    def print_violations(self, violations: Sequence[Violation]) -> None:
        """Print the first violations."""
        for violation in violations[:VIOLATIONS_SHOWN]:
            self._print(f"        {violation.kind}: {violation.message}")
        if len(violations) > VIOLATIONS_SHOWN:
            self._print(f"        … and {len(violations) - VIOLATIONS_SHOWN} more")

    def print_table(self, results: Sequence[TurnResult], seconds: float) -> None:
        """Print the table: a line for each scenario, and one for all."""
        within_s = recovery_bound_s(SHORT_ORDERS, self._machine_s)
        table = Table(
            title=f"Chaos: {sum(result.orders for result in results):,} orders,"
            f" {sum(result.faults_injected for result in results):,} faults, {seconds:.0f} s",
            caption=f"recovery: longest time from the last fault to an order's end; for"
            f" {SHORT_ORDERS} orders at most {within_s:.1f} s, of which the lease is"
            f" {LEASE_S:g} s",
        )
        table.add_column("scenario")
        for column in ("orders", "confirmed", "faults", *ViolationKind, "recovery"):
            table.add_column(column, justify="right")
        for name in dict.fromkeys(result.scenario for result in results):
            table.add_row(name, *_format_cells([r for r in results if r.scenario == name]))
        if len(results) > 1:
            table.add_section()
            table.add_row("all", *_format_cells(results))
        self._console.print(table)
        cancels = CancelObservations.merge(result.cancels for result in results)
        if cancels.answers:
            self._print(
                f"orders that clients cancelled: {cancels.count_orders(is_cancelled=True):,}"
                f" answered cancelled, {cancels.count_orders(is_cancelled=False):,} too late"
                f" ({len(cancels.answers):,} answers)"
            )

    def print_final_audit(
        self, violations: Sequence[Violation], crashes: Mapping[str, int]
    ) -> None:
        """Print the result of the audit of all turns together."""
        self._print(f"everything together: {'VIOLATIONS' if violations else 'ok'}")
        self.print_violations(violations)
        for name, times in crashes.items():
            self._print(f"{name} crashed {times} times")

    def print_data_dir(self, data_dir: Path) -> None:
        """Print where the data and logs of a failed run are."""
        self._print(f"data and logs are in {data_dir}")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


def _format_cells(results: Sequence[TurnResult]) -> list[str]:
    confirmed = sum(result.end_counts.get("confirmed", 0) for result in results)
    return [
        f"{sum(result.orders for result in results):,}",
        f"{confirmed:,}",
        f"{sum(result.faults_injected for result in results):,}",
        *(str(sum(result.count(kind) for result in results)) for kind in ViolationKind),
        f"{max(result.recovery_s for result in results):.2f} s",
    ]
