"""The simulated node's JSON-RPC has the shapes, limits and error codes of a real node's."""

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

from backend.chain.transactions import token_address
from backend.chain.wire import SIMULATED_GENESIS_HASH, Commitment
from backend.domain.tokens import SOL, USDC
from backend.simulator.wire import base58
from backend.venues import CPMM
from backend.venues.spl import CLOCK, CLOCK_SYSVAR, MINT, TOKEN_ACCOUNT
from tests.integration.market import STILL, Market, market, mint

KEY = str(Pubkey(bytes([9] * 32)))
SIGNATURE = str(Keypair.from_seed(bytes(32)).sign_message(b"anything"))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Market]:
    async with market(tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
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
async def test_what_cannot_be_answered_gets_the_code_of_a_real_node(
    node: Market, method: str, params: list[Any], code: int, words: str
) -> None:
    answer = await node.call(method, *params)

    assert answer["id"] == 7
    assert answer["error"]["code"] == code
    assert words in answer["error"]["message"]


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
async def test_a_malformed_request_is_answered_with_an_error(
    node: Market, body: bytes, code: int
) -> None:
    async with node.http.post("/", data=body) as response:
        answer = await response.json()

    assert answer["error"]["code"] == code


async def test_a_batch_is_answered_call_by_call(node: Market) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": "a", "method": "getGenesisHash"},
        {"jsonrpc": "2.0", "id": "b", "method": "getNothing"},
        "nonsense",
        {"jsonrpc": "2.0", "id": "c", "method": "getHealth"},
    ]
    async with node.http.post("/", json=calls) as response:
        answers = await response.json()

    assert [a["id"] for a in answers] == ["a", "b", None, "c"]
    assert answers[0]["result"] == SIMULATED_GENESIS_HASH
    assert [a.get("error", {}).get("code") for a in answers] == [None, -32601, -32600, None]
    assert answers[3]["result"] == "ok"


async def test_a_body_is_bounded_as_on_a_real_node(node: Market) -> None:
    async with node.http.post("/", data=b" " * (50 * 1024 + 1)) as response:
        assert response.status == 413
    async with node.http.get("/") as response:
        assert response.status == 405


async def test_a_transaction_that_is_too_large_or_badly_signed_is_refused(node: Market) -> None:
    signed = await node.signed()
    broken = bytearray(signed.wire)
    broken[10] ^= 1
    wires = [bytes(broken), signed.wire + bytes(500)]
    options = {"encoding": "base64", "skipPreflight": True}

    answers = [
        await node.call("sendTransaction", b64encode(wire).decode(), options) for wire in wires
    ]

    assert [answer["error"]["code"] for answer in answers] == [-32003, -32602]


async def test_a_failed_preflight_says_why_and_sends_nothing(node: Market) -> None:
    signed = await node.signed(min_out=10**15)

    answer = await node.call(
        "sendTransaction", b64encode(signed.wire).decode(), {"encoding": "base64"}
    )

    assert answer["error"]["code"] == -32002
    assert answer["error"]["data"]["err"]["InstructionError"][1] == {"Custom": 6005}
    assert any("ExceededSlippage" in line for line in answer["error"]["data"]["logs"])
    await node.never_lands(signed.signature)


async def test_a_transaction_may_come_in_base58(node: Market) -> None:
    signed = await node.signed()
    assert base58.decode(base58.encode(signed.wire)) == signed.wire

    answer = await node.call("sendTransaction", base58.encode(signed.wire))

    assert answer["result"] == signed.signature
    await node.settled(signed.signature)


async def test_a_simulation_shows_the_balances_that_would_be(node: Market) -> None:
    trader = await node.trader(10**10, USDC=5)
    quote = (await node.pool()).quote(mint(SOL), 10**9)
    signed = await node.signed(wallet=trader)
    mine = str(token_address(trader.address, mint(USDC)))
    options = {
        "encoding": "base64",
        "sigVerify": True,
        "accounts": {"encoding": "base64", "addresses": [mine]},
    }

    answer = await node.call("simulateTransaction", b64encode(signed.wire).decode(), options)

    value = answer["result"]["value"]
    assert value["err"] is None
    assert value["unitsConsumed"] > 40_000
    [account] = value["accounts"]
    data = base64_of(account)
    assert TOKEN_ACCOUNT.read(data).amount == quote.amount_out + 5
    assert await node.held(USDC, trader) == 5


def base64_of(account: dict[str, Any]) -> bytes:
    assert account["data"][1] == "base64"
    return b64decode(account["data"][0])


