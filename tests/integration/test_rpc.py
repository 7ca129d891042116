"""Each response of a node, and each missing one, is classified by the reaction it permits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from backend.chain.rpc.call_rate import PAUSE_MAX_S, PAUSE_MIN_S
from backend.chain.rpc.client import SIGNATURES_MAX, RpcClient
from backend.chain.rpc.errors import ReadFailure, SendOutcomeUnknown
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError, OutcomeUnknown, Rejected, Transient
from tests.integration.handler_node import Handler, serve_handler

Json = Any

WALLET = Keypair.from_seed(bytes(32))
KEY = WALLET.pubkey()
IN_2036 = "Fri, 21 Nov 2036 08:00:00 GMT"


def make_transaction(lamports: int) -> tuple[str, bytes]:
    pay = transfer(TransferParams(from_pubkey=KEY, to_pubkey=KEY, lamports=lamports))
    message = MessageV0.try_compile(KEY, [pay], [], Hash.default())
    signature = WALLET.sign_message(to_bytes_versioned(message))
    return str(signature), bytes(VersionedTransaction.populate(message, [signature]))


@asynccontextmanager
async def run_node(handler: Handler, **options: Any) -> AsyncIterator[RpcClient]:
    """Run a node whose requests ``handler`` serves, and a client of it."""
    async with serve_handler(handler) as url, RpcClient(url, **options) as rpc:
        yield rpc


def respond(response: Callable[[Json], Json]) -> Handler:
    """A node that responds to each call of a body with ``response(call)``."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.json()
        if isinstance(body, list):
            return web.json_response([{"id": call["id"], **response(call)} for call in body])
        return web.json_response({"id": body["id"], **response(body)})

    return handle


def rpc_error(code: int, **data: Any) -> Json:
    return {"error": {"code": code, "message": "no", **({"data": data} if data else {})}}


def respond_status(status: int, **headers: str) -> Handler:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        header_fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=header_fields)

    return handle


def respond_text(text: bytes) -> Handler:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=text)

    return handle


