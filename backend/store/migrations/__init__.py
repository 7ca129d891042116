"""The numbered migrations beside this file, and their one runner."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

import asyncpg

from backend.runtime import observe
from backend.store.database import CONNECT_TIMEOUT_S

_LOCK = 0x6F65_6531  # any number that no other program in this database locks


class MigrationError(Exception):
    """The database was migrated by a newer version of this program."""


async def migrate(url: str) -> list[str]:
    """Apply the migrations that the database has not seen; the names of those applied.

    Safe to run from many processes at once. Raises ``MigrationError``.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        seen = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
        known = dict(_migrations())
        if unknown := seen - known.keys():
            raise MigrationError(
                f"the database has migrations that this version does not know: {sorted(unknown)}"
            )
        applied = [name for name in known if name not in seen]
        for name in applied:
            async with connection.transaction():
                await connection.execute(known[name])
                await connection.execute("INSERT INTO migrations (name) VALUES ($1)", name)
            observe.migrated(name)
        return applied
    finally:
        await connection.close(timeout=5)


def _migrations() -> Iterable[tuple[str, str]]:
    files = sorted(
        (f for f in resources.files(__name__).iterdir() if f.name.endswith(".sql")),
        key=lambda f: f.name,
    )
    return [(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]
