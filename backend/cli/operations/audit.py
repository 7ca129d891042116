"""``order-engine audit verify | export``: the log of who did what. It judges no trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click
import orjson

from backend.cli.operations.operator import DATA_DIR, load_operator_settings, run_on_database
from backend.domain.times import parse_time
from backend.store.archive.archived_events import open_archives
from backend.store.archive.archived_orders import read_extent
from backend.store.archive.errors import ArchiveError
from backend.store.audit_log.chain import AuditHead, AuditRow, ChainVerifier, parse_exported
from backend.store.audit_log.reads import AuditReport, read_rows, verify_log
from backend.store.database import DatabasePool


class _Time(click.ParamType[datetime]):
    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            return parse_time(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Head(click.ParamType[AuditHead]):
    name = "id:hash"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> AuditHead:
        number, _, digest = str(value).partition(":")
        try:
            head = AuditHead(int(number), bytes.fromhex(digest))
        except ValueError:
            self.fail("must be as verify prints it, such as 17:ab12…", param, ctx)
        if len(head.hash) != 32:
            self.fail("has no hash of 64 digits", param, ctx)
        return head


@click.group()
def audit() -> None:
    """Verify or export the log of who did what."""


@audit.command()
@DATA_DIR
@click.option("--head", type=_Head(), help="A last row that was noted before: it must be there.")
@click.option(
    "--file",
    "exported",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Verify an exported file instead, which may begin anywhere.",
)
@click.option("--skip-events", is_flag=True, help="Leave out the events of orders that it seals.")
@click.option(
    "--archive",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder that orders were archived to: their events are verified, too.",
)
def verify(
    head: AuditHead | None,
    exported: Path | None,
    data_dir: str | None,
    folders: tuple[Path, ...],
    *,
    skip_events: bool,
) -> None:
    """Find rows that were altered, removed, inserted or moved; exits with 1 if there are some."""
    if exported is not None:
        report = _verify_file(exported, head)
    else:
        report = _verify_database(head, data_dir, folders, includes_events=not skip_events)
    for fault in report.faults:
        click.echo(fault)
    if report.faults:
        raise click.ClickException(f"{len(report.faults)} faults in {report.rows} rows")
    click.echo(
        f"{report.rows} rows are as they were written, and {report.sealed_events} events of orders"
    )
    if report.archived_events:
        proof = "read there" if folders else "with --archive FOLDER they are verified, too"
        click.echo(f"{report.archived_events} events that are sealed were archived: {proof}")
    click.echo(f"last row: {report.head}")


@audit.command()
@DATA_DIR
@click.option("--from", "since", type=_Time(), help="Only rows from this time on.")
@click.option("--to", "until", type=_Time(), help="Only rows before this time.")
def export(since: datetime | None, until: datetime | None, data_dir: str | None) -> None:
    """Write the rows as JSON, one a line."""

    async def call(pool: DatabasePool) -> None:
        async for row in read_rows(pool, since, until):
            click.echo(orjson.dumps(row.to_json()))

    run_on_database(load_operator_settings(data_dir), call)


def _verify_database(
    head: AuditHead | None,
    data_dir: str | None,
    folders: Sequence[Path],
    *,
    includes_events: bool,
) -> AuditReport:
    async def call(pool: DatabasePool) -> AuditReport:
        before = await read_extent(pool)
        with ExitStack() as stack:
            try:
                archives = stack.enter_context(open_archives(folders)) if folders else None
            except ArchiveError as error:
                raise click.ClickException(str(error)) from None
            report = await verify_log(
                pool, head, includes_events=includes_events, archives=archives
            )
        if report.faults and await read_extent(pool) != before:
            reason = "events were moved to an archive while they were read: verify again"
            raise click.ClickException(reason)
        return report

    return run_on_database(load_operator_settings(data_dir), call)


def _verify_file(path: Path, head: AuditHead | None) -> AuditReport:
    report, verifier = AuditReport(), ChainVerifier(None, head)
    for row in _read_rows(path):
        report.rows += 1
        report.faults += verifier.verify(row)
    report.faults += verifier.verify_end()
    report.head = verifier.last
    return report


def _read_rows(path: Path) -> Iterator[AuditRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = parse_exported(orjson.loads(line))
            except (KeyError, TypeError, ValueError):
                raise click.ClickException(f"{path}: line {number} is no row of a log") from None
            yield row
