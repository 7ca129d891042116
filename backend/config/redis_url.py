"""``REDIS_URL``: what it may say, and what that means to the client.

All of it is checked before anything is opened: redis-py ignores a wrong database, takes a missing
host for this machine, and hands parameters that it does not know to a constructor that fails on
them. No message here repeats a value: the URL may hold a password, also in the wrong place.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

PORT = 6379
SENTINEL_PORT = 26379
SOCKET_TIMEOUT_S_MIN: Final = 2
"""A worker waits up to a second for a job: a shorter timeout would cut each such wait."""

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
}
_SENTINEL: Final = "+sentinel"
_CERTIFICATE_CHECKS: Final = ("none", "optional", "required")
_TLS_VERSIONS: Final[Mapping[str, ssl.TLSVersion]] = {
    "1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1_2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
    "tlsv1_3": ssl.TLSVersion.TLSv1_3,
}
_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


class SentinelService(NamedTuple):
    """Sentinels by host and port, and the name by which they know a primary.

    ``options`` are those of the connections to them.
    """

    hosts: tuple[tuple[str, int], ...]
    name: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis is, and how to connect to it; with ``service``, where its Sentinels are."""

    url: str
    """Scheme, host, port and database; nothing secret, and no parameters."""
    options: Mapping[str, object] = field(repr=False)
    """What else the client's constructor takes: user, password, timeouts, TLS."""
    notes: tuple[str, ...] = ()
    """What the URL asks for and does not get, or should not ask for."""
    service: SentinelService | None = field(default=None, repr=False)

    @property
    def direct_url(self) -> str:
        """The URL of a server; of none in particular if Sentinels name it."""
        return self.url if self.service is None else "redis://"


def parse_redis_url(text: str) -> RedisAddress:
    """Parse a ``REDIS_URL``. Raises ``ValueError`` with a reason that holds no secret."""
    text = text.strip()
    scheme, separator, _ = text.partition("://")
    kind = _SCHEMES.get(scheme.lower())
    if not separator or kind is None:
        raise ValueError("must begin with redis://, rediss:// (TLS), redis+sentinel:// or unix://")
    if "#" in text or any(character.isspace() for character in text):
        raise ValueError("has a blank or a '#': in a user or a password write them as %20 and %23")
    try:
        parts = _split_hosts(text) if kind.endswith(_SENTINEL) else urlsplit(text)
    except ValueError:
        raise ValueError("cannot be read: brackets belong around an IPv6 address") from None
    if "@" in parts.path + parts.query and "@" not in parts.netloc:
        raise ValueError("has an '@' behind the host: in a password write '/' as %2F, '?' as %3F")
    has_tls = kind.startswith("rediss")
    parameters, notes = _read_parameters(parts.query, has_tls=has_tls)
    options = {**_read_credentials(parts, parameters), **parameters}
    sentinel_options = _take_sentinel_options(options, is_used=kind.endswith(_SENTINEL))
    if kind.endswith(_SENTINEL):
        return _build_sentinel_address(kind, parts, options, sentinel_options, notes)
    location = _read_socket_path(parts) if kind == "unix" else _read_host_and_port(parts)
    database = options.pop("db", None)
    if kind != "unix":
        database = _read_database(parts.path, database)
    url = f"{kind}://{location}" + (f"?db={database}" if database else "")
    return RedisAddress(url, options, notes)


def _split_hosts(text: str) -> SplitResult:
    """Split a URL of several hosts, of which ``urlsplit`` of some Pythons takes no brackets."""
    scheme, _, rest = text.partition("://")
    end = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    return urlsplit(f"{scheme}://{rest[end:]}")._replace(netloc=rest[:end])


def _build_sentinel_address(
    kind: str,
    parts: SplitResult,
    options: dict[str, object],
    sentinel_options: Mapping[str, object],
    notes: tuple[str, ...],
) -> RedisAddress:
    """The address of the primary that Sentinels name: hosts, then its name, then a database."""
    name, _, number = parts.path.strip("/").partition("/")
    if not name:
        raise ValueError("names no primary: write redis+sentinel://host:26379,host:26379/name")
    hosts = []
    for text in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"redis://{text}")
        _read_host_and_port(one)
        hosts.append((str(one.hostname), one.port or SENTINEL_PORT))
    database = _read_database(number, options.pop("db", None))
    if database:
        options["db"] = database
    if kind.startswith("rediss"):
        options["ssl"] = True
    shared = ("ssl_", "socket_")
    for_sentinels = {key: value for key, value in options.items() if key.startswith(shared)}
    if "ssl" in options:
        for_sentinels["ssl"] = True
    service = SentinelService(tuple(hosts), unquote(name), {**for_sentinels, **sentinel_options})
    listed = ",".join(f"{host}:{port}" for host, port in hosts)
    return RedisAddress(f"{kind}://{listed}/{quote(service.name)}", options, notes, service)


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


