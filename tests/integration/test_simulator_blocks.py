"""Blocks that the simulated node tells over its WebSocket, as those of Solana's PubSub API."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair

from backend.chain.rpc.results import LandedTransaction, read_transaction
from tests.integration.node_socket import DEEP, FAST, Socket, open_socket
from tests.integration.simulator_client import STATIC_PRICES, SimulatorClient

OPTIONS = {
    "commitment": "confirmed",
    "encoding": "base64",
    "transactionDetails": "full",
    "showRewards": False,
    "maxSupportedTransactionVersion": 0,
}


def mention(node: SimulatorClient) -> dict[str, str]:
    return {"mentionsAccountOrProgram": str(node.wallet.address)}


async def await_block(socket: Socket, number: int) -> Any:
    message = await socket.await_notification(number)
    assert message["method"] == "blockNotification"
    return message["params"]["result"]


async def test_a_block_has_the_transactions_of_an_account_as_fetches_return_them(
    tmp_path: Path,
) -> None:
    async with open_socket(tmp_path, DEEP) as (node, socket):
        number = await socket.subscribe("blockSubscribe", mention(node), OPTIONS)
        await node.arm_fault(fault="fail", reason="slippage", count=1)
        signed = [await node.build_swap(10**6 + n) for n in range(3)]
        for each in signed:
            await node.send(each)
        found: dict[str, LandedTransaction] = {}
        while len(found) < len(signed):
            result = await await_block(socket, number)
            value = result["value"]
            assert result["context"] == {"slot": value["slot"]}
            assert value["err"] is None
            block = value["block"]
            assert block.keys() == {
                "blockHeight", "blockTime", "blockhash", "parentSlot", "previousBlockhash",
                "transactions",
            }  # fmt: skip
            assert block["parentSlot"] == value["slot"] - 1
            for each in block["transactions"]:
                assert each.keys() == {"meta", "transaction", "version"}
                landed = read_transaction({**each, "slot": value["slot"]})
                assert landed is not None
                [own] = [s for s in signed if s.wire == landed.wire]
                assert own.signature not in found, "each is told once"
                found[own.signature] = landed
        for each in signed:
            assert [found[each.signature]] == await node.rpc.get_transactions([each.signature])
        assert sum(landed.err is not None for landed in found.values()) == 1


async def test_a_block_is_told_at_its_commitment_and_to_whom_it_concerns(tmp_path: Path) -> None:
    async with open_socket(tmp_path, DEEP) as (node, socket):
        elsewhere = {"mentionsAccountOrProgram": str(Keypair().pubkey())}
        numbers = {
            "other": await socket.subscribe("blockSubscribe", elsewhere, OPTIONS),
            "final": await socket.subscribe(
                "blockSubscribe", mention(node), OPTIONS | {"commitment": "finalized"}
            ),
            "confirmed": await socket.subscribe("blockSubscribe", mention(node), OPTIONS),
        }
        await node.send(await node.build_swap())
        told = []
        while "final" not in told:
            message = await socket.receive()
            told += [k for k, n in numbers.items() if n == message["params"]["subscription"]]
        assert told == ["confirmed", "final"]


async def test_all_blocks_are_told_also_empty_ones(tmp_path: Path) -> None:
    async with open_socket(tmp_path, DEEP) as (node, socket):
        brief = OPTIONS | {"transactionDetails": "signatures", "showRewards": True}
        number = await socket.subscribe("blockSubscribe", "all", brief)
        first = (await await_block(socket, number))["value"]
        second = (await await_block(socket, number))["value"]
        assert first["block"]["signatures"] == []
        assert first["block"]["rewards"] == []
        assert second["slot"] == first["slot"] + 1
        assert second["block"]["previousBlockhash"] == first["block"]["blockhash"]
        signed = await node.build_swap()
        await node.send(signed)
        while (await await_block(socket, number))["value"]["block"]["signatures"] != [
            signed.signature
        ]:
            pass
        none = OPTIONS | {"transactionDetails": "none"}
        number = await socket.subscribe("blockSubscribe", "all", none)
        block = (await await_block(socket, number))["value"]["block"]
        assert block.keys().isdisjoint({"transactions", "signatures", "rewards"})


async def test_equal_subscriptions_of_two_sockets_are_told_the_same(tmp_path: Path) -> None:
    async with open_socket(tmp_path) as (node, one), node.http.ws_connect("/") as second:
        other = Socket(second)
        numbers = [
            await each.subscribe("blockSubscribe", mention(node), OPTIONS) for each in (one, other)
        ]
        assert numbers[0] != numbers[1]
        await node.send(await node.build_swap())
        blocks = [
            await await_block(each, number)
            for each, number in zip((one, other), numbers, strict=True)
        ]
        assert blocks[0] == blocks[1]
        assert await one.subscribe("blockUnsubscribe", numbers[0])
        await node.send(await node.build_swap())
        await await_block(other, numbers[1])
        assert "error" in await one.call("blockUnsubscribe", numbers[0])


async def test_a_rolled_back_transaction_is_told_in_the_block_that_has_it_in_the_end(
    tmp_path: Path,
) -> None:
    async with open_socket(tmp_path, DEEP) as (node, socket):
        number = await socket.subscribe("blockSubscribe", mention(node), OPTIONS)
        await node.call_control("advance", {"blocks": 3})  # so that there is something to drop
        signed = await node.build_swap()
        await node.send_and_wait(signed)
        await node.call_control("fork", {"blocks": 2, "reland": True})
        result = await await_block(socket, number)
        [landed] = await node.rpc.get_transactions([signed.signature])
        assert isinstance(landed, LandedTransaction)
        assert result["value"]["slot"] == landed.slot


@pytest.mark.parametrize("encoding", ["base58", "json"])
async def test_other_encodings_are_those_of_fetches(tmp_path: Path, encoding: str) -> None:
    async with open_socket(tmp_path) as (node, socket):
        options = OPTIONS | {"encoding": encoding}
        number = await socket.subscribe("blockSubscribe", mention(node), options)
        signed = await node.build_swap()
        await node.send(signed)
        [told] = (await await_block(socket, number))["value"]["block"]["transactions"]
        fetched = (await node.call_rpc("getTransaction", signed.signature, options))["result"]
        assert told == {name: fetched[name] for name in ("meta", "transaction", "version")}


async def test_faults_tell_blocks_as_errors_and_false_ones(tmp_path: Path) -> None:
    async with open_socket(tmp_path, STATIC_PRICES) as (node, socket):
        number = await socket.subscribe("blockSubscribe", mention(node), OPTIONS)
        await node.arm_fault(fault="fail_block", count=1)
        await node.send(await node.build_swap())
        value = (await await_block(socket, number))["value"]
        assert (value["block"], value["err"]) == (None, "BlockStoreError")
        await node.send(await node.build_swap())
        value = (await await_block(socket, number))["value"]
        assert len(value["block"]["transactions"]) == 2
        await node.arm_fault(fault="false_notification", count=1)
        await node.arm_fault(fault="drop", count=1)
        signed = await node.build_swap()
        await node.send(signed)
        [false] = (await await_block(socket, number))["value"]["block"]["transactions"]
        data = b64encode(signed.wire).decode()
        assert false["transaction"][0][:80] == data[:80]
        assert false["transaction"][0] != data
        assert (await node.rpc.get_transactions([signed.signature])) == [None]


async def test_a_version_that_is_not_understood_spoils_its_block(tmp_path: Path) -> None:
    async with open_socket(tmp_path) as (node, socket):
        options = {k: v for k, v in OPTIONS.items() if k != "maxSupportedTransactionVersion"}
        number = await socket.subscribe("blockSubscribe", mention(node), options)
        await node.send(await node.build_swap())
        value = (await await_block(socket, number))["value"]
        assert (value["block"], value["err"]) == (None, {"UnsupportedTransactionVersion": 0})


async def test_requests_that_a_node_refuses_are_refused(tmp_path: Path) -> None:
    async with open_socket(tmp_path, FAST) as (node, socket):
        params: list[Any]
        for params in (
            [],
            ["some"],
            [{}],
            [{"mentionsAccountOrProgram": "x"}],
            [{"mentionsAccountOrProgram": 7}],
            [{"mentionsAccountOrProgram": "1" * 32, "all": 1}],
            ["all", {"commitment": "processed"}],
            ["all", {"encoding": "jsonParsed"}],
            ["all", {"transactionDetails": "accounts"}],
            ["all", {"showRewards": 1}],
            ["all", {"maxSupportedTransactionVersion": "x"}],
        ):
            assert (await socket.call("blockSubscribe", *params))["error"]["code"] == -32602
        await node.arm_fault(fault="refuse_method", methods=["blockSubscribe"])
        error = (await socket.call("blockSubscribe", "all"))["error"]
        assert error == {"code": -32601, "message": "Method not found"}
        assert (await node.call_control("state"))["subscriptions"] == 0
