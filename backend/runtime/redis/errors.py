"""What Redis may answer instead of a result: what each error means, and the decided reaction.

Every command that fails is tried again. What differs is whether the connection is kept, whether
the same error at start means that the configuration is wrong, and what a person is told.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError

CLUSTER_REFUSAL: Final = (
    "it is a node of a Redis Cluster, which is named as one: write redis+cluster://host:port, with"
    " some of its nodes (backend/queue/REDIS.md)"
)


@dataclass(frozen=True, slots=True)
class RedisRefusal:
    """The meaning of an error code, and the reaction beyond trying again."""

    meaning: str
    reconnects: bool = False
    """Drop the connections: the address may lead to another server by now."""
    is_configuration: bool = False
    """Seen at start, a person has to change something: waiting does not help."""


REFUSALS: Final[Mapping[str, RedisRefusal]] = {
    "NOGROUP": RedisRefusal("the data was lost; the queue is made again"),
    "WRONGTYPE": RedisRefusal(
        "a key order-engine:* holds something that is not the engine's: rename or delete it"
    ),
    "READONLY": RedisRefusal("this server is a replica now: looking for the primary", True),
    "MASTERDOWN": RedisRefusal("this replica has lost its primary: looking for another", True),
    "LOADING": RedisRefusal("it is loading its data"),
    "BUSY": RedisRefusal("it is busy with somebody's script"),
    "OOM": RedisRefusal("its memory is full (maxmemory): give it more, or remove data"),
    "MISCONF": RedisRefusal("it cannot save to its disk, and refuses writes until it can"),
    "NOREPLICAS": RedisRefusal("it has too few replicas, and refuses writes (min-replicas)"),
    "NOAUTH": RedisRefusal(
        "it wants a password: put user:password@ before the host", True, is_configuration=True
    ),
    "WRONGPASS": RedisRefusal("it refuses the user or the password", True, is_configuration=True),
    "NOPERM": RedisRefusal(
        "its ACL does not permit the user what the engine needs (backend/queue/REDIS.md)",
        True,
        is_configuration=True,
    ),
    "unauthenticated multibulk length": RedisRefusal(
        "it wants the password, which may have changed", True
    ),
    "user executing the script can't": RedisRefusal(
        "its ACL does not permit the user what the engine needs (backend/queue/REDIS.md)",
        True,
        is_configuration=True,
    ),
    "MOVED": RedisRefusal(CLUSTER_REFUSAL, is_configuration=True),
    "CROSSSLOT": RedisRefusal(CLUSTER_REFUSAL, is_configuration=True),
    "CLUSTERDOWN": RedisRefusal(
        "the Cluster is down: a part of the keys has no node, or most of its nodes are away", True
    ),
    "ASK": RedisRefusal("the keys are on their way to another node"),
    "TRYAGAIN": RedisRefusal("the keys are on their way to another node"),
    "cluster support disabled": RedisRefusal(
        "it is no node of a Cluster: write redis:// instead of redis+cluster://, or rediss:// with"
        " TLS",
        is_configuration=True,
    ),
    "DB index is out of range": RedisRefusal(
        "it has no database of this number", is_configuration=True
    ),
    "invalid DB index": RedisRefusal("it has no database of this number", is_configuration=True),
    "unknown command": RedisRefusal(
        "it does not know a command: Redis 6.2 or newer is needed, with no command renamed",
        is_configuration=True,
    ),
    "without any password configured": RedisRefusal(
        "it has no password set: leave it out", is_configuration=True
    ),
    "max number of clients reached": RedisRefusal("it has too many connections (maxclients)"),
}
"""The reaction to each error, by its code or by words of its message. Any other is retried."""

# Redis 6.2 reports the error of a command inside a script as a message of another error.
_KNOWN: Final = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, REFUSALS))})(?!\w)")

# redis-py names each Sentinel that does not know the primary by all that its client has.
_CLIENT: Final = re.compile(r"<redis\.asyncio\..*?host=([^,]*),port=(\d+).*?\)>\)>\)>")

_CUT: Final = re.compile("closed by server|reset by peer")


def find_refusal(error: BaseException) -> RedisRefusal | None:
    """The refusal that an error is, if it is a known one."""
    if not isinstance(error, RedisError):
        return None
    match = _KNOWN.search(f"{getattr(error, 'status_code', '')} {error}")
    return None if match is None else REFUSALS[match[1]]


def is_configuration_error(error: BaseException) -> bool:
    """Whether an error at start means that the configuration is wrong, so that waiting is vain."""
    if isinstance(error, InvalidResponse) or isinstance(error.__context__, ssl.SSLError):
        return True
    refusal = find_refusal(error)
    return refusal is not None and refusal.is_configuration


def explain_redis_error(error: BaseException) -> str:
    """An error of Redis or of the way to it, in words. No message of Redis holds a password."""
    text = _CLIENT.sub(r"\1:\2", " ".join(str(error).split())) or type(error).__name__
    code = getattr(error, "status_code", None)
    words = f"{code} {text}" if code and not text.startswith(code) else text
    refusal = find_refusal(error)
    meaning = _explain_connection_error(error, text) if refusal is None else refusal.meaning
    return f"{meaning} ({words})" if meaning else words


def _explain_connection_error(error: BaseException, text: str) -> str:
    """What may be behind an error that is not an answer of Redis; empty if that is unknown."""
    if isinstance(error, InvalidResponse):
        return "what answers there is not Redis"
    if isinstance(error.__context__, ssl.SSLCertVerificationError):
        return "its certificate is refused: give its issuer as ssl_ca_certs"
    if isinstance(error.__context__, ssl.SSLError):
        return "no TLS with it: is it a port without TLS (redis://)?"
    if isinstance(error, RedisConnectionError) and _CUT.search(text):
        return "it closed the connection: does it want TLS (rediss://)?"
    if text.startswith("Timeout connecting"):
        return "no answer: are the address and the scheme right (rediss:// for TLS)?"
    return ""


async def drop_connections_if_moved(pool: Any, error: BaseException) -> None:
    """Close the idle connections of a pool after an error that another server might not give."""
    refusal = find_refusal(error)
    if refusal is not None and refusal.reconnects:
        await pool.disconnect(inuse_connections=False)
