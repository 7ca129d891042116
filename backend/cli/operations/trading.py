"""``order-engine halt | resume | state | halts``: stop trading in a hurry, and start it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from backend.cli.operations.operator import (
    DATA_DIR,
    find_caller,
    load_operator_settings,
    run_on_database,
)
from backend.config import Settings
from backend.domain.errors import InvalidInput
from backend.domain.tokens import TokenRegistry
from backend.domain.trading.states import Scope, Target, TradingRule, TradingState
from backend.domain.trading.targets import parse_target, require_line
from backend.store.database import DatabasePool
from backend.store.trading.changes import StateChange
from backend.store.trading.control import HaltResult, TradingControl
from backend.store.trading.rules import TradingRules, read_rules
from backend.store.withdrawals.cancellations import Cancellations

_STATES: Final = click.Choice([state.value for state in TradingState], case_sensitive=False)


def _with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name whose orders are meant; none of them: all."""
    for option in (
        DATA_DIR,
        click.option("--dex", help="Routes over an exchange: orders go on by the others."),
        click.option("--pair", help="Orders of a pair, such as SOL/USDC, in both directions."),
        click.option("--owner", help="Orders of an owner."),
    ):
        command = option(command)
    return command


@click.command()
@_with_target
@click.option("--why", required=True, help="The reason, for people: it is shown everywhere.")
@click.option("--cancel", is_flag=True, help="Cancel the open orders that are not submitted.")
def halt(why: str, *, cancel: bool, data_dir: str | None, **named: str | None) -> None:
    """Halt trading: once this returns, no process signs anything more.

    What is submitted is followed to its end. Orders are accepted and held until `resume`.
    """
    settings = load_operator_settings(data_dir)
    _set_state(settings, TradingState.HALTED, why, _find_target(named), cancels=cancel)


@click.command()
@_with_target
def resume(data_dir: str | None, **named: str | None) -> None:
    """Resume trading: what was held goes on. Lifts the one state that is named."""
    _lift_state(load_operator_settings(data_dir), _find_target(named))


@click.command()
@click.argument("state", type=_STATES)
@_with_target
@click.option("--why", help="The reason, for people; not needed for ACTIVE.")
def state(state: str, why: str | None, data_dir: str | None, **named: str | None) -> None:
    """Set the trading state: ACTIVE, REDUCING or HALTED.

    While REDUCING, only orders that sell into ORDER_ENGINE_REFERENCE_TOKEN are executed.
    """
    settings, target = load_operator_settings(data_dir), _find_target(named)
    if state == TradingState.ACTIVE:
        _lift_state(settings, target)
        return
    if not why:
        raise click.UsageError(f"--why is required for {state}")
    if state == TradingState.REDUCING and target.scope not in {Scope.ALL, Scope.OWNER}:
        raise click.UsageError("REDUCING is for all orders or for those of an owner")
    _set_state(settings, TradingState(state), why, target, cancels=False)


@click.command()
@DATA_DIR
def halts(data_dir: str | None) -> None:
    """Show what is halted, since when, why and by whom."""
    rules = run_on_database(load_operator_settings(data_dir), read_rules)
    for rule in rules:
        click.echo(rule.describe())
    if not rules:
        click.echo("nothing is halted")


def _find_target(named: dict[str, Any]) -> Target:
    try:
        return parse_target(TokenRegistry(), **named)
    except InvalidInput as error:
        raise click.UsageError(f"--{error.field} {error.reason}") from None


def _build_control(pool: DatabasePool) -> TradingControl:
    # Whoever follows the cancelled orders reads them from the journal, at its next poll.
    return TradingControl(TradingRules(pool), pool, Cancellations(pool, on_commit=lambda _: None))


def _set_state(
    settings: Settings, state: TradingState, why: str, target: Target, *, cancels: bool
) -> None:
    if cancels and target.scope is Scope.DEX:
        raise click.UsageError("--cancel cannot be given with --dex: orders are of no exchange")
    try:
        why = require_line("why", why)
    except InvalidInput as error:
        raise click.UsageError(f"--why {error.reason}") from None
    if not why:
        raise click.UsageError("--why must say something")
    reference = settings.reference_token if state is TradingState.REDUCING else None
    change = StateChange(target, state, why, reference)

    async def call(pool: DatabasePool) -> HaltResult:
        return await _build_control(pool).halt(change, find_caller(), cancels=cancels)

    result = run_on_database(settings, call)
    click.echo(result.rule.describe())
    if cancels:
        click.echo(f"{result.cancelled} orders were cancelled")


def _lift_state(settings: Settings, target: Target) -> None:
    async def call(pool: DatabasePool) -> TradingRule | None:
        return await _build_control(pool).resume(target, find_caller())

    rule = run_on_database(settings, call)
    if rule is None:
        raise click.ClickException(f"{target}: trading was active; `order-engine halts` shows more")
    click.echo(f"{target}: trading is active again; it was {rule.state}: {rule.why}")
