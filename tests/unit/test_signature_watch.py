"""The watch over signatures on virtual time: how often it asks, and how soon it knows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, cast

import pytest

from backend.chain.nodes.node_client import NodeClient
from backend.chain.rpc.errors import ReadFailure
from backend.chain.rpc.results import (
    ChainTip,
    LandedTransaction,
    SignatureStatus,
    SignatureStatuses,
)
from backend.chain.subscriptions.signatures import WINDOW_MAX, WINDOW_S
from backend.chain.subscriptions.subscription import Subscription, SubscriptionKind
from backend.chain.wire import Commitment
from backend.domain.lifecycle import SignatureOutcome
from backend.domain.orders import SignedTransaction
from backend.execution.confirmation.signature_search import SignatureResult
from backend.execution.confirmation.signature_watch import PollIntervals, SignatureWatch
from tests.simulation.model.virtual_loop import VirtualLoop

NEVER = 1e9


class RecordingNode:
    """A node on which each signature lands at a time; it counts the calls."""

    has_quorum = False

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.lands_at: dict[str, float] = {}
        self.height = 10
        self.failures: list[ReadFailure] = []

    async def get_epoch_info(self, commitment: Commitment) -> ChainTip:
        self.calls["getEpochInfo"] += 1
        return ChainTip(10, self.height)

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> SignatureStatuses:
        self.calls["getSignatureStatuses"] += 1
        if self.failures:
            raise self.failures.pop()
        now = asyncio.get_running_loop().time()
        landed = SignatureStatus(9, None, Commitment.CONFIRMED)
        return SignatureStatuses(
            10, [landed if self.lands_at[each] <= now else None for each in signatures]
        )


class WatchRun:
    """A watch that runs until the end of the test."""

    def __init__(self, loop: VirtualLoop, poll_s: float) -> None:
        self.node = RecordingNode()
        intervals = PollIntervals(poll_s, resend_s=2)
        self.resent: list[bytes] = []
        self.watch = SignatureWatch(cast(NodeClient, self.node), intervals, self.resent.append)
        self._loop = loop

    async def follow(self, name: str, *, lands_after_s: float) -> tuple[SignatureResult, float]:
        """Watch a signature that lands after a time; returns the result, and the time it took."""
        started_at = self._loop.time()
        self.node.lands_at[name] = started_at + lands_after_s
        result = await self.watch.await_result(SignedTransaction(name, name.encode(), 100))
        return result, self._loop.time() - started_at

    def run(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def run_test() -> None:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.watch.run())
                await test()
                running.cancel()

        self._loop.run_until_complete(run_test())


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


@pytest.mark.parametrize("poll_s", [0.2, 0.003])
def test_a_signature_that_does_not_land_is_asked_for_less_and_less(
    loop: VirtualLoop, poll_s: float
) -> None:
    run = WatchRun(loop, poll_s)

    async def test() -> None:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(run.follow("x", lands_after_s=NEVER))
            await asyncio.sleep(30)
            first_30_s = run.node.calls["getSignatureStatuses"]
            await asyncio.sleep(30)
            later_30_s = run.node.calls["getSignatureStatuses"] - first_30_s
            waiting.cancel()
        assert later_30_s <= 30 / 1.5
        assert len(run.resent) >= 60 // 2 - 4

    run.run(test)


def test_thirty_seconds_of_waiting_take_few_calls(loop: VirtualLoop) -> None:
    run = WatchRun(loop, 0.2)

    async def test() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await run.follow("x", lands_after_s=NEVER)
        assert run.node.calls["getSignatureStatuses"] <= 65
        assert run.node.calls["getEpochInfo"] <= 45

    run.run(test)


@pytest.mark.parametrize("poll_s", [0.2, 0.003])
@pytest.mark.parametrize("lands_after_s", [0.01, 0.4, 2, 13, 50])
def test_a_landing_is_known_after_one_poll_or_a_twentieth_of_its_age(
    loop: VirtualLoop, poll_s: float, lands_after_s: float
) -> None:
    run = WatchRun(loop, poll_s)

    async def test() -> None:
        result, took_s = await run.follow("x", lands_after_s=lands_after_s)
        assert result.outcome is SignatureOutcome.LANDED
        assert result.status is not None
        assert took_s <= lands_after_s * 1.06 + 2 * poll_s

    run.run(test)


def test_a_new_signature_does_not_wait_for_the_slow_polls_of_the_old_ones(
    loop: VirtualLoop,
) -> None:
    run = WatchRun(loop, 0.003)

    async def test() -> None:
        async with asyncio.TaskGroup() as tasks:
            old = tasks.create_task(run.follow("old", lands_after_s=NEVER))
            await asyncio.sleep(60)
            _, took_s = await run.follow("new", lands_after_s=0.001)
            assert took_s <= 0.01
            old.cancel()

    run.run(test)


def test_a_pause_that_the_node_asks_for_is_kept_to(loop: VirtualLoop) -> None:
    run = WatchRun(loop, 0.2)
    run.node.failures = [ReadFailure("rate_limited", "429", 10)]

    async def test() -> None:
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(run.follow("x", lands_after_s=0))
            await asyncio.sleep(9)
            assert run.node.calls["getSignatureStatuses"] == 1
            _, took_s = await following
            assert took_s < 12

    run.run(test)


def test_all_signatures_past_their_height_are_found_at_once_also_those_not_due(
    loop: VirtualLoop,
) -> None:
    run = WatchRun(loop, 0.2)

    async def test() -> None:
        async with asyncio.TaskGroup() as tasks:
            followed = []
            for n in range(10):
                followed.append(tasks.create_task(run.follow(str(n), lands_after_s=NEVER)))
                await asyncio.sleep(6.7)
            run.node.height = 101
            expired_at = loop.time()
        assert {each.result()[0].outcome for each in followed} == {SignatureOutcome.EXPIRED}
        assert loop.time() - expired_at < 2.5

    run.run(test)


class PromisingNode:
    """Notifications that are promised and never come."""

    is_live = True
    is_of_node = True
    tip_slot: int | None = 10

    def __init__(self) -> None:
        self.subscribed: list[str] = []

    def add(self, subscription: Subscription) -> bool:
        subscription.number = len(self.subscribed)
        self.subscribed.append(subscription.params[0])
        return True

    def remove(self, subscription: Subscription) -> None:
        subscription.number = None

    def finish(self, subscription: Subscription) -> None:
        subscription.number = None

    def pause(self, kind: SubscriptionKind, reason: str) -> None:
        raise AssertionError("nothing is missed")


def fetch_nothing(signature: str) -> asyncio.Future[LandedTransaction | None]:
    raise AssertionError("nothing is notified")


def test_a_signature_that_is_to_be_notified_is_polled_less_and_still_found(
    loop: VirtualLoop,
) -> None:
    async def count_polls(run: WatchRun) -> int:
        signed = SignedTransaction("x", b"x", 100)
        run.watch.follow(signed)
        _, seconds = await run.follow("x", lands_after_s=1)
        assert seconds < 1.2
        return run.node.calls["getSignatureStatuses"]

    plain, notified = WatchRun(loop, 0.003), WatchRun(loop, 0.003)
    notified.watch.use_notifications(PromisingNode(), fetch_nothing)

    async def test() -> None:
        assert await count_polls(notified) <= 12 < await count_polls(plain)

    async def test_both() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(run.watch.run()) for run in (plain, notified)]
            await test()
            for task in running:
                task.cancel()

    loop.run_until_complete(test_both())


def test_signatures_that_come_too_fast_are_polled_together_instead(loop: VirtualLoop) -> None:
    run, node = WatchRun(loop, 0.003), PromisingNode()
    run.watch.use_notifications(node, fetch_nothing)

    async def test() -> None:
        for number in range(2_000):
            run.watch.follow(SignedTransaction(str(number), b"x", 100))
            if number % 1_000 == 999:
                await asyncio.sleep(WINDOW_S)
        assert len(node.subscribed) == WINDOW_MAX
        await asyncio.sleep(2 * WINDOW_S)
        run.watch.follow(SignedTransaction("later", b"x", 100))
        assert node.subscribed[-1] == "later"

    run.run(test)