def _read_host_and_port(parts: SplitResult) -> str:
    if "," in parts.netloc.rpartition("@")[2]:
        raise ValueError(
            "names several hosts: name one, the primary or an address that follows it, or name"
            " its Sentinels with redis+sentinel://"
        )
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(
            "has a port that is no number from 1 to 65535; a '/', ':' or '@' in a password is"
            " written as %2F, %3A or %40"
        ) from None
    if not host:
        raise ValueError(f"names no host: write {parts.scheme}://host:{PORT}")
    if port == 0:
        raise ValueError("has port 0: a server has one from 1 to 65535")
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port or PORT}"


def _read_socket_path(parts: SplitResult) -> str:
    path = unquote(parts.path)
    if parts.hostname or not path.startswith("/") or path == "/":
        raise ValueError("names no socket: write unix:///path/to/redis.sock")
    return quote(path)


def _read_database(path: str, parameter: object) -> object:
    """The number of the database, which may be in the path or a parameter."""
    number = path.removeprefix("/").removesuffix("/")
    if not number:
        return parameter
    database = _parse_whole_number(number)
    if database is None:
        raise ValueError("has a path that is no database: write /0, the number of the database")
    if parameter is not None and parameter != database:
        raise ValueError("names two databases: in its path and as the parameter db")
    return database


def _read_parameters(query: str, *, has_tls: bool) -> tuple[dict[str, object], tuple[str, ...]]:
    values: dict[str, object] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name in values:
            raise ValueError(f"has the parameter {name} twice")
        values[name] = _read_parameter(name, text)
        if name.startswith("ssl_") and not has_tls:
            raise ValueError(f"has the parameter {name}, which needs rediss://")
    notes: list[str] = []
    if values.pop("protocol", 2) != 2:
        notes.append("protocol=3 has no effect: the engine speaks RESP2, which every server knows")
    if values.get("ssl_cert_reqs") == "none":
        notes.append("ssl_cert_reqs=none: whoever is in between can read and change the jobs")
    if "ssl_certfile" in values or "ssl_keyfile" in values:
        # Without one, OpenSSL asks for the password of a key on the terminal, and waits.
        values.setdefault("ssl_password", "")
    return values, tuple(notes)


def _read_parameter(name: str, text: str) -> object:
    if name not in _PARAMETERS:
        raise ValueError(
            f"has the parameter {_shorten(name)}, which is not known; known are"
            f" {', '.join(_PARAMETERS)}"
        )
    parse, expected = _PARAMETERS[name]
    value = parse(text)
    if value is None:
        raise ValueError(f"has a wrong value of the parameter {name}: it must be {expected}")
    return value


def _shorten(name: str) -> str:
    return repr(name if len(name) <= 40 else f"{name[:40]}…")


def _parse_whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _parse_protocol(text: str) -> int | None:
    return int(text) if text in {"2", "3"} else None


def _parse_timeout(text: str, at_least: float) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if at_least <= seconds and math.isfinite(seconds) else None


def _parse_certificate_check(text: str) -> str | None:
    name = text.lower().removeprefix("cert_")
    return name if name in _CERTIFICATE_CHECKS else None


def _parse_text(text: str) -> str | None:
    return text or None


_FILE = (_parse_text, "the path of a file")
_BOOLEAN = (lambda text: _BOOLEANS.get(text.lower()), "true or false")

_PARAMETERS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
    "db": (_parse_whole_number, "a whole number from 0"),
    "username": (_parse_text, "a name"),
    "password": (_parse_text, "a password"),
    "sentinel_username": (_parse_text, "a name"),
    "sentinel_password": (_parse_text, "a password"),
    "protocol": (_parse_protocol, "2 or 3"),
    "socket_timeout": (
        lambda text: _parse_timeout(text, SOCKET_TIMEOUT_S_MIN),
        f"a number of seconds from {SOCKET_TIMEOUT_S_MIN}",
    ),
    "socket_connect_timeout": (
        lambda text: _parse_timeout(text, 0.05),
        "a number of seconds from 0.05",
    ),
    "socket_keepalive": _BOOLEAN,
    "ssl_ca_certs": _FILE,
    "ssl_ca_path": (_parse_text, "the path of a folder"),
    "ssl_certfile": _FILE,
    "ssl_keyfile": _FILE,
    "ssl_password": (_parse_text, "a password"),
    "ssl_cert_reqs": (_parse_certificate_check, "required, optional or none"),
    "ssl_check_hostname": _BOOLEAN,
    "ssl_min_version": (lambda text: _TLS_VERSIONS.get(text.lower()), "1.2 or 1.3"),
    "ssl_ciphers": (_parse_text, "a list of ciphers"),
}
"""The parameters that a URL may have: how each is read, and what it must be."""
