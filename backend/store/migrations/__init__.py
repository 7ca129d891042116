"""The runner of the numbered migrations in this folder."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

import asyncpg

from backend.runtime import observe
from backend.store.database import CONNECT_TIMEOUT_S

_ADVISORY_LOCK = 0x6F65_6531  # an advisory lock key that no other program in this database uses


class MigrationError(Exception):
    """The database was migrated by a newer version of this program."""


async def migrate(url: str) -> list[str]:
    """Apply the missing migrations, and return their names.

    Safe to run from several processes at once. Raises ``MigrationError``.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        present = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
        known = dict(_list_migrations())
        if unknown := present - known.keys():
            raise MigrationError(
                f"the database has migrations that this version does not know: {sorted(unknown)}"
            )
        applied = [name for name in known if name not in present]
        for name in applied:
            async with connection.transaction():
                await connection.execute(known[name])
                await connection.execute("INSERT INTO migrations (name) VALUES ($1)", name)
            observe.migration_applied(name)
        return applied
    finally:
        await connection.close(timeout=5)


def _list_migrations() -> Iterable[tuple[str, str]]:
    files = sorted(
        (f for f in resources.files(__name__).iterdir() if f.name.endswith(".sql")),
        key=lambda f: f.name,
    )
    return [(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]
