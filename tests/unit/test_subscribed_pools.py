"""Pools that are kept current by notifications: when they are quoted so, and when they are read."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from solders.pubkey import Pubkey

from backend.chain.subscriptions.subscription import Subscription
from backend.domain.quotes import Dex
from backend.routing.subscribed_pools import (
    SETTLE_S,
    UNUSED_S,
    VERIFIED_S_MAX,
    VERIFY_S,
    SubscribedPools,
)
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedPool
from backend.venues.spl import CLOCK, CLOCK_SYSVAR, SYSVAR_OWNER, Clock, make_account
from backend.venues.venue import Account, Pool
from tests.pools import NOW, SOL, USDC, encode_quote_accounts
from tests.simulation.model.virtual_loop import VirtualLoop

SLOTS_MAX = 4
AMOUNT = 10**9
Accounts = dict[Pubkey, Account | None]


class NodeOfTest:
    """What a node notifies, as the test says; ``confirm`` answers subscribe requests."""

    def __init__(self) -> None:
        self.tip_slot: int | None = 100
        self.is_live = True
        self.refuses = False
        self.subscriptions: dict[str, Subscription] = {}

    def add(self, subscription: Subscription) -> bool:
        if not self.refuses:
            self.subscriptions[subscription.params[0]] = subscription
        return not self.refuses

    def remove(self, subscription: Subscription) -> None:
        self.subscriptions.pop(subscription.params[0], None)

    def confirm(self) -> None:
        for subscription in self.subscriptions.values():
            subscription.on_confirmed()

    def lose(self) -> None:
        for subscription in self.subscriptions.values():
            subscription.on_lost()

    def notify(self, slot: int, accounts: Accounts) -> None:
        for key, account in accounts.items():
            assert account is not None
            value = {
                "data": [b64encode(account.data).decode(), "base64"],
                "executable": False,
                "lamports": account.lamports,
                "owner": str(account.owner),
                "rentEpoch": 2**64 - 1,
                "space": len(account.data),
            }
            result = {"context": {"slot": slot}, "value": value}
            self.subscriptions[str(key)].receive(result)


class SubscribedRun:
    """Pools of one venue over such a node, on virtual time."""

    def __init__(self, venue: Any, loop: VirtualLoop) -> None:
        self.venue, self.node, self.loop = venue, NodeOfTest(), loop
        self.pools = SubscribedPools(self.node, slots_max=SLOTS_MAX)
        self.pool: HostedPool = venue.create_pool(SOL, USDC, 10**15, 10**14, fee_e9=3_000_000)

    def read(self, slot: int, pool: HostedPool | None = None) -> None:
        """The reader has read a pool, as of a slot."""
        accounts = encode_quote_accounts(pool or self.pool)
        now = self.loop.time()
        self.pools.store(self.venue, self.pool.address, accounts, slot, now)

    async def start(self) -> None:
        """Subscribe: a read, the node's confirmation, and the read after it."""
        self.read(100)
        assert self.get() is None
        self.node.confirm()
        assert self.get() is None
        self.read(100)
        self.expect(self.pool)

    def swap(self, amount_in: int = 10**13) -> Accounts:
        """The accounts that a swap changes; the pool of the test is then the one after it."""
        before = self.pool.encode_accounts()
        _, self.pool = self.pool.after_swap(SOL, amount_in)
        after = self.pool.encode_accounts()
        return {key: account for key, account in after.items() if account != before[key]}

    def get(self) -> Pool | None:
        return self.pools.get(self.pool.address)

    def expect(self, pool: HostedPool) -> None:
        """What is known is this pool."""
        known = self.get()
        assert known is not None
        assert known.quote(SOL, AMOUNT).amount_out == pool.quote(SOL, AMOUNT).amount_out


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


@pytest.fixture(params=[CPMM, DAMM_V2], ids=list(Dex))
def run(request: pytest.FixtureRequest, loop: VirtualLoop) -> SubscribedRun:
    return SubscribedRun(request.param, loop)


Scenario = Callable[[SubscribedRun], Coroutine[Any, Any, None]]


async def settle() -> None:
    await asyncio.sleep(2 * SETTLE_S)


async def a_swap_is_known_once_all_of_it_is(run: SubscribedRun) -> None:
    changes = run.swap()
    assert len(changes) == 3
    for key, account in changes.items():
        run.node.notify(101, {key: account})
        await settle()
        assert (run.get() is not None) == (key == list(changes)[-1])
    run.expect(run.pool)


async def a_part_of_a_swap_is_read(run: SubscribedRun) -> None:
    changes = run.swap()
    lost = changes.popitem()
    run.node.notify(101, changes)
    await settle()
    assert run.get() is None
    run.read(101)
    run.expect(run.pool)
    run.node.notify(101, dict([lost]))  # late: it was read meanwhile
    await settle()
    run.expect(run.pool)


