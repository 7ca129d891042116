"""What a benchmark shows: a table for each mode, and on a terminal what runs now."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from backend.trials.bench.figures import Figures, row, spreads


class Screen:
    """Tables go to ``console``, progress to standard error if that is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Console(stderr=True)
        if not console.is_terminal:
            console.width = 100

    def running(self, what: str) -> None:
        """What is being done now."""
        if self._progress.is_terminal:
            self._progress.print(f"[dim]{what} …[/dim]", highlight=False)

    def mode(self, name: str, runs: Sequence[Figures], wrong: Sequence[str]) -> None:
        """All runs of one mode."""
        table = Table(
            title=f"{name}, {len(runs)} run{'s' if len(runs) > 1 else ''}",
            caption="NOT AS PROMISED" if wrong else "nothing was lost, nothing is left open",
        )
        table.add_column("figure")
        table.add_column("median", justify="right")
        table.add_column("from … to" if len(runs) > 1 else "", justify="right")
        for figure, spread in spreads(runs).items():
            table.add_row(*row(figure, spread, len(runs)))
        self._console.print(table)
        for each in wrong:
            self._console.print(f"  {each}", highlight=False, markup=False)
