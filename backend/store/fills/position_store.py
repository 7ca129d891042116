"""The positions of owners, computed from their fills, and checkpoints of what that has given.

Fills are booked in the order of the times at which the journal recorded their amounts. Below the
*horizon* no fill can appear any more: what is booked up to there is kept, in this process and as a
row that other processes begin with. Fills beyond it are booked anew each time.

A row is used only while its time has passed by the database's clock: when that was set back, fills
may be booked before it, and the positions are computed from the first fill on.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from backend.accounting.positions import CostMethod, PositionBook, decode_book, encode_book
from backend.runtime.background import shield
from backend.store.database import DatabasePool
from backend.store.fills.ended_lists import EndFilter
from backend.store.fills.fill_store import FillStore
from backend.store.reads.order_lists import ListPosition

OWNERS_MAX: Final = 256
"""Most owners whose positions a process keeps."""
CHECKPOINT_FILLS: Final = 10_000
"""After so many fills more, a checkpoint is stored."""
COMPUTATIONS_MAX: Final = 2
"""Most owners whose positions are computed at once: the others wait."""

_LOAD: Final = """
SELECT booked_at, order_id, book FROM position_checkpoints
WHERE owner = $1 AND reference = $2 AND booked_at <= clock_timestamp()
"""
_STORE: Final = """
INSERT INTO position_checkpoints (owner, reference, booked_at, order_id, book)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, reference) DO UPDATE
SET booked_at = excluded.booked_at, order_id = excluded.order_id, book = excluded.book
"""


@dataclass(slots=True)
class _Booked:
    """What was booked of an owner's fills, up to a position."""

    book: PositionBook
    after: ListPosition | None = None
    unsaved_count: int = 0


class PositionStore:
    """Computes positions on the connections of readers; checkpoints are stored by ``writers``."""

    def __init__(self, fills: FillStore, readers: DatabasePool, writers: DatabasePool) -> None:
        self._fills = fills
        self._readers = readers
        self._writers = writers
        self._booked: OrderedDict[str, _Booked] = OrderedDict()
        self._computed: dict[str, asyncio.Future[PositionBook]] = {}
        self._places = asyncio.Semaphore(COMPUTATIONS_MAX)

    async def read(self, owner: str, *, wait_s: float) -> PositionBook | None:
        """The positions of an owner by average cost, of all fills that were booked before.

        ``None`` if there are so many fills that it takes longer than ``wait_s``: it goes on, and
        who asks later gets them. Raises ``Transient``.
        """
        deadline = asyncio.get_running_loop().time() + wait_s
        begun = self._computed.get(owner)
        if begun is not None and not await _await_until(deadline, begun):
            return None
        running = self._computed.get(owner)  # of another who asks since then
        if running is None:
            running = self._computed[owner] = shield(self._compute(owner))
        if not await _await_until(deadline, running):
            return None
        book = running.result()
        await self._fills.load_tokens(book.positions)
        return book

    async def _compute(self, owner: str) -> PositionBook:
        try:
            async with self._places:
                booked = self._booked.get(owner)
                if booked is None:
                    booked = await self._load(owner)
                self._booked[owner] = booked
                self._booked.move_to_end(owner)
                while len(self._booked) > OWNERS_MAX:
                    self._booked.popitem(last=False)
                await self._book_final(owner, booked)
                return await self._book_rest(owner, booked)
        finally:
            del self._computed[owner]

    async def _book_final(self, owner: str, booked: _Booked) -> None:
        """Book what is below the horizon, for good."""
        horizon = await self._fills.read_horizon()
        if horizon is None:
            return
        which = EndFilter(end=horizon)
        async for page in self._fills.read_pages(owner, which, after=booked.after):
            for fill in page:
                booked.book.book(fill)
            if page:
                booked.after = ListPosition(page[-1].at, page[-1].order_id)
                booked.unsaved_count += len(page)
            if booked.unsaved_count >= CHECKPOINT_FILLS:
                await self._store(owner, booked)

    async def _book_rest(self, owner: str, booked: _Booked) -> PositionBook:
        """A book with what is beyond the horizon as well."""
        book = decode_book(self._fills.reference, CostMethod.AVERAGE, encode_book(booked.book))
        async for page in self._fills.read_pages(owner, EndFilter(), after=booked.after):
            for fill in page:
                book.book(fill)
        return book

    async def _load(self, owner: str) -> _Booked:
        reference = self._fills.reference
        for row in await self._readers.read(_LOAD, owner, reference):
            book = decode_book(reference, CostMethod.AVERAGE, json.loads(row["book"]))
            return _Booked(book, ListPosition(row["booked_at"], row["order_id"]))
        return _Booked(PositionBook(reference))

    async def _store(self, owner: str, booked: _Booked) -> None:
        assert booked.after is not None
        text = json.dumps(encode_book(booked.book))
        await self._writers.read(_STORE, owner, self._fills.reference, *booked.after, text)
        booked.unsaved_count = 0


async def _await_until(deadline: float, running: asyncio.Future[PositionBook]) -> bool:
    """Whether a computation ends in time; it may have failed."""
    left_s = deadline - asyncio.get_running_loop().time()
    done, _ = await asyncio.wait([running], timeout=max(left_s, 0))
    return bool(done)
