"""What a chaos run shows: its schedule, its progress, and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from backend.trials.chaos.audit import Cell, Violation
from backend.trials.chaos.runner import Result
from backend.trials.chaos.scenarios import SCENARIOS
from backend.trials.chaos.schedule import SHORT_ORDERS, Turn
from backend.trials.chaos.timing import LEASE_S, bound_s

VIOLATIONS_SHOWN: Final = 20


class Screen:
    """Where it is shown."""

    def __init__(self, machine_s: float, console: Console | None = None) -> None:
        self._machine_s = machine_s
        self._console = console or Console()
        if not self._console.is_terminal:
            self._console.width = 140

    def scenarios(self) -> None:
        """Each scenario and what it does."""
        for name, scenario in SCENARIOS.items():
            self._say(f"{name:<24} {scenario.what}")

    def schedule(self, turns: Sequence[Turn]) -> None:
        """What will be broken when."""
        for turn in turns:
            self._say(f"{turn.number}. {turn.scenario}: {turn.orders} orders in {turn.post_s:g} s")
            for stroke in turn.strokes:
                self._say(f"   {stroke}")

    def starting(self, data_dir: Path, turns: int) -> None:
        """A run begins."""
        self._say(f"starting everything in {data_dir}; {turns} turns follow")

    def turn(self, number: int, turns: int, result: Result) -> None:
        """One turn is over."""
        ends = ", ".join(f"{count} {status}" for status, count in result.ends.items())
        verdict = "ok" if result.is_good else "NOT AS PROMISED"
        self._say(
            f"{number:>3}/{turns} {result.scenario:<24} {result.orders} orders: {ends};"
            f" {result.struck} faults, {result.errors} requests repeated,"
            f" recovered in {result.recovery_s:.2f} s  {verdict}"
        )
        self.violations(result.violations)
        if result.struck < result.planned:
            self._say(f"        {result.planned - result.struck} faults did not take effect")

    def violations(self, violations: Sequence[Violation]) -> None:
        """What is wrong, the first of many."""
        for violation in violations[:VIOLATIONS_SHOWN]:
            self._say(f"        {violation.cell}: {violation.what}")
        if len(violations) > VIOLATIONS_SHOWN:
            self._say(f"        … and {len(violations) - VIOLATIONS_SHOWN} more")

    def table(self, results: Sequence[Result], seconds: float) -> None:
        """All results, a line for each scenario."""
        within_s = bound_s(SHORT_ORDERS, self._machine_s)
        table = Table(
            title=f"Chaos: {sum(result.orders for result in results):,} orders,"
            f" {sum(result.struck for result in results):,} faults, {seconds:.0f} s",
            caption=f"recovery: longest time from the last fault to an order's end; for"
            f" {SHORT_ORDERS} orders at most {within_s:.1f} s, of which the lease is"
            f" {LEASE_S:g} s",
        )
        table.add_column("scenario")
        for column in ("orders", "confirmed", "faults", *Cell, "recovery"):
            table.add_column(column, justify="right")
        for name in dict.fromkeys(result.scenario for result in results):
            table.add_row(name, *_cells([r for r in results if r.scenario == name]))
        if len(results) > 1:
            table.add_section()
            table.add_row("all", *_cells(results))
        self._console.print(table)

    def whole(self, violations: Sequence[Violation], deaths: Mapping[str, int]) -> None:
        """What the audit of everything together found."""
        self._say(f"everything together: {'NOT AS PROMISED' if violations else 'ok'}")
        self.violations(violations)
        for name, times in deaths.items():
            self._say(f"{name} ended {times} times although nobody had killed it")

    def kept(self, data_dir: Path) -> None:
        """Where to look for the reasons."""
        self._say(f"data and logs are in {data_dir}")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


def _cells(results: Sequence[Result]) -> list[str]:
    confirmed = sum(result.ends.get("confirmed", 0) for result in results)
    return [
        f"{sum(result.orders for result in results):,}",
        f"{confirmed:,}",
        f"{sum(result.struck for result in results):,}",
        *(str(sum(result.count(cell) for result in results)) for cell in Cell),
        f"{max(result.recovery_s for result in results):.2f} s",
    ]
