"""The hosts of a ``REDIS_URL``: names or addresses, each with a port.

No message repeats what is there: it may be a part of a password.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final

from backend.config.redis.parameters import parse_whole_number

Host = tuple[str, int]
"""A server by name or address, without brackets, and port."""
Hosts = tuple[Host, ...]

_HOST: Final = re.compile(r"(?:\[(?P<address>[^\[\]]+)\]|(?P<name>[^\[\]:]*))(?::(?P<port>.*))?")
_NAME: Final = re.compile(r"[\w.-]+")


def read_hosts(text: str, port: int, form: str) -> Hosts:
    """The hosts of a list, whose ports are ``port`` where it says none.

    ``form`` is how they are written. Raises ``ValueError`` with a reason that holds no secret.
    """
    return tuple(_read_host(each, port, form) for each in text.split(","))


def list_hosts(hosts: Hosts) -> str:
    """The hosts as a URL has them."""
    return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in hosts)


def _read_host(text: str, port: int, form: str) -> Host:
    match = _HOST.fullmatch(text)
    if match is None or not _is_address(match["address"]):
        raise ValueError("cannot be read: brackets belong around an IPv6 address")
    number = _read_port(match["port"] or str(port))
    if match["address"]:
        return match["address"], number
    name = match["name"].lower()
    if not name:
        raise ValueError(f"names no host: write {form}")
    if name.isdecimal():
        raise ValueError(f"has a number in the place of a host: write {form}")
    if not _is_name(name):
        raise ValueError(
            "has a host that is no name or address: a name has letters, digits, '-', '_' and '.';"
            " several hosts are separated by ','"
        )
    return name, number


def _is_address(text: str | None) -> bool:
    try:
        return text is None or bool(IPv6Address(text))
    except ValueError:
        return False


def _is_name(text: str) -> bool:
    """Whether a name can be looked up: no part of it is empty or too long."""
    try:
        return _NAME.fullmatch(text) is not None and bool(text.encode("idna"))
    except UnicodeError:
        return False


def _read_port(text: str) -> int:
    number = parse_whole_number(text)
    if number == 0:
        raise ValueError("has port 0: a server has one from 1 to 65535")
    if number is None or number >= 2**16:
        raise ValueError(
            "has a port that is no number from 1 to 65535; a '/', ':' or '@' in a password is"
            " written as %2F, %3A or %40"
        )
    return number
