"""Each answer and each silence of a node is sorted by the reaction that it permits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from backend.chain.rpc_client import BATCH_MAX, SIGNATURES_MAX, Rpc
from backend.chain.rpc_errors import ReadFailed, SendUnanswered
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError, Rejected, Transient, Unknown

Json = Any
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

WALLET = Keypair.from_seed(bytes(32))
KEY = WALLET.pubkey()


def transaction(lamports: int) -> tuple[str, bytes]:
    pay = transfer(TransferParams(from_pubkey=KEY, to_pubkey=KEY, lamports=lamports))
    message = MessageV0.try_compile(KEY, [pay], [], Hash.default())
    signature = WALLET.sign_message(to_bytes_versioned(message))
    return str(signature), bytes(VersionedTransaction.populate(message, [signature]))


@asynccontextmanager
async def node(handler: Handler, **options: Any) -> AsyncIterator[Rpc]:
    """A client of a server that answers as ``handler`` says."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with Rpc(f"http://127.0.0.1:{port}", **options) as rpc:
            yield rpc
    finally:
        await runner.cleanup()


def answering(answer: Callable[[Json], Json]) -> Handler:
    """A node that answers each call of a body with ``answer(call)``."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.json()
        if isinstance(body, list):
            return web.json_response([{"id": call["id"], **answer(call)} for call in body])
        return web.json_response({"id": body["id"], **answer(body)})

    return handle


def error(code: int, **data: Any) -> Json:
    return {"error": {"code": code, "message": "no", **({"data": data} if data else {})}}


def status_handler(status: int, **headers: str) -> Handler:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=named)

    return handle


def text_handler(text: bytes) -> Handler:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=text)

    return handle


async def hang_up(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def be_silent(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


@pytest.mark.parametrize(
    ("handler", "code", "retry_after_s"),
    [
        (status_handler(429, Retry_After="2"), "rate_limited", 2),
        (status_handler(429, Retry_After="Fri, 21 Nov 2036 08:00:00 GMT"), "rate_limited", None),
        (status_handler(429), "rate_limited", None),
        (status_handler(503, Retry_After="0.5"), "node_unavailable", 0.5),
        (status_handler(502), "node_unavailable", None),
        (status_handler(403), "node_forbidden", None),
        (text_handler(b"<html>busy</html>"), "node_error", None),
        (text_handler(b"[" * 100_000), "node_error", None),
        (text_handler(b'{"id":0}'), "node_error", None),
        (text_handler(b"[1,2]"), "node_error", None),
        (text_handler(b'{"id":0,"result":"many"}'), "node_error", None),
        (text_handler(b'{"id":0,"error":"bad"}'), "node_error", None),
        (hang_up, "node_unreachable", None),
        (answering(lambda _: error(-32005)), "node_behind", None),
        (answering(lambda _: error(-32016)), "node_behind", None),
        (answering(lambda _: error(-32004)), "slot_not_available", None),
        (answering(lambda _: error(-32007)), "slot_not_available", None),
        (answering(lambda _: error(-32014)), "slot_not_available", None),
        (answering(lambda _: error(-32603)), "node_error", None),
        (answering(lambda _: error(-32429)), "rate_limited", None),
        (answering(lambda _: error(-1)), "node_error", None),
    ],
)
async def test_a_failed_read_had_no_effect_and_the_same_of_a_send_is_unknown(
    handler: Handler, code: str, retry_after_s: float | None
) -> None:
    async with node(handler) as rpc:
        with pytest.raises(ReadFailed) as read:
            await rpc.get_epoch_info(Commitment.CONFIRMED)
        [sent] = await rpc.send_transactions([transaction(1)[1]])

    assert isinstance(read.value, Transient)
    assert isinstance(sent, SendUnanswered)
    assert read.value.code == sent.code == code
    assert read.value.retry_after_s == sent.retry_after_s == retry_after_s


async def test_a_node_that_says_nothing_is_given_up() -> None:
    async with node(be_silent, timeout_s=0.05) as rpc:
        with pytest.raises(ReadFailed) as read:
            await rpc.get_genesis_hash()
        [sent] = await rpc.send_transactions([transaction(1)[1]])

    assert read.value.code == "node_timeout"
    assert isinstance(sent, Unknown)


async def test_a_node_that_is_not_there_is_unreachable() -> None:
    async with Rpc("http://127.0.0.1:1") as rpc:
        with pytest.raises(ReadFailed) as read:
            await rpc.get_genesis_hash()
        [sent] = await rpc.send_transactions([transaction(1)[1]])

    assert read.value.code == "node_unreachable"
    assert isinstance(sent, Unknown)


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async with node(text_handler(b" " * 100_000), response_bytes_max=50_000) as rpc:
        with pytest.raises(ReadFailed, match="too large"):
            await rpc.get_genesis_hash()


@pytest.mark.parametrize("code", [-32600, -32601, -32602])
async def test_a_read_that_the_node_does_not_understand_is_final(code: int) -> None:
    async with node(answering(lambda _: error(code))) as rpc:
        with pytest.raises(Rejected) as refused:
            await rpc.get_balance(KEY)

    assert refused.value.code == "node_refused"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (error(-32003), Rejected, "signature_failure"),
        (error(-32602), Rejected, "invalid_transaction"),
        (error(-32601), Unknown, "node_error"),
        (error(-32002, err="InsufficientFundsForFee", logs=[]), Rejected, "insufficient_funds"),
        (error(-32002, err="AccountNotFound"), Rejected, "insufficient_funds"),
        (error(-32002, err="BlockhashNotFound"), Unknown, "blockhash_not_found"),
        (error(-32002), Rejected, "transaction_refused"),
        ({"result": "another signature"}, Unknown, "node_error"),
        ({"result": None}, Unknown, "node_error"),
        ({}, Unknown, "node_error"),
    ],
)
async def test_only_what_can_never_land_is_a_final_refusal_of_a_send(
    answer: Json, kind: type[EngineError], code: str
) -> None:
    async with node(answering(lambda _: answer)) as rpc:
        [sent] = await rpc.send_transactions([transaction(1)[1]])

    assert isinstance(sent, kind)
    assert sent.code == code


async def test_a_transaction_that_is_processed_already_was_sent() -> None:
    signature, wire = transaction(1)

    async with node(answering(lambda _: error(-32002, err="AlreadyProcessed"))) as rpc:
        assert await rpc.send_transactions([wire]) == [signature]


async def test_a_batch_of_sends_is_answered_in_order_whatever_is_missing() -> None:
    sent = [transaction(n) for n in range(1, 5)]

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        calls = await request.json()
        results = [{"id": c["id"], "result": sent[c["id"]][0]} for c in calls if c["id"] != 2]
        return web.json_response([*reversed(results), "noise"])

    async with node(handle) as rpc:
        answers = await rpc.send_transactions([wire for _, wire in sent])

    assert isinstance(answers[2], Unknown)
    assert [answers[n] for n in (0, 1, 3)] == [sent[n][0] for n in (0, 1, 3)]


async def test_many_sends_go_out_in_batches_that_a_node_accepts() -> None:
    sizes, bytes_ = [], []
    wires = [transaction(n)[1] for n in range(1, 2 * BATCH_MAX + 2)]

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        calls = json.loads(body)
        bytes_.append(len(body))
        sizes.append(len(calls) if isinstance(calls, list) else 1)
        return web.Response(status=503)

    async with node(handle) as rpc:
        answers = await rpc.send_transactions(wires)

    assert sizes == [BATCH_MAX, BATCH_MAX, 1]
    assert max(bytes_) + BATCH_MAX * (1_644 - 4 * len(wires[0]) // 3) < 50 * 1024
    assert [type(answer) for answer in answers] == [SendUnanswered] * len(wires)


async def test_statuses_are_asked_for_in_chunks_that_a_node_accepts() -> None:
    asked = []

    def answer(call: Json) -> Json:
        asked.append(len(call["params"][0]))
        value = ([{"slot": 5, "err": None}, None] * 128)[: asked[-1]]
        return {"result": {"context": {"slot": 10 - len(asked)}, "value": value}}

    async with node(answering(answer)) as rpc:
        statuses = await rpc.get_signature_statuses(["x"] * (SIGNATURES_MAX + 3))

    assert asked == [SIGNATURES_MAX, 3]
    assert statuses.slot == 8  # the oldest
    assert [status is None for status in statuses.found[-3:]] == [False, True, False]


async def test_an_answer_shorter_than_the_question_is_no_answer() -> None:
    short = {"result": {"context": {"slot": 9}, "value": [None]}}
    async with node(answering(lambda _: short)) as rpc:
        for ask in (rpc.get_signature_statuses(["x", "y"]), rpc.get_multiple_accounts([KEY, KEY])):
            with pytest.raises(ReadFailed):
                await ask


async def test_transactions_fail_one_by_one() -> None:
    def answer(call: Json) -> Json:
        return [{"result": None}, error(-32005), {"result": {"slot": 1}}][call["id"]]

    async with node(answering(answer)) as rpc:
        missing, behind, broken = await rpc.get_transactions(["a", "b", "c"])

    assert missing is None
    assert isinstance(behind, Transient)
    assert isinstance(broken, Transient)


@pytest.mark.parametrize(
    "text", [b'{"id":null,"error":{"code":-32005,"message":"x"}}', b"7", b'[{"id":[]}]']
)
async def test_a_batch_refused_as_a_whole_is_refused_for_each(text: bytes) -> None:
    async with node(text_handler(text)) as rpc:
        answers = await rpc.get_transactions(["a", "b"])
    assert [type(answer) for answer in answers] == [ReadFailed, ReadFailed]


async def test_every_exchange_is_told_with_its_outcome() -> None:
    told: list[tuple[str, str]] = []

    def on_call(method: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        told.append((method, outcome))

    tip = {"result": {"absoluteSlot": 7, "blockHeight": 5}}
    async with node(answering(lambda _: tip), on_call=on_call) as rpc:
        await rpc.get_epoch_info(Commitment.CONFIRMED)
    async with node(answering(lambda _: error(-32005)), on_call=on_call) as rpc:
        with pytest.raises(Transient):
            await rpc.get_epoch_info(Commitment.CONFIRMED)
    async with node(status_handler(429), on_call=on_call) as rpc:
        await rpc.send_transactions([transaction(1)[1]])

    assert told == [
        ("getEpochInfo", "ok"),
        ("getEpochInfo", "refused"),
        ("sendTransaction", "rate_limited"),
    ]
