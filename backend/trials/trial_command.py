"""What command lines of trials share: running a trial, and the violations it ends with."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import click

from backend.domain.errors import EngineError

Result = TypeVar("Result")
VIOLATIONS_SHOWN: Final = 50


def run_to_end(trial: Coroutine[Any, Any, Result]) -> Result:
    """Run a trial to its end. Raises ``ClickException`` for an error of the engine."""
    try:
        return asyncio.run(trial)
    except EngineError as error:
        raise click.ClickException(error.reason) from None


def report_violations(violations: list[str]) -> None:
    """Print the first violations of a trial, and exit with status 1 if there are any."""
    for violation in violations[:VIOLATIONS_SHOWN]:
        click.echo(f"VIOLATION: {violation}")
    if len(violations) > VIOLATIONS_SHOWN:
        click.echo("…")
    click.echo(f"{len(violations)} violations" if violations else "ok")
    if violations:
        sys.exit(1)