async def abort_connection(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def never_respond(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


@pytest.mark.parametrize(
    ("handler", "code", "retry_after_s"),
    [
        (respond_status(429, Retry_After="2"), "rate_limited", 2),
        (respond_status(429, Retry_After="-1"), "rate_limited", PAUSE_MIN_S),
        (respond_status(429, Retry_After="inf"), "rate_limited", PAUSE_MIN_S),
        (respond_status(429, Retry_After="soon"), "rate_limited", PAUSE_MIN_S),
        (respond_status(429, Retry_After=IN_2036), "rate_limited", PAUSE_MAX_S),
        (respond_status(429, Retry_After="86400"), "rate_limited", PAUSE_MAX_S),
        (respond_status(429), "rate_limited", PAUSE_MIN_S),
        (respond_status(503, Retry_After="0.5"), "node_unavailable", 0.5),
        (respond_status(502), "node_unavailable", None),
        (respond_status(403), "node_forbidden", None),
        (respond_text(b"<html>busy</html>"), "node_error", None),
        (respond_text(b"[" * 100_000), "node_error", None),
        (respond_text(b'{"id":0}'), "node_error", None),
        (respond_text(b"[1,2]"), "node_error", None),
        (respond_text(b'{"id":0,"result":"many"}'), "node_error", None),
        (respond_text(b'{"id":0,"error":"bad"}'), "node_error", None),
        (abort_connection, "node_unreachable", None),
        (respond(lambda _: rpc_error(-32005)), "node_behind", None),
        (respond(lambda _: rpc_error(-32016)), "node_behind", None),
        (respond(lambda _: rpc_error(-32004)), "slot_not_available", None),
        (respond(lambda _: rpc_error(-32007)), "slot_not_available", None),
        (respond(lambda _: rpc_error(-32014)), "slot_not_available", None),
        (respond(lambda _: rpc_error(-32603)), "node_error", None),
        (respond(lambda _: rpc_error(-32429)), "rate_limited", PAUSE_MIN_S),
        (respond(lambda _: rpc_error(-1)), "node_error", None),
    ],
)
async def test_a_failed_read_had_no_effect_and_such_a_send_is_unknown(
    handler: Handler, code: str, retry_after_s: float | None
) -> None:
    async with run_node(handler, wait_max_s=0) as rpc:
        with pytest.raises(ReadFailure) as read:
            await rpc.get_epoch_info(Commitment.CONFIRMED)
    async with run_node(handler, wait_max_s=0) as rpc:  # not paused by the refused read
        [sent] = await rpc.send_transactions([make_transaction(1)[1]])

    assert isinstance(read.value, Transient)
    assert isinstance(sent, SendOutcomeUnknown)
    assert read.value.code == sent.code == code
    assert read.value.retry_after_s == pytest.approx(retry_after_s)
    assert sent.retry_after_s == pytest.approx(retry_after_s)


async def test_a_node_that_never_responds_runs_into_the_timeout() -> None:
    async with run_node(never_respond, timeout_s=0.05) as rpc:
        with pytest.raises(ReadFailure) as read:
            await rpc.get_genesis_hash()
        [sent] = await rpc.send_transactions([make_transaction(1)[1]])

    assert read.value.code == "node_timeout"
    assert isinstance(sent, OutcomeUnknown)


async def test_a_node_that_is_not_there_is_unreachable() -> None:
    async with RpcClient("http://127.0.0.1:1") as rpc:
        with pytest.raises(ReadFailure) as read:
            await rpc.get_genesis_hash()
        [sent] = await rpc.send_transactions([make_transaction(1)[1]])

    assert read.value.code == "node_unreachable"
    assert isinstance(sent, OutcomeUnknown)


async def test_an_endless_response_is_not_read_to_its_end() -> None:
    async with run_node(respond_text(b" " * 100_000), response_bytes_max=50_000) as rpc:
        with pytest.raises(ReadFailure, match="too large"):
            await rpc.get_genesis_hash()


@pytest.mark.parametrize("code", [-32600, -32601, -32602])
async def test_a_read_that_the_node_does_not_understand_is_final(code: int) -> None:
    async with run_node(respond(lambda _: rpc_error(code))) as rpc:
        with pytest.raises(Rejected) as refused:
            await rpc.get_balance(KEY)

    assert refused.value.code == "node_refused"


@pytest.mark.parametrize(
    ("response", "kind", "code"),
    [
        (rpc_error(-32003), Rejected, "signature_failure"),
        (rpc_error(-32602), Rejected, "invalid_transaction"),
        (rpc_error(-32601), OutcomeUnknown, "node_error"),
        (rpc_error(-32002, err="InsufficientFundsForFee", logs=[]), Rejected, "insufficient_funds"),
        (rpc_error(-32002, err="AccountNotFound"), Rejected, "insufficient_funds"),
        (rpc_error(-32002, err="BlockhashNotFound"), OutcomeUnknown, "blockhash_not_found"),
        (rpc_error(-32002), Rejected, "transaction_refused"),
        ({"result": "another signature"}, OutcomeUnknown, "node_error"),
        ({"result": None}, OutcomeUnknown, "node_error"),
        ({}, OutcomeUnknown, "node_error"),
    ],
)
async def test_only_what_can_never_land_is_a_final_refusal_of_a_send(
    response: Json, kind: type[EngineError], code: str
) -> None:
    async with run_node(respond(lambda _: response)) as rpc:
        [sent] = await rpc.send_transactions([make_transaction(1)[1]])

    assert isinstance(sent, kind)
    assert sent.code == code


async def test_a_transaction_that_is_already_processed_was_sent() -> None:
    signature, wire = make_transaction(1)

    async with run_node(respond(lambda _: rpc_error(-32002, err="AlreadyProcessed"))) as rpc:
        assert await rpc.send_transactions([wire]) == [signature]


async def test_statuses_are_requested_in_chunks_that_a_node_accepts() -> None:
    chunk_sizes = []

    def response(call: Json) -> Json:
        chunk_sizes.append(len(call["params"][0]))
        value = ([{"slot": 5, "err": None}, None] * 128)[: chunk_sizes[-1]]
        return {"result": {"context": {"slot": 10 - len(chunk_sizes)}, "value": value}}

    async with run_node(respond(response)) as rpc:
        statuses = await rpc.get_signature_statuses(["x"] * (SIGNATURES_MAX + 3))

    assert chunk_sizes == [SIGNATURES_MAX, 3]
    assert statuses.slot == 8  # the oldest
    assert [status is None for status in statuses.entries[-3:]] == [False, True, False]


async def test_a_result_shorter_than_the_request_is_malformed() -> None:
    short = {"result": {"context": {"slot": 9}, "value": [None]}}
    async with run_node(respond(lambda _: short)) as rpc:
        for read in (rpc.get_signature_statuses(["x", "y"]), rpc.get_multiple_accounts([KEY] * 2)):
            with pytest.raises(ReadFailure):
                await read


async def test_every_request_is_reported_with_its_outcome() -> None:
    calls: list[tuple[str, str]] = []

    def on_call(method: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        calls.append((method, outcome))

    tip = {"result": {"absoluteSlot": 7, "blockHeight": 5}}
    async with run_node(respond(lambda _: tip), on_call=on_call) as rpc:
        await rpc.get_epoch_info(Commitment.CONFIRMED)
    async with run_node(respond(lambda _: rpc_error(-32005)), on_call=on_call) as rpc:
        with pytest.raises(Transient):
            await rpc.get_epoch_info(Commitment.CONFIRMED)
    async with run_node(respond_status(429), on_call=on_call, wait_max_s=0) as rpc:
        await rpc.send_transactions([make_transaction(1)[1]])

    assert calls == [
        ("getEpochInfo", "ok"),
        ("getEpochInfo", "refused"),
        ("sendTransaction", "rate_limited"),
    ]
