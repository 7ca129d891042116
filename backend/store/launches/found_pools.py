"""Pools that were found in the chain, so that every process can quote them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from backend.store.database import DatabasePool, fetch_repeating

_LOAD: Final = """ -- load found pools
SELECT p.address, p.program, p.mint_one, p.mint_other, p.slot
FROM unnest($1::text[], $2::text[]) AS i(mint_one, mint_other)
JOIN found_pools p USING (mint_one, mint_other)
ORDER BY p.slot, p.address
"""
_ADD: Final = """ -- add found pools
INSERT INTO found_pools (address, program, mint_one, mint_other, slot)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
ON CONFLICT DO NOTHING
"""


class StoredPool(NamedTuple):
    """A pool: its address, its program, its two mints sorted as text, when it was found."""

    address: str
    program: str
    mint_one: str
    mint_other: str
    slot: int


class FoundPools:
    """Stores and loads pools. Every method raises ``DATABASE_ERRORS``."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def load(self, pairs: Sequence[tuple[str, str]]) -> list[StoredPool]:
        """The pools of some pairs of mints, each pair sorted as text."""
        ones, others = [one for one, _ in pairs], [other for _, other in pairs]
        rows = await fetch_repeating(self._pool, _LOAD, ones, others)
        return [StoredPool(*row) for row in rows]

    async def add(self, pools: Sequence[StoredPool]) -> None:
        """Store pools; those that are there stay as they are."""
        if pools:
            columns = [list(column) for column in zip(*pools, strict=True)]
            await fetch_repeating(self._pool, _ADD, *columns)
