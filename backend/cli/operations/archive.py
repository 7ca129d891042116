"""``order-engine archive``, `verify` and `forget`: ended orders as files, not in the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Final

import click

from backend.cli.operations.duration import Duration
from backend.cli.operations.operator import (
    DATA_DIR,
    find_caller,
    load_operator_settings,
    run_on_database,
)
from backend.store.archive.archiver import Archiver
from backend.store.archive.ended_orders import EndedCounts, EndedOrders
from backend.store.archive.errors import ArchiveError
from backend.store.archive.folder_verification import verify_folder
from backend.store.archive.key_expiry import forget_keys
from backend.store.archive.lost_files import forget_file
from backend.store.archive.manifest import ArchiveFile
from backend.store.audit_log.seals import EVENTS_MAX, seal_events
from backend.store.database import DatabasePool
from backend.store.feed import Feed

AGE_MIN_S: Final = 86_400
"""What ended on this day counts for limits of the day."""
_IS_SEALING: Final = "SELECT sealed_txid > 0 AS is_sealing FROM audit_head"
_SHOWN_MAX: Final = 20


@click.group(invoke_without_command=True)
@click.option("--older-than", type=Duration(AGE_MIN_S), help="Orders that ended so long ago.")
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="The archive's folder."
)
@click.option(
    "--keys-for",
    type=Duration(),
    default="365d",
    show_default=True,
    help="How long idempotency keys and client order ids are kept after that.",
)
@DATA_DIR
@click.pass_context
def archive(
    context: click.Context,
    older_than: timedelta | None,
    folder: Path | None,
    keys_for: timedelta,
    data_dir: str | None,
) -> None:
    """Move ended orders from the database to files.

    Each order goes with its events, and with the orders that belong to it, once all of them have
    ended. A file is compared with the rows before these are removed, a few at a time, beside an
    engine at work. It can be killed whenever: the next run goes on. What accounts need stays.
    """
    if context.invoked_subcommand is not None:
        return
    if older_than is None or folder is None:
        raise click.UsageError("--older-than and --to must be given, such as 90d and a folder")
    path, age = _resolve(folder), older_than

    async def call(pool: DatabasePool) -> None:
        with _report_archive_errors():
            await _archive(pool, path, age, keys_for)

    run_on_database(load_operator_settings(data_dir), call)


def _resolve(folder: Path) -> Path:
    """Where a folder is, whose name the database and the audit log can store."""
    try:
        path = folder.resolve()
        path.name.encode()
    except RuntimeError:
        raise click.BadParameter(f"{folder} is a loop of links", param_hint="--to") from None
    except UnicodeEncodeError:
        raise click.BadParameter("its name is not in UTF-8", param_hint="--to") from None
    return path


async def _archive(
    pool: DatabasePool, folder: Path, older_than: timedelta, keys_for: timedelta
) -> None:
    started_s = monotonic()
    journal_id = await Feed(pool).read_journal_id()
    [row] = await pool.read(_IS_SEALING)
    while row["is_sealing"] and await seal_events(pool) >= EVENTS_MAX:
        pass
    ended = EndedOrders(pool, older_than)
    archiver = Archiver(
        pool, folder, journal_id=journal_id, actor=find_caller(), on_file=_print_file
    )
    count = await archiver.run(ended)
    forgotten = await forget_keys(pool, older_than, keys_for)
    took_s = monotonic() - started_s
    click.echo(f"{count:,} orders archived to {folder} in {took_s:.1f} s")
    if count == 0:
        click.echo(_explain_none(await ended.count()))
    if forgotten:
        click.echo(f"{forgotten:,} keys and batches forgotten")
    if ended.bound is not None:
        click.echo(f"what follows waits for {ended.bound.reader}")


def _explain_none(counts: EndedCounts) -> str:
    """Why no order is archived."""
    if counts.first_at is None:
        return "no order in the database has ended"
    if counts.old_orders:
        return (
            f"of {counts.orders:,} ended orders {counts.old_orders:,} are old enough, and stay:"
            " they are still to be read, belong to an order that is not old enough, or have an"
            " amount that no node has told"
        )
    first, cutoff = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (counts.first_at, counts.cutoff))
    return (
        f"none of {counts.orders:,} ended orders did so before {cutoff}, as --older-than asks for:"
        f" the first ended at {first}"
    )


def _print_file(file: ArchiveFile, removed: int) -> None:
    click.echo(f"{file.name}: {removed:,} orders removed from the database")
    if removed < file.orders:
        click.echo("  the others were removed before, or have changed since and stay")


@archive.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def verify(folder: Path) -> None:
    """Find files of an archive that are missing or not as they were written.

    It needs no database, and exits with 1 if it has found a fault.
    """
    with _report_archive_errors():
        report = verify_folder(folder)
    for fault in report.faults[:_SHOWN_MAX]:
        click.echo(fault)
    if report.faults:
        raise click.ClickException(f"{len(report.faults):,} faults in {report.files:,} files")
    click.echo(
        f"{report.files:,} files with {report.orders:,} orders and {report.events:,} events are as"
        " they were written"
    )


@archive.command()
@click.argument("number", type=click.IntRange(1, 2**31 - 1))
@DATA_DIR
def forget(number: int, data_dir: str | None) -> None:
    """Go on without the file of that number, whose folder is lost.

    It is refused if an order is nowhere else: only a file whose orders are all in the database is
    forgotten, as after a crash just before the first of them was removed.
    """

    async def call(pool: DatabasePool) -> None:
        with _report_archive_errors():
            where = await forget_file(pool, number, find_caller())
        click.echo(f"{where} is forgotten: its orders are in the database, and are archived again")

    run_on_database(load_operator_settings(data_dir), call)


@contextmanager
def _report_archive_errors() -> Iterator[None]:
    try:
        yield
    except ArchiveError as error:
        raise click.ClickException(str(error)) from None
