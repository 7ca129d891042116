"""What of a block that a node tells is believed, and when its blocks are asked for; no node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from solders.hash import Hash
from solders.message import Message
from solders.pubkey import Pubkey

from backend.chain.subscriptions.blocks import MISSED_S, UNUSED_S, BlockSubscriptions
from backend.chain.subscriptions.notified_blocks import (
    SLOTS_AHEAD_MAX,
    NotifiedBlock,
    make_mark,
    read_block,
    read_landed,
    read_mark,
)
from backend.chain.subscriptions.subscription import Subscription, SubscriptionKind
from backend.chain.wire import read_fee_payer
from backend.domain.orders import SignedTransaction
from tests.block_contents import META, OTHER, PAYER, SIGNED, encode, make_content, sign
from tests.simulation.model.virtual_loop import VirtualLoop

TIP = 1_000


def make_block(slot: int = TIP, height: int | None = 700, *contents: Any) -> NotifiedBlock:
    return NotifiedBlock(slot, height, list(contents))


@pytest.mark.parametrize("err", [None, {"InstructionError": [2, {"Custom": 6}]}])
def test_a_transaction_in_a_block_is_read_as_the_answer_to_a_fetch(err: Any) -> None:
    landed = read_landed(SIGNED, make_block(TIP), make_content(err=err), TIP)
    assert landed is not None
    assert (landed.slot, landed.err, landed.fee_lamports) == (TIP, err, 5_000)
    assert landed.wire == SIGNED.wire


@pytest.mark.parametrize(
    ("content", "block", "tip"),
    [
        (make_content(OTHER.wire), make_block(), TIP),
        (make_content(SIGNED.wire[:-1] + b"\x07"), make_block(), TIP),
        (make_content(SIGNED.wire + b"\x00"), make_block(), TIP),
        (make_content(), make_block(TIP + SLOTS_AHEAD_MAX + 1), TIP),
        (make_content(), make_block(-1), TIP),
        (make_content(), make_block(), None),
        (make_content(), make_block(TIP, SIGNED.last_valid_height + 1), TIP),
        (make_content(fee="x"), make_block(), TIP),
        (make_content(preBalances=None), make_block(), TIP),
        (make_content() | {"meta": None}, make_block(), TIP),
        (make_content() | {"meta": []}, make_block(), TIP),
        (make_content() | {"meta": {k: v for k, v in META.items() if k != "err"}}, make_block(), 1),
        (make_content() | {"transaction": [encode(SIGNED.wire)[0], "base58"]}, make_block(), TIP),
        (make_content() | {"transaction": ["$", "base64"]}, make_block(), TIP),
        ({}, make_block(), TIP),
    ],
)
def test_what_cannot_be_verified_is_not_believed(
    content: Any, block: NotifiedBlock, tip: int | None
) -> None:
    assert read_landed(SIGNED, block, content, tip) is None


def make_tokens(**changes: Any) -> list[Any]:
    balance = {
        "accountIndex": 0,
        "mint": str(PAYER),
        "owner": str(PAYER),
        "uiTokenAmount": {"amount": "7"},
    }
    return [balance | changes]


NUMBERS: tuple[Any, ...] = (True, -1, 4_000.5, 1e30, 2**63, "4000", "\u0663", [], {})
ERRORS: tuple[Any, ...] = (False, 0, 1.5, [], {}, "", "a\0", "a b", {"a": 1, "b": 2})


@pytest.mark.parametrize(
    "meta",
    [
        *({"err": each} for each in ERRORS),
        *({"err": {"InstructionError": e}} for e in (7, [0], [0, "\0"], [-1, "a"], [0, None])),
        *({"err": {"InstructionError": [0, {"Custom": n}]}} for n in (*NUMBERS[:5], None, 2**32)),
        *({"fee": each} for each in (*NUMBERS, 9_001)),
        *({"computeUnitsConsumed": each} for each in NUMBERS),
        *({"postBalances": [each]} for each in NUMBERS),
        {"postBalances": []},
        {"postBalances": [1, 2]},
        {"preBalances": "9000"},
        *({"preTokenBalances": make_tokens(accountIndex=each)} for each in NUMBERS),
        *(
            {"postTokenBalances": make_tokens(uiTokenAmount={"amount": each})}
            for each in (7, 7.5, True, "-7", " 7", "7_0", "1e9", "", "\u0663", str(2**64), "9" * 99)
        ),
        *({"postTokenBalances": make_tokens(mint=each)} for each in (None, "x", "\0" * 32, 7)),
        *({"postTokenBalances": make_tokens(owner=each)} for each in (None, "x", "\0" * 32, 7)),
        {"postTokenBalances": 2 * make_tokens()},
    ],
    ids=repr,
)
def test_what_no_node_writes_is_not_guessed(meta: dict[str, Any]) -> None:
    assert read_landed(SIGNED, make_block(), make_content(postTokenBalances=make_tokens()), TIP)
    assert read_landed(SIGNED, make_block(), make_content(**meta), TIP) is None


def test_a_mark_finds_a_transaction_by_its_signature_alone() -> None:
    assert read_mark(make_content()) == make_mark(SIGNED.wire)
    assert read_mark(make_content(SIGNED.wire[:70])) == make_mark(SIGNED.wire)
    assert read_mark(make_content(OTHER.wire)) != make_mark(SIGNED.wire)
    malformed: Any
    for malformed in ({}, [], "x", None, {"transaction": []}, {"transaction": [7, "base64"]}):
        with pytest.raises((KeyError, TypeError, IndexError)):
            read_mark(malformed)


def test_a_block_that_the_node_could_not_read_is_none() -> None:
    value = {"slot": 7, "block": None, "err": "BlockStoreError"}
    assert read_block({"context": {"slot": 7}, "value": value}) is None
    block: Any = {"blockHeight": None, "transactions": [{}]}
    assert read_block({"value": {"slot": 7, "block": block, "err": None}}) == (7, None, [{}])
    assert read_block({"value": {"slot": 7, "block": block, "err": "x"}}) is None


@pytest.mark.parametrize(
    "payer", [SIGNED, sign(Message.new_with_blockhash([], PAYER, Hash.default()))]
)
def test_the_fee_payer_is_read_of_either_version(payer: SignedTransaction) -> None:
    assert read_fee_payer(payer.wire) == bytes(PAYER)


@pytest.mark.parametrize("wire", [b"", b"x", b"\x02" + SIGNED.wire[1:], SIGNED.wire[:80]])
def test_bytes_without_a_single_fee_payer_have_none(wire: bytes) -> None:
    assert read_fee_payer(wire) is None


class Notifications:
    """A node that confirms what a test lets it confirm."""

    is_live = True
    is_of_node = True
    tip_slot: int | None = TIP

    def __init__(self) -> None:
        self.wanted: list[Subscription] = []
        self.is_refusing = False
        self.pauses = 0

    def add(self, subscription: Subscription) -> bool:
        if not self.is_refusing:
            self.wanted.append(subscription)
        return not self.is_refusing

    def confirm(self) -> None:
        for number, each in enumerate(self.wanted):
            if each.number is None:
                each.number = number
                each.on_confirmed()

    def remove(self, subscription: Subscription) -> None:
        self.wanted.remove(subscription)
        subscription.number = None

    def finish(self, subscription: Subscription) -> None:
        self.remove(subscription)

    def pause(self, kind: SubscriptionKind, reason: str) -> None:
        self.pauses += 1
        self.is_refusing = True
        for each in list(self.wanted):
            self.remove(each)
            each.is_refused = True
            each.on_lost()


class Run:
    """Subscriptions to blocks on virtual time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.node = Notifications()
        self.told: list[NotifiedBlock] = []
        self.doubted: list[bytes] = []
        self._loop = loop
        self.blocks = BlockSubscriptions(
            self.node,
            on_block=lambda _, block: self.told.append(block),
            on_doubt=self.doubted.append,
        )

    def run(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._loop.run_until_complete(test())


KEY, KEY_2 = bytes(PAYER), bytes(Pubkey.default())
GOOD = {"value": {"slot": 7, "block": {"blockHeight": 7, "transactions": []}, "err": None}}
UNREADABLE = {"value": {"slot": 7, "block": None, "err": "BlockStoreError"}}


@pytest.fixture
def run() -> Iterator[Run]:
    loop = VirtualLoop()
    yield Run(loop)
    loop.close()


def test_a_wallet_is_subscribed_to_once_until_it_was_unused_for_a_while(run: Run) -> None:
    async def test() -> None:
        for _ in range(3):
            assert run.blocks.follow(KEY)
        assert run.blocks.follow(KEY_2)
        assert [each.params[0] for each in run.node.wanted] == [
            {"mentionsAccountOrProgram": str(Pubkey(key))} for key in (KEY, KEY_2)
        ]
        for _ in range(3):
            run.blocks.release(KEY)
        await asyncio.sleep(UNUSED_S - 1)
        run.blocks.follow(KEY)
        run.blocks.release(KEY)
        await asyncio.sleep(UNUSED_S - 1)
        assert len(run.node.wanted) == 2
        await asyncio.sleep(2)
        assert len(run.node.wanted) == 1, "the other one is still followed"
        assert run.blocks.follow(KEY)
        assert len(run.node.wanted) == 2

    run.run(test)


def test_a_refused_wallet_is_tried_again_and_then_live(run: Run) -> None:
    async def test() -> None:
        run.node.is_refusing = True
        assert not run.blocks.follow(KEY)
        run.node.is_refusing = False
        assert not run.blocks.follow(KEY), "not for each order anew"
        await asyncio.sleep(2)
        assert run.blocks.follow(KEY)
        assert not run.blocks.is_live(KEY)
        run.node.confirm()
        assert run.blocks.is_live(KEY)
        assert run.doubted == [KEY], "what was confirmed before is polled"
        run.node.is_live = False
        assert not run.blocks.is_live(KEY)

    run.run(test)


def test_blocks_that_cannot_be_read_are_polled_and_given_up_in_the_end(run: Run) -> None:
    async def test() -> None:
        run.blocks.follow(KEY)
        run.node.confirm()
        [subscription] = run.node.wanted
        subscription.receive(UNREADABLE)
        await asyncio.sleep(MISSED_S - 1)
        subscription.receive(GOOD)
        await asyncio.sleep(MISSED_S)
        subscription.receive(UNREADABLE)
        malformed: Any
        for malformed in ({}, [], None, {"value": 7}, {"value": {"slot": 1}}):
            with pytest.raises((KeyError, TypeError)):
                subscription.receive(malformed)
        assert len(run.doubted) == 1 + 2 + 5
        assert (run.node.pauses, len(run.told)) == (0, 1)
        await asyncio.sleep(MISSED_S + 1)
        subscription.receive(UNREADABLE)
        assert run.node.pauses == 1
        assert not run.node.wanted
        run.blocks.release(KEY)
        assert not run.blocks.follow(KEY)

    run.run(test)


def test_a_node_that_tells_no_blocks_at_all_is_given_up(run: Run) -> None:
    async def test() -> None:
        run.blocks.follow(KEY)
        await asyncio.sleep(1)
        run.node.confirm()
        run.blocks.note_missed(KEY, followed_at=0)
        await asyncio.sleep(2 * MISSED_S)
        assert run.blocks.follow(KEY), "its block may have come before the subscription"
        run.blocks.note_missed(KEY, followed_at=asyncio.get_running_loop().time())
        assert run.blocks.follow(KEY)
        await asyncio.sleep(2 * MISSED_S)
        assert not run.blocks.follow(KEY)
        assert run.node.pauses == 1

    run.run(test)
