"""The parameters of a ``REDIS_URL``: which there are, and how each is read."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

SOCKET_TIMEOUT_S_MIN: Final = 2
"""A worker waits up to a second for a job: a shorter timeout would cut each such wait."""
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


def read_parameters(query: str, *, has_tls: bool) -> tuple[dict[str, object], tuple[str, ...]]:
    """The options of the client that a query asks for, and notes on what it does not get.

    Raises ``ValueError`` with a reason that holds no value.
    """
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


def parse_whole_number(text: str) -> int | None:
    """A number from 0 to 999,999,999; ``None`` if a text is none."""
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
    "db": (parse_whole_number, "a whole number from 0"),
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
