"""The hosts that a server answers to, so that no page can use it under a name of its own.

A page of another site may point the name of its own host at this machine (DNS rebinding). For the
browser the page and this server are then one site, and only ``Host`` tells that they are not. A
name is what the page needs for that: an address in ``Host`` is the one that the browser connected
to.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from backend.api.wire.forwarded import parse_authority, strip_default_port

CACHED_HOSTS_MAX = 1_024


class HostScope(Enum):
    """Which hosts are answered to, beside those that are allowed by name."""

    LOOPBACK = "loopback"
    """Those that lead to the machine of the client: ``localhost``, 127.0.0.0/8 and ::1."""
    ADDRESSES = "addresses"
    """Every address, and ``localhost``; no other name."""
    ALL = "all"


class HostRule:
    """Decides which hosts are answered to. ``allowed`` are hosts, or hosts with a port."""

    def __init__(self, scope: HostScope, allowed: Iterable[str] = ()) -> None:
        names = frozenset(allowed)

        @lru_cache(maxsize=CACHED_HOSTS_MAX)
        def is_allowed(text: str) -> bool:
            authority = parse_authority(text)
            host, port = split_authority(authority)
            if not host:
                return False
            if host in names or f"{host}:{port}" in names or host == "localhost":
                return True
            address = _parse_host_address(host)
            return address is not None and (scope is HostScope.ADDRESSES or address.is_loopback)

        self._is_allowed = is_allowed
        self.is_limited = scope is not HostScope.ALL

    def allows(self, host: str) -> bool:
        """Whether a request that names this host is answered; without a host it is.

        Every browser names one.
        """
        return not self.is_limited or not host or self._is_allowed(host)


def split_authority(authority: str) -> tuple[str, str]:
    """The host and the port of a valid authority, without the dot that may end a name."""
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority, ""
    return host.removesuffix("."), port


def parse_hosts(text: str) -> frozenset[str]:
    """Hosts, separated by commas, each with or without a port. Raises ``ValueError``."""
    hosts = set()
    for entry in _split_list(text):
        authority = parse_authority(entry)
        if not authority:
            raise ValueError(f"{entry!r} is not a host such as orders.example or orders.example:80")
        host, port = split_authority(authority)
        hosts.add(f"{host}:{port}" if port else host)
    return frozenset(hosts)


def parse_origins(text: str) -> frozenset[str]:
    """Origins of pages, separated by commas. Raises ``ValueError`` with the reason."""
    origins = set()
    for entry in _split_list(text):
        origin = parse_origin(entry)
        if not origin:
            raise ValueError(
                f"{entry!r} is not an origin such as https://app.example: a scheme and a host, and"
                " its port if it has one"
            )
        origins.add(origin)
    return frozenset(origins)


def parse_origin(text: str) -> str:
    """An origin as browsers write it; empty if it is not one of a page of a site."""
    scheme, authority = split_origin(text)
    return f"{scheme}://{authority}" if authority else ""


def split_origin(text: str) -> tuple[str, str]:
    """The scheme and the authority of an origin; both are empty if it is of no site."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "", ""
    if parts.scheme not in {"http", "https"} or parts.path or parts.query or parts.fragment:
        return "", ""
    authority = parse_authority(parts.netloc)
    return (parts.scheme, strip_default_port(authority, parts.scheme)) if authority else ("", "")


def _split_list(text: str) -> list[str]:
    """The entries of a list; raises ``ValueError`` if one of them is empty."""
    entries = [entry.strip() for entry in text.split(",")] if text.strip() else []
    if not all(entries):
        raise ValueError("an entry is empty")
    return entries


def _parse_host_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
