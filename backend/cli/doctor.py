"""``order-engine doctor``: what the embedded servers use, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import click

from backend import embedded
from backend.cli.process import load_settings, report_system_errors, report_user_errors


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="The data folder to inspect.")
def doctor(data_dir: Path | None) -> None:
    """Show what the embedded servers use, and why they do not start."""
    settings = load_settings(data_dir=data_dir)
    with report_system_errors("doctor"), report_user_errors():
        for name, value in embedded.diagnose(settings.data_dir or embedded.default_data_dir()):
            click.echo(f"{name:<28}{value}")
