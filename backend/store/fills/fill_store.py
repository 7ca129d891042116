"""Reads the fills of an owner, page by page, and keeps what its positions have cost up to a time.

A page is a statement of its own: whoever reads a million fills holds no connection meanwhile, and
no more than a page in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import asyncpg

from backend.accounting.fills import FillRecord
from backend.accounting.report import EndedOrder
from backend.domain.tokens import TokenRegistry
from backend.store.database import DatabasePool
from backend.store.errors import translate_errors
from backend.store.fills.ended_lists import EndFilter, EndKind, build_ended_statement
from backend.store.fills.fill_rows import parse_fill, parse_unfilled
from backend.store.launches.tokens import load_tokens, parse_with_tokens
from backend.store.reads.order_lists import ListPosition
from backend.store.reads.queries import READ_HORIZON

PAGE: Final = 200
"""The fills of one statement where all are read: their rows take some 1 MB."""
YIELD_EVERY: Final = 50
"""So many fills are parsed at once, in some milliseconds."""


class FillStore:
    """Reads fills on the connections of readers. Raises ``Transient``.

    ``reference`` is the token that routes are valued in. ``tokens`` gets to know the tokens of
    every fill that is read.
    """

    def __init__(self, pool: DatabasePool, tokens: TokenRegistry, reference: str) -> None:
        self._pool = pool
        self._tokens = tokens
        self.reference = reference

    async def read_page(
        self,
        owner: str,
        which: EndFilter,
        *,
        limit: int,
        after: ListPosition | None = None,
        is_ascending: bool = True,
    ) -> list[FillRecord]:
        """A page of fills by the time at which they were booked."""
        statement = build_ended_statement(
            owner,
            replace(which, kind=EndKind.FILLED),
            after=after,
            limit=limit,
            is_ascending=is_ascending,
        )
        rows = await self._pool.read(statement.sql, *statement.args)
        return await self._parse(rows)

    async def read_pages(
        self,
        owner: str,
        which: EndFilter,
        *,
        after: ListPosition | None = None,
        is_ascending: bool = True,
    ) -> AsyncGenerator[list[FillRecord], None]:
        """All fills, a page at a time; the last page may be empty."""
        while True:
            page = await self.read_page(
                owner, which, limit=PAGE, after=after, is_ascending=is_ascending
            )
            yield page
            if len(page) < PAGE:
                return
            after = ListPosition(page[-1].at, page[-1].order_id)

    async def read_unfilled_pages(
        self, owner: str, which: EndFilter
    ) -> AsyncGenerator[list[EndedOrder], None]:
        """All orders that ended without a fill of their own, a page at a time."""
        unfilled = replace(which, kind=EndKind.UNFILLED)
        after: ListPosition | None = None
        while True:
            statement = build_ended_statement(owner, unfilled, after=after, limit=PAGE)
            rows = await self._pool.read(statement.sql, *statement.args)
            yield [parse_unfilled(row) for row in rows]
            if len(rows) < PAGE:
                return
            after = ListPosition(rows[-1]["at"], rows[-1]["id"])

    async def load_tokens(self, names: Collection[str]) -> None:
        """Have the registry know tokens that are stored."""
        if any(name not in self._tokens for name in names):
            await translate_errors(partial(load_tokens, self._pool, self._tokens, names))

    async def read_horizon(self) -> datetime | None:
        """A time below which nothing can be booked after this call, as ``OrderQueries``."""
        rows = await self._pool.read(READ_HORIZON)
        at: datetime | None = rows[0]["at"]
        return at

    async def _parse(self, rows: Sequence[asyncpg.Record]) -> list[FillRecord]:
        read = partial(parse_fill, tokens=self._tokens, reference=self.reference)
        fills: list[FillRecord] = []
        for at in range(0, len(rows), YIELD_EVERY):
            part = rows[at : at + YIELD_EVERY]
            parse = partial(parse_with_tokens, self._pool, self._tokens, part, read)
            fills += await translate_errors(parse)
            await asyncio.sleep(0)
        return fills
