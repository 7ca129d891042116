"""Connections to Redis: how each is opened, and what is checked at start.

The engine works without Redis, more slowly: a worker finds its orders by the sweep, and feeds are
polled. So a Redis that is away at start is reported and not waited for. One that refuses what the
engine needs is an error of the configuration, and ends the start.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError, ResponseError

from backend.config.redis.url import RedisAddress, SentinelService
from backend.domain.errors import Rejected
from backend.runtime import observe_queue
from backend.runtime.redis.cluster import ClusterPool
from backend.runtime.redis.errors import (
    CLUSTER_REFUSAL,
    explain_redis_error,
    is_configuration_error,
)

VERSION_MIN: Final = (6, 2)
_TIMEOUTS: Final[Mapping[str, Any]] = {"socket_timeout": 5, "socket_connect_timeout": 2}
"""Where a URL says no other: a Sentinel, node or primary that hangs must not hold up the next."""


def build_client_options(address: RedisAddress) -> dict[str, Any]:
    """The arguments of every client and pool of this address.

    RESP2, because the shapes of some replies depend on the protocol, and every server knows it.
    No ``CLIENT SETINFO``, which needs a permission of its own.
    Raises ``Rejected`` (``redis_configuration``) if a file of the TLS options cannot be used.
    """
    _check_tls_files(address.options)
    return {**address.options, "protocol": 2, "driver_info": None}


def open_redis(address: RedisAddress) -> Redis:
    """A client that connects when it is first used. Raises as ``build_client_options``."""
    pool = choose_pool(address, None)
    if pool is not None:
        return Redis.from_pool(pool)
    return Redis.from_url(address.url, **build_client_options(address))


def choose_pool(address: RedisAddress, pool: Any) -> Any:
    """``pool``, or one of the primary that Sentinels or the nodes of a Cluster name.

    Raises as ``build_client_options``.
    """
    if address.service is not None:
        return _build_sentinel_pool(address, address.service)
    if address.nodes:
        return ClusterPool(address.nodes, {**_TIMEOUTS, **build_client_options(address)})
    return pool


def _build_sentinel_pool(address: RedisAddress, service: SentinelService) -> ConnectionPool:
    """Connections to the primary that Sentinels name: each that is opened asks them anew."""
    options = {"protocol": 2, "driver_info": None, **_TIMEOUTS, **service.options}
    sentinel = Sentinel(service.hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
    own = {**_TIMEOUTS, **build_client_options(address)}
    return _SentinelPool(service.name, sentinel, **own)  # type: ignore[no-untyped-call]


class _SentinelPool(SentinelConnectionPool):
    """Connections to the primary, which closes those to its Sentinels as well."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        for each in self.sentinel_manager.sentinels:
            await each.connection_pool.disconnect(inuse_connections)


async def check_redis(redis: Redis) -> None:
    """Check that Redis is of a version that will do; report it if it is away.

    Raises ``Rejected`` (``redis_configuration``) if it refuses the connection or is too old.
    """
    try:
        await read_redis_version(redis)
    except (RedisError, OSError) as error:
        report_or_refuse(error)


async def read_redis_version(redis: Redis) -> str:
    """Name the server and its version, which will do.

    Raises ``Rejected`` (``redis_configuration``) if it is too old or a Cluster's node, and
    ``RedisError`` or ``OSError`` if it is away or refuses the connection.
    """
    try:
        reply: Any = await redis.execute_command("HELLO", 2)  # type: ignore[no-untyped-call]
    except ResponseError as error:
        if "unknown command" in str(error):
            raise _refuse("it is older than 6.0: Redis 6.2 or newer is needed") from None
        raise
    facts = _read_pairs(reply)
    version = facts.get("version", "")
    match = re.match(r"(\d+)\.(\d+)", version)
    if match and (int(match[1]), int(match[2])) < VERSION_MIN:
        raise _refuse(f"it is version {version}: 6.2 or newer is needed")
    if facts.get("mode") == "cluster" and not isinstance(redis.connection_pool, ClusterPool):
        raise _refuse(CLUSTER_REFUSAL)
    return f"{facts.get('server', 'redis')} {version}"


def report_or_refuse(error: Exception) -> None:
    """Report that Redis is away at start. Raises ``Rejected`` if it is there and refuses."""
    if is_configuration_error(error):
        raise _refuse(explain_redis_error(error)) from None
    observe_queue.redis_missing_at_start(explain_redis_error(error))


def _read_pairs(reply: Any) -> Mapping[str, str]:
    """The fields of a HELLO, a flat list of names and values."""
    if not isinstance(reply, list):
        return {}
    texts = [part.decode() if isinstance(part, bytes) else str(part) for part in reply]
    return dict(zip(texts[::2], texts[1::2], strict=False))


def _check_tls_files(options: Mapping[str, Any]) -> None:
    """Raises ``Rejected`` if a file is missing or is not what it should be.

    redis-py would read them when it connects, and report them as a server that is away.
    """
    try:
        what = "ssl_ca_certs"
        if "ssl_ca_certs" in options or "ssl_ca_path" in options:
            ssl.create_default_context(
                cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path")
            )
        what = "ssl_certfile and ssl_keyfile"
        if "ssl_certfile" in options or "ssl_keyfile" in options:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                options.get("ssl_certfile", ""),
                options.get("ssl_keyfile"),
                options.get("ssl_password"),
            )
        what = "ssl_ciphers"
        if "ssl_ciphers" in options:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(options["ssl_ciphers"])
    except OSError as error:  # includes SSLError
        reason = error.strerror or str(error)
        raise Rejected(
            "redis_configuration", f"REDIS_URL: {what} cannot be used: {reason}"
        ) from None


def _refuse(reason: str) -> Rejected:
    return Rejected("redis_configuration", f"REDIS_URL: Redis cannot be used: {reason}")
