"""The engine without one of its safeguards, for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from backend.chain.nodes.node_client import NodeClient
from backend.chain.rpc.results import (
    ChainTip,
    LandedTransaction,
    SignatureStatus,
    read_transaction,
)
from backend.chain.subscriptions import signatures
from backend.chain.subscriptions.notified_blocks import NotifiedBlock
from backend.chain.transactions import UnsignedTransaction
from backend.chain.wire import Commitment
from backend.domain.orders import LeasedOrder, SignedTransaction, TimeInForce
from backend.execution.confirmation import signature_search, signature_watch
from backend.execution.confirmation.signature_search import SignatureResult
from backend.execution.confirmation.signature_watch import SignatureWatch
from backend.execution.order_execution import OrderExecution
from backend.store.withdrawals.expiries import Expiries
from tests.simulation import worker
from tests.simulation.group_mutations import GROUP_MUTATIONS
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.node import WALLET
from tests.simulation.model.rows import OrderRow
from tests.simulation.model.transition_write import TransitionWrite


@contextmanager
def send_before_recording() -> Iterator[None]:
    """A transaction is sent before it is stored."""
    sign = OrderExecution._sign

    async def sign_and_send(execution: Any, route: Any) -> SignedTransaction | None:
        signed = await sign(execution, route)
        if signed is not None:
            await execution._context.submitter.send(signed)
        return signed

    with patch.object(OrderExecution, "_sign", sign_and_send):
        yield


def sign_before_preflight() -> AbstractContextManager[object]:
    """The node that simulates a transaction has its signature."""
    signed_wire = property(lambda unsigned: unsigned.sign(WALLET).wire)
    return patch.object(UnsignedTransaction, "wire", signed_wire)


def skip_epoch_check() -> AbstractContextManager[object]:
    """A write is stored even if another worker holds the lease by now."""

    def matches_fence(database: DatabaseModel, row: OrderRow, epoch: int, seq: int) -> bool:
        return row.seq == seq

    return patch.object(DatabaseModel, "matches_fence", matches_fence)


def skip_seq_check() -> AbstractContextManager[object]:
    """A write is stored even if its order has moved on by now."""

    def matches_fence(database: DatabaseModel, row: OrderRow, epoch: int, seq: int) -> bool:
        return row.epoch == epoch

    return patch.object(DatabaseModel, "matches_fence", matches_fence)


def disable_sweep() -> AbstractContextManager[object]:
    """Overdue orders are never found."""

    async def wait_forever(*args: object, **settings: object) -> None:
        await asyncio.Event().wait()

    return patch.object(worker, "run_sweep", wait_forever)


def expire_without_status_check() -> AbstractContextManager[object]:
    """A transaction counts as expired once its height has passed, even if it has landed."""

    async def find_results(
        node: NodeClient, signed: Sequence[SignedTransaction], tip: ChainTip
    ) -> list[SignatureResult]:
        return [
            signature_search.read_result(None, is_expired=tip.height > each.last_valid_height)
            for each in signed
        ]

    return patch.object(signature_watch, "find_results", find_results)


def accept_stale_node() -> AbstractContextManager[object]:
    """A history search without a result counts even if its node is behind."""
    find_results = signature_search.find_results

    async def find_results_of_any_node(
        node: NodeClient, signed: Sequence[SignedTransaction], tip: ChainTip
    ) -> list[SignatureResult]:
        return await find_results(node, signed, ChainTip(0, tip.height))

    return patch.object(signature_watch, "find_results", find_results_of_any_node)


def check_status_before_height() -> AbstractContextManager[object]:
    """A transaction may land between the search that misses it and its expiry."""

    async def check_batch(watch: Any, signed: Sequence[SignedTransaction]) -> list[SignatureResult]:
        signatures = [each.signature for each in signed]
        statuses = await watch._node.get_signature_statuses(signatures, search_history=True)
        tip = await watch._node.get_epoch_info(Commitment.FINALIZED)
        return [
            signature_search.read_result(status, is_expired=tip.height > each.last_valid_height)
            for each, status in zip(signed, statuses.entries, strict=True)
        ]

    return patch.object(SignatureWatch, "_check_batch", check_batch)


@contextmanager
def accept_processed_commitment() -> Iterator[None]:
    """A transaction counts as landed at processed commitment already."""

    read_result = signature_search.read_result

    def read_processed_result(
        status: SignatureStatus | None, *, is_expired: bool = False
    ) -> SignatureResult:
        if status is not None:
            status = replace(status, commitment=Commitment.CONFIRMED)
        return read_result(status, is_expired=is_expired)

    with (
        patch.object(signature_watch, "read_result", read_processed_result),
        patch.object(signature_search, "read_result", read_processed_result),
    ):
        yield


def believe_any_block() -> AbstractContextManager[object]:
    """What a block has counts whatever its bytes are."""

    def read_any(
        signed: SignedTransaction, block: NotifiedBlock, transaction: Any, tip_slot: int | None
    ) -> LandedTransaction | None:
        return read_transaction({**transaction, "slot": block.slot})

    return patch.object(signatures, "read_landed", read_any)


def cancel_submitted_orders() -> AbstractContextManager[object]:
    """An order is cancelled whatever may land of it."""

    def is_cancellable(database: DatabaseModel, row: OrderRow) -> bool:
        return row.open

    return patch.object(DatabaseModel, "is_cancellable", is_cancellable)


def cancel_without_fence() -> AbstractContextManager[object]:
    """A worker's writes are stored although its order was cancelled since its claim."""
    cancel = DatabaseModel.cancel

    def cancel_unless_leased(database: DatabaseModel, now: float, order_id: UUID) -> bool:
        row = database.rows[order_id]
        is_leased = row.lease_until is not None and database.is_cancellable(row)
        return is_leased or cancel(database, now, order_id)

    return patch.object(DatabaseModel, "cancel", cancel_unless_leased)


