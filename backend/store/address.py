"""The address of PostgreSQL: ``DATABASE_URL`` as libpq reads it.

Every parameter that libpq takes in the query string is taken, is ignored by name with a line in the
log, or is refused by name because to ignore it would break what it asks for. An unknown parameter
is an error. No error contains a value of the URL but the names of hosts: it may be a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import unquote

from backend.domain.errors import Rejected
from backend.domain.spelling import suggest_name

SCHEMES: Final = ("postgresql", "postgres")
SYSTEM_ROOTS: Final = "system"
"""The value of ``sslrootcert`` that stands for the certificates of this machine."""
_TLS_FILES: Final = ("sslcert", "sslkey", "sslrootcert", "sslcrl")
_TLS: Final = (
    *_TLS_FILES,
    *("sslmode", "sslnegotiation", "sslpassword"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
)
_FILES: Final = ("passfile", "service", "servicefile")
_IGNORED: Final = {
    "channel_binding": "passwords are sent by SCRAM without channel binding",
    "client_encoding": "it is always UTF-8",
    "gssdelegation": "Kerberos credentials are never delegated",
    "gssencmode": "connections are encrypted by TLS only",
    "load_balance_hosts": "hosts are tried in their order, for one that accepts writes",
    "max_protocol_version": "the protocol is version 3.0",
    "min_protocol_version": "the protocol is version 3.0",
    "require_auth": "the server chooses the method",
    "sslcertmode": "a certificate is sent if there is one",
    "sslcompression": "TLS is never compressed",
    "sslkeylogfile": "set SSLKEYLOGFILE instead",
    "sslsni": "the name of the host is always sent",
}
_REFUSED: Final = {
    "oauth_client_id": "OAuth is not supported",
    "oauth_client_secret": "OAuth is not supported",
    "oauth_issuer": "OAuth is not supported",
    "oauth_scope": "OAuth is not supported",
    "replication": "the engine needs an ordinary connection",
    "requirepeer": "the owner of a socket is not checked",
    "scram_client_key": "only a password is supported",
    "scram_server_key": "only a password is supported",
    "sslcrldir": "use sslcrl",
}
_REFUSED_VALUES: Final = {
    "gssencmode": ("require", "encryption by Kerberos is not supported; use sslmode"),
    "min_protocol_version": ("3.2", "the protocol is version 3.0"),
}
_KEEPALIVE_OPTIONS: Final = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
_NUMBERS: Final = (*_KEEPALIVE_OPTIONS, "connect_timeout", "keepalives", "requiressl")
_TAKEN: Final = frozenset(
    {
        *_TLS,
        *_FILES,
        *_NUMBERS,
        *("host", "hostaddr", "port", "user", "password", "dbname", "database", "ssl"),
        *("application_name", "fallback_application_name", "options", "target_session_attrs"),
    }
)
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl": ("true", "false", "require", "1", "0"),
    "gsslib": ("gssapi", "sspi"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    # Whatever it says, a connection is used only while its server can write.
    "target_session_attrs": ("any", "read-write", "primary"),
}


class Host(NamedTuple):
    """A host, an IP address or the folder of a Unix socket, and a port or ``None``: 5432."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        if self.name.startswith("/"):
            return self.name
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{name}:{self.port or 5432}"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where PostgreSQL is, and how to connect to it. Its text contains no secret."""

    hosts: tuple[Host, ...]
    """In the order in which they are tried; empty: libpq's defaults."""
    user: str | None = None
    database: str | None = None
    password: str | None = field(default=None, repr=False)
    files: Mapping[str, str] = field(default_factory=dict)
    """``passfile``, ``service`` and ``servicefile``."""
    tls: Mapping[str, str] = field(default_factory=dict, repr=False)
    server_settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_timeout_s: float | None = None
    """The timeout of a connection to one host."""
    has_keepalive: bool = True
    tcp_options: Mapping[str, int] = field(default_factory=dict)
    """Options of the socket by their names in ``socket``."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Parameters without effect, with the reason."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.hosts)) or "the default address"


def parse_address(url: str) -> DatabaseAddress:
    """Parse ``DATABASE_URL``. Raises ``Rejected`` (``invalid_database_url``)."""
    parts = _split(url.strip())
    user_info, _, host_list = parts.netloc.rpartition("@")
    user, _, password = user_info.partition(":")
    values = _parse_parameters(parts.query)
    database = _decode(parts.path.removeprefix("/"), "database")
    return DatabaseAddress(
        _parse_hosts(host_list, values),
        user=values.get("user") or _decode(user, "user") or None,
        database=values.get("dbname") or values.get("database") or database or None,
        password=values.get("password") or _decode(password, "password") or None,
        files={name: values[name] for name in _FILES if name in values},
        tls=_build_tls(values),
        server_settings=_build_server_settings(values),
        connect_timeout_s=max(0.0, float(values.get("connect_timeout", 0))) or None,
        has_keepalive=values.get("keepalives") != "0",
        tcp_options={
            option: int(values[name])
            for name, option in _KEEPALIVE_OPTIONS.items()
            if int(values.get(name, 0)) > 0
        },
        ignored={name: reason for name, reason in _IGNORED.items() if name in values},
    )


class _AddressParts(NamedTuple):
    netloc: str
    path: str
    query: str


def _split(url: str) -> _AddressParts:
    """Split an address. ``urllib`` refuses an IPv6 address that is not the only host."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in SCHEMES:
        raise _invalid("must start with postgresql:// or postgres://")
    if "#" in rest:
        raise _invalid("contains a '#': write it as %23")
    match = re.fullmatch(r"([^/?\x00-\x1f]*)(/[^?\x00-\x1f]*)?(?:\?([^\x00-\x1f]*))?", rest)
    if match is None:
        raise _invalid("contains a control character: percent-encode it")
    parts = _AddressParts(match[1], match[2] or "", match[3] or "")
    _check_at_signs(parts)
    return parts


