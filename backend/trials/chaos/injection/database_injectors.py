"""Injects faults into the engine's database: its clock, its sessions and its commits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from backend.trials.chaos.fault_kinds import Fault
from backend.trials.chaos.system import EngineSystem

# A schema that is searched before pg_catalog has functions of the same names. New sessions search
# it, so all are ended, as at a failover to a server whose clock is ahead; the clock goes back in
# these sessions when the schema is dropped.
_SET_AHEAD_SQL: Final = """
DROP SCHEMA IF EXISTS chaos_clock CASCADE;
CREATE SCHEMA chaos_clock;
CREATE FUNCTION chaos_clock.now() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT pg_catalog.now() + interval '{seconds} s' $$;
CREATE FUNCTION chaos_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    $$ SELECT pg_catalog.clock_timestamp() + interval '{seconds} s' $$;
DO $$ BEGIN
    EXECUTE format(
        'ALTER DATABASE %I SET search_path = chaos_clock, pg_catalog, public', current_database()
    );
END $$;
"""
_END_SESSIONS_SQL: Final = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
_SET_BACK_SQL: Final = """
DROP SCHEMA chaos_clock CASCADE;
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I RESET search_path', current_database());
END $$;
"""

_FAIL_COMMITS_SQL: Final = """
CREATE OR REPLACE FUNCTION chaos_disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
END $$;
DROP TRIGGER IF EXISTS chaos_disk_full ON order_events;
CREATE CONSTRAINT TRIGGER chaos_disk_full AFTER INSERT ON order_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_disk_full();
"""
_ALLOW_COMMITS_SQL: Final = "DROP TRIGGER IF EXISTS chaos_disk_full ON order_events"


@asynccontextmanager
async def set_database_clock(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    """Set the clock ahead for the duration of the block. Raises asyncpg's errors."""
    connection = await asyncpg.connect(system.database_url)
    try:
        await connection.execute(_SET_AHEAD_SQL.format(seconds=int(fault.target)))
        try:
            await connection.fetchval(_END_SESSIONS_SQL)
            yield
        finally:
            await connection.execute(_SET_BACK_SQL)
    finally:
        await connection.close()


@asynccontextmanager
async def disconnect_clients(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    """End all sessions once."""
    connection = await asyncpg.connect(system.database_url)
    try:
        await connection.fetchval(_END_SESSIONS_SQL)
        yield
    finally:
        await connection.close()


@asynccontextmanager
async def fail_commits(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    """Have every commit with an event fail for the duration of the block."""
    connection = await asyncpg.connect(system.database_url)
    try:
        await connection.execute(_FAIL_COMMITS_SQL)
        try:
            yield
        finally:
            await connection.execute(_ALLOW_COMMITS_SQL)
    finally:
        await connection.close()
