"""What a node may send instead of a block, over a real WebSocket: it settles nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import pytest
from aiohttp import WSCloseCode

from backend.chain.rpc.results import LandedTransaction
from backend.chain.subscriptions.client import MESSAGE_BYTES_MAX, NodeSubscriptions
from backend.chain.subscriptions.signatures import LandedNews, SignatureSubscriptions
from backend.domain.orders import SignedTransaction
from backend.runtime.background import run_in_background
from tests.block_contents import OTHER, SIGNED, make_content
from tests.integration.scripted_socket import FIRST_SLOT, ScriptedSocket, open_scripted_socket

TIMEOUT_S = 60


class Follower:
    """Follows signatures over a scripted WebSocket; what it hears of them goes to queues."""

    def __init__(self, node: ScriptedSocket, *, trusts_blocks: bool) -> None:
        self.node = node
        self.notifications = NodeSubscriptions(node.url, random=Random(1))
        self.landed: asyncio.Queue[tuple[str, LandedNews]] = asyncio.Queue()
        self.doubted: asyncio.Queue[str] = asyncio.Queue()
        self.fetched: asyncio.Queue[str] = asyncio.Queue()
        self.signatures = SignatureSubscriptions(
            self.notifications,
            self._fetch,
            trusts_blocks=trusts_blocks,
            on_landed=lambda signature, news: self.landed.put_nowait((signature, news)),
            on_doubt=self.doubted.put_nowait,
        )

    def _fetch(self, signature: str) -> asyncio.Future[LandedTransaction | None]:
        """No node has it."""
        self.fetched.put_nowait(signature)
        future: asyncio.Future[LandedTransaction | None] = asyncio.Future()
        future.set_result(None)
        return future

    async def begin(self) -> None:
        """Follow a first signature, until the blocks of its wallet are subscribed to."""
        self.signatures.follow(OTHER)
        await self.node.wait_requested("blockSubscribe")
        await self.node.wait_requested("slotSubscribe")
        while self.notifications.tip_slot is None:
            await asyncio.sleep(0.001)
        self.signatures.release(OTHER.signature)


@asynccontextmanager
async def open_follower(
    *, trusts_blocks: bool = True, refused: frozenset[str] = frozenset()
) -> AsyncIterator[Follower]:
    async with asyncio.timeout(TIMEOUT_S), open_scripted_socket(refused) as node:
        follower = Follower(node, trusts_blocks=trusts_blocks)
        async with run_in_background(follower.notifications.run):
            await follower.begin()
            yield follower


def make_result(*contents: Any, slot: int = FIRST_SLOT) -> Any:
    block = {"blockHeight": 600, "parentSlot": slot - 1, "transactions": list(contents)}
    return {"context": {"slot": slot}, "value": {"slot": slot, "block": block, "err": None}}


SPOILED = SignedTransaction(SIGNED.signature, SIGNED.wire[:-1] + b"\x09", 700)
UNREADABLE = {"slot": FIRST_SLOT, "block": None, "err": "BlockStoreError"}


async def test_a_block_settles_what_it_has_among_others_and_nothing_is_subscribed_to() -> None:
    async with open_follower() as follower:
        before = follower.node.requests.count("signatureSubscribe")
        follower.signatures.follow(SIGNED)
        junk: list[Any] = [
            None,
            7,
            {},
            {"transaction": [[]]},
            make_content(SIGNED.wire) | {"transaction": 7},
        ]
        content = make_result(*junk, make_content(OTHER.wire), make_content(SIGNED.wire))
        await follower.node.tell("block", content)
        signature, news = await follower.landed.get()
        assert (signature, news.source) == (SIGNED.signature, "block")
        assert news.landed.slot == FIRST_SLOT
        follower.signatures.release(SIGNED.signature)
        follower.signatures.follow(OTHER)
        assert await follower.fetched.get() == OTHER.signature, "it was told before"
        await follower.node.tell("block", content)  # doubled
        assert (await follower.landed.get())[0] == OTHER.signature
        follower.signatures.follow(SIGNED)
        assert await follower.fetched.get() == SIGNED.signature
        assert follower.landed.empty()
        assert follower.node.requests.count("signatureSubscribe") == before


@pytest.mark.parametrize(
    "result",
    [
        make_result(make_content(SPOILED.wire)),
        make_result(make_content(SIGNED.wire, fee=None)),
        make_result(make_content(SIGNED.wire) | {"meta": None}),
        make_result(make_content(SIGNED.wire, err=False)),
        make_result(make_content(SIGNED.wire, err={"InstructionError": [0, "\0"]})),
        make_result(make_content(SIGNED.wire, fee=-5_000)),
        make_result(make_content(SIGNED.wire, postBalances=[1e30])),
        make_result(make_content(SIGNED.wire), slot=FIRST_SLOT + 1_000),
    ],
    ids=[
        "other bytes",
        "no fee",
        "no meta",
        "an error that is none",
        "an error with a name that is none",
        "a fee below zero",
        "a balance beyond all",
        "a slot to come",
    ],
)
async def test_a_block_that_cannot_be_believed_is_a_hint_to_fetch(result: Any) -> None:
    async with open_follower() as follower:
        follower.signatures.follow(SIGNED)
        await follower.node.tell("block", result)
        assert await follower.fetched.get() == SIGNED.signature
        assert await follower.doubted.get() == SIGNED.signature
        assert follower.landed.empty()


async def test_where_nodes_have_to_agree_a_block_is_a_hint_to_fetch() -> None:
    async with open_follower(trusts_blocks=False) as follower:
        follower.signatures.follow(SIGNED)
        await follower.node.tell("block", make_result(make_content(SIGNED.wire)))
        assert await follower.fetched.get() == SIGNED.signature
        assert follower.landed.empty()


@pytest.mark.parametrize(
    "result",
    [
        {"value": UNREADABLE},
        {"value": UNREADABLE | {"err": {"UnsupportedTransactionVersion": 2}}},
        {"value": {"slot": FIRST_SLOT, "block": None, "err": None}},
        {"value": None},
        {"value": []},
        [],
        None,
        {"value": {"slot": "x", "block": {"blockHeight": 1, "transactions": []}, "err": None}},
        {"value": {"slot": 1, "block": {"blockHeight": 1, "transactions": {}}, "err": None}},
        {"value": {"slot": 1, "block": "x", "err": None}},
        make_result({"transaction": []}),
    ],
)
async def test_what_is_no_block_has_what_is_followed_polled(result: Any) -> None:
    async with open_follower() as follower:
        follower.signatures.follow(SIGNED)
        await follower.node.tell("block", result)
        assert await follower.doubted.get() == SIGNED.signature
        await follower.node.tell("block", make_result(make_content(SIGNED.wire)))
        assert (await follower.landed.get())[0] == SIGNED.signature
        assert follower.node.connections == 1


@pytest.mark.parametrize("is_closed_by_node", [True, False])
async def test_a_message_that_is_too_large_ends_blocks_and_not_the_other_subscriptions(
    is_closed_by_node: bool,
) -> None:
    async with open_follower() as follower:
        follower.signatures.follow(SIGNED)
        if is_closed_by_node:  # as a proxy with a limit of its own does
            await follower.node.close(WSCloseCode.MESSAGE_TOO_BIG)
        else:
            with suppress(ConnectionError):
                await follower.node.tell_text(" " * (MESSAGE_BYTES_MAX + 1))
        assert await follower.doubted.get() == SIGNED.signature
        follower.signatures.release(SIGNED.signature)
        follower.signatures.follow(SIGNED)  # by itself, now that there are no blocks
        await follower.node.wait_requested("signatureSubscribe", times=2)
        assert follower.node.connections == 2
        assert follower.node.requests.count("blockSubscribe") == 1


async def test_a_node_without_blocks_is_asked_for_signatures_as_ever() -> None:
    async with open_follower(refused=frozenset({"blockSubscribe"})) as follower:
        follower.signatures.follow(SIGNED)
        await follower.node.wait_requested("signatureSubscribe", times=2)
        await follower.node.tell("signature", {"context": {"slot": 1}, "value": {"err": None}})
        assert await follower.fetched.get() == SIGNED.signature
        assert follower.node.requests.count("blockSubscribe") == 1