def cancel_without_epoch() -> AbstractContextManager[object]:
    """A cancellation does not raise the epoch: it looks like the write of the order's worker."""
    cancel = DatabaseModel.cancel

    def cancel_at_epoch(database: DatabaseModel, now: float, order_id: UUID) -> bool:
        is_cancelled = cancel(database, now, order_id)
        if is_cancelled:
            database.rows[order_id].epoch -= 1
        return is_cancelled

    return patch.object(DatabaseModel, "cancel", cancel_at_epoch)


def claim_expired_orders() -> AbstractContextManager[object]:
    """An order is claimed whatever its expiry is."""

    def is_claimable(database: DatabaseModel, row: OrderRow, now: float, ahead_s: float) -> bool:
        return row.is_claimable(now, ahead_s)

    return patch.object(DatabaseModel, "is_claimable", is_claimable)


def submit_expired_orders() -> AbstractContextManager[object]:
    """A transition to submitted is stored whatever the expiry of its order is."""

    def may_record(
        database: DatabaseModel, row: OrderRow, write: TransitionWrite, now: float
    ) -> bool:
        return True

    return patch.object(DatabaseModel, "may_record", may_record)


def leave_expired_orders() -> AbstractContextManager[object]:
    """Nothing ends an order whose expiry has passed while no worker executes it."""

    async def expire_none(expiries: Expiries) -> int:
        return 0

    return patch.object(Expiries, "expire_due", expire_none)


def retry_whatever_the_time_in_force() -> AbstractContextManager[object]:
    """An order that has one attempt gets more."""
    return patch.object(TimeInForce, "has_one_attempt", False)


def bound_attempts_of_what_is_triggered() -> AbstractContextManager[object]:
    """An order that its trigger has released to the market has as many attempts as any other."""
    return patch.object(LeasedOrder, "is_latched", False)


def fail_what_waited() -> AbstractContextManager[object]:
    """An order whose price cannot be had is no different from any other."""
    return patch.object(LeasedOrder, "waits_again", False)


def claim_what_has_moved() -> AbstractContextManager[object]:
    """The commit of a job that tells the terms of its order claims it whatever it is by now."""

    def matches_claim(database: DatabaseModel, row: OrderRow, write: TransitionWrite) -> bool:
        return row.open

    return patch.object(DatabaseModel, "matches_claim", matches_claim)


MUTATIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "intent before send": send_before_recording,
    "preflight without signature": sign_before_preflight,
    "epoch check": skip_epoch_check,
    "sweep": disable_sweep,
    "last look": expire_without_status_check,
    "slot of the look": accept_stale_node,
    "seq check": skip_seq_check,
    "height first": check_status_before_height,
    "confirmation": accept_processed_commitment,
    "bytes in a block": believe_any_block,
    "status of what is cancelled": cancel_submitted_orders,
    "fence of what is cancelled": cancel_without_fence,
    "epoch of what is cancelled": cancel_without_epoch,
    "expiry of what is claimed": claim_expired_orders,
    "expiry of what is submitted": submit_expired_orders,
    "end of what expires": leave_expired_orders,
    "fence of what a job claims": claim_what_has_moved,
    "one attempt": retry_whatever_the_time_in_force,
    "latch": bound_attempts_of_what_is_triggered,
    "return to waiting": fail_what_waited,
    **GROUP_MUTATIONS,
}
