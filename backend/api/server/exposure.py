"""How far an API is exposed: where it may be reached without a key, under which hosts, and who may
read its metrics."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from backend.api.admission.authenticator import Authenticator
from backend.api.admission.metrics_access import MetricsAccess
from backend.api.server.listener import format_url
from backend.api.wire.forwarded import parse_address
from backend.api.wire.hosts import HostRule, HostScope, parse_hosts, parse_origins, split_authority
from backend.api.wire.public_address import (
    PublicAddress,
    PublicUrl,
    parse_networks,
    parse_public_url,
)
from backend.config import ConfigurationError, Settings
from backend.domain.access.principals import OPEN_PRINCIPAL
from backend.store.reads.queries import OWN_ORDERS_MAX, OrderQueries


def is_access_closed(settings: Settings) -> bool:
    """Whether callers need a key or a token, whatever is stored."""
    return bool(settings.api_keys or settings.jwt_jwks) or settings.open_access == "never"


def build_public_address(settings: Settings) -> PublicAddress:
    """The address that clients know. Raises ``ConfigurationError`` if a setting is invalid."""
    variable = "ORDER_ENGINE_PUBLIC_URL"
    try:
        url = parse_public_url(settings.public_url) if settings.public_url else None
        variable = "ORDER_ENGINE_TRUSTED_PROXIES"
        networks = parse_networks(settings.trusted_proxies)
        variable = "ORDER_ENGINE_CORS_ORIGINS"
        origins = parse_origins(settings.cors_origins)
    except ValueError as error:
        raise ConfigurationError(f"{variable} is invalid: {error}") from None
    return PublicAddress(url, networks, origins)


def build_metrics_access(
    settings: Settings, public_address: PublicAddress, authenticator: Authenticator | None = None
) -> MetricsAccess:
    """Who may read metrics; without ``authenticator`` by a key of the settings alone.

    Raises ``ConfigurationError`` if that takes keys and there are none.
    """
    if authenticator is None:
        authenticator = Authenticator(settings.api_keys, is_closed=is_access_closed(settings))
    if settings.metrics_access == "key" and authenticator.is_open:
        raise ConfigurationError(
            "ORDER_ENGINE_METRICS_ACCESS is 'key': ORDER_ENGINE_API_KEYS must be set, or"
            " ORDER_ENGINE_OPEN_ACCESS=never"
        )
    return MetricsAccess(settings.metrics_access, authenticator, public_address)


def check_exposure(settings: Settings, listeners: Sequence[socket.socket]) -> str | None:
    """What to tell of an API at its start if no key is stored; ``None`` if it is closed anyway.

    Raises ``ConfigurationError`` if it would be open further than ``open_access`` says.
    """
    if is_access_closed(settings):
        return None
    if settings.live and settings.open_access != "live":
        raise ConfigurationError(
            "ORDER_ENGINE_LIVE is set and ORDER_ENGINE_API_KEYS is not: whoever reaches the API"
            " could trade with the wallet. Set keys, or ORDER_ENGINE_OPEN_ACCESS=never to serve"
            " those of `order-engine keys` only, or ORDER_ENGINE_OPEN_ACCESS=live to allow it"
        )
    exposed = [listener for listener in listeners if not _is_loopback(listener)]
    if exposed and settings.open_access == "loopback":
        raise ConfigurationError(
            f"ORDER_ENGINE_API_KEYS is not set, and other machines reach {format_url(exposed[0])}"
            " (ORDER_ENGINE_HOST): whoever does could place orders. Set keys, or"
            " ORDER_ENGINE_OPEN_ACCESS=never to serve those of `order-engine keys` only, listen on"
            " 127.0.0.1, or set ORDER_ENGINE_OPEN_ACCESS=network to allow it"
        )
    return (
        "ORDER_ENGINE_API_KEYS is not set: unless keys are stored (`order-engine keys`), none is"
        f" asked for, and whoever reaches {format_url(listeners[0])} may place orders"
    )


async def find_hidden_orders(authenticator: Authenticator, orders: OrderQueries) -> str | None:
    """What to tell of orders that were placed without a key, before there were keys.

    ``None`` if there are none, or if a key shows them. Raises ``Transient``.
    """
    owner = OPEN_PRINCIPAL.owner
    if authenticator.is_open or authenticator.has_key_of(owner):
        return None
    count = await orders.count_of_owner(owner)
    if not count:
        return None
    many = f"{count:,} orders are" if count > 1 else "1 order is"
    return (
        f"{'at least ' if count == OWN_ORDERS_MAX else ''}{many} of the owner {owner!r}, placed"
        " while no key was asked for: no key shows them. Make one of this owner to see and to"
        f" cancel them: `order-engine keys create --owner {owner}`, or {owner}:<key> in"
        " ORDER_ENGINE_API_KEYS"
    )


def build_host_rule(
    settings: Settings, listeners: Sequence[socket.socket], public_url: PublicUrl | None
) -> HostRule:
    """The hosts that an API answers to. Raises ``ConfigurationError``.

    On loopback those are loopback hosts, elsewhere all; without keys no name that is not allowed.
    """
    try:
        allowed = parse_hosts(settings.allowed_hosts)
    except ValueError as error:
        raise ConfigurationError(f"ORDER_ENGINE_ALLOWED_HOSTS is invalid: {error}") from None
    if public_url is not None:
        allowed |= {split_authority(public_url.authority)[0]}
    if all(map(_is_loopback, listeners)):
        return HostRule(HostScope.LOOPBACK, allowed)
    return HostRule(HostScope.ALL if is_access_closed(settings) else HostScope.ADDRESSES, allowed)


def _is_loopback(listener: socket.socket) -> bool:
    address = parse_address(listener.getsockname()[0])
    return bool(address) and ip_address(address).is_loopback
