"""``order-engine keys``: makes, lists, changes, rotates and revokes the API keys in PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any, Final, TypeVar

import click

from backend.cli.operations.duration import Duration
from backend.cli.operations.operator import (
    GROUP_DATA_DIR,
    find_caller,
    load_operator_settings,
    run_on_database,
)
from backend.domain.access.principals import Network, find_owner_fault
from backend.domain.access.scopes import OWNER_SCOPES, Scope, format_scopes, parse_scopes
from backend.domain.access.signatures import SigningMethod
from backend.domain.times import format_time
from backend.store.access.key_store import CreatedKey, KeyRow, KeyStore

DEFAULT_OVERLAP: Final = timedelta(days=1)
_KEY_ID: Final = re.compile(r"oek_[0-9a-f]{12}")
_PUBLIC_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")

Result = TypeVar("Result")


class Scopes(click.ParamType[frozenset[Scope]]):
    """Names of scopes between commas."""

    name = "scopes"

    def convert(self, value: Any, param: Any, ctx: Any) -> frozenset[Scope]:
        """The scopes of a text."""
        if isinstance(value, frozenset):
            return value
        try:
            scopes = parse_scopes(name.strip() for name in value.split(","))
        except ValueError as error:
            self.fail(str(error))
        return scopes


class Addresses(click.ParamType[Network]):
    """An IP address or a network such as ``10.0.0.0/8``."""

    name = "network"

    def convert(self, value: Any, param: Any, ctx: Any) -> Network:
        """The network of a text."""
        try:
            return ip_network(value)
        except ValueError as error:
            self.fail(str(error))


class KeyId(click.ParamType[str]):
    """The id of a key: what it begins with."""

    name = "key id"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The id, which is not repeated if it is none: it might be a key."""
        if not _KEY_ID.fullmatch(value):
            self.fail("is no id of a key: oek_ and 12 of the digits 0-9 and a-f")
        return str(value)


class PublicKey(click.ParamType[bytes]):
    """An Ed25519 public key in hex."""

    name = "public key"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        """The 32 bytes of a text."""
        if isinstance(value, bytes):
            return value
        if not _PUBLIC_KEY.fullmatch(value):
            self.fail("is no Ed25519 public key: 64 of the digits 0-9 and a-f")
        return bytes.fromhex(value)