async def test_a_simulation_may_bring_its_own_blockhash_and_its_own_pool_is_read(
    node: Market,
) -> None:
    signed = await node.signed()
    await node.control("advance", {"blocks": 200})
    wire = b64encode(signed.wire).decode()
    pool = str(CPMM.pool_address(mint(SOL), mint(USDC)))
    options = {
        "encoding": "base64",
        "replaceRecentBlockhash": True,
        "accounts": {"addresses": [pool]},
    }

    renewed = await node.call("simulateTransaction", wire, options)
    both = await node.call("simulateTransaction", wire, {**options, "sigVerify": True})

    assert renewed["result"]["value"]["err"] is None
    assert renewed["result"]["value"]["replacementBlockhash"]["lastValidBlockHeight"] > 0
    assert renewed["result"]["value"]["accounts"][0]["owner"] == str(CPMM.program)
    assert both["error"]["code"] == -32602


async def test_a_landed_transaction_is_told_as_a_real_node_tells_it(node: Market) -> None:
    signed = await node.signed()
    landed = await node.landed(signed)
    version = {"maxSupportedTransactionVersion": 0}

    plain = (await node.call("getTransaction", signed.signature, version))["result"]
    refused = await node.call("getTransaction", signed.signature)
    unknown = await node.call("getTransaction", SIGNATURE, version)

    assert refused["error"]["code"] == -32015
    assert unknown["result"] is None
    message = VersionedTransaction.from_bytes(signed.wire).message
    assert plain["transaction"]["signatures"] == [signed.signature]
    told = plain["transaction"]["message"]
    assert told["accountKeys"] == [str(key) for key in message.account_keys]
    assert [base58.decode(i["data"]) for i in told["instructions"]] == [
        i.data for i in message.instructions
    ]
    meta = plain["meta"]
    assert len(meta["preBalances"]) == len(meta["postBalances"]) == len(message.account_keys)
    assert meta["status"] == {"Ok": None}
    assert meta["fee"] == landed.fee_lamports
    assert meta["logMessages"] == list(landed.logs)
    assert landed.wire == signed.wire
    assert plain["version"] == 0


async def test_accounts_are_read_whole_or_in_part(node: Market) -> None:
    part = {"dataSlice": {"offset": 36, "length": 9}, "encoding": "base64"}
    answer = await node.call("getAccountInfo", USDC.mint, part)
    clock = await node.account(CLOCK_SYSVAR)
    rent = await node.call("getMinimumBalanceForRentExemption", 165)
    missing = await node.call("getAccountInfo", KEY)

    value = answer["result"]["value"]
    assert (len(base64_of(value)), value["space"]) == (9, MINT.size)
    assert clock is not None
    assert CLOCK.read(clock.data).slot == answer["result"]["context"]["slot"]
    assert rent["result"] == 2_039_280
    assert missing["result"]["value"] is None


async def test_an_airdrop_lands_as_a_transaction(node: Market) -> None:
    answer = await node.call("requestAirdrop", KEY, 10**9)
    status = await node.settled(answer["result"])

    assert status.err is None
    assert await node.rpc.get_balance(Pubkey.from_string(KEY)) == 10**9


async def test_nobody_bids_for_the_blocks(node: Market) -> None:
    fees = await node.call("getRecentPrioritizationFees", [KEY])
    version = await node.call("getVersion")

    assert len(fees["result"]) == 150
    assert {fee["prioritizationFee"] for fee in fees["result"]} == {0}
    assert json.dumps(version["result"])


async def test_commitments_follow_each_other_by_slots(tmp_path: Path) -> None:
    async with market(tmp_path, STILL, confirmed_slots=2, finalized_slots=32) as node:
        signed = await node.signed()
        await node.send(signed)
        assert (await node.settled(signed.signature)).commitment is Commitment.PROCESSED
        tips = [await node.rpc.get_epoch_info(commitment) for commitment in Commitment]
        for each in ("height", "slot"):
            newest, *others = [getattr(tip, each) for tip in tips]
            assert others == [newest - 2, newest - 32]
        assert await node.rpc.get_transactions([signed.signature]) == [None]

        await node.control("advance", {"blocks": 2})
        assert (await node.settled(signed.signature)).commitment is Commitment.CONFIRMED
        await node.control("advance", {"blocks": 30})
        assert (await node.settled(signed.signature)).commitment is Commitment.FINALIZED


async def test_an_old_status_is_found_by_a_search_only(node: Market) -> None:
    signed = await node.signed()
    await node.landed(signed)
    await node.control("advance", {"blocks": 301})
    await node.landed(await node.signed())

    recent = await node.rpc.get_signature_statuses([signed.signature])
    searched = await node.rpc.get_signature_statuses([signed.signature], search_history=True)

    assert recent.found == [None]
    assert recent.slot == searched.slot
    assert searched.found[0] is not None
