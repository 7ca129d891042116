"""Which receivers are allowed: no address of a private network, whatever a name resolves to.

The text of an address is checked when an owner gives it. What counts is the check of each
connection as it is made, of the very address that is connected to: between that and the resolution
of a name nothing can change.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from yarl import URL

from backend.domain.access.principals import Network

URL_LENGTH_MAX: Final = 2_000
_TRANSLATED: Final = (
    IPv6Network("64:ff9b::/96"),
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0:0/96"),
)
"""IPv6 networks that stand for all of IPv4: the last 32 bits are the address."""
_SPECIAL: Final = tuple(map(ip_network, ("192.88.99.0/24", "fec0::/10", "3fff::/20")))
"""Networks that are not for hosts of the Internet, and that Python takes for public."""
_LOCAL_NAMES: Final = ("localhost", "localdomain", "local", "internal", "home.arpa")
_PRINTABLE: Final = re.compile(rf"[!-~]{{1,{URL_LENGTH_MAX}}}")
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")
_USER: Final = re.compile(r"[^/?#]*//[^/?#]*@")
"""Also an empty user, which a parsed URL does not show."""
NOT_ALLOWED: Final = "is in a network that is not public"

Address = IPv4Address | IPv6Address


class AddressNotAllowedError(OSError):
    """A connection would have led into a network that webhooks may not reach."""


@dataclass(frozen=True, slots=True)
class ReceiverPolicy:
    """Which networks are allowed beside the public ones, and whether ``http`` is."""

    networks: Sequence[Network] = ()
    allows_http: bool = False

    def find_fault(self, text: str) -> str:
        """Why a text is no address of a receiver; empty if it may be one."""
        if not _PRINTABLE.fullmatch(text):
            return f"must be 1 to {URL_LENGTH_MAX} printable ASCII characters without blanks"
        try:
            url = URL(text)
            host = (url.port and url.host) or ""
        except ValueError:
            return "is no URL"
        if url.scheme != "https" and not (self.allows_http and url.scheme == "http"):
            return "must begin with https://"
        faults = (
            (not host, "must name a host"),
            (
                url.user or url.password or _USER.match(text),
                "must not have a user: the signature says who sends",
            ),
            ("#" in text, "must not have a fragment"),
        )
        found = next((reason for is_fault, reason in faults if is_fault), "")
        return found or self._find_host_fault(host)

    def _find_host_fault(self, host: str) -> str:
        try:
            return "" if self.allows(ip_address(host)) else NOT_ALLOWED
        except ValueError:  # a name: it is resolved when it is connected to
            pass
        last = host.rstrip(".").lower()
        if _NUMBER.fullmatch(last.rpartition(".")[2]):  # 127.1: resolvers take it for an address
            return "is no host: write an IPv4 address as four decimal numbers"
        is_local = any(last == each or last.endswith(f".{each}") for each in _LOCAL_NAMES)
        return NOT_ALLOWED if is_local and not self.networks else ""

    def allows(self, address: Address) -> bool:
        """Whether a receiver may have this address."""
        inner = _unwrap(address)
        named = any(each in network for each in {address, inner} for network in self.networks)
        return named or _is_public(inner)

    def create_socket(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """The socket of a connection that is about to be made.

        Raises ``AddressNotAllowedError`` if its address is not allowed.
        """
        family, kind, protocol, _, target = info
        if not self.allows(ip_address(target[0])):
            raise AddressNotAllowedError(f"the receiver's address {NOT_ALLOWED}")
        return socket.socket(family, kind, protocol)


def _is_public(address: Address) -> bool:
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or any(address in network for network in _SPECIAL)
    )


def _unwrap(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.teredo is not None:
        inner = address.teredo[1]
    if inner is None and any(address in network for network in _TRANSLATED):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return address if inner is None else inner
