"""Errors of the database as sentences, for the commands that use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from backend.store.errors import DATABASE_ERRORS
from backend.store.migrations import MigrationError


@contextmanager
def report_database_errors() -> Iterator[None]:
    """Report errors of the database as a sentence without a traceback."""
    try:
        yield
    except MigrationError as error:
        raise click.ClickException(str(error)) from None
    except DATABASE_ERRORS as error:
        raise click.ClickException(f"a required server is not responding: {error}") from None
