"""Checks rows and events of orders against the rules, some orders at a time.

It reads by indexes only and holds no lock, so it can run beside an engine at work; the memory that
it takes does not depend on the number of orders.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.lifecycle import TRANSITIONS, Status
from backend.domain.tokens import KNOWN_TOKENS
from backend.store.database import FIRST_ID, DatabasePool
from backend.store.feed import FeedPosition
from backend.store.verification.statements import (
    COUNT_LOST,
    FIND_CONFLICTS,
    FIND_FAULTS,
    FIND_GROUP_FAULTS,
    FIND_STUCK,
    FIND_TXID,
    FIND_VOLUME_FAULTS,
    READ_CHANGED_IDS,
    READ_IDS,
    READ_SIGNATURES,
)

PAGE: Final = 2_000
"""Orders that are checked by one statement."""
EVENTS_PAGE: Final = 10_000
STUCK_MAX: Final = 1_000
TIMEOUT_S: Final = 60.0
"""Longest time of one statement."""
_SYMBOLS: Final = [token.symbol for token in KNOWN_TOKENS]
_DECIMALS: Final = [token.decimals for token in KNOWN_TOKENS]
_RETRY_ENDS: Final = frozenset(
    f"{status} {Status.FAILED}" for (status, _), rule in TRANSITIONS.items() if rule.is_retryable
)
LEGAL_PAIRS: Final = sorted(
    {f" {Status.PENDING}"}
    | {f"{status} {rule.to}" for (status, _), rule in TRANSITIONS.items()}
    | _RETRY_ENDS
)
"""Which status may follow which, by the table of the lifecycle; the first one follows nothing."""


class VerificationFault(NamedTuple):
    """An order that breaks a rule, and how; without an order, what its reason names."""

    order_id: UUID | None
    rule: str
    reason: str


class OrderSignatures(NamedTuple):
    """The signatures that an ended order has had, in the order of its attempts."""

    order_id: UUID
    status: Status
    signatures: Sequence[str]


class JournalVerifier:
    """Checks orders. Raises ``Transient`` if PostgreSQL cannot be used."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def list_all(self) -> AsyncIterator[list[UUID]]:
        """List the ids of all orders, page by page."""
        after = FIRST_ID
        while rows := await self._pool.read(READ_IDS, after, PAGE, timeout=TIMEOUT_S):
            yield [row["id"] for row in rows]
            after = rows[-1]["id"]

    async def list_changed(
        self, since: FeedPosition, until: FeedPosition
    ) -> AsyncIterator[list[UUID]]:
        """List the ids of the orders with events between two positions, page by page.

        An order with events on several pages is listed with each.
        """
        while True:
            rows = await self._pool.read(
                READ_CHANGED_IDS, *since, until.txid, EVENTS_PAGE, timeout=TIMEOUT_S
            )
            if rows:
                ids = sorted({row["order_id"] for row in rows})
                for start in range(0, len(ids), PAGE):
                    yield ids[start : start + PAGE]
            if len(rows) < EVENTS_PAGE:
                return
            since = FeedPosition(*rows[-1])

    async def find_position(self, age: timedelta, head: FeedPosition) -> FeedPosition:
        """Find a position before all events that are younger than ``age``.

        By bisection: the ids of transactions and their times rise together, as far as this needs.
        """
        low, high = 0, head.txid
        while low < high:
            middle = (low + high) // 2
            rows = await self._pool.read(FIND_TXID, middle, age)
            if rows and rows[0]["is_earlier"]:
                low = rows[0]["txid"] + 1
            else:
                high = middle
        return FeedPosition(low)

    async def find_faults(self, ids: Sequence[UUID]) -> list[VerificationFault]:
        """Check some orders against all rules of rows and events."""
        parameters = [*ids], _SYMBOLS, _DECIMALS
        rows = [
            *await self._pool.read(FIND_FAULTS, *parameters, LEGAL_PAIRS, timeout=TIMEOUT_S),
            *await self._pool.read(FIND_GROUP_FAULTS, *parameters, timeout=TIMEOUT_S),
        ]
        return [VerificationFault(*row) for row in rows]

    async def find_stuck(self, age: timedelta) -> list[VerificationFault]:
        """Find orders that should be executed and have not moved for ``age``, up to a bound."""
        rows = await self._pool.read(FIND_STUCK, age, STUCK_MAX, timeout=TIMEOUT_S)
        return [VerificationFault(*row) for row in rows]

    async def find_conflicts(self) -> list[VerificationFault]:
        """Find orders whose transaction was found on the chain, and that could not adopt it."""
        rows = await self._pool.read(FIND_CONFLICTS, STUCK_MAX, timeout=TIMEOUT_S)
        return [VerificationFault(*row) for row in rows]

    async def find_volume_faults(self) -> list[VerificationFault]:
        """Find owners whose kept volume of today is below what counts for it, up to a bound."""
        rows = await self._pool.read(FIND_VOLUME_FAULTS, STUCK_MAX, timeout=TIMEOUT_S)
        return [VerificationFault(*row) for row in rows]

    async def count_lost(self) -> int:
        """Count the transactions on the chain whose orders the journal lacks."""
        [row] = await self._pool.read(COUNT_LOST, timeout=TIMEOUT_S)
        count: int = row["count"]
        return count

    async def read_signatures(self, ids: Sequence[UUID]) -> list[OrderSignatures]:
        """Read the signatures of those of some orders that have ended and had any."""
        rows = await self._pool.read(READ_SIGNATURES, [*ids], timeout=TIMEOUT_S)
        return [
            OrderSignatures(row["order_id"], Status(row["status"]), row["signatures"])
            for row in rows
        ]