async def accounts_of_two_slots_are_not_mixed(run: SubscribedRun) -> None:
    first, second = run.swap(), run.swap()
    vault = list(second)[-1]
    run.node.notify(101, first)
    run.node.notify(102, {key: each for key, each in second.items() if key != vault})
    await settle()
    assert run.get() is None
    run.node.notify(102, {vault: second[vault]})
    await settle()
    run.expect(run.pool)


async def what_comes_twice_or_late_changes_nothing(run: SubscribedRun) -> None:
    first, second = run.swap(), run.swap()
    run.node.notify(102, second)
    run.node.notify(102, second)
    await settle()
    run.expect(run.pool)
    run.node.notify(101, first)
    run.node.notify(102, second)
    await settle()
    run.expect(run.pool)


async def a_silent_node_is_not_relied_on(run: SubscribedRun) -> None:
    run.node.is_live = False
    assert run.get() is None
    run.node.is_live = True
    run.expect(run.pool)


async def a_pool_that_is_too_far_behind_is_read(run: SubscribedRun) -> None:
    run.node.tip_slot = 100 + SLOTS_MAX
    run.expect(run.pool)
    run.node.tip_slot += 1
    assert run.get() is None
    clock = make_account(SYSVAR_OWNER, CLOCK.write(Clock(slot=104, unix_time=NOW.unix_time + 2)))
    run.node.notify(104, {CLOCK_SYSVAR: clock})
    await settle()
    run.expect(run.pool)
    run.node.tip_slot = 104 - SLOTS_MAX - 1  # another chain than the one that is read
    assert run.get() is None


async def after_a_reconnect_it_is_read_once(run: SubscribedRun) -> None:
    run.node.lose()
    assert run.get() is None
    run.read(103)
    assert run.get() is None, "not subscribed again yet"
    run.node.tip_slot = 105
    run.node.confirm()
    assert run.get() is None
    run.read(104)
    assert run.get() is None, "it may have changed between this slot and the subscription"
    run.read(105)
    run.expect(run.pool)


async def an_older_read_does_not_undo_what_was_notified(run: SubscribedRun) -> None:
    old, changes = run.pool, run.swap()
    run.node.notify(101, changes)
    await settle()
    run.read(100, old)
    run.expect(run.pool)


async def reads_verify_it_while_it_is_quoted(run: SubscribedRun) -> None:
    address = run.pool.address
    assert not run.pools.take_verification(address)
    await asyncio.sleep(VERIFY_S)
    run.expect(run.pool)
    assert run.pools.take_verification(address)
    assert not run.pools.take_verification(address), "one read is enough"
    run.swap()  # every notification of it is lost
    await asyncio.sleep(VERIFIED_S_MAX)
    assert run.get() is None
    run.read(101)
    run.expect(run.pool)


async def it_ends_when_nobody_asks_any_more(run: SubscribedRun) -> None:
    task = asyncio.get_running_loop().create_task(run.pools.run())
    for _ in range(3):
        await asyncio.sleep(UNUSED_S / 2)
        run.get()
    assert run.node.subscriptions
    await asyncio.sleep(2 * UNUSED_S)
    assert not run.node.subscriptions
    assert run.get() is None
    task.cancel()


async def an_account_that_is_no_pool_any_more_is_read(run: SubscribedRun) -> None:
    run.node.notify(101, {run.pool.address: make_account(SYSVAR_OWNER, b"")})
    await settle()
    assert run.get() is None


@pytest.mark.parametrize(
    "scenario",
    [
        a_swap_is_known_once_all_of_it_is,
        a_part_of_a_swap_is_read,
        accounts_of_two_slots_are_not_mixed,
        what_comes_twice_or_late_changes_nothing,
        a_silent_node_is_not_relied_on,
        a_pool_that_is_too_far_behind_is_read,
        after_a_reconnect_it_is_read_once,
        an_older_read_does_not_undo_what_was_notified,
        reads_verify_it_while_it_is_quoted,
        it_ends_when_nobody_asks_any_more,
        an_account_that_is_no_pool_any_more_is_read,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_a_pool_is_quoted_from_notifications_only_while_they_are_complete(
    scenario: Scenario, run: SubscribedRun, loop: VirtualLoop
) -> None:
    async def play() -> None:
        await run.start()
        await scenario(run)

    loop.run_until_complete(play())


def test_a_pool_whose_subscription_is_refused_is_read_and_subscribed_to_again_later(
    run: SubscribedRun, loop: VirtualLoop
) -> None:
    async def play() -> None:
        run.node.refuses = True
        run.read(100)
        run.read(100)
        assert run.get() is None
        run.node.refuses = False
        await run.start()
        for subscription in run.node.subscriptions.values():
            subscription.is_refused = True
            subscription.on_lost()
        run.node.subscriptions.clear()
        run.read(100)
        assert run.get() is None
        await run.start()

    loop.run_until_complete(play())
