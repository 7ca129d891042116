"""Signed bytes leave the engine only once they are stored: before, no node can execute an order."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from solders.transaction import VersionedTransaction

from backend.chain.transactions import derive_wrap_seed
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.node_proxy import Json
from tests.integration.proxied_engine import ProxiedEngine, open_live_engine, open_proxied_engine
from tests.integration.simulator_client import open_simulator
from tests.scenario import HAPPY_PATH

ORDERS = 30
SUBMITTED_SQL = """
SELECT count(*) FROM order_events WHERE status = 'submitted' AND data->>'txHash' = $1
"""


def find_signatures(call: Json) -> Iterator[str]:
    """The signature of each transaction among a call's parameters that is really signed."""
    for parameter in call.get("params", ()):
        try:
            transaction = VersionedTransaction.from_bytes(b64decode(parameter, validate=True))
        except (TypeError, ValueError):
            continue
        if all(transaction.verify_with_results()):
            yield str(transaction.signatures[0])


@pytest.mark.parametrize("open_engine", [open_proxied_engine, open_live_engine])
async def test_no_signed_bytes_reach_the_node_before_submitted_is_committed(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    open_engine: Callable[..., AbstractAsyncContextManager[ProxiedEngine]],
) -> None:
    methods: Counter[str] = Counter()
    unstored: list[str] = []
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=2) as observer,
        open_engine(database_url, redis_url, data_dir) as proxied,
    ):

        async def look_for_signatures(calls: Sequence[Json]) -> None:
            for call in calls:
                for signature in find_signatures(call):
                    methods[call["method"]] += 1
                    if not await observer.fetchval(SUBMITTED_SQL, signature):
                        unstored.append(call["method"])

        proxied.proxy.on_calls = look_for_signatures
        engine = proxied.engine
        terms = engine.build_terms("0.1", slippage_bps=500)
        ids = await engine.place_orders(*[terms] * ORDERS)
        histories = await engine.wait_all_ended(ids)
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
    assert unstored == []
    assert set(methods) == {"sendTransaction"}
    assert methods["sendTransaction"] >= ORDERS
    simulated = proxied.proxy.calls["simulateTransaction"]
    if open_engine is open_live_engine:
        assert simulated == ORDERS
    else:  # what the shape of their route takes, with and without an account to be created
        assert simulated in {1, 2}


async def test_a_node_that_executes_what_it_should_simulate_lands_no_cancelled_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """Each order is cancelled while its preflight is at a node that sends the transaction."""
    is_cancelled: list[bool] = []
    answers: list[Json] = []
    async with open_live_engine(database_url, redis_url, data_dir) as proxied:
        engine = proxied.engine
        terms = engine.build_terms("0.1", slippage_bps=500)
        ids = await engine.store_orders(*[terms] * ORDERS)

        async def cancel_and_execute(calls: Sequence[Json]) -> None:
            for call in calls:
                if call["method"] == "simulateTransaction":
                    order_id = find_order(b64decode(call["params"][0]), ids)
                    is_cancelled.append(
                        await engine.services.withdrawals.cancellations.cancel(
                            "local", order_id, CancelReason.REQUESTED
                        )
                    )
                    options = {"encoding": "base64", "skipPreflight": True}
                    send = {**call, "method": "sendTransaction"}
                    send["params"] = [call["params"][0], options]
                    async with engine.node.post("/", json=send) as response:
                        answers.append(await response.json())

        proxied.proxy.on_calls = cancel_and_execute
        await engine.services.jobs.send("local", ids)
        histories = await engine.wait_all_ended(ids)
        assert is_cancelled == [True] * ORDERS
        assert {tuple(history.statuses) for history in histories} == {
            (*HAPPY_PATH[:3], "cancelled")
        }
        assert [answer["error"]["code"] for answer in answers] == [-32003] * ORDERS
        proxied.proxy.on_calls = ignore
        [later] = await engine.wait_all_ended(await engine.place_orders(terms))
        swaps = {s for s, swap in (await engine.read_swaps()).items() if swap["pool"] is not None}
        assert swaps == {later.record.tx_hash}


async def ignore(calls: Sequence[Json]) -> None:
    """Let all calls pass."""


def find_order(wire: bytes, ids: Sequence[UUID]) -> UUID:
    """The order whose first attempt a transaction is: its memo says so."""
    [order_id] = [each for each in ids if derive_wrap_seed(each, 1).encode() in wire]
    return order_id


async def test_the_simulated_node_simulates_what_is_not_signed_and_nothing_else(
    tmp_path: Path,
) -> None:
    """As a real node: zeros for the signature are good without ``sigVerify``, and only there."""
    async with open_simulator(tmp_path) as node:
        transaction = await node.build_swap()
        zeros = bytes(64)
        unsigned = transaction.wire[:1] + zeros + transaction.wire[65:]
        assert (await node.rpc.simulate_transaction(unsigned)).err is None
        wire, options = b64encode(unsigned).decode(), {"encoding": "base64"}
        for method, more in (
            ("simulateTransaction", {"sigVerify": True}),
            ("sendTransaction", {}),
            ("sendTransaction", {"skipPreflight": True}),
        ):
            answer = await node.call_rpc(method, wire, {**options, **more})
            assert answer["error"]["code"] == -32003, method
        await node.assert_never_lands(transaction.signature)
        assert len(await node.list_entries()) == 1
