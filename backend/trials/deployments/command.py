"""``order-engine deployments``: the command line of the matrix."""

from __future__ import annotations

import sys

import click

from backend.runtime import observe
from backend.trials.deployments.cells import (
    list_cells,
    list_quick_cells,
    parse_choice,
    select_cells,
)
from backend.trials.deployments.matrix import run_matrix
from backend.trials.deployments.report import MatrixReport
from backend.trials.trial_command import run_to_end

ORDERS = 200
TIMEOUT_S = 60.0


def _parse_choices(
    _context: object, _parameter: object, values: tuple[str, ...]
) -> dict[str, list[str]]:
    chosen: dict[str, list[str]] = {}
    try:
        for value in values:
            for dimension, kinds in parse_choice(value).items():
                chosen.setdefault(dimension, []).extend(kinds)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return chosen


@click.command()
@click.option(
    "--only",
    "chosen",
    multiple=True,
    callback=_parse_choices,
    help="Run only these kinds, for example postgres=direct,redis=plain,node=behind.",
)
@click.option("--quick", is_flag=True, help="Run few cells, with each kind at least once.")
@click.option(
    "--orders",
    type=click.IntRange(10, 10_000),
    default=ORDERS,
    show_default=True,
    help="Orders of each cell.",
)
@click.option(
    "--timeout-s",
    type=click.FloatRange(min=1),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds after which orders of a cell that have not ended count as stuck.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders and prices.")
@click.option("--list", "is_list", is_flag=True, help="List the cells.")
def deployments(
    chosen: dict[str, list[str]],
    quick: bool,
    orders: int,
    timeout_s: float,
    seed: int,
    is_list: bool,
) -> None:
    """Run orders against every PostgreSQL, Redis and node that people have, and audit them."""
    report = MatrixReport()
    cells = select_cells(list_quick_cells() if quick else list_cells(), chosen)
    if not cells:
        raise click.UsageError("none of the quick cells is of the kinds that --only names")
    if is_list:
        report.print_cells(cells)
        return
    observe.configure_logging("error", "console")
    has_passed = run_to_end(
        run_matrix(cells, report, orders=orders, seed=seed, timeout_s=timeout_s)
    )
    if not has_passed:
        sys.exit(1)
