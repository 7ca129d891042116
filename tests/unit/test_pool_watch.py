"""The turns of the pairs whose pools are looked for: one with a new pool comes first."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, cast

from solders.pubkey import Pubkey

from backend.chain.subscriptions.subscription import Subscription, SubscriptionKind
from backend.routing.launches.launched_pools import LaunchedPoolReader
from backend.routing.pool_finder import MintPair, PoolFinder, sort_pair
from backend.routing.subscribed_pools import NodeNotifications
from backend.store.launches.found_pools import FoundPools, StoredPool
from backend.triggers.launches.pool_watch import DERIVED_PAIRS_MAX, PoolWatch
from backend.venues import CPMM
from backend.venues.venue import Account
from tests.pools import SOL

PAIRS = [sort_pair(SOL, Pubkey(bytes([200, number] * 16))) for number in range(60)]
LOOKS = -(-len(PAIRS) // DERIVED_PAIRS_MAX)
POOL = Pubkey(bytes([7] * 32))
SLOT = 5


def make_pool_account(pair: MintPair) -> Account:
    """An account that looks like a pool of a pair, as far as a search tells."""
    data = bytearray(CPMM.search.data_size)
    for offset, mint in zip(CPMM.search.mint_offsets, pair, strict=True):
        data[offset : offset + 32] = bytes(mint)
    return Account(CPMM.program, 1, bytes(data))


class Node:
    """A node without accounts, but for what it lists of one pair."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Pubkey]] = []
        self.listed: MintPair | None = None

    async def get_program_accounts(
        self, program: Pubkey, filters: Sequence[Any]
    ) -> tuple[int, dict[Pubkey, Account]]:
        mints = [each["memcmp"]["bytes"] for each in filters if "memcmp" in each]
        if program != CPMM.program or self.listed is None or mints != [*map(str, self.listed)]:
            return SLOT, {}
        return SLOT, {POOL: make_pool_account(self.listed)}

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        self.asked.append(keys)
        return SLOT, [None] * len(keys)


class Store:
    """Remembers nothing."""

    async def load(self, pairs: Sequence[tuple[str, str]]) -> list[StoredPool]:
        return []

    async def add(self, pools: Sequence[StoredPool]) -> None:
        return


class Notifications:
    """Keeps what is subscribed to."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []

    def add(self, subscription: Subscription) -> bool:
        self.subscriptions.append(subscription)
        return True

    def tell(self, pair: MintPair) -> None:
        """Tell the watch of a pool of a pair."""
        account = make_pool_account(pair)
        value = {
            "pubkey": str(POOL),
            "account": {
                "owner": str(account.owner),
                "lamports": account.lamports,
                "data": [b64encode(account.data).decode(), "base64"],
            },
        }
        for each in self.subscriptions:
            assert each.kind is SubscriptionKind.PROGRAM
            wanted = [f["memcmp"]["bytes"] for f in each.params[1]["filters"] if "memcmp" in f]
            if each.params[0] == str(CPMM.program) and wanted == [*map(str, pair)]:
                each.receive({"context": {"slot": SLOT}, "value": value})


def open_watch(node: Node, notifications: Notifications | None = None) -> PoolWatch:
    finder = PoolFinder([CPMM], node, cast(FoundPools, Store()))
    watch = PoolWatch(
        finder,
        LaunchedPoolReader(node),
        cast(NodeNotifications | None, notifications),
        pace_s=1,
        on_found=lambda _: None,
    )
    for pair in PAIRS:
        watch.watch(pair)
    return watch


async def test_a_pool_that_the_node_tells_of_is_read_in_the_next_look() -> None:
    node, notifications = Node(), Notifications()
    watch = open_watch(node, notifications)
    await watch.look()
    notifications.tell(PAIRS[-1])  # whose turn is the last
    await watch.look()
    assert POOL in node.asked[-1]
    for _ in range(LOOKS - len(node.asked)):
        await watch.look()
    asked = [key for keys in node.asked for key in keys]
    derived = [CPMM.derive_pool_address(*pair) for pair in PAIRS]
    assert [asked.count(address) for address in derived] == [1] * len(PAIRS)


async def test_a_pool_that_the_node_lists_is_read_in_the_next_look() -> None:
    node = Node()
    watch = open_watch(node)
    node.listed = PAIRS[0]  # whose turn is in the first look, as is its query
    await watch.look()
    assert POOL not in node.asked[-1]
    await watch.look()
    assert POOL in node.asked[-1]
