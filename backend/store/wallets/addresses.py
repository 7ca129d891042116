"""The addresses of the wallets that workers sign with, for processes that have no key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.store.database import DatabasePool

_TELL: Final = """
WITH told AS (
    INSERT INTO wallets (address, position)
    SELECT address, position FROM unnest($2::text[]) WITH ORDINALITY AS i(address, position)
    ON CONFLICT (address) DO UPDATE SET position = excluded.position
    WHERE wallets.position <> excluded.position
), gone AS (
    DELETE FROM wallets WHERE address <> ALL($2::text[])
)
UPDATE journal SET wallet = $1 WHERE wallet IS DISTINCT FROM $1
"""
_READ: Final = "SELECT wallet FROM journal"
_READ_ALL: Final = "SELECT address FROM wallets ORDER BY position, address"


async def tell_wallets(pool: DatabasePool, addresses: Sequence[str]) -> None:
    """Store the addresses, the main one first; they replace others. Raises ``Transient``."""
    await pool.read(_TELL, addresses[0], addresses)


async def read_wallet(pool: DatabasePool) -> str | None:
    """The main address; ``None`` if no worker has started yet. Raises ``Transient``."""
    rows = await pool.read(_READ)
    return None if not rows else rows[0]["wallet"]


async def read_wallets(pool: DatabasePool) -> list[str]:
    """All addresses, the main one first. Raises ``Transient``."""
    return [row["address"] for row in await pool.read(_READ_ALL)]
