"""Subscriptions to a node: quotes and outcomes that wait for no read, over real WebSockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.chain.subscriptions.address import choose_websocket_url, has_same_host
from backend.config import ConfigurationError, Settings
from backend.domain.lifecycle import SignatureOutcome
from tests.integration.node_subscriber import (
    TERMS,
    TIMEOUT_S,
    Subscriber,
    open_subscriber,
    wait_until,
)


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


@pytest.mark.parametrize("has_blocks", [True, False])
@pytest.mark.parametrize("outcome", [SignatureOutcome.LANDED, SignatureOutcome.REVERTED])
async def test_an_outcome_is_known_without_a_poll(
    tmp_path: Path, outcome: SignatureOutcome, has_blocks: bool
) -> None:
    async with open_subscriber(tmp_path, has_blocks=has_blocks) as subscriber:  # polls in hours
        if outcome is SignatureOutcome.REVERTED:
            await subscriber.node.arm_fault(fault="fail", count=3)
        for _ in range(3):
            signed = await subscriber.node.build_swap()
            result = await subscriber.execute(signed)
            assert result.outcome is outcome
            assert result.landed is not None, "the fill comes with the news"
            if outcome is SignatureOutcome.LANDED:
                assert await subscriber.submitter.fetch_fill(signed, TERMS, result) is not None


FAULTS = [
    {"fault": "lose_notification", "methods": ["signatureNotification", "blockNotification"]},
    {"fault": "double_notification"},
    {"fault": "refuse_socket"},
    {"fault": "close_socket", "probability": 0.5},
    {"fault": "false_notification"},
    {"fault": "fail_block"},
    {"fault": "late_notification", "by_seconds": 3_000},
    {"fault": "http", "methods": ["getTransaction"], "count": 2},
]


@pytest.mark.parametrize("has_blocks", [True, False])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["fault"])
async def test_polls_find_what_notifications_do_not_tell(
    tmp_path: Path, fault: dict[str, object], has_blocks: bool
) -> None:
    async with open_subscriber(tmp_path, poll_s=0.01, has_blocks=has_blocks) as subscriber:
        await subscriber.begin()
        await subscriber.node.arm_fault(**fault)
        for _ in range(3):
            signed = await subscriber.node.build_swap()
            result = await subscriber.execute(signed)
            assert result.outcome is SignatureOutcome.LANDED
            fill = await subscriber.submitter.fetch_fill(signed, TERMS, result)
            entries = {each["signature"]: each for each in await subscriber.node.list_entries()}
            assert fill is not None
            assert fill.amount_out == int(entries[signed.signature]["amount_out"])


@pytest.mark.parametrize("has_blocks", [True, False])
async def test_a_false_notification_does_not_confirm_a_transaction_that_never_lands(
    tmp_path: Path, has_blocks: bool
) -> None:
    async with open_subscriber(tmp_path, poll_s=0.01, has_blocks=has_blocks) as subscriber:
        node = subscriber.node
        await subscriber.begin()
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


@pytest.mark.parametrize(
    ("url", "rpc_url", "expected"),
    [
        ("ws://node:8900", "http://node:8899", True),
        ("wss://Node/path", "https://user:secret@node:443/v2", True),
        ("ws://[::1]:8900", "http://[::1]:8899", True),
        ("wss://other/path", "http://node:8899", False),
        ("ws://127.0.0.1:8900", "http://localhost:8899", False),
        ("ws://[", "http://[", False),
    ],
)
def test_what_is_told_decides_nothing_where_another_host_is_asked(
    url: str, rpc_url: str, expected: bool
) -> None:
    assert has_same_host(url, rpc_url) is expected


@pytest.mark.parametrize("url", ["http://node:8900", "wss://node:70000", "node", "ws://"])
def test_an_address_that_is_no_websocket_is_refused_by_name_and_without_its_value(
    url: str,
) -> None:
    with pytest.raises(ConfigurationError) as error:
        Settings.load(rpc_ws_url=url)
    assert str(error.value).startswith("ORDER_ENGINE_RPC_WS_URL must be `off`, or an address")
    assert "node" not in str(error.value)
