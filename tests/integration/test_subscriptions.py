"""Subscriptions to a node: quotes and outcomes that wait for no read, over real WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.subscriptions.address import choose_websocket_url
from backend.chain.subscriptions.client import NodeSubscriptions
from backend.config import ConfigurationError, Settings
from backend.domain.errors import Unavailable
from backend.domain.lifecycle import SignatureOutcome
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.quotes import Quote
from backend.domain.tokens import SOL, USDC
from backend.execution.budget.priority_fees import FeePolicy, PriorityFees
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
async def open_subscriber(data_dir: Path, *, poll_s: float = NEVER_S) -> AsyncIterator[Subscriber]:
    async with open_simulator(data_dir, TICKING) as node:
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


async def test_a_quote_reads_nothing_and_knows_every_change(tmp_path: Path) -> None:
    async with open_subscriber(tmp_path) as subscriber:
        await subscriber.quote_until_read(is_read=False)
        subscriber.reader.is_down = True  # it does not even try
        for amount in (10**14, 10**15):
            await subscriber.node.send_and_wait(await subscriber.node.build_swap(amount))
            await wait_until(subscriber.knows_prices)
        slots = {quote.amount_out for quote in await subscriber.quote()}
        await wait_until(lambda: _differs(subscriber, slots))  # prices move with each slot


async def _differs(subscriber: Subscriber, amounts: set[int]) -> bool:
    return {quote.amount_out for quote in await subscriber.quote()} != amounts


async def test_a_lost_connection_is_read_meanwhile_and_made_again(tmp_path: Path) -> None:
    async with open_subscriber(tmp_path) as subscriber:
        node = subscriber.node
        await subscriber.quote_until_read(is_read=False)
        refused = await node.arm_fault(fault="refuse_socket")
        await node.arm_fault(fault="close_socket", count=1)
        await subscriber.quote_until_read(is_read=True)
        await node.call_control(f"faults/{refused}", method="DELETE")
        await subscriber.quote_until_read(is_read=False)
        await wait_until(subscriber.knows_prices)  # which move while they are compared


@pytest.mark.parametrize("methods", [None, ["slotNotification"], ["accountNotification"]])
async def test_a_connection_that_falls_silent_is_not_relied_on(
    tmp_path: Path, methods: list[str] | None
) -> None:
    async with open_subscriber(tmp_path) as subscriber:
        await subscriber.quote_until_read(is_read=False)
        fault = await subscriber.node.arm_fault(fault="lose_notification", methods=methods)
        await subscriber.quote_until_read(is_read=True)
        await subscriber.node.call_control(f"faults/{fault}", method="DELETE")
        await subscriber.quote_until_read(is_read=False)


async def test_doubled_late_and_disordered_notifications_do_not_make_a_wrong_price(
    tmp_path: Path,
) -> None:
    async with open_subscriber(tmp_path) as subscriber:
        node = subscriber.node
        for fault, more in (
            ("double_notification", {}),
            ("late_notification", {"by_seconds": 0.3}),
            ("lose_notification", {}),
        ):
            await node.arm_fault(
                fault=fault, probability=0.3, methods=["accountNotification"], **more
            )
        for _ in range(5):
            await node.send_and_wait(await node.build_swap(10**14))
            await wait_until(subscriber.knows_prices)
        await node.call_control("faults", method="DELETE")
        await subscriber.quote_until_read(is_read=False)
        await wait_until(subscriber.knows_prices)


@pytest.mark.parametrize("outcome", [SignatureOutcome.LANDED, SignatureOutcome.REVERTED])
async def test_an_outcome_is_known_without_a_poll(
    tmp_path: Path, outcome: SignatureOutcome
) -> None:
    async with open_subscriber(tmp_path) as subscriber:  # which polls in hours
        if outcome is SignatureOutcome.REVERTED:
            await subscriber.node.arm_fault(fault="fail", count=3)
        for _ in range(3):
            signed = await subscriber.node.build_swap()
            async with asyncio.timeout(TIMEOUT_S):
                await subscriber.submitter.send(signed)
                result = await subscriber.submitter.await_outcome(signed)
            assert result.outcome is outcome
            assert result.landed is not None, "the fill comes with the news"
            if outcome is SignatureOutcome.LANDED:
                assert await subscriber.submitter.fetch_fill(signed, TERMS, result) is not None


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "lose_notification", "methods": ["signatureNotification"]},
        {"fault": "refuse_socket"},
        {"fault": "close_socket", "probability": 0.5},
        {"fault": "false_notification"},
        {"fault": "late_notification", "by_seconds": 3_000},
        {"fault": "http", "methods": ["getTransaction"], "count": 2},
    ],
    ids=lambda fault: fault["fault"],
)
async def test_polls_find_what_notifications_do_not_tell(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    async with open_subscriber(tmp_path, poll_s=0.01) as subscriber:
        await subscriber.node.arm_fault(**fault)
        for _ in range(3):
            signed = await subscriber.node.build_swap()
            async with asyncio.timeout(TIMEOUT_S):
                await subscriber.submitter.send(signed)
                result = await subscriber.submitter.await_outcome(signed)
            assert result.outcome is SignatureOutcome.LANDED


async def test_a_false_notification_does_not_confirm_a_transaction_that_never_lands(
    tmp_path: Path,
) -> None:
    async with open_subscriber(tmp_path, poll_s=0.01) as subscriber:
        node = subscriber.node
        signed = await node.build_swap()
        await node.arm_fault(fault="false_notification")
        await node.arm_fault(fault="drop", count=1)
        await subscriber.submitter.send(signed)
        await node.call_control("advance", {"blocks": 200})
        async with asyncio.timeout(TIMEOUT_S):
            result = await subscriber.submitter.await_outcome(signed)
        assert result.outcome is SignatureOutcome.EXPIRED


@pytest.mark.parametrize(
    ("setting", "rpc_url", "expected"),
    [
        ("", "http://127.0.0.1:8899", "ws://127.0.0.1:8900"),
        ("", "http://[::1]:8899", "ws://[::1]:8900"),
        ("", "http://node", "ws://node"),
        ("", "https://rpc.example/v2/?api-key=k", "wss://rpc.example/v2/?api-key=k"),
        ("", "https://user:secret@rpc.example:443", "wss://user:secret@rpc.example:444"),
        ("", "http://node:65535", None),
        ("", "http://node:x", None),
        ("", "node", None),
        ("off", "http://127.0.0.1:8899", None),
        ("wss://other/path", "http://127.0.0.1:8899", "wss://other/path"),
    ],
)
def test_the_websocket_is_where_solanas_tools_look_for_it_unless_it_is_set(
    setting: str, rpc_url: str, expected: str | None
) -> None:
    assert choose_websocket_url(setting, rpc_url) == expected


@pytest.mark.parametrize("url", ["http://node:8900", "wss://node:70000", "node", "ws://"])
def test_an_address_that_is_no_websocket_is_refused_by_name_and_without_its_value(
    url: str,
) -> None:
    with pytest.raises(ConfigurationError) as error:
        Settings.load(rpc_ws_url=url)
    assert str(error.value).startswith("ORDER_ENGINE_RPC_WS_URL must be `off`, or an address")
    assert "node" not in str(error.value)
