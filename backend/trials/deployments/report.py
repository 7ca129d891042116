"""The printed output of the matrix: its progress, and its table of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from backend.trials.audit.records import ViolationKind
from backend.trials.deployments.cell_run import CellResult
from backend.trials.deployments.cells import Cell

VIOLATIONS_SHOWN: Final = 5


class MatrixReport:
    """Prints the output to a console."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        if not self._console.is_terminal:
            self._console.width = 150

    def print_cells(self, cells: Sequence[Cell]) -> None:
        """Print the names of cells."""
        for cell in cells:
            self._print(str(cell))

    def print_cell(self, number: int, cells: int, result: CellResult) -> None:
        """Print the result of one cell."""
        verdict = "ok" if result.has_passed else "FAILED"
        self._print(
            f"{number:>3}/{cells} {result.cell}: {result.orders} orders,"
            f" {result.confirmed} confirmed, {result.expected_failures} failed as expected,"
            f" {result.seconds:.1f} s  {verdict}"
        )
        for violation in result.violations[:VIOLATIONS_SHOWN]:
            self._print(f"        {violation.kind}: {violation.message}")
        if len(result.violations) > VIOLATIONS_SHOWN:
            self._print(f"        … and {len(result.violations) - VIOLATIONS_SHOWN} more")

    def print_server_death(self, notice: str) -> None:
        """Print that a server of the matrix died."""
        self._print(f"        {notice}")

    def print_table(self, results: Sequence[CellResult], seconds: float) -> None:
        """Print the table: a line for each cell, and one for all."""
        orders = sum(result.orders for result in results)
        table = Table(
            title=f"Deployments: {len(results)} cells, {orders:,} orders, {seconds:.0f} s"
        )
        for column in ("PostgreSQL", "Redis", "node"):
            table.add_column(column)
        for column in ("orders", "confirmed", "failed as expected", *ViolationKind, "seconds"):
            table.add_column(column, justify="right")
        for result in results:
            table.add_row(*result.cell, *_format_counts([result]))
        if len(results) > 1:
            table.add_section()
            table.add_row("all", "", "", *_format_counts(results))
        self._console.print(table)

    def print_data_dir(self, data_dir: Path) -> None:
        """Print where the data and logs of a failed run are."""
        self._print(f"data and logs are in {data_dir}")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


def _format_counts(results: Sequence[CellResult]) -> list[str]:
    return [
        f"{sum(result.orders for result in results):,}",
        f"{sum(result.confirmed for result in results):,}",
        f"{sum(result.expected_failures for result in results):,}",
        *(str(sum(result.count(kind) for result in results)) for kind in ViolationKind),
        f"{sum(result.seconds for result in results):.1f}",
    ]
