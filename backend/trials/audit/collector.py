"""Collects the evidence of one run: marks where it starts, records it, waits for its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from solders.pubkey import Pubkey

from backend.domain.tokens import SOL
from backend.trials.audit.clients import ClientObservations
from backend.trials.audit.evidence import (
    DatabaseSnapshot,
    EvidenceMark,
    count_unsettled_orders,
    fetch_balances,
    fetch_database_time,
    fetch_fees,
    fetch_launched,
    fetch_ledger,
    fetch_orders,
    parse_swaps,
)
from backend.trials.audit.history.operations import History
from backend.trials.audit.history.streams import fetch_cursor, follow_stream
from backend.trials.audit.records import Evidence, OrderTransition, Violation, ViolationKind
from backend.trials.audit.verification import fetch_faults

POLL_S: Final = 0.05
EVENTS_TIMEOUT_S: Final = 10.0
"""How long subscribers may take to receive the last event after all orders have ended."""


@dataclass(frozen=True, slots=True)
class TrialAddresses:
    """Where the evidence is: the database, the simulated node and the API; the wallet's address.

    None of them may be behind what is tried: the evidence is read from the servers themselves.
    """

    database_url: str
    chain_url: str
    api_url: str
    wallet: Pubkey


class EvidenceCollector:
    """Collects evidence on the orders that are placed from a mark on."""

    def __init__(self, addresses: TrialAddresses, session: aiohttp.ClientSession) -> None:
        self._addresses = addresses
        self._session = session

    async def record_mark(self) -> EvidenceMark:
        """Record the current positions of clock, ledger, feed and wallet."""
        where = self._addresses
        _, newest = await fetch_ledger(self._session, where.chain_url, 0)
        return EvidenceMark(
            await fetch_database_time(where.database_url),
            newest,
            await fetch_cursor(self._session, where.api_url),
            await fetch_balances(where.chain_url, where.wallet),
        )

    @asynccontextmanager
    async def record_stream(
        self, mark: EvidenceMark, observed: ClientObservations
    ) -> AsyncIterator[None]:
        """Record the stream of all orders for the duration of the block."""
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._follow_stream(mark, observed.stream, observed.history))
            yield
            reader.cancel()

    async def await_orders_ended(
        self,
        mark: EvidenceMark,
        posting: asyncio.Task[None],
        timeout_s: float,
        *,
        needs_amounts: bool = False,
    ) -> None:
        """Wait until all orders have ended and their followers are done, or until the timeout.

        With ``needs_amounts`` also until no amount of a confirmed order is still to follow.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait([posting])
                database_url = self._addresses.database_url
                unsettled = 1
                while unsettled:
                    await asyncio.sleep(POLL_S)
                    unsettled = await count_unsettled_orders(
                        database_url, mark.at, needs_amounts=needs_amounts
                    )
        except TimeoutError:
            posting.cancel()

    async def fetch_orders(
        self, mark: EvidenceMark, observed: ClientObservations
    ) -> DatabaseSnapshot:
        """Fetch the stored orders, and wait until the recorded stream has all of their events."""
        snapshot = await fetch_orders(self._addresses.database_url, mark.at)
        await _await_events(observed.stream, len(snapshot.journal))
        return snapshot

    async def collect(
        self,
        mark: EvidenceMark,
        snapshot: DatabaseSnapshot,
        observed: ClientObservations,
        feed_streams: Mapping[str, Sequence[OrderTransition]],
        *,
        needs_amounts: bool = False,
    ) -> Evidence:
        """Collect the evidence on all orders since a mark."""
        where, session = self._addresses, self._session
        entries, _ = await fetch_ledger(session, where.chain_url, mark.ledger_position)
        balances = await fetch_balances(where.chain_url, where.wallet)
        balance_changes = {mint: amount - mark.balances[mint] for mint, amount in balances.items()}
        balance_changes[SOL.mint] += await fetch_fees(where.chain_url, entries)
        launched = await fetch_launched(session, where.chain_url) if snapshot.guards else {}
        again = await self._replay_stream(mark, len(snapshot.journal))
        return Evidence(
            accepted={key: frozenset(ids) for key, ids in observed.accepted.items()},
            rows=snapshot.rows,
            journal=snapshot.journal,
            order_by_signature=snapshot.order_by_signature,
            swaps=parse_swaps(entries),
            order_streams=observed.order_streams,
            feed_streams={**feed_streams, "the stream read again": again},
            balance_changes=balance_changes,
            needs_amounts=needs_amounts,
            cancels=observed.cancels,
            releases=snapshot.releases,
            slices=snapshot.slices,
            guards=snapshot.guards,
            launched=launched,
            faults=await fetch_faults(where.database_url, where.chain_url, [*snapshot.rows]),
        )

    async def _replay_stream(self, mark: EvidenceMark, events: int) -> list[OrderTransition]:
        received: list[OrderTransition] = []
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._follow_stream(mark, received))
            await _await_events(received, events)
            reader.cancel()
        return received

    async def _follow_stream(
        self, mark: EvidenceMark, received: list[OrderTransition], history: History | None = None
    ) -> None:
        url = self._addresses.api_url
        await follow_stream(self._session, url, mark.cursor, received, history)


def find_unanswered(observed: ClientObservations) -> list[Violation]:
    """Find orders and cancellations that were refused, and those that got no response at all."""
    violations = [
        Violation(ViolationKind.WRONG, f"refused: {reply}") for reply in observed.rejections
    ]
    answered = len(observed.accepted)
    if answered + len(observed.rejections) < observed.requested:
        message = f"{observed.requested - answered} requests got no response"
        violations.append(Violation(ViolationKind.STUCK, message))
    cancels = observed.cancels
    unanswered = cancels.order_ids - {answer.order_id for answer in cancels.answers}
    violations += [
        Violation(ViolationKind.STUCK, f"the cancellation of order {order_id} got no response")
        for order_id in sorted(unanswered)
    ]
    return violations


async def _await_events(received: Sequence[OrderTransition], events: int) -> None:
    try:
        async with asyncio.timeout(EVENTS_TIMEOUT_S):
            while len(received) < events:  # noqa: ASYNC110 - another task appends to the list
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        pass
