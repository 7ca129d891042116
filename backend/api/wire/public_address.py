"""The address that clients know this server by, which a proxy in front of it may have changed.

The configured public URL decides; without one, what trusted proxies forward; else ``Host``. The
same trust decides which address a client has.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from backend.api.wire.forwarded import (
    FORWARDED_HEADERS,
    ForwardedView,
    RawHeaders,
    parse_address,
    parse_authority,
    parse_prefix,
    read_forwarded,
    strip_default_port,
)
from backend.api.wire.hosts import parse_origin, split_origin
from backend.api.wire.http import Request
from backend.api.wire.problems import Problem
from backend.runtime import observe_connections

CACHED_ADDRESSES_MAX = 1_024
Network = IPv4Network | IPv6Network


class PublicUrl(NamedTuple):
    """An address of this server: ``scheme`` is http or https, ``prefix`` a path or empty.

    An empty ``authority`` is an unknown one: URLs are then paths.
    """

    scheme: str
    authority: str
    prefix: str = ""

    @property
    def socket_base(self) -> str:
        """What the path of a WebSocket is appended to."""
        if not self.authority:
            return self.prefix
        return f"{self.scheme.replace('http', 'ws')}://{self.authority}{self.prefix}"


class AddressBase(NamedTuple):
    """What the paths of this server are appended to, so that a client reaches them."""

    socket: str
    """For WebSockets: scheme, authority and prefix; only a prefix if the host is not known."""
    path: str
    """For links: a prefix."""

    @property
    def url(self) -> str:
        """For clients outside of this server: scheme, authority and prefix; ``/`` if unknown."""
        return self.socket.replace("ws", "http", 1) if "://" in self.socket else self.path or "/"


class PublicAddress:
    """Builds the URLs that clients get, and knows their own addresses.

    ``page_origins`` are those of other sites whose pages may use this server.
    """

    def __init__(
        self,
        public_url: PublicUrl | None,
        trusted_networks: Iterable[Network],
        page_origins: frozenset[str] = frozenset(),
    ) -> None:
        networks = tuple(trusted_networks)

        @lru_cache(maxsize=CACHED_ADDRESSES_MAX)
        def is_trusted(address: str) -> bool:
            parsed = parse_address(address)
            return bool(parsed) and any(ip_address(parsed) in network for network in networks)

        self.url = public_url
        self.page_origins = page_origins
        self._base = None if public_url is None else _build_base(public_url)
        self.is_trusted = is_trusted
        """Whether an address is that of a proxy that is believed."""

    @property
    def prefix(self) -> str:
        """The path of the configured public URL, without a slash at its end."""
        return "" if self.url is None else self.url.prefix

    def cut_prefix(self, path: str) -> str:
        """The path without the prefix, which a proxy need not cut off."""
        prefix = self.prefix
        return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path

    def find_forwarded_host(self, raw_headers: RawHeaders, peer: str) -> str:
        """The host that the client named to a trusted proxy; empty if it decides nothing here."""
        if self.url is not None or not self.is_trusted(peer):
            return ""
        return read_forwarded(raw_headers, peer, self.is_trusted).authority

    def find_base(self, request: Request) -> AddressBase:
        """By what the client reaches the paths of this server."""
        if self._base is not None:
            return self._base
        headers = request.headers
        if self.is_trusted(request.peer) and not FORWARDED_HEADERS.isdisjoint(headers):
            return _build_base(self._find_url(request))
        return _build_base_of_host(request.scheme, headers.get("host", ""))

    def find_client_address(self, request: Request) -> str:
        """The IP address of the client; empty if it is not known."""
        peer = parse_address(request.peer)
        if self._is_forwarded(request):
            return read_forwarded(request.raw_headers, peer, self.is_trusted).address
        return peer

    def require_own_origin(self, request: Request) -> None:
        """Refuse a WebSocket that a page of another site opens, unless its origin is configured.

        The same-origin policy of browsers does not cover WebSockets. Raises ``Problem`` (403).
        """
        origin = request.headers.get("origin")
        if origin is None:
            return
        scheme, authority = split_origin(origin)
        if authority and parse_origin(origin) in self.page_origins:
            return
        own = [self._find_url(request), PublicUrl(scheme, request.headers.get("host", ""))]
        if authority and any(
            authority == strip_default_port(url.authority.lower(), scheme) for url in own
        ):
            return
        observe_connections.foreign_origin_refused(origin, self.find_client_address(request))
        raise Problem(
            403,
            "foreign_origin",
            f"a page of {origin[:100]!r} may not do this: it is not of"
            f" {own[0].authority[:100]!r}, which is what this server is called here; behind a proxy"
            " set ORDER_ENGINE_PUBLIC_URL, or forward Host with its port; pages of other sites are"
            " allowed by ORDER_ENGINE_CORS_ORIGINS",
        )

    def _find_url(self, request: Request) -> PublicUrl:
        """The address by which the client of a request reached this server."""
        if self.url is not None:
            return self.url
        view = ForwardedView()
        if self._is_forwarded(request):
            view = read_forwarded(request.raw_headers, request.peer, self.is_trusted)
        scheme = view.scheme or _get_http_scheme(request.scheme)
        authority = view.authority or parse_authority(request.headers.get("host", ""))
        has_port = authority.rpartition("]")[2].count(":") == 1
        if authority and view.port and not has_port:
            authority = f"{authority}:{view.port}"
        return PublicUrl(scheme, strip_default_port(authority, scheme), view.prefix)

    def _is_forwarded(self, request: Request) -> bool:
        return self.is_trusted(request.peer) and not FORWARDED_HEADERS.isdisjoint(request.headers)


def parse_public_url(text: str) -> PublicUrl:
    """The address in a public URL. Raises ``ValueError`` with the reason."""
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"}:
        raise ValueError("it must begin with http:// or https://")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("it may have a host, a port and a path, and nothing else")
    authority = parse_authority(parts.netloc)
    if not authority:
        raise ValueError("its host or its port is not valid")
    prefix = parse_prefix(parts.path)
    if parts.path.rstrip("/") != prefix:
        raise ValueError("its path is not valid")
    return PublicUrl(parts.scheme, strip_default_port(authority, parts.scheme), prefix)


def parse_networks(text: str) -> list[Network]:
    """Addresses and networks, separated by commas. Raises ``ValueError`` with the reason."""
    networks = []
    for entry in filter(None, map(str.strip, text.split(","))):
        try:
            networks.append(ip_network(entry))
        except ValueError as error:
            reason = f"{entry!r} is neither an address nor a network such as 10.0.0.0/8"
            raise ValueError(f"{reason} ({error})") from None
    return networks


def _get_http_scheme(scheme: str) -> str:
    return "https" if scheme in {"https", "wss"} else "http"


def _build_base(url: PublicUrl) -> AddressBase:
    return AddressBase(url.socket_base, url.prefix)


@lru_cache(maxsize=CACHED_ADDRESSES_MAX)
def _build_base_of_host(scheme: str, host: str) -> AddressBase:
    return _build_base(PublicUrl(_get_http_scheme(scheme), parse_authority(host)))
