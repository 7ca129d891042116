"""Transaction submission: from signing a transaction to its final outcome on chain.

Sends, status polls and fetches of many orders share requests. The stored bytes are sent again and
again until the transaction has landed or has expired: an error after a send proves nothing, so
only the chain decides the outcome. A signature has expired when its last valid block height is
final, and a search of the history does not find it on a node that has reached that height: one
address may lead to several nodes, some of them behind. No number of polls and no timeout suffices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from solders.pubkey import Pubkey

from backend.chain.outcomes import classify_onchain_error, read_fill
from backend.chain.rpc_client import FETCH_BATCH_MAX, SEND_BATCH_MAX, SIGNATURES_MAX
from backend.chain.rpc_results import (
    ChainTip,
    LandedTransaction,
    SignatureStatus,
)
from backend.chain.transactions import ComputeBudget, SwapParameters, build_swap, derive_wrap_seed
from backend.chain.wallet import Wallet
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError
from backend.domain.lifecycle import SignatureOutcome
from backend.domain.orders import Fill, OrderTerms, SignedTransaction
from backend.execution.blockhash import BlockhashCache
from backend.execution.node_client import NodeClient
from backend.routing.route import Route
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer

TIP_INTERVAL_S = 0.5
CALLS_MAX = 8
MAX_DELAY_S = 0.003
RETRY_S = 0.25
"""Wait after a failed request to the node."""
FETCH_WAIT_S_MAX = 5.0
"""Longest wait between fetches of a landed transaction that the node does not return."""


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """The intervals of status polls and of resending an unconfirmed transaction."""

    poll_s: float
    resend_s: float


@dataclass(slots=True, eq=False)
class _WatchedSignature:
    signed: SignedTransaction
    sent_at: float
    outcome: asyncio.Future[SignatureOutcome]


class TransactionSubmitter:
    """Signs, sends and watches the transactions of one wallet; ``run`` must be running.

    ``has_preflight`` is whether ``sign`` simulates the transaction on the node.
    """

    def __init__(
        self,
        node: NodeClient,
        wallet: Wallet,
        *,
        intervals: PollIntervals,
        budget: ComputeBudget,
        preflight: bool,
    ) -> None:
        self._node = node
        self._wallet = wallet
        self._intervals = intervals
        self._budget = budget
        self.has_preflight: Final = preflight
        self._blockhash = BlockhashCache(node.get_latest_blockhash)
        # By watch, not by signature: two executions of one order may watch the same signature.
        self._watched: dict[_WatchedSignature, None] = {}
        self._watch_added = asyncio.Event()
        self._next_tip_at = 0.0
        self._sends: Coalescer[bytes, str] = Coalescer(
            node.send_transactions,
            items_max=SEND_BATCH_MAX,
            calls_max=CALLS_MAX,
            batch_target=SEND_BATCH_MAX,
            max_delay_s=MAX_DELAY_S,
        )
        self._fetches: Coalescer[str, LandedTransaction | None] = Coalescer(
            node.get_transactions,
            items_max=FETCH_BATCH_MAX,
            calls_max=CALLS_MAX,
            batch_target=FETCH_BATCH_MAX,
            max_delay_s=MAX_DELAY_S,
        )
        self._checks: Coalescer[SignedTransaction, SignatureOutcome] = Coalescer(
            self._check_batch, items_max=SIGNATURES_MAX
        )

    async def run(self) -> None:
        """Send, watch and fetch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sends.run())
            tasks.create_task(self._fetches.run())
            tasks.create_task(self._checks.run())
            tasks.create_task(self._watch_signatures())

    async def sign(
        self, order_id: UUID, attempt: int, terms: OrderTerms, route: Route
    ) -> SignedTransaction:
        """Build and sign the swap of a route, without sending it.

        Raises ``Transient`` or ``Rejected``, also for an error of the preflight.
        """
        swap = SwapParameters(
            route.pool,
            Pubkey.from_string(terms.token_in.mint),
            Pubkey.from_string(terms.token_out.mint),
            terms.amount_in,
            route.min_amount_out,
            derive_wrap_seed(order_id, attempt),
        )
        signed = build_swap(swap, self._wallet, await self._blockhash.get(), self._budget)
        if self.has_preflight:
            simulation = await self._node.simulate_transaction(signed.wire)
            if simulation.err is not None:
                raise classify_onchain_error(simulation.err, simulation.logs)
        return signed

    async def send(self, signed: SignedTransaction) -> None:
        """Send the stored bytes. No response of the node decides the outcome of the transaction."""
        try:
            await self._sends.submit(signed.wire)
        except EngineError as error:
            observe.send_failed(error.code, error.reason)

    async def check_outcome(self, signed: SignedTransaction) -> SignatureOutcome:
        """The current outcome of a signature; retries while the node does not respond."""
        while True:
            try:
                return await self._checks.submit(signed)
            except EngineError as error:
                observe.chain_query_failed("check outcome", error)
                await asyncio.sleep(self._intervals.resend_s)

    async def await_outcome(self, signed: SignedTransaction) -> SignatureOutcome:
        """Watch a signature, resending its bytes, until it has landed, reverted or expired."""
        loop = asyncio.get_running_loop()
        watch = _WatchedSignature(signed, loop.time(), loop.create_future())
        self._watched[watch] = None
        self._watch_added.set()
        try:
            return await watch.outcome
        finally:
            del self._watched[watch]

    async def fetch_fill(self, signed: SignedTransaction, terms: OrderTerms) -> Fill:
        """The fill of a landed transaction, read from the chain."""
        landed = await self._fetch_transaction(signed.signature)
        return read_fill(landed, self._wallet.address, Pubkey.from_string(terms.token_out.mint))

    async def fetch_revert_error(self, signed: SignedTransaction) -> EngineError:
        """The error of a reverted transaction; ``Transient`` if a retry may succeed."""
        landed = await self._fetch_transaction(signed.signature)
        return classify_onchain_error(landed.err, landed.logs)

    async def _fetch_transaction(self, signature: str) -> LandedTransaction:
        """Fetch a landed transaction, with retries until it succeeds: only it has the fill."""
        wait_s = self._intervals.poll_s
        while True:
            try:
                landed = await self._fetches.submit(signature)
                if landed is not None:
                    return landed
                if wait_s >= FETCH_WAIT_S_MAX:
                    observe.landed_transaction_not_found(signature)
            except EngineError as error:
                observe.chain_query_failed("fetch transaction", error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, FETCH_WAIT_S_MAX)

    async def _check_batch(self, signed: Sequence[SignedTransaction]) -> list[SignatureOutcome]:
        tip = await self._node.get_epoch_info(Commitment.FINALIZED)
        return await self._find_outcomes(signed, tip)

    async def _find_outcomes(
        self, signed: Sequence[SignedTransaction], tip: ChainTip
    ) -> list[SignatureOutcome]:
        """Outcomes from a search of the history that starts after ``tip`` was final."""
        statuses = await self._node.get_signature_statuses(
            [each.signature for each in signed], search_history=True
        )
        is_behind = statuses.slot < tip.slot
        return [
            _read_outcome(status, is_expired=tip.height > each.last_valid_height and not is_behind)
            for each, status in zip(signed, statuses.entries, strict=True)
        ]

    async def _watch_signatures(self) -> None:
        loop = asyncio.get_running_loop()
        poll_took_s = 0.0
        while True:
            if not self._watched:
                self._watch_added.clear()
                await self._watch_added.wait()
            # Polls take at most half of the time, however many signatures are watched.
            await asyncio.sleep(max(self._intervals.poll_s, poll_took_s))
            started_at = loop.time()
            try:
                await self._poll_statuses(list(self._watched))
            except EngineError as error:
                observe.chain_query_failed("poll statuses", error)
                await asyncio.sleep(RETRY_S)
            poll_took_s = min(loop.time() - started_at, RETRY_S)

    async def _poll_statuses(self, watched: Sequence[_WatchedSignature]) -> None:
        statuses = await self._node.get_signature_statuses([w.signed.signature for w in watched])
        waiting = _set_outcomes(watched, [_read_outcome(status) for status in statuses.entries])
        now = asyncio.get_running_loop().time()
        if waiting and now >= self._next_tip_at:
            self._next_tip_at = now + TIP_INTERVAL_S
            tip = await self._node.get_epoch_info(Commitment.FINALIZED)
            past_height = [w for w in waiting if tip.height > w.signed.last_valid_height]
            if past_height:
                self._blockhash.invalidate()  # the chain may have jumped ahead of the cached one
                outcomes = await self._find_outcomes([w.signed for w in past_height], tip)
                _set_outcomes(past_height, outcomes)
        self._resend_due([w for w in waiting if not w.outcome.done()], now)

    def _resend_due(self, waiting: Sequence[_WatchedSignature], now: float) -> None:
        due = [w for w in waiting if now - w.sent_at >= self._intervals.resend_s]
        for watch in due:
            watch.sent_at = now
            self._sends.submit_nowait(watch.signed.wire).add_done_callback(_report_resend_failure)
        if due:
            observe.transactions_resent(len(due))


def _report_resend_failure(sent: asyncio.Future[str]) -> None:
    error = None if sent.cancelled() else sent.exception()
    if isinstance(error, EngineError):
        observe.send_failed(error.code, error.reason)


def _read_outcome(status: SignatureStatus | None, *, is_expired: bool = False) -> SignatureOutcome:
    if status is None:
        return SignatureOutcome.EXPIRED if is_expired else SignatureOutcome.UNRESOLVED
    if status.commitment is Commitment.PROCESSED:
        return SignatureOutcome.UNRESOLVED  # its block may still be dropped
    return SignatureOutcome.LANDED if status.err is None else SignatureOutcome.REVERTED


def _set_outcomes(
    watched: Sequence[_WatchedSignature], outcomes: Sequence[SignatureOutcome]
) -> list[_WatchedSignature]:
    """Resolve the watches whose outcome is known, and return the others."""
    waiting = []
    for watch, outcome in zip(watched, outcomes, strict=True):
        if outcome is SignatureOutcome.UNRESOLVED:
            waiting.append(watch)
        elif not watch.outcome.done():
            watch.outcome.set_result(outcome)
    return waiting
