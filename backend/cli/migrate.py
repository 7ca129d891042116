"""``order-engine migrate``: brings the database up to date."""

from __future__ import annotations

import asyncio

import click

from backend.cli.database_errors import report_database_errors
from backend.cli.process import load_settings, report_user_errors
from backend.store.connection import Pooling
from backend.store.migrations import migrate


@click.command("migrate")
def migrate_command() -> None:
    """Apply all pending database migrations."""
    settings = load_settings()
    if settings.database_url is None:
        raise click.ClickException("DATABASE_URL must be set (`up` migrates its own database)")
    url, pooling = settings.database_url, Pooling(settings.database_pooler)
    with report_database_errors(), report_user_errors():
        applied = asyncio.run(migrate(url, pooling))
    click.echo(f"applied {', '.join(applied)}" if applied else "the database is up to date")
