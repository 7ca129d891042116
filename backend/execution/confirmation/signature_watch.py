"""The watch over sent transactions: polls their signatures until each has its final outcome.

Status polls of many orders share requests. A signature is polled often at first, and less often
the longer it does not land, or while the node is to notify it. The stored bytes are sent again and
again until the transaction has landed or has expired: an error after a send proves nothing, so only
the chain decides the outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.chain.nodes.node_client import NodeClient
from backend.chain.rpc.client import SIGNATURES_MAX
from backend.chain.rpc.results import LandedTransaction
from backend.chain.subscriptions.blocks import NodeNotifications
from backend.chain.subscriptions.signatures import LandedNews, SignatureSubscriptions
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError, Unavailable
from backend.domain.lifecycle import SignatureOutcome
from backend.domain.orders import SignedTransaction
from backend.execution.confirmation.signature_search import (
    SignatureResult,
    find_results,
    read_landed,
    read_result,
)
from backend.runtime import observe, observe_node, trace
from backend.runtime.coalescer import Coalescer

TIP_INTERVAL_S = 0.5
RETRY_S = 0.25
"""Wait after a failed request to the node; it doubles with each further one."""
RETRY_S_MAX = 2.0
RETRY_AFTER_S_MAX = 30.0
"""The longest pause that a node is granted."""
POLL_INTERVAL_S_MAX = 2.0
POLLS_PER_AGE = 20
"""A signature is polled after each twentieth of its age: it is known to land at most 5 % later."""
NOTIFIED_POLLS = 5
"""While a notification is to be expected, the interval of polls is so many times the shortest."""
NOTIFIED_POLL_S_MIN = 0.1
"""The shortest interval of polls while a notification is to be expected."""


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """The shortest interval of status polls, and that of resending an unconfirmed transaction."""

    poll_s: float
    resend_s: float


@dataclass(slots=True, eq=False)
class _WatchedSignature:
    signed: SignedTransaction
    started_at: float
    sent_at: float
    next_poll_at: float
    result: asyncio.Future[SignatureResult]


class SignatureWatch:
    """Watches the signatures of one worker; ``run`` must be running.

    ``resend`` sends bytes again, in the background. The node is also to notify a signature that
    ``follow`` was called for before its bytes were sent, once ``use_notifications`` was called.
    """

    def __init__(
        self, node: NodeClient, intervals: PollIntervals, resend: Callable[[bytes], None]
    ) -> None:
        self._node = node
        self._intervals = intervals
        self._resend = resend
        # By watch, not by signature: two executions of one order may watch the same signature.
        self._watched: dict[_WatchedSignature, None] = {}
        self._by_signature: dict[str, list[_WatchedSignature]] = {}
        self._subscriptions: SignatureSubscriptions | None = None
        self._notified_poll_s = max(NOTIFIED_POLLS * intervals.poll_s, NOTIFIED_POLL_S_MIN)
        self._watch_added = asyncio.Event()
        self._next_tip_at = 0.0
        self._checks: Coalescer[SignedTransaction, SignatureResult] = Coalescer(
            self._check_batch, name="check outcomes", items_max=SIGNATURES_MAX
        )
        self.on_expiry: Callable[[], None] = lambda: None

    def use_notifications(
        self,
        notifications: NodeNotifications,
        fetch: Callable[[str], asyncio.Future[LandedTransaction | None]],
    ) -> None:
        """Have signatures that are followed notified; ``fetch`` requests a transaction."""
        self._subscriptions = SignatureSubscriptions(
            notifications,
            fetch,
            trusts_blocks=notifications.is_of_node and not self._node.has_quorum,
            on_landed=self._settle,
            on_doubt=self._poll_now,
        )

    def follow(self, signed: SignedTransaction) -> None:
        """Expect the signature of bytes that are about to be sent."""
        if self._subscriptions is not None:
            self._subscriptions.follow(signed)

    def release(self, signed: SignedTransaction) -> None:
        """Expect a signature no longer; ``await_result`` does so itself when it ends."""
        if self._subscriptions is not None:
            self._subscriptions.release(signed.signature)

    async def run(self) -> None:
        """Poll and check until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._checks.run())
            tasks.create_task(self._watch_signatures())

    async def check(self, signed: SignedTransaction) -> SignatureResult:
        """The current outcome of a signature; retries while the node does not respond."""
        failures = 0
        while True:
            try:
                return await self._checks.submit(signed)
            except EngineError as error:
                observe.chain_query_failed("check outcome", error)
                await _pause_after(error, failures)
                failures += 1

    async def await_result(self, signed: SignedTransaction) -> SignatureResult:
        """Watch a signature, resending its bytes, until it has landed, reverted or expired."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        poll_at = now + self._get_interval_min(signed)
        watch = _WatchedSignature(signed, now, now, poll_at, loop.create_future())
        self._watched[watch] = None
        self._by_signature.setdefault(signed.signature, []).append(watch)
        self._watch_added.set()
        try:
            if self._subscriptions is not None:
                news = self._subscriptions.get_news(signed.signature)
                if news is not None:  # before its send was answered
                    self._settle(signed.signature, news)
            return await watch.result
        finally:
            del self._watched[watch]
            self._by_signature[signed.signature].remove(watch)
            if not self._by_signature[signed.signature]:
                del self._by_signature[signed.signature]
            self.release(signed)

    def _get_interval_min(self, signed: SignedTransaction) -> float:
        is_notified = self._subscriptions is not None and self._subscriptions.is_live(
            signed.signature
        )
        return self._notified_poll_s if is_notified else 0

    def _settle(self, signature: str, news: LandedNews) -> None:
        watched = self._by_signature.get(signature, ())
        if watched:
            trace.mark_step(f"landing told by {news.source}")
        _set_results(watched, [read_landed(news.landed)] * len(watched), news.source)

    def _poll_now(self, signature: str) -> None:
        now = asyncio.get_running_loop().time()
        for watch in self._by_signature.get(signature, ()):
            watch.next_poll_at = now
        self._watch_added.set()

    async def _check_batch(self, signed: Sequence[SignedTransaction]) -> list[SignatureResult]:
        tip = await self._node.get_epoch_info(Commitment.FINALIZED)
        return await find_results(self._node, signed, tip)

    async def _watch_signatures(self) -> None:
        loop = asyncio.get_running_loop()
        poll_took_s, failures = 0.0, 0
        while True:
            # Polls take at most half of the time, however many signatures are watched.
            due = await self._wait_due(max(self._intervals.poll_s, poll_took_s))
            started_at = loop.time()
            try:
                await self._poll_statuses(due)
                failures = 0
            except EngineError as error:
                observe.chain_query_failed("poll statuses", error)
                await _pause_after(error, failures)
                failures += 1
            poll_took_s = min(loop.time() - started_at, RETRY_S)

    async def _wait_due(self, wait_s: float) -> list[_WatchedSignature]:
        """Wait at least ``wait_s``, and until the poll of some signature is due."""
        loop = asyncio.get_running_loop()
        while True:
            self._watch_added.clear()
            if not self._watched:
                await self._watch_added.wait()
            await asyncio.sleep(wait_s)
            now = loop.time()
            if due := [watch for watch in self._watched if watch.next_poll_at <= now]:
                return due
            next_poll_at = min((w.next_poll_at for w in self._watched), default=now)
            try:
                # A new signature is not to wait for the slow polls of the old ones.
                async with asyncio.timeout_at(next_poll_at - wait_s):
                    await self._watch_added.wait()
            except TimeoutError:
                pass

    async def _poll_statuses(self, watched: Sequence[_WatchedSignature]) -> None:
        statuses = await self._node.get_signature_statuses([w.signed.signature for w in watched])
        results = [read_result(status) for status in statuses.entries]
        self._note_landed(watched, results)
        waiting = _set_results(watched, results)
        if not waiting:
            return
        now = asyncio.get_running_loop().time()
        interval_s = self._schedule_polls(waiting, now)
        if now >= self._next_tip_at:
            self._next_tip_at = now + max(TIP_INTERVAL_S, interval_s)
            await self._find_expired()
        self._resend_due([w for w in waiting if not w.result.done()], now)

    def _note_landed(
        self, watched: Sequence[_WatchedSignature], results: Sequence[SignatureResult]
    ) -> None:
        if self._subscriptions is None:
            return
        for watch, result in zip(watched, results, strict=True):
            if result.outcome is not SignatureOutcome.UNRESOLVED and not watch.result.done():
                self._subscriptions.note_polled(watch.signed.signature)

    def _schedule_polls(self, waiting: Sequence[_WatchedSignature], now: float) -> float:
        """Set the times of the next polls, and return the shortest interval."""
        shortest_s, resend_s = POLL_INTERVAL_S_MAX, self._intervals.resend_s
        for watch in waiting:
            interval_s = min((now - watch.started_at) / POLLS_PER_AGE, POLL_INTERVAL_S_MAX)
            interval_s = max(interval_s, self._get_interval_min(watch.signed))
            until_resend_s = watch.sent_at + resend_s - now
            # A resend follows a poll, so it is not to wait for the next one.
            watch.next_poll_at = now + min(
                interval_s, until_resend_s if until_resend_s > 0 else resend_s
            )
            shortest_s = min(shortest_s, interval_s)
        return shortest_s

    async def _find_expired(self) -> None:
        """Search for all signatures past their last valid height, also for those not due yet."""
        tip = await self._node.get_epoch_info(Commitment.FINALIZED)
        past_height = [
            watch
            for watch in self._watched
            if tip.height > watch.signed.last_valid_height and not watch.result.done()
        ]
        if past_height:
            self.on_expiry()
            results = await find_results(self._node, [w.signed for w in past_height], tip)
            _set_results(past_height, results)

    def _resend_due(self, waiting: Sequence[_WatchedSignature], now: float) -> None:
        due = [w for w in waiting if now - w.sent_at >= self._intervals.resend_s]
        for watch in due:
            watch.sent_at = now
            self._resend(watch.signed.wire)
        if due:
            observe.transactions_resent(len(due))


async def _pause_after(error: EngineError, failures: int) -> None:
    """Wait after a failed request: as long as the node asks for, or longer each time."""
    asked_s = error.retry_after_s or 0 if isinstance(error, Unavailable) else 0
    wait_s = min(RETRY_S * 2 ** min(failures, 10), RETRY_S_MAX)
    await asyncio.sleep(max(wait_s, min(asked_s, RETRY_AFTER_S_MAX)))


def _set_results(
    watched: Sequence[_WatchedSignature],
    results: Sequence[SignatureResult],
    source: str = "polling",
) -> list[_WatchedSignature]:
    """Resolve the watches whose outcome is known, and return the others."""
    waiting = []
    for watch, result in zip(watched, results, strict=True):
        if result.outcome is SignatureOutcome.UNRESOLVED:
            waiting.append(watch)
        elif not watch.result.done():
            watch.result.set_result(result)
            observe_node.signature_resolved(source)
    return waiting
