"""A node that takes no JSON-RPC arrays, or small ones, or answers them in part: nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backend.chain.rpc.client import SIGNATURES_MAX
from backend.chain.rpc.errors import ReadFailure, SendOutcomeUnknown
from tests.integration.limiting_proxy import (
    ArrayPolicy,
    Refusal,
    by_body,
    by_closing,
    by_cutting,
    by_cutting_the_connection,
    by_error,
    by_error_in_each,
    by_status,
)
from tests.integration.proxied_node import COUNT, land_all, open_behind_proxy
from tests.integration.test_rpc import make_transaction, respond_status, run_node

Json = Any

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
