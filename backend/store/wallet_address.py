"""The address of the wallet that workers sign with, for processes that have no key."""

from __future__ import annotations

from typing import Final

from backend.store.database import DatabasePool

_TELL: Final = "UPDATE journal SET wallet = $1 WHERE wallet IS DISTINCT FROM $1"
_READ: Final = "SELECT wallet FROM journal"


async def tell_wallet(pool: DatabasePool, address: str) -> None:
    """Store the address; that of another wallet is replaced. Raises ``Transient``."""
    await pool.read(_TELL, address)


async def read_wallet(pool: DatabasePool) -> str | None:
    """The address; ``None`` if no worker has started yet. Raises ``Transient``."""
    rows = await pool.read(_READ)
    return None if not rows else rows[0]["wallet"]
