"""A router and a submitter that subscribe to one simulated node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.subscriptions.client import NodeSubscriptions
from backend.domain.errors import Unavailable
from backend.domain.orders import OrderTerms, OrderType, SignedTransaction
from backend.domain.quotes import Quote
from backend.domain.tokens import SOL, USDC
from backend.execution.budget.priority_fees import FeePolicy, PriorityFees
from backend.execution.confirmation.signature_search import SignatureResult
from backend.execution.confirmation.signature_watch import PollIntervals
from backend.execution.submission import TransactionSubmitter
from backend.routing.router import Router
from backend.routing.subscribed_pools import SubscribedPools
from backend.runtime.background import run_in_background
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from backend.venues.venue import Account
from tests.integration.simulator_client import (
    STATIC_PRICES,
    SimulatorClient,
    mint_address,
    open_simulator,
)

TIMEOUT_S = 60
TERMS = OrderTerms(OrderType.MARKET, SOL, USDC, 10**9, None, 50)
TICKING = replace(STATIC_PRICES, slot_s=0.2, has_moving_prices=True)
QUOTES = 20
NEVER_S = 1_000.0


class CountingReader:
    """Reads accounts of the node, and counts how often."""

    def __init__(self, node: SimulatorClient) -> None:
        self._node = node
        self.reads = 0
        self.is_down = False

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        self.reads += 1
        if self.is_down:
            raise Unavailable("node_unreachable", "it is down")
        return await self._node.rpc.get_multiple_accounts(keys)


@dataclass
class Subscriber:
    """A router and a submitter that subscribe to one node."""

    node: SimulatorClient
    reader: CountingReader
    router: Router
    submitter: TransactionSubmitter
    notifications: NodeSubscriptions

    async def execute(self, signed: SignedTransaction) -> SignatureResult:
        """The outcome of a transaction that is sent."""
        async with asyncio.timeout(TIMEOUT_S):
            await self.submitter.send(signed)
            return await self.submitter.await_outcome(signed)

    async def begin(self) -> None:
        """Have one order done, and the connection live that it was followed by."""
        await self.execute(await self.node.build_swap())
        await wait_until(self._is_live)

    async def _is_live(self) -> bool:
        return self.notifications.is_live

    async def quote(self) -> tuple[Quote, ...]:
        offers = await self.router.collect_offers(TERMS)
        assert not offers.missing
        return offers.quotes

    async def count_reads(self) -> int:
        """How many reads some quotes take."""
        before = self.reader.reads
        for _ in range(QUOTES):
            await self.quote()
        return self.reader.reads - before

    async def quote_until_read(self, *, is_read: bool) -> None:
        """Quote until quotes take reads, or take none."""
        await wait_until(lambda: self._is_read(is_read))

    async def _is_read(self, is_read: bool) -> bool:
        return bool(await self.count_reads()) == is_read

    async def read_quotes(self) -> list[int]:
        """What the venues pay, from accounts that are read now."""
        pools = [await self.node.read_pool(venue) for venue in (CPMM, DAMM_V2)]
        return [pool.quote(mint_address(SOL), TERMS.amount_in).amount_out for pool in pools]

    async def knows_prices(self) -> bool:
        """Whether quotes are those of accounts that are read at the same time."""
        known = [quote.amount_out for quote in await self.quote()]
        return known == await self.read_quotes()


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not await condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_subscriber(
    data_dir: Path, *, poll_s: float = NEVER_S, has_blocks: bool = True
) -> AsyncIterator[Subscriber]:
    """A subscriber to a node, which refuses subscriptions to blocks without ``has_blocks``."""
    async with open_simulator(data_dir, TICKING) as node:
        if not has_blocks:
            await node.arm_fault(fault="refuse_method", methods=["blockSubscribe"])
        async with subscribe(node, poll_s=poll_s) as subscriber:
            yield subscriber


@asynccontextmanager
async def subscribe(node: SimulatorClient, *, poll_s: float = NEVER_S) -> AsyncIterator[Subscriber]:
    url = str(node.http._base_url).replace("http", "ws", 1)
    notifications = NodeSubscriptions(url, random=Random(1))
    reader = CountingReader(node)
    router = Router(
        MAINNET_VENUES.default,
        reader,
        timeout_s=5,
        age_max_s=1e-6,
        subscribed=SubscribedPools(notifications, slots_max=8),
    )
    submitter = TransactionSubmitter(
        node.rpc,
        node.wallet,
        intervals=PollIntervals(poll_s, resend_s=NEVER_S),
        budget=ComputeBudget(),
        fees=PriorityFees(
            node.rpc.get_recent_prioritization_fees, ComputeBudget(), FeePolicy(is_auto=False)
        ),
        preflight=False,
        history_wait_s=5,
        venues=MAINNET_VENUES.all,
        notifications=notifications,
    )
    async with run_in_background(notifications.run, router.run, submitter.run):
        yield Subscriber(node, reader, router, submitter, notifications)
