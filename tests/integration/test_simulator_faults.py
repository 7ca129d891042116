"""The injected faults of the simulated node, as the RPC client sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.chain.outcomes import classify_onchain_error
from backend.chain.rpc.errors import ReadFailure, SendOutcomeUnknown
from backend.chain.wire import Commitment
from backend.domain.errors import Rejected, Transient
from backend.domain.tokens import USDC
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from tests.integration.simulator_client import SimulatorClient, open_simulator


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatorClient]:
    async with open_simulator(tmp_path) as client:
        yield client


async def test_a_dropped_transaction_lands_when_it_is_sent_again(node: SimulatorClient) -> None:
    await node.arm_fault(fault="drop", count=1)
    transaction = await node.build_swap()
    await node.send(transaction)
    await node.assert_never_lands(transaction.signature)

    await node.send(transaction)

    assert (await node.wait_until_landed(transaction.signature)).err is None


async def test_a_late_transaction_never_lands_if_its_blockhash_has_expired(
    node: SimulatorClient,
) -> None:
    await node.arm_fault(fault="late_landing", by_seconds=20, count=2)
    early, late = await node.build_swap(), await node.build_swap()
    await node.send(early)
    await node.send(late)
    assert (await node.call_control("state"))["pending"] == 2

    await node.call_control("advance", {"blocks": 3})
    assert (await node.wait_until_landed(early.signature)).err is None
    again = await node.build_swap()
    await node.arm_fault(fault="late_landing", by_seconds=1_000, count=1)
    await node.send(again)
    await node.call_control("advance", {"blocks": 151})

    await node.assert_never_lands(again.signature)


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
    node: SimulatorClient, venue: Any, reason: str, kind: type, code: str
) -> None:
    await node.arm_fault(fault="fail", reason=reason, count=1)
    before = await node.read_balance(USDC)

    landed = await node.land(await node.build_swap(venue=venue))

    error = classify_onchain_error(landed.err, landed.logs, MAINNET_VENUES.all)
    assert (type(error), error.code) == (kind, code)
    assert landed.fee_lamports > 0
    assert await node.read_balance(USDC) == before
    assert (await node.land(await node.build_swap(venue=venue))).err is None


@pytest.mark.parametrize("mode", ["close", "error"])
async def test_a_lost_response_leaves_the_outcome_to_the_signature_status(
    node: SimulatorClient, mode: str
) -> None:
    await node.arm_fault(fault="lose_response", mode=mode)
    first, second = await node.build_swap(), await node.build_swap()

    results = await node.rpc.send_transactions([first.wire, second.wire])

    assert [type(result) for result in results] == [SendOutcomeUnknown, SendOutcomeUnknown]
    for transaction in (first, second):
        assert (await node.wait_until_landed(transaction.signature)).err is None


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "rate_limited"), (503, "node_unavailable"), (500, "node_unavailable")],
)
async def test_an_http_error_is_a_retryable_error_with_its_retry_after(
    node: SimulatorClient, status: int, code: str
) -> None:
    transaction = await node.build_swap()
    await node.arm_fault(fault="http", status=status, retry_after_seconds=1.5, count=2)

    with pytest.raises(ReadFailure) as read:
        await node.rpc.get_epoch_info(Commitment.CONFIRMED)
    [sent] = await node.rpc.send_transactions([transaction.wire])  # not before the pause ends

    assert isinstance(sent, SendOutcomeUnknown)
    assert (read.value.code, sent.code) == (code, "rate_limited")
    assert read.value.retry_after_s == pytest.approx(1.5)
    assert 0 < (sent.retry_after_s or 0) <= 1.5
    await node.call_control("advance", {"blocks": 2})
    assert transaction.signature not in {entry["signature"] for entry in await node.list_entries()}


async def test_an_http_error_can_be_for_some_methods_only(node: SimulatorClient) -> None:
    await node.arm_fault(fault="http", status=503, methods=["sendTransaction"])
    transaction = await node.build_swap()

    [sent] = await node.rpc.send_transactions([transaction.wire])

    assert isinstance(sent, SendOutcomeUnknown)
    assert await node.read_status(transaction.signature) is None


async def test_slow_reads_run_into_the_timeout_of_the_client(tmp_path: Path) -> None:
    async with open_simulator(tmp_path, timeout_s=0.1) as node:
        await node.arm_fault(fault="slow", by_seconds=5, methods=["getEpochInfo"])

        with pytest.raises(Transient) as error:
            await node.rpc.get_epoch_info(Commitment.CONFIRMED)

        assert error.value.code == "node_timeout"
        await node.rpc.get_latest_blockhash()


@pytest.mark.parametrize(("mode", "code"), [("error", "node_error"), ("timeout", "node_timeout")])
async def test_an_outage_can_affect_one_venue_only(tmp_path: Path, mode: str, code: str) -> None:
    async with open_simulator(tmp_path, timeout_s=0.5) as node:
        await node.arm_fault(fault="down", venue="raydium", mode=mode)

        with pytest.raises(ReadFailure) as error:
            await node.read_pool(CPMM)

        assert error.value.code == code
        await node.read_pool(DAMM_V2)
        await node.call_control("faults", method="DELETE")
        await node.read_pool(CPMM)


async def test_a_status_can_be_delayed(node: SimulatorClient) -> None:
    await node.arm_fault(fault="late_status", by_seconds=15, count=1)
    transaction = await node.build_swap()
    await node.send(transaction)
    await node.land(await node.build_swap())
    assert await node.read_status(transaction.signature) is None
    assert await node.rpc.get_transactions([transaction.signature]) == [None]
    assert transaction.signature in {entry["signature"] for entry in await node.list_entries()}

    await node.call_control("advance", {"blocks": 2})

    assert await node.read_status(transaction.signature) is not None


async def test_faults_are_listed_counted_and_disarmed(node: SimulatorClient) -> None:
    drop = await node.arm_fault(fault="drop", count=2, probability=1)
    slow = await node.arm_fault(fault="slow", by_seconds=0, seconds=60)
    await node.send(await node.build_swap())

    armed_faults = (await node.call_control("faults"))["faults"]
    assert [(f["id"], f["left"], f["fault"]) for f in armed_faults] == [
        (drop, 1, "drop"),
        (slow, None, "slow"),
    ]
    await node.call_control(f"faults/{drop}", method="DELETE")
    assert [f["id"] for f in (await node.call_control("faults"))["faults"]] == [slow]


async def test_a_fault_with_a_probability_is_repeatable_with_the_same_seed(tmp_path: Path) -> None:
    async def find_dropped(folder: str) -> list[int]:
        async with open_simulator(tmp_path / folder) as node:
            await node.arm_fault(fault="drop", probability=0.5)
            transactions = [await node.build_swap() for _ in range(12)]
            for each in transactions:
                await node.send(each)
            await node.call_control("faults", method="DELETE")
            await node.land(await node.build_swap())
            names = {entry["signature"] for entry in await node.list_entries()}
            return [n for n, each in enumerate(transactions) if each.signature not in names]

    first, second = await find_dropped("first"), await find_dropped("second")

    assert first == second
    assert 0 < len(first) < 12
