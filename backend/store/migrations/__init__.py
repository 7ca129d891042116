"""The runner of the numbered migrations in this folder.

A migration is one transaction, unless its first line is ``OUTSIDE``. Then each of its statements,
which blank lines separate, is committed by itself: for indexes that are built while others write,
and for changes of many rows. Such a migration can be interrupted anywhere and runs again from its
start, so each of its statements does nothing where it was done before.

A migration expands: the version before runs on its schema as well, so that processes are replaced
one by one. What that version still uses is taken away a version later, by a migration with the line
``CONTRACTS`` in its head. Which ones do is stored: a version that does not know some of the
database's migrations goes on if all of them expand.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Final

from backend.runtime import observe, observe_database
from backend.store.address import parse_address
from backend.store.connection import Connector, Pooling, StoreConnection, open_connection
from backend.store.start_errors import explain_start_errors

OUTSIDE: Final = "-- outside a transaction"
CONTRACTS: Final = "-- contracts"
LOCK_POLL_S: Final = 0.2

_TABLE_STEPS: Final = (
    (
        "SELECT to_regclass('migrations') IS NULL",
        "CREATE TABLE migrations"
        " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
    ),
    (
        "SELECT NOT EXISTS (SELECT FROM pg_attribute WHERE attname = 'contracts'"
        " AND attrelid = to_regclass('migrations'))",
        "ALTER TABLE migrations ADD COLUMN contracts boolean NOT NULL DEFAULT false",
    ),
)
# An earlier version's table has no column ``contracts``.
_READ: Final = """ -- read migrations
SELECT name, coalesce((to_jsonb(m) ->> 'contracts')::boolean, false) AS contracts FROM migrations m
"""
_ADVISORY_LOCK: Final = 0x6F65_6531  # a key that no other program in this database uses
_INDEX_NAME: Final = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (\w+)")
_IS_INVALID: Final = "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"


class MigrationError(Exception):
    """The database was migrated by a newer version, and lacks what this one uses."""


async def migrate(
    url: str,
    pooling: Pooling = Pooling.AUTO,
    *,
    on_applied: Callable[[str], None] = observe.migration_applied,
) -> list[str]:
    """Apply the missing migrations, and return their names; each is told to ``on_applied`` too.

    Safe to run from several processes at once, also through a connection pooler: one after the
    other holds the lock, in a transaction of a connection of its own. Raises ``MigrationError``,
    and ``Rejected`` or ``Transient`` with a sentence if the server cannot be used.
    """
    address = parse_address(url)
    connector = Connector(address, pooling)
    with explain_start_errors(address):
        async with (
            open_connection(connector) as holder,
            _hold_lock(holder),
            open_connection(connector) as connection,
        ):
            return await _apply_missing(connection, on_applied)


@asynccontextmanager
async def _hold_lock(connection: StoreConnection) -> AsyncIterator[None]:
    """Hold the lock for the length of a block.

    Neither who has it nor who waits may keep a snapshot: an index that is built concurrently waits
    for the end of all. So it is polled for, and a simple statement ends what the lock's began.
    """
    while True:
        async with connection.transaction(isolation="read_committed"):
            if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _ADVISORY_LOCK):
                await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                yield
                return
        await asyncio.sleep(LOCK_POLL_S)


async def _apply_missing(
    connection: StoreConnection, on_applied: Callable[[str], None]
) -> list[str]:
    await _ensure_table(connection)
    known = dict(_list_migrations())
    missing = await find_missing_migrations(connection)
    for name in missing:
        await _apply(connection, name, known[name])
        on_applied(name)
    return missing


async def find_missing_migrations(connection: StoreConnection) -> list[str]:
    """The names of those that the database lacks; changes nothing.

    Raises ``MigrationError`` as ``migrate``, and the errors of PostgreSQL.
    """
    [(is_empty, _), _] = _TABLE_STEPS
    rows = [] if await connection.fetchval(is_empty) else await connection.fetch(_READ)
    present, known = {row["name"] for row in rows}, dict(_list_migrations())
    if unknown := sorted(present - known.keys()):
        if any(row["contracts"] for row in rows if row["name"] not in known):
            raise MigrationError(
                "the database has migrations that this version does not know, and of which one"
                f" takes away what it uses: {', '.join(unknown)}"
            )
        observe_database.database_is_newer(unknown)
    return [name for name in known if name not in present]


async def _ensure_table(connection: StoreConnection) -> None:
    """Create the table of migrations, or add what it lacks since an earlier version."""
    for condition, statement in _TABLE_STEPS:
        if await connection.fetchval(condition):
            await connection.execute(statement)


async def _apply(connection: StoreConnection, name: str, text: str) -> None:
    contracts = CONTRACTS in text.partition("\n\n")[0].splitlines()
    if text.startswith(OUTSIDE):
        await _run_statements(connection, _split(text))
        text = ""
    async with connection.transaction():
        if text:
            await connection.execute(text)
        await connection.execute(
            "INSERT INTO migrations (name, contracts) VALUES ($1, $2)", name, contracts
        )


async def _run_statements(connection: StoreConnection, statements: Iterable[str]) -> None:
    """Run statements, each committed by itself, without a limit of their time.

    An index that an interrupted run has left behind is invalid: it is dropped and built again.
    """
    if not connection.is_pooled:  # a pooler gives each statement another session
        await connection.execute("SET statement_timeout = 0")
    for statement in statements:
        index = _INDEX_NAME.search(statement)
        if index and await connection.fetchval(_IS_INVALID, index[1]):
            await connection.execute(f"DROP INDEX CONCURRENTLY {index[1]}")
        await connection.execute(statement)


def _split(text: str) -> Iterable[str]:
    """The statements of a migration, without parts that are only comments."""
    parts = text.split("\n\n")
    return [part for part in parts if any(not line.startswith("--") for line in part.splitlines())]


def _list_migrations() -> Iterable[tuple[str, str]]:
    files = sorted(
        (f for f in resources.files(__name__).iterdir() if f.name.endswith(".sql")),
        key=lambda f: f.name,
    )
    return [(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]
