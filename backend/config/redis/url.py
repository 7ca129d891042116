"""``REDIS_URL``: what it may say, and what that means to the client.

All of it is checked before anything is opened: redis-py ignores a wrong database, takes a missing
host for this machine, and hands parameters that it does not know to a constructor that fails on
them. No message here repeats a value: the URL may hold a password, also in the wrong place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from backend.config.redis.hosts import Hosts, list_hosts, read_hosts
from backend.config.redis.parameters import parse_whole_number, read_parameters

PORT = 6379
SENTINEL_PORT = 26379

_SCHEMES: Final[Mapping[str, str]] = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    "unix": "unix",
    "redis+sentinel": "redis+sentinel",
    "rediss+sentinel": "rediss+sentinel",
    "valkey+sentinel": "redis+sentinel",
    "valkeys+sentinel": "rediss+sentinel",
    "redis+cluster": "redis+cluster",
    "rediss+cluster": "rediss+cluster",
    "valkey+cluster": "redis+cluster",
    "valkeys+cluster": "rediss+cluster",
}
_SENTINEL: Final = "+sentinel"
_CLUSTER: Final = "+cluster"


class SentinelService(NamedTuple):
    """Sentinels by host and port, and the name by which they know a primary.

    ``options`` are those of the connections to them.
    """

    hosts: Hosts
    name: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis is, and how to connect to it.

    With ``service`` its Sentinels tell where it is, with ``nodes`` a Cluster does.
    """

    url: str
    """Scheme, host, port and database; nothing secret, and no parameters."""
    options: Mapping[str, object] = field(repr=False)
    """What else the client's constructor takes: user, password, timeouts, TLS."""
    notes: tuple[str, ...] = ()
    """What the URL asks for and does not get, or should not ask for."""
    service: SentinelService | None = field(default=None, repr=False)
    nodes: Hosts = ()
    """Some nodes of a Cluster, which know the others."""

    @property
    def direct_url(self) -> str:
        """The URL of a server; of none in particular if others tell where it is."""
        return self.url if self.service is None and not self.nodes else "redis://"


def parse_redis_url(text: str) -> RedisAddress:
    """Parse a ``REDIS_URL``. Raises ``ValueError`` with a reason that holds no secret."""
    text = text.strip()
    scheme, separator, _ = text.partition("://")
    kind = _SCHEMES.get(scheme.lower())
    if not separator or kind is None:
        raise ValueError(
            "must begin with redis://, rediss:// (TLS), redis+sentinel://, redis+cluster:// or"
            " unix://"
        )
    if "#" in text or any(character.isspace() for character in text):
        raise ValueError("has a blank or a '#': in a user or a password write them as %20 and %23")
    parts = _split_url(text)
    if "@" in parts.path + parts.query and "@" not in parts.netloc:
        raise ValueError("has an '@' behind the host: in a password write '/' as %2F, '?' as %3F")
    _check_userinfo(parts, has_hosts="+" in kind)
    has_tls = kind.startswith("rediss")
    parameters, notes = read_parameters(parts.query, has_tls=has_tls)
    options = {**_read_credentials(parts, parameters), **parameters}
    sentinel_options = _take_sentinel_options(options, is_used=kind.endswith(_SENTINEL))
    if kind.endswith(_SENTINEL):
        return _build_sentinel_address(kind, parts, options, sentinel_options, notes)
    if kind.endswith(_CLUSTER):
        return _build_cluster_address(kind, parts, options, notes)
    return _build_server_address(kind, parts, options, notes)


def _build_server_address(
    kind: str, parts: SplitResult, options: dict[str, object], notes: tuple[str, ...]
) -> RedisAddress:
    location = _read_socket_path(parts) if kind == "unix" else _read_server(parts)
    database = options.pop("db", None)
    if kind != "unix":
        database = _read_database(parts.path, database)
    url = f"{kind}://{location}" + (f"?db={database}" if database else "")
    return RedisAddress(url, options, notes)


def _split_url(text: str) -> SplitResult:
    """Split a URL, of whose hosts ``urlsplit`` of some Pythons takes no several in brackets."""
    scheme, _, rest = text.partition("://")
    end = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    return urlsplit(f"{scheme}://{rest[end:]}")._replace(netloc=rest[:end])


