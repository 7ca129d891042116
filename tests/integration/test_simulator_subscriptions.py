"""The simulated node's WebSocket: the requests and notifications of Solana's PubSub API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backend.domain.tokens import SOL, USDC
from backend.venues import CPMM
from backend.venues.spl import CLOCK_SYSVAR
from tests.integration.node_socket import DEEP, TIMEOUT_S, open_socket
from tests.integration.simulator_client import STATIC_PRICES, mint_address


async def test_slots_and_accounts_are_notified_as_they_change(tmp_path: Path) -> None:
    async with open_socket(tmp_path) as (node, socket):
        slots = await socket.subscribe("slotSubscribe")
        options = {"encoding": "base64", "commitment": "confirmed"}
        clock = await socket.subscribe("accountSubscribe", str(CLOCK_SYSVAR), options)
        first = (await socket.await_notification(slots))["params"]["result"]
        second = (await socket.await_notification(slots))["params"]["result"]
        assert first.keys() == {"parent", "root", "slot"}
        assert second["slot"] > first["slot"] == first["parent"] + 1
        message = await socket.await_notification(clock)
        assert message["method"] == "accountNotification"
        result = message["params"]["result"]
        assert result["context"].keys() == {"slot"}
        account = (await node.call_rpc("getAccountInfo", str(CLOCK_SYSVAR), options))["result"]
        assert result["value"].keys() == account["value"].keys()


async def test_a_swap_notifies_its_pool_and_both_vaults_in_one_slot(tmp_path: Path) -> None:
    async with open_socket(tmp_path, STATIC_PRICES) as (node, socket):
        pool = CPMM.derive_pool_address(mint_address(SOL), mint_address(USDC))
        before = await node.read_pool()
        keys = [str(pool), *(str(side.vault) for side in before.sides)]  # type: ignore[attr-defined]
        options = {"encoding": "base64", "dataSlice": {"offset": 0, "length": 8}}
        numbers = [await socket.subscribe("accountSubscribe", key, options) for key in keys]
        await node.send_and_wait(await node.build_swap())
        results = [(await socket.await_notification(n))["params"]["result"] for n in numbers]
        assert len({result["context"]["slot"] for result in results}) == 1
        assert [result["value"]["space"] for result in results] == [637, 165, 165]
        assert all(len(result["value"]["data"][0]) == 12 for result in results)


async def test_a_signature_is_notified_once_at_its_commitment(tmp_path: Path) -> None:
    async with open_socket(tmp_path, DEEP) as (node, socket):
        transaction = await node.build_swap()
        received = {"commitment": "confirmed", "enableReceivedNotification": True}
        levels = ("processed", "confirmed", "finalized")
        numbers = {
            level: await socket.subscribe(
                "signatureSubscribe", transaction.signature, {"commitment": level}
            )
            for level in levels
        }
        both = await socket.subscribe("signatureSubscribe", transaction.signature, received)
        await node.send(transaction)
        seen: dict[int, list[Any]] = {}
        while len(seen) < 4:
            message = await socket.receive()
            assert message["method"] == "signatureNotification"
            seen.setdefault(message["params"]["subscription"], []).append(message["params"])
            if message["params"]["result"]["value"] == "receivedSignature":
                assert message["params"]["subscription"] == both
                seen.clear()
        assert next(iter(seen)) == numbers["processed"]
        assert list(seen)[-1] == numbers["finalized"]
        assert all(each[0]["result"]["value"] == {"err": None} for each in seen.values())
        for number in (*numbers.values(), both):  # the node has ended them itself
            error = (await socket.call("signatureUnsubscribe", number))["error"]
            assert error == {"code": -32602, "message": "Invalid subscription id."}
        assert (await node.call_control("state"))["subscriptions"] == 0


async def test_a_signature_that_landed_or_failed_before_is_notified_as_well(
    tmp_path: Path,
) -> None:
    async with open_socket(tmp_path) as (node, socket):
        await node.arm_fault(fault="fail", reason="slippage", count=1)
        transaction = await node.build_swap()
        await node.send_and_wait(transaction)
        number = await socket.subscribe(
            "signatureSubscribe", transaction.signature, {"commitment": "confirmed"}
        )
        message = await socket.await_notification(number)
        assert "InstructionError" in message["params"]["result"]["value"]["err"]


async def test_requests_that_a_node_refuses_are_refused(tmp_path: Path) -> None:
    async with open_socket(tmp_path) as (_node, socket):
        for method, params, code in (
            ("signatureSubscribe", ["x"], -32602),
            ("accountSubscribe", ["x"], -32602),
            ("accountSubscribe", [str(CLOCK_SYSVAR), {"encoding": "xml"}], -32602),
            ("accountSubscribe", [], -32602),
            ("slotUnsubscribe", [12_345], -32602),
            ("getSlot", [], -32601),
            (7, [], -32601),
        ):
            assert (await socket.call(method, *params))["error"]["code"] == code  # type: ignore[arg-type]
        await socket.socket.send_str("{")
        assert (await socket.receive())["error"]["code"] == -32700
        await socket.socket.send_str("[]")
        assert (await socket.receive())["error"]["code"] == -32600


async def test_equal_subscriptions_of_a_socket_are_one_and_end_with_it(tmp_path: Path) -> None:
    async with open_socket(tmp_path) as (node, socket):
        numbers = [await socket.subscribe("slotSubscribe") for _ in range(2)]
        assert numbers[0] == numbers[1]
        assert await socket.subscribe("slotUnsubscribe", numbers[0])
        assert "error" in await socket.call("slotUnsubscribe", numbers[0])
        await socket.subscribe("slotSubscribe")
        assert (await node.call_control("state"))["subscriptions"] == 1
        await socket.socket.close()
        async with asyncio.timeout(TIMEOUT_S):
            while (await node.call_control("state"))["subscriptions"]:
                await asyncio.sleep(0.01)


async def test_faults_lose_double_and_delay_notifications_and_close_sockets(
    tmp_path: Path,
) -> None:
    async with open_socket(tmp_path, DEEP) as (node, socket):
        slots = {"methods": ["slotNotification"]}
        lose = await node.arm_fault(fault="lose_notification", **slots)
        number = await socket.subscribe("slotSubscribe")
        clock = await socket.subscribe("accountSubscribe", str(CLOCK_SYSVAR))
        for _ in range(3):
            assert (await socket.receive())["params"]["subscription"] == clock
        await socket.call("accountUnsubscribe", clock)
        await node.call_control(f"faults/{lose}", method="DELETE")
        await node.arm_fault(fault="double_notification", count=1, **slots)
        first, second = [await socket.await_notification(number) for _ in range(2)]
        assert first == second
        await node.arm_fault(fault="late_notification", by_seconds=0.12, count=1, **slots)
        told = [await socket.await_notification(number) for _ in range(4)]
        order = [message["params"]["result"]["slot"] for message in told]
        assert order != sorted(order)
        transaction = await node.build_swap()
        await node.arm_fault(fault="false_notification", count=1)
        signature = await socket.subscribe("signatureSubscribe", transaction.signature)
        false = await socket.await_notification(signature)
        assert false["params"]["result"]["value"] == {"err": None}
        await node.arm_fault(fault="close_socket", count=1)
        while not socket.socket.closed:
            await socket.socket.receive(timeout=TIMEOUT_S)
        await node.arm_fault(fault="refuse_socket", count=1)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await node.http.ws_connect("/")
        async with node.http.ws_connect("/"):
            pass
