"""A node that takes no JSON-RPC arrays, or small ones, or answers them in part: nothing is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backend.chain.rpc_client import SIGNATURES_MAX, RpcClient
from backend.chain.rpc_errors import ReadFailure, SendOutcomeUnknown
from backend.chain.rpc_results import LandedTransaction
from backend.domain.orders import SignedTransaction
from tests.integration.node_proxy import (
    ArrayPolicy,
    NodeProxy,
    Refusal,
    by_body,
    by_changing,
    by_closing,
    by_cutting,
    by_cutting_the_connection,
    by_error,
    by_error_in_each,
    by_status,
    pair_up,
    run_proxy,
)
from tests.integration.simulator_client import SimulatorClient, open_simulator
from tests.integration.test_rpc import make_transaction, respond_status, run_node
from tests.scenario import HAPPY_PATH, open_engine

Json = Any
COUNT = 9

REFUSALS: Mapping[str, Refusal] = {
    "400": by_status(400),
    "401": by_status(401),
    "403": by_status(403),
    "404": by_status(404),
    "405": by_status(405),
    "413": by_status(413),
    "500": by_status(500),
    "502": by_status(502),
    "503": by_status(503),
    "-32600": by_error(-32600, "Invalid request"),
    "-32600 with an id": by_error(-32600, "Invalid request", call_id=0),
    "-32601": by_error(-32601, "Method not found"),
    "-32700": by_error(-32700, "Parse error"),
    "-32005 no arrays": by_error(-32005, "Batched requests are not supported by this server"),
    "-32010 too large": by_error(-32010, "The batch request was too large"),
    "too many in it": by_error(-32000, "Too many requests in the batch"),
    "an error in each": by_error_in_each(-32600, "batch requests are not allowed"),
    "one error in an array": by_body('[{"id":null,"error":{"code":-32600,"message":"batch"}}]'),
    "the first has an error": by_body('[{"id":0,"error":{"code":-32000,"message":"big batch"}}]'),
    "HTML": by_body("<html>Forbidden</html>", "text/html"),
    "no text": by_body(""),
    "null": by_body("null"),
    "a number": by_body("7"),
    "a string": by_body('"no"'),
    "an empty array": by_body("[]"),
    "nulls": by_body("[null, null]"),
    "an empty object": by_body("{}"),
    "the connection is closed": by_closing,
    "the array is cut": by_cutting,
    "the connection is cut": by_cutting_the_connection,
}  # fmt: skip


@asynccontextmanager
async def open_behind_proxy(
    data_dir: Path, policy: ArrayPolicy
) -> AsyncIterator[tuple[SimulatorClient, RpcClient, NodeProxy]]:
    """A node, with a client beside the proxy and one behind it."""
    async with (
        open_simulator(data_dir, slot_s=0.01) as node,
        run_proxy(str(node.http._base_url), arrays=policy) as proxy,
        RpcClient(proxy.url) as rpc,
    ):
        yield node, rpc, proxy


async def land_all(
    node: SimulatorClient, rpc: RpcClient, count: int = COUNT
) -> list[SignedTransaction]:
    """Send transactions at once and fetch them at once: each is accepted, landed and fetched."""
    transactions = [await node.build_swap(10**6 + n) for n in range(count)]
    sent = await rpc.send_transactions([each.wire for each in transactions])
    assert sent == [each.signature for each in transactions]
    for each in transactions:
        await node.wait_until_landed(each.signature)
    landed = await rpc.get_transactions([each.signature for each in transactions])
    assert all(isinstance(each, LandedTransaction) for each in landed), landed
    assert [each.wire for each in landed if isinstance(each, LandedTransaction)] == [
        each.wire for each in transactions
    ]
    return transactions


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_what_is_refused_as_an_array_is_sent_in_single_calls(
    tmp_path: Path, refusal: str
) -> None:
    async with open_behind_proxy(tmp_path, ArrayPolicy(REFUSALS[refusal])) as (node, rpc, proxy):
        await land_all(node, rpc)
        await land_all(node, rpc)

        entries = [entry["signature"] for entry in await node.list_entries()]
        assert len(entries) == len(set(entries)) == 2 * COUNT
        # 9, 4, 2 are refused, and at most one larger size was tried again since
        assert proxy.count_arrays("sendTransaction") <= 5


@pytest.mark.parametrize("size_max", [2, 3, 7, 10])
async def test_the_size_that_a_node_takes_is_found_and_remembered(
    tmp_path: Path, size_max: int
) -> None:
    policy = ArrayPolicy(by_status(413), size_max)
    async with open_behind_proxy(tmp_path, policy) as (node, rpc, proxy):
        await land_all(node, rpc, 20)
        del proxy.sizes[:]
        await land_all(node, rpc, 20)

        sizes = [size for method, size in proxy.sizes if method == "sendTransaction"]
        assert max(size for size in sizes if size <= size_max) > size_max // 2
        assert len([size for size in sizes if size > size_max]) <= 2  # tried again, not each time


async def test_the_methods_of_a_node_may_take_different_sizes(tmp_path: Path) -> None:
    policy = ArrayPolicy(by_status(403), methods=frozenset({"sendTransaction"}))
    async with open_behind_proxy(tmp_path, policy) as (node, rpc, proxy):
        await land_all(node, rpc)

        assert [size for method, size in proxy.sizes if method == "getTransaction"] == [COUNT]
        assert [size for method, size in proxy.sizes if method == "sendTransaction"][-1] == 1


@pytest.mark.parametrize("status", [403, 500, 502])
async def test_a_node_that_refuses_single_calls_too_is_not_asked_for_each(status: int) -> None:
    sizes = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        calls = await request.json()
        sizes.append(len(calls) if isinstance(calls, list) else 1)
        return web.Response(status=status)

    wires = [make_transaction(n)[1] for n in range(1, 21)]
    async with run_node(handle) as rpc:
        sent = await rpc.send_transactions(wires)
        fetched = await rpc.get_transactions(["x"] * 20)

    assert [type(each) for each in sent] == [SendOutcomeUnknown] * 20
    assert [type(each) for each in fetched] == [ReadFailure] * 20
    assert sizes == [20, 1, 1, 20, 1, 1]  # the first and the last alone, and no size is remembered


async def test_one_call_that_a_proxy_refuses_does_not_stop_the_others(tmp_path: Path) -> None:
    """Whichever it is: a firewall refuses any body that contains it."""
    for position in (0, 2, 4):
        wires = [make_transaction(n) for n in range(1, 6)]
        poison = wires[position][0]

        async def handle(request: web.BaseRequest, poison: str = poison) -> web.StreamResponse:
            body = await request.json()
            calls = body if isinstance(body, list) else [body]
            if any(call["params"][0] == poison for call in calls):
                return web.Response(status=403)
            answers = [{"id": call["id"], "result": None} for call in calls]
            return web.json_response(answers if isinstance(body, list) else answers[0])

        async with run_node(handle) as rpc:
            fetched = await rpc.get_transactions([signature for signature, _ in wires])

        failed = [n for n, each in enumerate(fetched) if each is not None]
        assert failed == [position]
        assert isinstance(fetched[position], ReadFailure)


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
        return [{**each, "id": following["id"]} for each, following in pair_up(elements)]

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

    async with (
        open_simulator(tmp_path) as node,
        run_proxy(str(node.http._base_url), arrays=ArrayPolicy(ignore)) as proxy,
        RpcClient(proxy.url, timeout_s=0.2) as rpc,
    ):
        wires = [(await node.build_swap(10**6 + n)).wire for n in range(4)]
        for _ in range(30):
            sent = await rpc.send_transactions(wires)
            if not any(isinstance(each, SendOutcomeUnknown) for each in sent):
                break
        assert all(isinstance(each, str) for each in sent)


async def test_a_request_for_many_statuses_is_split_as_well() -> None:
    counts = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        content = await request.read()
        signatures = json.loads(content)["params"][0]
        counts.append(len(signatures))
        if len(signatures) > 40:
            return web.Response(status=413)
        value = [{"slot": int(each), "err": None} for each in signatures]
        return web.json_response({"result": {"context": {"slot": 5}, "value": value}})

    async with run_node(handle) as rpc:
        numbers = [str(n) for n in range(SIGNATURES_MAX + 20)]
        statuses = await rpc.get_signature_statuses(numbers)
        del counts[:]
        await rpc.get_signature_statuses(numbers[:60])

    assert [status and status.slot for status in statuses.entries] == list(map(int, numbers))
    assert len([count for count in counts if count > 40]) <= 1


async def test_statuses_of_a_node_that_refuses_everything_cost_two_requests() -> None:
    async with run_node(respond_status(502)) as rpc:
        with pytest.raises(ReadFailure, match="502"):
            await rpc.get_signature_statuses(["x"] * 100)


@pytest.mark.parametrize(
    "policy",
    [
        ArrayPolicy(by_status(403)),
        ArrayPolicy(by_closing),
        ArrayPolicy(by_cutting),
        ArrayPolicy(by_changing(_drop_second)),
        ArrayPolicy(by_error(-32600, "Invalid request"), methods=frozenset({"getTransaction"})),
        ArrayPolicy(by_status(413), size_max=2),
    ],
)
async def test_orders_end_and_are_told_over_a_node_that_refuses_arrays(
    database_url: str, redis_url: str, data_dir: Path, policy: ArrayPolicy
) -> None:
    @asynccontextmanager
    async def open_proxy(node_url: str) -> AsyncIterator[str]:
        async with run_proxy(node_url, arrays=policy) as proxy:
            yield proxy.url

    async with open_engine(
        database_url, redis_url, data_dir, open_proxy=open_proxy, settings={"resend_s": 0.1}
    ) as engine:
        ids = []
        for _ in range(3):
            ids += await engine.place_orders(*[engine.build_terms("1")] * 3)
        histories = await engine.wait_all_ended(ids)

        assert [history.statuses for history in histories] == [HAPPY_PATH] * 9
        told = {history.record.tx_hash for history in histories}
        assert told == set(await engine.read_swaps())
