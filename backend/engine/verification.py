"""Verification of live data: rows and journal against the rules, and signatures against the chain.

See ``backend.store.verification`` for the rules of the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from solders.signature import Signature

from backend.chain.nodes.node_client import NodeClient
from backend.chain.rpc.client import SIGNATURES_MAX
from backend.domain.lifecycle import Status
from backend.store.feed import Feed, FeedPosition
from backend.store.verification import JournalVerifier, OrderSignatures, VerificationFault

FAULTS_MAX: Final = 1_000
"""Most faults of a report that are listed; all are counted."""


@dataclass(slots=True)
class VerificationReport:
    """What a verification has looked at, and found.

    ``unknown_signatures`` are of confirmed orders, and the node does not know them: it keeps no
    history, or not for so long.
    """

    orders: int = 0
    signatures: int = 0
    unknown_signatures: int = 0
    lost_orders: int = 0
    """Transactions of orders that the journal has lost, as far as the chain has shown it."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many faults of each rule."""
    faults: list[VerificationFault] = field(default_factory=list)

    def add(self, faults: Sequence[VerificationFault]) -> None:
        """Add what was found."""
        self.counts.update(each.rule for each in faults)
        self.faults += faults[: FAULTS_MAX - len(self.faults)]


class Verification:
    """Verifies orders; with a ``node``, their signatures as well."""

    def __init__(
        self,
        verifier: JournalVerifier,
        feed: Feed,
        *,
        stuck_after: timedelta,
        node: NodeClient | None = None,
    ) -> None:
        self._verifier = verifier
        self._feed = feed
        self._stuck_after = stuck_after
        self._node = node

    async def verify_all(self) -> tuple[VerificationReport, FeedPosition]:
        """Verify all orders; returns the position from which the next verification may go on.

        Raises ``Transient`` if PostgreSQL cannot be used, or an ``EngineError`` of the node.
        """
        head = await self._feed.read_head()
        report = await self._verify(self._verifier.list_all())
        report.add(await self._verifier.find_volume_faults())
        return report, head

    async def verify_since(
        self, since: FeedPosition | timedelta
    ) -> tuple[VerificationReport, FeedPosition]:
        """Verify the orders with events since a position, or in the last time.

        Returns and raises as ``verify_all``.
        """
        head = await self._feed.read_head()
        if isinstance(since, timedelta):
            since = await self._verifier.find_position(since, head)
        return await self._verify(self._verifier.list_changed(since, head)), head

    async def _verify(self, pages: AsyncIterator[list[UUID]]) -> VerificationReport:
        report = VerificationReport()
        async for ids in pages:
            await self.verify_orders(ids, report)
        report.add(await self._verifier.find_stuck(self._stuck_after))
        report.add(await self._verifier.find_conflicts())
        report.lost_orders = await self._verifier.count_lost()
        return report

    async def verify_orders(self, ids: Sequence[UUID], report: VerificationReport) -> None:
        """Verify a few thousand orders, and add what is found to a report."""
        report.orders += len(ids)
        report.add(await self._verifier.find_faults(ids))
        if self._node is not None:
            await self._verify_signatures(self._node, ids, report)

    async def _verify_signatures(
        self, node: NodeClient, ids: Sequence[UUID], report: VerificationReport
    ) -> None:
        orders = await self._verifier.read_signatures(ids)
        signatures = [each for o in orders for each in o.signatures if is_signature(each)]
        succeeded: dict[str, bool] = {}
        for start in range(0, len(signatures), SIGNATURES_MAX):
            asked = signatures[start : start + SIGNATURES_MAX]
            statuses = await node.get_signature_statuses(asked, search_history=True)
            for signature, status in zip(asked, statuses.entries, strict=True):
                if status is not None:
                    succeeded[signature] = status.err is None
        report.signatures += len(signatures)
        for order in orders:
            if order.status is Status.CONFIRMED and order.signatures[-1] not in succeeded:
                report.unknown_signatures += 1
            report.add(list(find_chain_faults(order, succeeded)))


def is_signature(text: str) -> bool:
    """Whether a text is a signature in base58; a node refuses a request with anything else."""
    try:
        Signature.from_string(text)
    except ValueError:
        return False
    return True


def find_chain_faults(
    order: OrderSignatures, succeeded: Mapping[str, bool]
) -> Iterator[VerificationFault]:
    """Find where the chain differs from what an ended order says.

    ``succeeded`` are the signatures that have landed, and whether their transaction succeeded.
    """
    for signature in order.signatures:
        if not is_signature(signature):
            reason = f"was submitted as {signature!r}, which is no signature"
            yield VerificationFault(order.order_id, "no_signature", reason)
    is_confirmed = order.status is Status.CONFIRMED
    earlier = order.signatures[:-1] if is_confirmed else order.signatures
    for signature in earlier:
        if succeeded.get(signature):
            reason = f"is {order.status}, and {signature} of an attempt before that was executed"
            yield VerificationFault(order.order_id, "executed", reason)
    if is_confirmed and succeeded.get(order.signatures[-1]) is False:
        reason = f"is confirmed, and its transaction {order.signatures[-1]} failed"
        yield VerificationFault(order.order_id, "not_executed", reason)
