"""What commands share that operate a running engine: its database, and who calls them."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from backend import embedded
from backend.cli.database_errors import report_database_errors
from backend.cli.process import load_settings, report_user_errors
from backend.config import Settings
from backend.store.audit_log.entries import Actor
from backend.store.connection import Pooling
from backend.store.database import DatabasePool, open_pool

Result = TypeVar("Result")

_HELP: Final = (
    "The data folder of a running `order-engine up`; else ORDER_ENGINE_DATA_DIR, or the default."
)


def _set_data_dir(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj = value


DATA_DIR: Final = click.option("--data-dir", type=click.Path(), help=_HELP)
GROUP_DATA_DIR: Final = click.option(
    "--data-dir", type=click.Path(), help=_HELP, expose_value=False, callback=_set_data_dir
)
"""The same for a group and each of its commands: the one that is given is their ``obj``."""


def find_database_url(settings: Settings) -> str | None:
    """The database of the settings, or else of the `up` that runs on this machine, if one does."""
    if settings.database_url:
        return settings.database_url
    return embedded.find_database_url(settings.data_dir or embedded.default_data_dir())


def find_redis_url(settings: Settings) -> str | None:
    """The Redis of the settings, or else of the `up` that runs on this machine, if one does."""
    if settings.redis_url:
        return settings.redis_url
    return embedded.find_redis_url(settings.data_dir or embedded.default_data_dir())


def find_node_urls(settings: Settings) -> str | None:
    """The nodes of the settings, or else the simulated one of the `up` whose database is used.

    Raises ``Rejected`` if the data folder of that is another user's.
    """
    if settings.solana_rpc_url or settings.database_url:
        return settings.solana_rpc_url
    return embedded.find_node_url(settings.data_dir or embedded.default_data_dir())


def run_on_database(
    settings: Settings, call: Callable[[DatabasePool], Awaitable[Result]]
) -> Result:
    """Call with the database of the engine; errors are told as sentences."""

    async def run(url: str) -> Result:
        pooling = Pooling(settings.database_pooler)
        async with open_pool(url, connections_max=2, pooling=pooling, timeout_s=60) as pool:
            return await call(pool)

    with report_database_errors(), report_user_errors():
        url = find_database_url(settings)
        if url is None:
            folder = (settings.data_dir or embedded.default_data_dir()).absolute()
            raise click.ClickException(
                f"DATABASE_URL is not set, and no `order-engine up` runs over {folder}: --data-dir"
                " or ORDER_ENGINE_DATA_DIR names the data folder of one that does"
            )
        return asyncio.run(run(url))


def load_operator_settings(data_dir: str | None) -> Settings:
    """The settings of a command that operates an engine."""
    return load_settings(data_dir=data_dir)


def find_caller() -> Actor:
    """The user of this machine, for the audit log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        name = "unknown"
    return Actor(f"{name} on this machine")
