"""``order-engine wallets``: the command line of the trials."""

from __future__ import annotations

from typing import Final

import click

from backend.runtime import observe
from backend.trials.trial_command import report_violations, run_to_end
from backend.trials.wallets.fees_run import run_fees_trial
from backend.trials.wallets.funds_run import FundsFigures, run_funds_trial
from backend.trials.wallets.landing_run import (
    GOING_PRICE,
    POLICIES,
    SLOTS,
    WANDER_BPS,
    run_landing_trial,
)
from backend.trials.wallets.rate_run import RateFigures, run_rate_trial

TIMEOUT_S: Final = 180.0
RATE_SHARE_MIN: Final = 0.8
"""The part of the ideal that the rate of several wallets has to reach."""


@click.group()
def wallets() -> None:
    """Try what wallets pay for: too little funds, rates of several, costs, landing in time."""
    observe.configure_logging("error", "console")


@wallets.command()
@click.option("--orders", type=click.IntRange(min=1), default=1_000, show_default=True)
@click.option("--payable", type=click.IntRange(min=0), default=600, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True)
def funds(orders: int, payable: int, workers: int) -> None:
    """Place orders at once on a wallet that can pay for some: exactly those are sent.

    The others fail with insufficient_funds, and no transaction is reverted.
    """
    figures: FundsFigures = run_to_end(run_funds_trial(orders, payable, workers, TIMEOUT_S))
    click.echo(f"orders: {orders}, of which the wallet pays for {payable}; {workers} workers")
    click.echo(f"ended: {_list_counts(figures.statuses)}; codes: {_list_counts(figures.codes)}")
    click.echo(
        f"on chain: {figures.landed['landed']} landed, {figures.landed['reverted']} reverted"
    )
    if figures.reason:
        click.echo(f"a reason: {figures.reason}")
    report_violations(figures.list_violations())


@wallets.command()
@click.option("--orders", type=click.IntRange(min=1), default=400, show_default=True)
@click.option("--wallets", "count", type=click.IntRange(min=2), default=4, show_default=True)
@click.option("--per-slot", type=click.IntRange(min=1), default=8, show_default=True)
def rate(orders: int, count: int, per_slot: int) -> None:
    """Compare the rates of one wallet and of several on a node that serializes a fee payer."""
    one: RateFigures = run_to_end(run_rate_trial(1, orders, per_slot, TIMEOUT_S))
    several: RateFigures = run_to_end(run_rate_trial(count, orders, per_slot, TIMEOUT_S))
    for figures in (one, several):
        paid = ", ".join(f"{orders}" for _, orders in sorted(figures.orders.items()))
        click.echo(
            f"{figures.wallets} wallets: {figures.rate:.1f} orders/s; orders by payer: {paid}"
        )
    factor = several.rate / one.rate
    click.echo(f"factor: {factor:.2f}")
    needed = RATE_SHARE_MIN * count
    report_violations([] if factor >= needed else [f"the factor is less than {needed:.2f}"])


@wallets.command()
@click.option("--orders", type=click.IntRange(min=1), default=1_000, show_default=True)
@click.option("--wallets", "count", type=click.IntRange(1, 16), default=8, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True)
def fees(orders: int, count: int, workers: int) -> None:
    """Compare what wallets hold with what their orders tell, to the lamport.

    Some transactions are reverted, some open token accounts, some go to a bundle endpoint.
    """
    figures = run_to_end(run_fees_trial(orders, count, workers, TIMEOUT_S))
    click.echo(f"orders: {orders} on {count} wallets; {workers} workers")
    click.echo(f"ended: {_list_counts(figures.statuses)}")
    click.echo(
        f"on chain: {figures.landed['landed']} landed, {figures.landed['reverted']} reverted"
    )
    for name, lamports in figures.costs.items():
        click.echo(f"{name}: {lamports:,}")
    click.echo(f"network fees of the chain's ledger: {figures.charged:,}")
    click.echo(f"balances compared: {figures.balances}")
    report_violations(list(figures.list_violations()))


@wallets.command()
@click.option("--orders", type=click.IntRange(min=1), default=400, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(min=1), default=20, show_default=True, help="Orders/s."
)
def landing(orders: int, rate: float) -> None:
    """Measure how soon transactions land on a chain that prices inclusion, and what they pay.

    Prices move from slot to slot. The ceiling is checked against the chain's ledger.
    """
    click.echo(f"going price: {GOING_PRICE:,} micro-lamports a unit, ±{WANDER_BPS // 100} %")
    violations: list[str] = []
    for policy in POLICIES:
        figures = run_to_end(run_landing_trial(policy, orders, rate, TIMEOUT_S))
        paid = f"{min(figures.fees):,} to {max(figures.fees):,} lamports"
        click.echo(
            f"{policy.name}: {figures.share:.1%} of {orders} landed within {SLOTS} slots;"
            f" priority fees of {paid}, {sum(figures.fees) // len(figures.fees):,} on average"
        )
        violations += figures.list_violations()
    report_violations(violations)


def _list_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
