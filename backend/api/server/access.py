"""Who may use an API process: configured keys, stored keys, and tokens of an issuer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from backend.api.admission.authenticator import Authenticator
from backend.api.admission.key_table import KeyTable
from backend.api.admission.key_uses import KeyUses
from backend.api.admission.signed_requests import SignedRequests
from backend.api.server.exposure import is_access_closed
from backend.api.wire.public_address import PublicAddress
from backend.config import ConfigurationError, Settings
from backend.domain.errors import Transient
from backend.engine.api_services import ApiServices
from backend.runtime.redis.cluster import build_key_prefix
from backend.runtime.startup import wait_for_server

if TYPE_CHECKING:
    from backend.api.admission.bearer_tokens import BearerTokens

Run = Callable[[], Coroutine[Any, Any, None]]


class Access(NamedTuple):
    """What knows the callers of a process, and what keeps it current in the background."""

    authenticator: Authenticator
    table: KeyTable
    runs: tuple[Run, ...]


async def open_access(
    settings: Settings,
    services: ApiServices,
    public_address: PublicAddress,
    stop: asyncio.Event | None,
) -> Access:
    """Read the stored keys, and those of the issuer. ``runs`` must be run.

    Raises ``ConfigurationError``, and ``StartInterrupted`` once ``stop`` is set.
    """
    table = KeyTable(services.keys, stale_max_s=settings.keys_stale_max_s)
    uses = KeyUses(services.keys)
    runs: tuple[Run, ...] = (uses.run,)
    tokens = None
    if settings.jwt_jwks:
        tokens, run = await _open_tokens(settings, services.now)
        runs = *runs, run
    await wait_for_server("PostgreSQL", table.load, away=(Transient,), stop=stop)
    authenticator = Authenticator(
        settings.api_keys,
        is_closed=is_access_closed(settings),
        operators=settings.admin_owners,
        table=table,
        uses=uses,
        signed=SignedRequests(
            services.redis,
            f"{build_key_prefix(services.redis, services.journal_id)}nonce:",
            now=services.now,
            cut_prefix=public_address.cut_prefix,
        ),
        tokens=tokens,
    )
    return Access(authenticator, table, runs)


def check_tokens(settings: Settings) -> None:
    """Raises ``ConfigurationError`` if the settings of tokens are incomplete or contradict."""
    if not settings.jwt_jwks:
        return
    for name in ("jwt_issuer", "jwt_audience"):
        if not getattr(settings, name).strip():
            raise ConfigurationError(
                f"ORDER_ENGINE_JWT_JWKS is set: ORDER_ENGINE_{name.upper()} must be set too, or"
                " tokens that were made for others would be taken"
            )
    parts = urlsplit(settings.jwt_jwks)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            "ORDER_ENGINE_JWT_JWKS is an http:// address of another machine: whoever is between"
            " could make tokens. Use https://"
        )


async def _open_tokens(settings: Settings, now: Callable[[], datetime]) -> tuple[BearerTokens, Run]:
    # Loaded only where tokens are taken: their libraries take a while.
    from backend.api.admission.bearer_tokens import BearerTokens, TokenPolicy  # noqa: PLC0415
    from backend.api.admission.signing_keys import (  # noqa: PLC0415
        SigningKeys,
        make_fetch,
        parse_keys,
    )

    if not settings.jwt_jwks.startswith(("https://", "http://")):
        try:
            parse_keys(await asyncio.to_thread(Path(settings.jwt_jwks).read_bytes))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"ORDER_ENGINE_JWT_JWKS: {error}") from None
    keys = SigningKeys(make_fetch(settings.jwt_jwks))
    policy = TokenPolicy(settings.jwt_issuer, settings.jwt_audience, settings.jwt_skew_s)
    tokens = BearerTokens(keys, policy, now=now)
    await keys.refresh()
    return tokens, keys.run


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
