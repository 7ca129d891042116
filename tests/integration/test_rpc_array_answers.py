"""The answers in a JSON-RPC array: each one that is wrong fails its own call, and no other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backend.chain.rpc.client import SEND_BATCH_MAX
from backend.chain.rpc.errors import ReadFailure, SendOutcomeUnknown
from backend.chain.rpc.results import LandedTransaction
from backend.domain.errors import OutcomeUnknown, Rejected, Transient
from tests.integration.limiting_proxy import ArrayPolicy, by_changing
from tests.integration.proxied_node import COUNT, land_all, open_behind_proxy
from tests.integration.test_rpc import make_transaction, respond, respond_text, rpc_error, run_node

Json = Any


def _drop_second(elements: list[Json]) -> list[Json]:
    return [elements[0], *elements[2:]]


def _null_second(elements: list[Json]) -> list[Json]:
    return [elements[0], None, *elements[2:]]


def _text_second(elements: list[Json]) -> list[Json]:
    return [elements[0], "busy", *elements[2:]]


def _rename_second(call_id: Json) -> Any:
    def change(elements: list[Json]) -> list[Json]:
        return [{**each, "id": call_id} if n == 1 else each for n, each in enumerate(elements)]

    return change


def _contradict_second(elements: list[Json]) -> list[Json]:
    return [*elements, {**elements[1], "result": "another"}, elements[1]]


@pytest.mark.parametrize(
    "change",
    [
        _drop_second,
        _null_second,
        _text_second,
        _contradict_second,
        *map(_rename_second, (77, -1, 4, "1", None, True, 1.0, [1], {"n": 1})),
    ],
)
async def test_an_answer_that_is_not_there_fails_its_own_call_only(
    tmp_path: Path, change: Any
) -> None:
    async with open_behind_proxy(tmp_path, ArrayPolicy(by_changing(change))) as (node, rpc, _):
        transactions = [await node.build_swap(10**6 + n) for n in range(4)]
        sent = await rpc.send_transactions([each.wire for each in transactions])
        for each in transactions:
            await node.wait_until_landed(each.signature)
        landed = await rpc.get_transactions([each.signature for each in transactions])

        assert isinstance(sent[1], SendOutcomeUnknown)
        assert isinstance(landed[1], ReadFailure)
        for n in (0, 2, 3):
            assert sent[n] == transactions[n].signature
            assert isinstance(landed[n], LandedTransaction)


async def test_equal_answers_to_one_call_count_as_one_and_their_order_is_free(
    tmp_path: Path,
) -> None:
    policy = ArrayPolicy(by_changing(lambda elements: [*reversed(elements), *elements]))
    async with open_behind_proxy(tmp_path, policy) as (node, rpc, proxy):
        await land_all(node, rpc)
        assert [size for method, size in proxy.sizes if method == "sendTransaction"] == [COUNT]


async def test_an_answer_with_the_id_of_another_call_is_not_taken_for_it(tmp_path: Path) -> None:
    """Nothing shows that ids are exchanged, but each transaction names its own signature."""

    def exchange_ids(elements: list[Json]) -> list[Json]:
        ids = [each["id"] for each in elements]
        return [
            {**each, "id": other} for each, other in zip(elements, ids[1:] + ids[:1], strict=True)
        ]

    policy = ArrayPolicy(by_changing(exchange_ids))
    async with open_behind_proxy(tmp_path, policy) as (node, rpc, _):
        transactions = [await node.build_swap(10**6 + n) for n in range(3)]
        sent = await rpc.send_transactions([each.wire for each in transactions])
        for each in transactions:
            await node.wait_until_landed(each.signature)
        landed = await rpc.get_transactions([each.signature for each in transactions])

    assert [type(each) for each in sent] == [SendOutcomeUnknown] * 3
    assert [type(each) for each in landed] == [ReadFailure] * 3


async def test_arrays_that_are_never_answered_in_full_become_single_calls(tmp_path: Path) -> None:
    async with open_behind_proxy(tmp_path, ArrayPolicy(by_changing(_drop_second))) as opened:
        node, rpc, proxy = opened
        transactions = [await node.build_swap(10**6 + n) for n in range(4)]
        wires = [each.wire for each in transactions]
        signatures = [each.signature for each in transactions]
        for _ in range(20):
            if await rpc.send_transactions(wires) == signatures:
                break
        assert proxy.sizes[-1] == ("sendTransaction", 1)


async def test_arrays_that_time_out_become_smaller(tmp_path: Path) -> None:
    async def ignore(*_: object) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    async with open_behind_proxy(tmp_path, ArrayPolicy(ignore), timeout_s=0.2) as (node, rpc, _):
        wires = [(await node.build_swap(10**6 + n)).wire for n in range(4)]
        for _ in range(30):
            sent = await rpc.send_transactions(wires)
            if not any(isinstance(each, SendOutcomeUnknown) for each in sent):
                break
        assert all(isinstance(each, str) for each in sent)


async def test_the_results_of_a_batch_of_sends_are_in_order_whatever_is_missing() -> None:
    sent = [make_transaction(n) for n in range(1, 5)]

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        calls = await request.json()
        results = [{"id": c["id"], "result": sent[c["id"]][0]} for c in calls if c["id"] != 2]
        return web.json_response([*reversed(results), "noise"])

    async with run_node(handle) as rpc:
        results = await rpc.send_transactions([wire for _, wire in sent])

    assert isinstance(results[2], OutcomeUnknown)
    assert [results[n] for n in (0, 1, 3)] == [sent[n][0] for n in (0, 1, 3)]


async def test_many_sends_go_out_in_batches_that_a_node_accepts() -> None:
    batch_sizes, body_sizes = [], []
    wires = [make_transaction(n)[1] for n in range(1, 2 * SEND_BATCH_MAX + 2)]

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        calls = json.loads(body)
        body_sizes.append(len(body))
        batch_sizes.append(len(calls) if isinstance(calls, list) else 1)
        answers = [{"id": call["id"], **rpc_error(-32003)} for call in _list_calls(calls)]
        return web.json_response(answers if isinstance(calls, list) else answers[0])

    async with run_node(handle) as rpc:
        results = await rpc.send_transactions(wires)

    assert batch_sizes == [SEND_BATCH_MAX, SEND_BATCH_MAX, 1]
    assert max(body_sizes) + SEND_BATCH_MAX * (1_644 - 4 * len(wires[0]) // 3) < 50 * 1024
    assert [type(result) for result in results] == [Rejected] * len(wires)


async def test_transactions_fail_one_by_one() -> None:
    def response(call: Json) -> Json:
        return [{"result": None}, rpc_error(-32005), {"result": {"slot": 1}}][call["id"]]

    async with run_node(respond(response)) as rpc:
        missing, behind, broken = await rpc.get_transactions(["a", "b", "c"])

    assert missing is None
    assert isinstance(behind, Transient)
    assert isinstance(broken, Transient)


@pytest.mark.parametrize(
    "text", [b'{"id":null,"error":{"code":-32005,"message":"x"}}', b"7", b'[{"id":[]}]']
)
async def test_a_batch_refused_as_a_whole_is_refused_for_each(text: bytes) -> None:
    async with run_node(respond_text(text)) as rpc:
        results = await rpc.get_transactions(["a", "b"])
    assert [type(result) for result in results] == [ReadFailure, ReadFailure]


def _list_calls(body: Json) -> list[Json]:
    return body if isinstance(body, list) else [body]
