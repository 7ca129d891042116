"""Outcomes that come with the blocks of a wallet, from a simulated node over real WebSockets."""

from __future__ import annotations

from pathlib import Path

import pytest
from solders.keypair import Keypair

from backend.chain.wallet import Wallet
from backend.domain.lifecycle import SignatureOutcome
from backend.domain.tokens import SOL, USDC
from backend.engine.examination.abilities import Ability, find_refusals
from tests.integration.node_socket import FAST
from tests.integration.node_subscriber import (
    TERMS,
    Subscriber,
    open_subscriber,
    subscribe,
    wait_until,
)
from tests.integration.simulator_client import open_simulator

LANDED = SignatureOutcome.LANDED


async def refuse_all_but_blocks(subscriber: Subscriber) -> None:
    """From now on only a block can tell what has landed, and what it did."""
    node = subscriber.node
    await node.arm_fault(fault="refuse_method", methods=["signatureSubscribe"])
    await node.arm_fault(fault="http", methods=["getTransaction", "getSignatureStatuses"])


async def count_subscriptions(subscriber: Subscriber) -> int:
    count: int = (await subscriber.node.call_control("state"))["subscriptions"]
    return count


@pytest.mark.parametrize("outcome", [LANDED, SignatureOutcome.REVERTED])
async def test_a_block_is_all_that_an_outcome_and_its_fill_need(
    tmp_path: Path, outcome: SignatureOutcome
) -> None:
    async with open_subscriber(tmp_path) as subscriber:
        node = subscriber.node
        await subscriber.begin()
        await refuse_all_but_blocks(subscriber)
        before = await count_subscriptions(subscriber)
        if outcome is not LANDED:
            await node.arm_fault(fault="fail", reason="slippage", count=3)
        for _ in range(3):
            signed = await node.build_swap()
            result = await subscriber.execute(signed)
            assert result.outcome is outcome
            assert result.landed is not None
            [entry] = [e for e in await node.list_entries() if e["signature"] == signed.signature]
            assert result.landed.slot == entry["slot"]
            assert result.landed.wire == signed.wire
            if outcome is LANDED:
                fill = await subscriber.submitter.fetch_fill(signed, TERMS, result)
                assert fill is not None
                assert fill.amount_out == int(entry["amount_out"])
            else:
                revert = await subscriber.submitter.fetch_revert(signed, result)
                assert revert.error.code == "slippage"
                assert revert.costs is not None
        assert await count_subscriptions(subscriber) == before


async def test_many_that_land_together_are_told_together(tmp_path: Path) -> None:
    async with open_subscriber(tmp_path) as subscriber:
        await subscriber.begin()
        await refuse_all_but_blocks(subscriber)
        signed = [await subscriber.node.build_swap(10**6 + n) for n in range(150)]
        for each in signed:
            await subscriber.submitter.send(each)
        for each in signed:
            result = await subscriber.submitter.await_outcome(each)
            assert result.outcome is LANDED
            assert result.landed is not None
            assert result.landed.wire == each.wire


async def test_a_transaction_whose_block_came_before_it_was_followed_is_fetched(
    tmp_path: Path,
) -> None:
    async with open_subscriber(tmp_path) as subscriber:  # it polls in hours
        await subscriber.begin()
        signed = await subscriber.node.build_swap()
        await subscriber.node.send_and_wait(signed)  # as another worker of the wallet does
        await subscriber.execute(await subscriber.node.build_swap())  # its block came later
        await subscriber.node.arm_fault(fault="refuse_method", methods=["signatureSubscribe"])
        result = await subscriber.execute(signed)
        assert result.outcome is LANDED
        assert result.landed is not None


async def test_each_wallet_has_its_blocks(tmp_path: Path) -> None:
    async with open_subscriber(tmp_path) as subscriber:
        node = subscriber.node
        other = Wallet(Keypair())
        for token in ("SOL", "USDC"):
            fund = {"owner": str(other.address), "token": token, "amount": str(10**12)}
            await node.call_control("fund", fund)
        await subscriber.begin()
        before = await count_subscriptions(subscriber)
        await subscriber.execute(await node.build_swap(wallet=other))

        async def is_subscribed() -> bool:
            return await count_subscriptions(subscriber) == before + 1

        await wait_until(is_subscribed)
        await refuse_all_but_blocks(subscriber)
        for wallet in (other, node.wallet, other):
            for pair in ((SOL, USDC), (USDC, SOL)):
                signed = await node.build_swap(10**6, wallet=wallet, pair=pair)
                assert (await subscriber.execute(signed)).outcome is LANDED


async def test_two_workers_of_one_wallet_each_know_their_own(tmp_path: Path) -> None:
    async with open_subscriber(tmp_path) as one, subscribe(one.node) as other:
        for subscriber in (one, other):
            await subscriber.begin()
        await refuse_all_but_blocks(one)
        for subscriber in (one, other, one):
            signed = await one.node.build_swap()
            result = await subscriber.execute(signed)
            assert result.landed is not None
            assert result.landed.wire == signed.wire


async def test_an_examination_tells_apart_a_node_that_tells_no_blocks(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, FAST) as node:
        url = str(node.http._base_url).replace("http", "ws", 1)
        assert await find_refusals(node.rpc, url) == {}
        await node.arm_fault(fault="refuse_method", methods=["blockSubscribe"])
        refusals = await find_refusals(node.rpc, url)
        assert refusals == {Ability.BLOCKS: "the node does not tell blocks"}
        await node.arm_fault(fault="refuse_method", methods=["accountSubscribe"])
        refusals = await find_refusals(node.rpc, url)
        assert refusals[Ability.SUBSCRIPTIONS] == "refused for account"
        await node.arm_fault(fault="refuse_socket")
        refusals = await find_refusals(node.rpc, url)
        assert refusals.keys() == {Ability.SUBSCRIPTIONS, Ability.BLOCKS}