class Owner(click.ParamType[str]):
    """The name of an owner."""

    name = "owner"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The name, if it is one."""
        if fault := find_owner_fault(value):
            self.fail(fault)
        return str(value)


_allow = click.option(
    "--allow",
    "networks",
    type=Addresses(),
    multiple=True,
    help="Address or network that it may be used from; several times for several. None: from any.",
)


@click.group()
@GROUP_DATA_DIR
def keys() -> None:
    """Make, list, change, rotate and revoke the API keys in PostgreSQL.

    API processes follow changes within a second, also for WebSockets that are open.
    """


@keys.command()
@GROUP_DATA_DIR
@click.option("--owner", type=Owner(), required=True, help="Whose orders it is for.")
@click.option(
    "--scopes",
    type=Scopes(),
    default=",".join(format_scopes(OWNER_SCOPES)),
    show_default=True,
    help="What it permits: read, trade, cancel, admin.",
)
@click.option("--expires-in", type=Duration(), help="Such as 90d. Unset: it does not expire.")
@_allow
@click.option("--signing", "is_signing", is_flag=True, help="It signs requests (HMAC-SHA256).")
@click.option(
    "--public-key",
    type=PublicKey(),
    help="It signs requests (Ed25519) by the private key of this one: 64 hex digits.",
)
def create(
    owner: str,
    scopes: frozenset[Scope],
    expires_in: timedelta | None,
    networks: tuple[Network, ...],
    is_signing: bool,
    public_key: bytes | None,
) -> None:
    """Make a key and print it: it can never be shown again."""
    if is_signing and public_key:
        raise click.UsageError("--signing and --public-key contradict each other")
    signing = SigningMethod.HMAC if is_signing else SigningMethod.ED25519 if public_key else None
    created = _use_store(
        lambda store: store.create(
            owner,
            scopes,
            networks=networks,
            expires_in=expires_in,
            signing=signing,
            public_key=public_key,
        )
    )
    _show_created(created)


@keys.command("list")
@GROUP_DATA_DIR
def list_keys() -> None:
    """List all keys, without their secrets."""
    rows = _use_store(lambda store: store.list_keys())
    now = datetime.now(UTC)  # noqa: TID251 - for display
    lines = [_describe(row, now) for row in rows]
    header = ("id", "owner", "scopes", "state", "last used", "from")
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    for line in (header, *lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@keys.command()
@GROUP_DATA_DIR
@click.argument("key_id", type=KeyId())
@click.option("--scopes", type=Scopes(), help="What it permits from now on.")
@click.option("--expires-in", type=Duration(), help="When it expires, from now.")
@_allow
@click.option("--allow-any", is_flag=True, help="It may be used from any address.")
def change(
    key_id: str,
    scopes: frozenset[Scope] | None,
    expires_in: timedelta | None,
    networks: tuple[Network, ...],
    allow_any: bool,
) -> None:
    """Change what a key permits; what is not given stays."""
    if networks and allow_any:
        raise click.UsageError("--allow and --allow-any contradict each other")
    places = networks if networks or allow_any else None
    row = _use_store(
        lambda store: store.change(key_id, scopes=scopes, networks=places, expires_in=expires_in)
    )
    click.echo(_summarize(row))


@keys.command()
@GROUP_DATA_DIR
@click.argument("key_id", type=KeyId())
@click.option(
    "--overlap",
    type=Duration(),
    default=DEFAULT_OVERLAP,
    show_default="1d",
    help="How long the old key is valid beside the new one.",
)
@click.option("--expires-in", type=Duration(), help="Of the new key. Unset: as the old one.")
def rotate(key_id: str, overlap: timedelta, expires_in: timedelta | None) -> None:
    """Make a key in place of another one, and print it."""
    created = _use_store(lambda store: store.rotate(key_id, overlap=overlap, expires_in=expires_in))
    click.echo(f"{key_id} ends in {overlap.total_seconds() / 3_600:g} h", err=True)
    _show_created(created)


@keys.command()
@GROUP_DATA_DIR
@click.argument("key_id", type=KeyId())
def revoke(key_id: str) -> None:
    """End a key at once."""
    row = _use_store(lambda store: store.revoke(key_id))
    click.echo(f"{row.id} of {row.owner} is revoked")


def _use_store(use: Callable[[KeyStore], Awaitable[Result]]) -> Result:
    settings = load_operator_settings(click.get_current_context().obj)
    return run_on_database(settings, lambda pool: use(KeyStore(pool, find_caller())))


def _show_created(created: CreatedKey) -> None:
    """Print the key alone on standard output, and what it is on standard error.

    Of one that signs by a private key the id is printed: it has no secret of its own.
    """
    click.echo(_summarize(created.row), err=True)
    has_secret = created.row.signing is not SigningMethod.ED25519
    click.echo(created.key if has_secret else created.row.id)


def _summarize(row: KeyRow) -> str:
    until = "never expires" if row.expires_at is None else f"expires {format_time(row.expires_at)}"
    scopes = ",".join(format_scopes(row.scopes))
    signing = f"; signs by {row.signing}" if row.signing else ""
    places = _format_networks(row.networks)
    return f"{row.id} of {row.owner}: {scopes}; from {places}; {until}{signing}"


def _format_networks(networks: Sequence[Network]) -> str:
    return ",".join(map(str, networks)) or "any address"


def _describe(row: KeyRow, now: datetime) -> tuple[str, ...]:
    return (
        row.id,
        row.owner,
        ",".join(format_scopes(row.scopes)),
        _describe_state(row, now),
        "never" if row.last_used_at is None else format_time(row.last_used_at),
        _format_networks(row.networks),
    )


def _describe_state(row: KeyRow, now: datetime) -> str:
    if row.revoked_at is not None:
        return f"revoked {format_time(row.revoked_at)}"
    successor = f", replaced by {row.replaced_by}" if row.replaced_by else ""
    if row.expires_at is None:
        return "valid"
    word = "expired" if row.expires_at <= now else "valid until"
    return f"{word} {format_time(row.expires_at)}{successor}"