def _check_at_signs(parts: _AddressParts) -> None:
    """Refuse a password with a bare '/' or '?', whose rest is in the path or the query."""
    is_in_query = "@" in parts.query and "@" not in parts.netloc and "user=" not in parts.query
    if "@" in parts.path or is_in_query:
        raise _invalid("has an '@' in a wrong place: percent-encode special characters")


def _invalid(reason: str) -> Rejected:
    return Rejected("invalid_database_url", f"DATABASE_URL {reason}")


def _decode(text: str, part: str) -> str:
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise _invalid(f"has a '%' in its {part} that encodes nothing: write it as %25")
    return unquote(text)


def _parse_parameters(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, separator, value = pair.partition("=")
        name = _decode(name, "parameters")
        if not separator:
            raise _invalid(f"has the parameter {_quote(name)} without a value")
        if value:  # an empty one is libpq's default
            values[name] = _decode(value, f"parameter {name}")
    for name, value in values.items():
        _check_parameter(name, value)
    return values


def _check_parameter(name: str, value: str) -> None:
    if name in _REFUSED:
        raise _invalid(f"has the parameter {name}: {_REFUSED[name]}")
    if name not in _TAKEN and name not in _IGNORED:
        meant = suggest_name(name, [*_TAKEN, *_IGNORED])
        hint = "remove it" if meant is None else f"did you mean {meant}?"
        raise _invalid(f"has the parameter {_quote(name)}, which PostgreSQL does not know: {hint}")
    refused_value, reason = _REFUSED_VALUES.get(name, ("", ""))
    if value == refused_value:
        raise _invalid(f"has {name}={value}: {reason}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise _invalid(
            f"has the parameter {name}, which must be one of {', '.join(_CHOICES[name])}"
        )
    if name in _NUMBERS and not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise _invalid(f"has the parameter {name}, which must be a whole number")


def _quote(name: str) -> str:
    return repr(name[:40])


def _parse_hosts(host_list: str, values: Mapping[str, str]) -> tuple[Host, ...]:
    names: list[str] = []
    ports: list[str] = []
    if "hostaddr" in values and values.get("sslmode") != "verify-full":
        names = values["hostaddr"].split(",")
    elif "hostaddr" in values:
        raise _invalid("has hostaddr with sslmode=verify-full: give the name in host instead")
    elif "host" in values:
        names = [name.strip("[]") for name in values["host"].split(",")]
    elif host_list:
        names, ports = _split_host_list(host_list)
    if "port" in values:
        ports = values["port"].split(",")
    if ports and len(ports) not in {1, len(names)}:
        raise _invalid(f"has {len(ports)} ports for {len(names)} hosts")
    ports = ports or [""]
    if len(ports) < len(names):
        ports *= len(names)
    return tuple(map(_build_host, names, ports))


def _split_host_list(host_list: str) -> tuple[list[str], list[str]]:
    names, ports = [], []
    for item in host_list.split(","):
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]]*))(?::([^:]*))?", item)
        if match is None:
            raise _invalid(
                "has a host that cannot be read: write host:port, IPv6 as [address]:port,"
                " and percent-encode '@', ':' and '/' in the password"
            )
        names.append(_decode(match[1] or match[2], "host"))
        ports.append(match[3] or "")
    return names, ports


def _build_host(name: str, port: str) -> Host:
    if not name:
        raise _invalid("has an empty host")
    if not port:
        return Host(name)
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65_536:
        raise _invalid("has a port that is not a number from 1 to 65535")
    return Host(name, int(port))


def _build_tls(values: Mapping[str, str]) -> dict[str, str]:
    tls = {name: values[name] for name in _TLS if name in values}
    if "sslmode" not in tls and _wants_tls(values):
        tls["sslmode"] = "verify-full" if tls.get("sslrootcert") == SYSTEM_ROOTS else "require"
    for name in _TLS_FILES:
        path = tls.get(name)
        if path is not None and path != SYSTEM_ROOTS and not os.access(path, os.R_OK):
            raise _invalid(f"names a file in {name} that cannot be read: {path}")
    return tls


def _wants_tls(values: Mapping[str, str]) -> bool:
    return (
        values.get("ssl") in {"true", "require", "1"}
        or values.get("requiressl") == "1"
        or values.get("sslrootcert") == SYSTEM_ROOTS
    )


def _build_server_settings(values: Mapping[str, str]) -> dict[str, str]:
    name = values.get("application_name") or values.get("fallback_application_name")
    settings = {"application_name": name or "order-engine"}
    if "options" in values:
        settings["options"] = values["options"]
    return settings
