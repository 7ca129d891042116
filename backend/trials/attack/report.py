"""The printed output of a trial: its table of figures, and its violations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from backend.trials.attack.client import ClientFigures
from backend.trials.attack.run import TrialFigures

ERRORS_SHOWN = 5


def print_report(figures: TrialFigures, violations: Sequence[str]) -> None:
    """Print the figures of a trial, and whether it has passed."""
    console = Console()
    if not console.is_terminal:
        console.width = 100
    table = Table("", "alone", "under attack", "after", title="A client beside attackers")
    figures_of_client: dict[str, Callable[[ClientFigures], str]] = {
        "orders": lambda client: str(len(client.delays_s)),
        "errors": lambda client: str(len(client.errors)),
        "p50": lambda client: _format_ms(client, 0.5),
        "p99": lambda client: _format_ms(client, 0.99),
    }
    for name, read in figures_of_client.items():
        table.add_row(name, read(figures.alone), read(figures.attacked), "")
    cpu = (figures.cpu_alone, figures.cpu_attacked)
    table.add_row("CPU of the API", *(f"{each:.0%} of a core" for each in cpu), "")
    memory = (figures.memory_before, figures.memory_peak, figures.memory_after)
    table.add_row("memory of the API", *(f"{each / (1 << 20):.0f} MiB" for each in memory))
    descriptors = (
        figures.descriptors_before,
        figures.descriptors_peak,
        figures.descriptors_after,
    )
    table.add_row("its descriptors", *map(str, descriptors))
    console.print(table)
    for error in figures.attacked.errors[:ERRORS_SHOWN]:
        console.print(f"error: {error}")
    for violation in violations:
        console.print(f"VIOLATION: {violation}")
    console.print("violated" if violations else "everything together: ok")


def _format_ms(client: ClientFigures, quantile: float) -> str:
    return f"{client.compute_quantile_s(quantile) * 1_000:.1f} ms"
