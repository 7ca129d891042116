"""The runner of the numbered migrations in this folder."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Final

from backend.runtime import observe
from backend.store.address import parse_address
from backend.store.connection import Connector, Pooling, StoreConnection, open_connection
from backend.store.start_errors import explain_start_errors

_ADVISORY_LOCK: Final = 0x6F65_6531  # a key that no other program in this database uses


class MigrationError(Exception):
    """The database was migrated by a newer version of this program."""


async def migrate(url: str, pooling: Pooling = Pooling.AUTO) -> list[str]:
    """Apply the missing migrations, and return their names.

    Safe to run from several processes at once, also through a connection pooler: each migration is
    a transaction that holds the lock until its end. Raises ``MigrationError``, and ``Rejected`` or
    ``Transient`` with a sentence if the server cannot be used.
    """
    address = parse_address(url)
    with explain_start_errors(address):
        async with open_connection(Connector(address, pooling)) as connection:
            applied: list[str] = []
            while (name := await _apply_next(connection)) is not None:
                observe.migration_applied(name)
                applied.append(name)
            return applied


async def _apply_next(connection: StoreConnection) -> str | None:
    """Apply the first missing migration; returns its name, or ``None`` if none is missing."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        if await connection.fetchval("SELECT to_regclass('migrations') IS NULL"):
            await connection.execute(
                "CREATE TABLE migrations"
                " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
        present = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
        known = dict(_list_migrations())
        if unknown := present - known.keys():
            raise MigrationError(
                f"the database has migrations that this version does not know: {sorted(unknown)}"
            )
        name = next((name for name in known if name not in present), None)
        if name is not None:
            await connection.execute(known[name])
            await connection.execute("INSERT INTO migrations (name) VALUES ($1)", name)
        return name


def _list_migrations() -> Iterable[tuple[str, str]]:
    files = sorted(
        (f for f in resources.files(__name__).iterdir() if f.name.endswith(".sql")),
        key=lambda f: f.name,
    )
    return [(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]