def _check_userinfo(parts: SplitResult, *, has_hosts: bool) -> None:
    """Check that no host is before the last '@', where it would be a part of a password."""
    before, separator, _ = parts.netloc.rpartition("@")
    if separator and ("@" in before or (has_hosts and "," in before)):
        raise ValueError(
            "has an '@' or a ',' before the last '@': user and password are said once, before the"
            " first host, and have '@' as %40 and ',' as %2C"
        )


def _build_sentinel_address(
    kind: str,
    parts: SplitResult,
    options: dict[str, object],
    sentinel_options: Mapping[str, object],
    notes: tuple[str, ...],
) -> RedisAddress:
    """The address of the primary that Sentinels name: hosts, then its name, then a database."""
    name, _, number = parts.path.strip("/").partition("/")
    form = f"{kind}://host:{SENTINEL_PORT},host:{SENTINEL_PORT}/name"
    if not name:
        raise ValueError(f"names no primary: write {form}")
    hosts = read_hosts(_get_hosts(parts), SENTINEL_PORT, form)
    database = _read_database(number, options.pop("db", None))
    if database:
        options["db"] = database
    if kind.startswith("rediss"):
        options["ssl"] = True
    shared = ("ssl_", "socket_")
    for_sentinels = {key: value for key, value in options.items() if key.startswith(shared)}
    if "ssl" in options:
        for_sentinels["ssl"] = True
    service = SentinelService(hosts, unquote(name), {**for_sentinels, **sentinel_options})
    url = f"{kind}://{list_hosts(hosts)}/{quote(service.name)}"
    return RedisAddress(url, options, notes, service)


def _build_cluster_address(
    kind: str, parts: SplitResult, options: dict[str, object], notes: tuple[str, ...]
) -> RedisAddress:
    """The address of a Cluster: one or more of its nodes."""
    if _read_database(parts.path, options.pop("db", None)):
        raise ValueError("names a database, of which a Cluster has one: leave it out")
    if kind.startswith("rediss"):
        options["ssl"] = True
    hosts = read_hosts(_get_hosts(parts), PORT, f"{kind}://host:{PORT},host:{PORT}")
    return RedisAddress(f"{kind}://{list_hosts(hosts)}", options, notes, nodes=hosts)


def _get_hosts(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _take_sentinel_options(options: dict[str, object], *, is_used: bool) -> Mapping[str, object]:
    """Take what is for the Sentinels alone out of the options."""
    names = ("sentinel_username", "sentinel_password")
    taken = {each.removeprefix("sentinel_"): options.pop(each) for each in names if each in options}
    if taken and not is_used:
        raise ValueError(f"has the parameter sentinel_{min(taken)}, which needs redis+sentinel://")
    return taken


def _read_credentials(parts: SplitResult, parameters: dict[str, object]) -> dict[str, object]:
    credentials: dict[str, object] = {}
    if parts.username:
        credentials["username"] = unquote(parts.username)
    if parts.password:
        credentials["password"] = unquote(parts.password)
    twice = credentials.keys() & parameters.keys()
    if twice:
        raise ValueError(f"says {min(twice)} twice: before the host and as a parameter")
    if "username" in credentials | parameters and "password" not in credentials | parameters:
        raise ValueError("has a user without a password: write user:password@, or :password@")
    return credentials


def _read_server(parts: SplitResult) -> str:
    """The host and port of a single server."""
    hosts = _get_hosts(parts)
    if "," in hosts:
        raise ValueError(
            "names several hosts: name one, the primary or an address that follows it, or name"
            " its Sentinels with redis+sentinel://, or the nodes of a Cluster with redis+cluster://"
        )
    return list_hosts(read_hosts(hosts, PORT, f"{parts.scheme}://host:{PORT}"))


def _read_socket_path(parts: SplitResult) -> str:
    path = unquote(parts.path)
    if _get_hosts(parts) or not path.startswith("/") or path == "/":
        raise ValueError("names no socket: write unix:///path/to/redis.sock")
    return quote(path)


def _read_database(path: str, parameter: object) -> object:
    """The number of the database, which may be in the path or a parameter."""
    number = path.removeprefix("/").removesuffix("/")
    if not number:
        return parameter
    database = parse_whole_number(number)
    if database is None:
        raise ValueError("has a path that is no database: write /0, the number of the database")
    if parameter is not None and parameter != database:
        raise ValueError("names two databases: in its path and as the parameter db")
    return database
