"""What the simulated node does to its clients when it is told to, and what they make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.chain.outcomes import onchain_error
from backend.chain.rpc_errors import ReadFailed, SendUnanswered
from backend.chain.wire import Commitment
from backend.domain.errors import Rejected, Transient
from backend.domain.tokens import USDC
from backend.venues import CPMM, DAMM_V2
from tests.integration.market import Market, market


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Market]:
    async with market(tmp_path) as running:
        yield running


async def test_a_dropped_transaction_lands_when_it_is_sent_again(node: Market) -> None:
    await node.fault(fault="drop", count=1)
    signed = await node.signed()
    await node.send(signed)
    await node.never_lands(signed.signature)

    await node.send(signed)

    assert (await node.settled(signed.signature)).err is None


async def test_a_late_transaction_is_dead_if_its_blockhash_is_too_old_by_then(
    node: Market,
) -> None:
    await node.fault(fault="late_landing", by_seconds=20, count=2)
    early, late = await node.signed(), await node.signed()
    await node.send(early)
    await node.send(late)
    assert (await node.control("state"))["pending"] == 2

    await node.control("advance", {"blocks": 3})
    assert (await node.settled(early.signature)).err is None
    again = await node.signed()
    await node.fault(fault="late_landing", by_seconds=1_000, count=1)
    await node.send(again)
    await node.control("advance", {"blocks": 151})

    await node.never_lands(again.signature)


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("slippage", Transient, "slippage"),
        ("funds", Rejected, "insufficient_funds"),
        ("compute", Transient, "out_of_compute"),
    ],
)
@pytest.mark.parametrize("venue", [CPMM, DAMM_V2])
async def test_a_swap_can_be_made_to_fail_on_chain(
    node: Market, venue: Any, reason: str, kind: type, code: str
) -> None:
    await node.fault(fault="fail", reason=reason, count=1)
    before = await node.held(USDC)

    landed = await node.landed(await node.signed(venue=venue))

    error = onchain_error(landed.err, landed.logs)
    assert (type(error), error.code) == (kind, code)
    assert landed.fee_lamports > 0
    assert await node.held(USDC) == before
    assert (await node.landed(await node.signed(venue=venue))).err is None


@pytest.mark.parametrize("mode", ["close", "error"])
async def test_a_lost_response_is_unknown_and_the_status_tells(node: Market, mode: str) -> None:
    await node.fault(fault="lose_response", mode=mode, count=1)
    first, second = await node.signed(), await node.signed()

    answers = await node.rpc.send_transactions([first.wire, second.wire])

    assert [type(answer) for answer in answers] == [SendUnanswered, SendUnanswered]
    for signed in (first, second):
        assert (await node.settled(signed.signature)).err is None


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "rate_limited"), (503, "node_unavailable"), (500, "node_unavailable")],
)
async def test_a_node_that_answers_http_errors_is_busy_and_not_gone(
    node: Market, status: int, code: str
) -> None:
    signed = await node.signed()
    await node.fault(fault="http", status=status, retry_after_seconds=1.5, count=2)

    with pytest.raises(ReadFailed) as read:
        await node.rpc.get_epoch_info(Commitment.CONFIRMED)
    [sent] = await node.rpc.send_transactions([signed.wire])

    assert isinstance(sent, SendUnanswered)
    assert (read.value.code, sent.code) == (code, code)
    assert (read.value.retry_after_s, sent.retry_after_s) == (1.5, 1.5)
    await node.never_lands(signed.signature)


async def test_an_http_error_can_be_for_some_methods_only(node: Market) -> None:
    await node.fault(fault="http", status=503, methods=["sendTransaction"])
    signed = await node.signed()

    [sent] = await node.rpc.send_transactions([signed.wire])

    assert isinstance(sent, SendUnanswered)
    assert await node.status(signed.signature) is None


async def test_slow_reads_run_into_the_clients_time_out(tmp_path: Path) -> None:
    async with market(tmp_path, timeout_s=0.1) as node:
        await node.fault(fault="slow", by_seconds=5, methods=["getEpochInfo"])

        with pytest.raises(Transient) as error:
            await node.rpc.get_epoch_info(Commitment.CONFIRMED)

        assert error.value.code == "node_timeout"
        await node.rpc.get_latest_blockhash()


@pytest.mark.parametrize(("mode", "code"), [("error", "node_error"), ("timeout", "node_timeout")])
async def test_one_venue_can_be_down_and_the_other_not(
    tmp_path: Path, mode: str, code: str
) -> None:
    async with market(tmp_path, timeout_s=0.5) as node:
        await node.fault(fault="down", venue="raydium", mode=mode)

        with pytest.raises(ReadFailed) as error:
            await node.pool(CPMM)

        assert error.value.code == code
        await node.pool(DAMM_V2)
        await node.control("faults", method="DELETE")
        await node.pool(CPMM)


async def test_a_status_can_be_late(node: Market) -> None:
    await node.fault(fault="late_status", by_seconds=15, count=1)
    signed = await node.signed()
    await node.send(signed)
    await node.landed(await node.signed())
    assert await node.status(signed.signature) is None
    assert await node.rpc.get_transactions([signed.signature]) == [None]
    assert signed.signature in {entry["signature"] for entry in await node.entries()}

    await node.control("advance", {"blocks": 2})

    assert await node.status(signed.signature) is not None


async def test_faults_are_listed_counted_and_ended(node: Market) -> None:
    drop = await node.fault(fault="drop", count=2, probability=1)
    slow = await node.fault(fault="slow", by_seconds=0, seconds=60)
    await node.send(await node.signed())

    listed = (await node.control("faults"))["faults"]
    assert [(f["id"], f["left"], f["fault"]) for f in listed] == [
        (drop, 1, "drop"),
        (slow, None, "slow"),
    ]
    await node.control(f"faults/{drop}", method="DELETE")
    assert [f["id"] for f in (await node.control("faults"))["faults"]] == [slow]


async def test_a_fault_by_chance_strikes_the_same_way_with_the_same_seed(tmp_path: Path) -> None:
    async def dropped(folder: str) -> list[int]:
        async with market(tmp_path / folder) as node:
            await node.fault(fault="drop", probability=0.5)
            signed = [await node.signed() for _ in range(12)]
            for each in signed:
                await node.send(each)
            await node.control("faults", method="DELETE")
            await node.landed(await node.signed())
            names = {entry["signature"] for entry in await node.entries()}
            return [n for n, each in enumerate(signed) if each.signature not in names]

    first, second = await dropped("first"), await dropped("second")

    assert first == second
    assert 0 < len(first) < 12
