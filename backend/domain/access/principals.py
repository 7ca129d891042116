"""Principals: who a request comes from, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from math import inf
from typing import Final

from backend.domain.access.scopes import ALL_SCOPES, Scope
from backend.domain.access.signatures import RequestSigning

OWNER_LENGTH_MAX: Final = 200
ISSUED_ID_PREFIX: Final = "jwt:"
"""What the id of a token begins with; the ``kid`` of its issuer's key follows."""

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Principal:
    """An owner, and what the key or token that it has shown permits."""

    owner: str
    scopes: frozenset[Scope]
    key_id: str
    """What the log and the rows name the key by; never a part of its secret."""
    is_limited: bool = False
    """Whether it may end while this process runs: by its expiry, or because it is revoked."""
    expires_at_s: float = inf
    """When it ends, in seconds of the monotonic clock."""
    networks: tuple[Network, ...] = ()
    """Where its holder may call from; empty: from anywhere."""
    signing: RequestSigning | None = None
    """How its holder signs requests; ``None``: it shows the key itself."""

    @property
    def is_token(self) -> bool:
        """Whether it has shown a token of an issuer."""
        return self.key_id.startswith(ISSUED_ID_PREFIX)

    def allows_address(self, address: str) -> bool:
        """Whether its holder may call from an IP address; empty: an address that is not known."""
        if not self.networks:
            return True
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self.networks)


OPEN_PRINCIPAL: Final = Principal("local", ALL_SCOPES, "open", is_limited=True)
"""Every caller, where no key is asked for."""
NOBODY: Final = Principal("", frozenset(), "")
"""The caller of what everybody may call."""


def find_owner_fault(owner: str) -> str:
    """Why a text is no name of an owner; empty if it is one."""
    if not owner.strip():
        return "is empty"
    if owner != owner.strip():
        return "has a blank at its beginning or its end"
    if not owner.isprintable():
        return "has characters that cannot be printed"
    if len(owner) > OWNER_LENGTH_MAX:
        return f"is longer than {OWNER_LENGTH_MAX} characters"
    return ""
