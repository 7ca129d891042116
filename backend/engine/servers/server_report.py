"""Whether PostgreSQL and Redis can be used, for ``order-engine doctor``: a sentence for each."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.config.redis.url import parse_redis_url
from backend.domain.errors import EngineError
from backend.queue import messages, scripts
from backend.queue.broker import GROUP, STREAM
from backend.queue.permissions import probe_commands
from backend.runtime.redis.client import open_redis, read_redis_version
from backend.runtime.redis.errors import explain_redis_error, find_refusal
from backend.runtime.startup import name_command
from backend.store.address import parse_address
from backend.store.connection import Connector, Pooling, StoreConnection, open_connection
from backend.store.migrations import MigrationError, find_missing_migrations
from backend.store.start_errors import explain_start_errors

_TIMEOUT_S: Final = 15
"""How long Redis is asked: a URL may ask for no timeouts, or for long ones."""

_FIND_MISSING_RIGHTS: Final = """ -- find missing rights
SELECT privilege || ' on ' || name AS missing
FROM (VALUES ('orders', 'SELECT'), ('orders', 'INSERT'), ('orders', 'UPDATE'),
             ('order_events', 'SELECT'), ('order_events', 'INSERT')) needed(name, privilege)
WHERE NOT has_table_privilege(name, privilege)
"""


class ServerState(NamedTuple):
    """What a server is, or why it cannot be used."""

    text: str
    is_usable: bool
    is_fault: bool


NOT_RUNNING: Final = ServerState(
    "not running: `order-engine up` starts it", is_usable=False, is_fault=False
)
"""The state of a server of `up` while that does not run."""


async def examine_database(url: str, pooling: Pooling) -> ServerState:
    """Whether the engine can use a database; never raises ``EngineError``."""
    try:
        address = parse_address(url)
        with explain_start_errors(address):
            async with open_connection(Connector(address, pooling)) as connection:
                version = connection.get_settings().server_version.split()[0]
                server = f"PostgreSQL {version} at {address}"
                fault = await _find_database_fault(connection)
    except (EngineError, MigrationError) as error:
        return _refuse(f"{getattr(error, 'reason', error)}")
    if fault is not None:
        return _refuse(f"{server} {fault}")
    return ServerState(
        f"{server} accepts writes, and has all migrations", is_usable=True, is_fault=False
    )


async def _find_database_fault(connection: StoreConnection) -> str | None:
    missing = await find_missing_migrations(connection)
    if missing:
        count, last = len(missing), missing[-1]
        lacked = f"the migration {last}" if count == 1 else f"{count} migrations, up to {last}"
        return f"lacks {lacked}: run `{name_command()} migrate` (`up` does so when it starts)"
    rights = [row["missing"] for row in await connection.fetch(_FIND_MISSING_RIGHTS)]
    return f"does not permit the user {', '.join(rights)}: grant it" if rights else None


async def examine_redis(url: str) -> ServerState:
    """Whether the engine can use a Redis; never raises ``EngineError``.

    What is permitted is tried as workers do at their start: their group is made if it is missing.
    """
    address = parse_redis_url(url)
    try:
        async with asyncio.timeout(_TIMEOUT_S), open_redis(address) as redis:
            server = await read_redis_version(redis)
            refusal = await _find_redis_refusal(redis)
    except EngineError as error:
        return ServerState(error.reason, is_usable=False, is_fault=True)
    except TimeoutError:
        return _refuse(f"{address.url} gives no answer")
    except (RedisError, OSError) as error:
        refusal, server = error, "Redis"
    if refusal is not None:
        reason = explain_redis_error(refusal)
        return _refuse(f"{server} at {address.url}: {reason}")
    return ServerState(
        f"{server} at {address.url} permits what is needed", is_usable=True, is_fault=False
    )


async def _find_redis_refusal(redis: Redis) -> Exception | None:
    """What Redis refuses of what workers need, if it refuses a thing. Raises ``RedisError``."""
    consumer = f"doctor-{secrets.token_hex(4)}"
    errors = await probe_commands(redis, stream=STREAM, group=GROUP, consumer=consumer)
    refusal = next((error for error in errors if find_refusal(error) is not None), None)
    if refusal is None:
        add_jobs = redis.register_script(scripts.ADD_JOBS)
        await add_jobs(keys=[STREAM], args=[GROUP, *messages.take_no_message()])
    return refusal


def _refuse(reason: str) -> ServerState:
    return ServerState(f"cannot be used: {reason}", is_usable=False, is_fault=True)
