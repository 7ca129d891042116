"""The JSON-RPC of the simulated node has the shapes, limits and error codes of a real node."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.chain.token_accounts import derive_token_address
from backend.chain.wire import SIMULATED_GENESIS_HASH, Commitment
from backend.domain.tokens import SOL, USDC
from backend.simulator.wire import base58
from backend.venues import CPMM
from backend.venues.spl import CLOCK, CLOCK_SYSVAR, MINT, TOKEN_ACCOUNT
from tests.integration.simulator_client import (
    STATIC_PRICES,
    SimulatorClient,
    mint_address,
    open_simulator,
)

KEY = str(Pubkey(bytes([9] * 32)))
SIGNATURE = str(Keypair.from_seed(bytes(32)).sign_message(b"anything"))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatorClient]:
    async with open_simulator(tmp_path) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "params", "code", "message"),
    [
        ("getNothing", [], -32601, "Method not found"),
        ("getMultipleAccounts", [[KEY] * 101], -32602, "Too many inputs provided; max 100"),
        ("getMultipleAccounts", [[KEY, "0OIl"]], -32602, "Invalid param"),
        ("getMultipleAccounts", [KEY], -32602, "array of strings"),
        ("getMultipleAccounts", [], -32602, "array of strings"),
        ("getSignatureStatuses", [[SIGNATURE] * 257], -32602, "max 256"),
        ("getSignatureStatuses", [["short"]], -32602, "Invalid param"),
        ("getAccountInfo", [KEY, {"encoding": "jsonParsed"}], -32602, "encoding"),
        ("getAccountInfo", [KEY, "base64"], -32602, "expected an object"),
        ("getBalance", [None], -32602, "expected a string"),
        ("getBalance", [KEY, {"commitment": "certain"}], -32602, "commitment"),
        ("getBlockHeight", [{"minContextSlot": 10**9}], -32016, "Minimum context slot"),
        ("getTransaction", [SIGNATURE, {"commitment": "processed"}], -32602, "commitment"),
        ("getTokenAccountBalance", [KEY], -32602, "could not find account"),
        ("getMinimumBalanceForRentExemption", [-1], -32602, "expected a number"),
        ("isBlockhashValid", ["zzz"], -32602, "Invalid param"),
        ("sendTransaction", ["%%%", {"encoding": "base64"}], -32602, "invalid base64"),
        ("sendTransaction", ["AAAA", {"encoding": "base64"}], -32602, "deserialize"),
        ("sendTransaction", ["A" * 1_645, {"encoding": "base64"}], -32602, "too large"),
        ("sendTransaction", ["1" * 1_684], -32602, "too large"),
        ("sendTransaction", [7], -32602, "expected a string"),
        ("requestAirdrop", [KEY, "many"], -32602, "expected a number"),
    ],
)
async def test_an_invalid_call_gets_the_error_code_of_a_real_node(
    node: SimulatorClient, method: str, params: list[Any], code: int, message: str
) -> None:
    content = await node.call_rpc(method, *params)

    assert content["id"] == 7
    assert content["error"]["code"] == code
    assert message in content["error"]["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 20_000, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"getSlot"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"getSlot","params":{"a":1}}', -32602),
    ],
)
async def test_a_malformed_request_gets_an_error_response(
    node: SimulatorClient, body: bytes, code: int
) -> None:
    async with node.http.post("/", data=body) as response:
        content = await response.json()

    assert content["error"]["code"] == code


async def test_a_batch_gets_one_response_per_call(node: SimulatorClient) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": "a", "method": "getGenesisHash"},
        {"jsonrpc": "2.0", "id": "b", "method": "getNothing"},
        "nonsense",
        {"jsonrpc": "2.0", "id": "c", "method": "getHealth"},
    ]
    async with node.http.post("/", json=calls) as response:
        responses = await response.json()

    assert [a["id"] for a in responses] == ["a", "b", None, "c"]
    assert responses[0]["result"] == SIMULATED_GENESIS_HASH
    assert [a.get("error", {}).get("code") for a in responses] == [None, -32601, -32600, None]
    assert responses[3]["result"] == "ok"


async def test_the_size_of_a_body_is_limited_as_on_a_real_node(node: SimulatorClient) -> None:
    async with node.http.post("/", data=b" " * (50 * 1024 + 1)) as response:
        assert response.status == 413
    async with node.http.get("/") as response:
        assert response.status == 405


async def test_a_too_large_or_badly_signed_transaction_is_refused(node: SimulatorClient) -> None:
    transaction = await node.build_swap()
    broken = bytearray(transaction.wire)
    broken[10] ^= 1
    wires = [bytes(broken), transaction.wire + bytes(500)]
    options = {"encoding": "base64", "skipPreflight": True}

    responses = [
        await node.call_rpc("sendTransaction", b64encode(wire).decode(), options) for wire in wires
    ]

    assert [each["error"]["code"] for each in responses] == [-32003, -32602]


async def test_a_failed_preflight_returns_its_reason_and_sends_nothing(
    node: SimulatorClient,
) -> None:
    transaction = await node.build_swap(min_out=10**15)

    wire = b64encode(transaction.wire).decode()
    content = await node.call_rpc("sendTransaction", wire, {"encoding": "base64"})

    assert content["error"]["code"] == -32002
    assert content["error"]["data"]["err"]["InstructionError"][1] == {"Custom": 6005}
    assert any("ExceededSlippage" in line for line in content["error"]["data"]["logs"])
    await node.assert_never_lands(transaction.signature)


async def test_a_transaction_can_be_encoded_in_base58(node: SimulatorClient) -> None:
    transaction = await node.build_swap()
    assert base58.decode(base58.encode(transaction.wire)) == transaction.wire

    content = await node.call_rpc("sendTransaction", base58.encode(transaction.wire))

    assert content["result"] == transaction.signature
    await node.wait_until_landed(transaction.signature)


async def test_a_simulation_returns_the_accounts_after_execution(node: SimulatorClient) -> None:
    trader = await node.create_wallet(10**10, USDC=5)
    quote = (await node.read_pool()).quote(mint_address(SOL), 10**9)
    transaction = await node.build_swap(wallet=trader)
    mine = str(derive_token_address(trader.address, mint_address(USDC)))
    accounts = {"encoding": "base64", "addresses": [mine]}
    options = {"encoding": "base64", "sigVerify": True, "accounts": accounts}

    wire = b64encode(transaction.wire).decode()
    content = await node.call_rpc("simulateTransaction", wire, options)

    value = content["result"]["value"]
    assert value["err"] is None
    assert value["unitsConsumed"] > 40_000
    [account] = value["accounts"]
    data = decode_data(account)
    assert TOKEN_ACCOUNT.read(data).amount == quote.amount_out + 5
    assert await node.read_balance(USDC, trader) == 5


def decode_data(account: dict[str, Any]) -> bytes:
    assert account["data"][1] == "base64"
    return b64decode(account["data"][0])


async def test_a_simulation_can_replace_the_blockhash_and_return_the_pool(
    node: SimulatorClient,
) -> None:
    transaction = await node.build_swap()
    await node.call_control("advance", {"blocks": 200})
    wire = b64encode(transaction.wire).decode()
    pool = str(CPMM.derive_pool_address(mint_address(SOL), mint_address(USDC)))
    options = {
        "encoding": "base64",
        "replaceRecentBlockhash": True,
        "accounts": {"addresses": [pool]},
    }

    renewed = await node.call_rpc("simulateTransaction", wire, options)
    both = await node.call_rpc("simulateTransaction", wire, {**options, "sigVerify": True})

    assert renewed["result"]["value"]["err"] is None
    assert renewed["result"]["value"]["replacementBlockhash"]["lastValidBlockHeight"] > 0
    assert renewed["result"]["value"]["accounts"][0]["owner"] == str(CPMM.program)
    assert both["error"]["code"] == -32602


async def test_a_landed_transaction_is_returned_in_the_format_of_a_real_node(
    node: SimulatorClient,
) -> None:
    transaction = await node.build_swap()
    landed = await node.land(transaction)
    version = {"maxSupportedTransactionVersion": 0}

    plain = (await node.call_rpc("getTransaction", transaction.signature, version))["result"]
    refused = await node.call_rpc("getTransaction", transaction.signature)
    unknown = await node.call_rpc("getTransaction", SIGNATURE, version)

    assert refused["error"]["code"] == -32015
    assert unknown["result"] is None
    message = VersionedTransaction.from_bytes(transaction.wire).message
    assert plain["transaction"]["signatures"] == [transaction.signature]
    message_json = plain["transaction"]["message"]
    assert message_json["accountKeys"] == [str(key) for key in message.account_keys]
    assert [base58.decode(i["data"]) for i in message_json["instructions"]] == [
        i.data for i in message.instructions
    ]
    meta = plain["meta"]
    assert len(meta["preBalances"]) == len(meta["postBalances"]) == len(message.account_keys)
    assert meta["status"] == {"Ok": None}
    assert meta["fee"] == landed.fee_lamports
    assert meta["logMessages"] == list(landed.logs)
    assert landed.wire == transaction.wire
    assert plain["version"] == 0


async def test_account_data_can_be_read_in_full_or_as_a_slice(node: SimulatorClient) -> None:
    part = {"dataSlice": {"offset": 36, "length": 9}, "encoding": "base64"}
    content = await node.call_rpc("getAccountInfo", USDC.mint, part)
    clock = await node.read_account(CLOCK_SYSVAR)
    rent = await node.call_rpc("getMinimumBalanceForRentExemption", 165)
    missing = await node.call_rpc("getAccountInfo", KEY)

    value = content["result"]["value"]
    assert (len(decode_data(value)), value["space"]) == (9, MINT.size)
    assert clock is not None
    assert CLOCK.read(clock.data).slot == content["result"]["context"]["slot"]
    assert rent["result"] == 2_039_280
    assert missing["result"]["value"] is None


async def test_an_airdrop_lands_as_a_transaction(node: SimulatorClient) -> None:
    content = await node.call_rpc("requestAirdrop", KEY, 10**9)
    status = await node.wait_until_landed(content["result"])

    assert status.err is None
    assert await node.rpc.get_balance(Pubkey.from_string(KEY)) == 10**9


async def test_prioritization_fees_are_always_zero(node: SimulatorClient) -> None:
    fees = await node.call_rpc("getRecentPrioritizationFees", [KEY])
    version = await node.call_rpc("getVersion")

    assert len(fees["result"]) == 150
    assert {fee["prioritizationFee"] for fee in fees["result"]} == {0}
    assert json.dumps(version["result"])


async def test_commitment_levels_are_reached_after_a_number_of_slots(tmp_path: Path) -> None:
    depths = {"confirmed_slots": 2, "finalized_slots": 32}
    async with open_simulator(tmp_path, STATIC_PRICES, **depths) as node:
        transaction = await node.build_swap()
        await node.send(transaction)
        status = await node.wait_until_landed(transaction.signature)
        assert status.commitment is Commitment.PROCESSED
        tips = [await node.rpc.get_epoch_info(commitment) for commitment in Commitment]
        for each in ("height", "slot"):
            newest, *others = [getattr(tip, each) for tip in tips]
            assert others == [newest - 2, newest - 32]
        assert await node.rpc.get_transactions([transaction.signature]) == [None]

        await node.call_control("advance", {"blocks": 2})
        status = await node.wait_until_landed(transaction.signature)
        assert status.commitment is Commitment.CONFIRMED
        await node.call_control("advance", {"blocks": 30})
        status = await node.wait_until_landed(transaction.signature)
        assert status.commitment is Commitment.FINALIZED


async def test_an_old_status_is_found_with_the_history_search_only(node: SimulatorClient) -> None:
    transaction = await node.build_swap()
    await node.land(transaction)
    await node.call_control("advance", {"blocks": 301})
    await node.land(await node.build_swap())

    recent = await node.rpc.get_signature_statuses([transaction.signature])
    searched = await node.rpc.get_signature_statuses([transaction.signature], search_history=True)

    assert recent.entries == [None]
    assert recent.slot == searched.slot
    assert searched.entries[0] is not None
