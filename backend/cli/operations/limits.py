"""``order-engine limits``: shows, sets and removes what the orders of owners may be at most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from backend.cli.operations.keys import Owner
from backend.cli.operations.operator import (
    GROUP_DATA_DIR,
    find_caller,
    load_operator_settings,
    run_on_database,
)
from backend.config import Settings
from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.limits.order_limits import (
    REFERENCE,
    LimitName,
    LimitValue,
    find_limit_name,
    limits_to_json,
    parse_limits,
)
from backend.domain.times import format_time
from backend.domain.tokens import TokenRegistry
from backend.store.database import DatabasePool
from backend.store.limits.limit_store import ALL_OWNERS, LimitRow, LimitStore

NONE: Final = "none"
_owner = click.option("--owner", type=Owner(), help="The owner; without it, every owner.")


@click.group()
@GROUP_DATA_DIR
def limits() -> None:
    """Show, set and remove what the orders of owners may be at most.

    Processes follow changes within a second. Amounts are in ORDER_ENGINE_REFERENCE_TOKEN.
    """


@limits.command()
@GROUP_DATA_DIR
@_owner
@click.pass_obj
def show(data_dir: str | None, owner: str | None) -> None:
    """Show the limits of every owner, and of each that has its own; or those of one."""
    settings = load_operator_settings(data_dir)
    reference = _find_reference(settings)

    async def read(pool: DatabasePool) -> Sequence[LimitRow]:
        return await LimitStore(pool, reference).list_rows()

    rows = run_on_database(settings, read)
    shown = [each for each in rows if owner is None or each.owner in {owner, ALL_OWNERS}]
    for row in shown:
        click.echo(_describe_row(row, reference))
    if not shown:
        click.echo("no limits are set")


@limits.command("set")
@GROUP_DATA_DIR
@_owner
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE…")
@click.pass_obj
def set_limits(data_dir: str | None, owner: str | None, assignments: tuple[str, ...]) -> None:
    """Set limits, such as maxOrderValue=1000 deniedMints=BONK,RAY; the others stay.

    The value `none` is no limit for the owner, whatever holds for every owner.
    """
    settings = load_operator_settings(data_dir)
    reference = _find_reference(settings)
    changes = _parse_assignments(assignments, reference)

    async def change(pool: DatabasePool) -> LimitRow:
        store = LimitStore(pool, reference)
        return await store.change(owner or ALL_OWNERS, changes, find_caller())

    click.echo(_describe_row(run_on_database(settings, change), reference))


@limits.command()
@GROUP_DATA_DIR
@_owner
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.pass_obj
def remove(data_dir: str | None, owner: str | None, names: tuple[str, ...]) -> None:
    """Remove limits, or all that the owner has of its own."""
    settings = load_operator_settings(data_dir)
    reference = _find_reference(settings)
    try:
        named = [find_limit_name(name) for name in names]
    except InvalidInput as error:
        raise _refuse(error) from None

    async def call(pool: DatabasePool) -> bool:
        store = LimitStore(pool, reference)
        return await store.remove(owner or ALL_OWNERS, find_caller(), named)

    whose = _name_owner(owner or ALL_OWNERS)
    if not run_on_database(settings, call):
        raise click.ClickException(f"{whose}: there are no such limits; `limits show` shows all")
    click.echo(f"{whose}: removed {', '.join(named) or 'all limits'}")


def _find_reference(settings: Settings) -> Token:
    return TokenRegistry().find(settings.reference_token, "reference_token")


def _parse_assignments(assignments: Sequence[str], reference: Token) -> dict[str, LimitValue]:
    written: dict[str, object] = {}
    for each in assignments:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"{name[:64]!r} must be a name and a value, with = between them")
        if name in written:
            raise click.UsageError(f"{name[:64]} is given more than once")
        written[name] = None if value == NONE else value
    try:
        return parse_limits(written, TokenRegistry(), reference)
    except InvalidInput as error:
        raise _refuse(error) from None


def _refuse(error: InvalidInput) -> click.UsageError:
    return click.UsageError(f"{error.field} {error.reason}")


def _name_owner(owner: str) -> str:
    return f"owner {owner}" if owner else "every owner"


def _describe_row(row: LimitRow, reference: Token) -> str:
    values = limits_to_json(row.limits, reference)
    names = [name for name in LimitName if name in values]
    texts = [f"  {name} = {_format(values[name])}" for name in names]
    amounts = f"; amounts in {values[REFERENCE]}" if REFERENCE in values else ""
    set_at = f"{_name_owner(row.owner)} (set {format_time(row.since)} by {row.set_by}{amounts}):"
    return "\n".join((set_at, *texts))


def _format(value: object) -> str:
    if value is None:
        return NONE
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
