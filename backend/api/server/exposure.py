"""How far an API is exposed: where it may be reached without a key, under which hosts, and who may
read its metrics."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from backend.api.admission.api_keys import DEFAULT_OWNER, ApiKeys
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
from backend.store.reads.queries import OWN_ORDERS_MAX, OrderQueries


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


def build_metrics_access(settings: Settings, public_address: PublicAddress) -> MetricsAccess:
    """Who may read metrics. Raises ``ConfigurationError`` if that takes keys and there are none."""
    if settings.metrics_access == "key" and not settings.api_keys:
        raise ConfigurationError(
            "ORDER_ENGINE_METRICS_ACCESS is 'key': ORDER_ENGINE_API_KEYS must be set"
        )
    return MetricsAccess(settings.metrics_access, ApiKeys(settings.api_keys), public_address)


def check_exposure(settings: Settings, listeners: Sequence[socket.socket]) -> str | None:
    """What to tell of an API without keys at its start; ``None`` if it has keys.

    Raises ``ConfigurationError`` if it would be open further than ``open_access`` says.
    """
    if settings.api_keys:
        return None
    if settings.live and settings.open_access != "live":
        raise ConfigurationError(
            "ORDER_ENGINE_LIVE is set and ORDER_ENGINE_API_KEYS is not: whoever reaches the API"
            " could trade with the wallet. Set keys, or ORDER_ENGINE_OPEN_ACCESS=live to allow it"
        )
    exposed = [listener for listener in listeners if not _is_loopback(listener)]
    if exposed and settings.open_access == "loopback":
        raise ConfigurationError(
            f"ORDER_ENGINE_API_KEYS is not set, and other machines reach {format_url(exposed[0])}"
            " (ORDER_ENGINE_HOST): whoever does could place orders. Set keys, listen on 127.0.0.1,"
            " or set ORDER_ENGINE_OPEN_ACCESS=network to allow it"
        )
    return (
        "ORDER_ENGINE_API_KEYS is not set: no key is asked for, and whoever reaches"
        f" {format_url(listeners[0])} may place orders"
    )


async def find_hidden_orders(settings: Settings, orders: OrderQueries) -> str | None:
    """What to tell of orders that were placed without a key, before there were keys.

    ``None`` if there are none, or if a key shows them. Raises ``Transient``.
    """
    owners = {pair.partition(":")[0] for pair in settings.api_keys}
    if not owners or DEFAULT_OWNER in owners:
        return None
    count = await orders.count_of_owner(DEFAULT_OWNER)
    if not count:
        return None
    many = f"{count:,} orders are" if count > 1 else "1 order is"
    return (
        f"{'at least ' if count == OWN_ORDERS_MAX else ''}{many} of the owner"
        f" {DEFAULT_OWNER!r}, placed while no key was asked for: no key of ORDER_ENGINE_API_KEYS"
        f" shows them. Add {DEFAULT_OWNER}:<key> to it to see and to cancel them"
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
    return HostRule(HostScope.ALL if settings.api_keys else HostScope.ADDRESSES, allowed)


def _is_loopback(listener: socket.socket) -> bool:
    address = parse_address(listener.getsockname()[0])
    return bool(address) and ip_address(address).is_loopback
