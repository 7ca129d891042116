"""Orders over a node that gives, for a while, what nodes of mainnet give in place of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from backend.domain.amounts import format_amount
from tests.integration.node_proxy import Json
from tests.integration.proxied_engine import open_live_engine
from tests.integration.recorded_node import REFUSALS, Refusal
from tests.scenario import HAPPY_PATH, EngineHarness, OrderHistory

ORDER_METHODS = {
    *("getMultipleAccounts", "getLatestBlockhash", "simulateTransaction"),
    *("sendTransaction", "getSignatureStatuses", "getTransaction"),
}
"""The methods that an order needs: one failure of each is more than an order has attempts."""
SETTINGS: Json = {
    "backoff_s": 0.01,
    "rekick_s": 0.1,
    "sweep_s": 0.05,
    "resend_s": 0.1,
    "attempts_max": 1,
}
LAG = 40


class RefusingProxy:
    """Has a proxy refuse the first request of each method."""

    def __init__(self, refusal: Refusal, methods: set[str]) -> None:
        self._refusal = refusal
        self.left = set(methods)

    async def __call__(
        self, request: web.BaseRequest, calls: Sequence[Json]
    ) -> web.StreamResponse | None:
        method = calls[0]["method"]
        if method not in self.left:
            return None
        self.left.remove(method)
        return await self._refusal.send(request, calls[0]["id"])


async def read_swaps(engine: EngineHarness) -> dict[str, Json]:
    """What has landed, but for what has funded the wallet."""
    landed = await engine.read_swaps()
    return {signature: entry for signature, entry in landed.items() if entry["swaps"]}


def assert_filled_once(history: OrderHistory, swaps: dict[str, Json]) -> None:
    assert history.statuses == HAPPY_PATH, history.record.last_error
    assert history.record.attempts == 1
    assert history.record.tx_hash is not None
    swap = swaps[history.record.tx_hash]
    [confirmed] = history.event_data("confirmed")
    assert confirmed["amountOut"] == format_amount(int(swap["swaps"][0]["amount_out"]), 6)


@pytest.mark.parametrize("name", REFUSALS)
async def test_no_order_is_spent_on_a_refusal(
    database_url: str, redis_url: str, data_dir: Path, name: str
) -> None:
    # Of a transaction it is an answer of its own; nothing else can have it.
    methods = {"getTransaction"} if name == "-32015 version" else ORDER_METHODS
    refusing = RefusingProxy(REFUSALS[name], methods)
    async with open_live_engine(database_url, redis_url, data_dir, **SETTINGS) as live:
        engine = live.engine
        live.proxy.intercept = refusing
        [order_id] = await engine.place_orders(engine.build_terms("0.1", slippage_bps=500))
        history = await engine.wait_ended(order_id)
        swaps = await read_swaps(engine)
    assert refusing.left == set()
    assert len(swaps) == 1
    assert_filled_once(history, swaps)


async def test_orders_are_filled_once_where_every_array_is_refused(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async def refuse_arrays(
        request: web.BaseRequest, calls: Sequence[Json]
    ) -> web.StreamResponse | None:
        is_array = (await request.read()).startswith(b"[")
        return await REFUSALS["403 of a key"].send(request, None) if is_array else None

    async with open_live_engine(database_url, redis_url, data_dir, **SETTINGS) as live:
        engine = live.engine
        live.proxy.intercept = refuse_arrays
        ids = await engine.place_orders(*[engine.build_terms("0.1", slippage_bps=500)] * 8)
        histories = await engine.wait_all_ended(ids)
        swaps = await read_swaps(engine)
    assert len(swaps) == len(histories)
    for history in histories:
        assert_filled_once(history, swaps)


async def test_orders_are_filled_once_where_every_other_answer_is_of_an_older_slot(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    seen: Counter[str] = Counter()

    def tell_older_slot(call: Json, answer: Json) -> Json | None:
        result = answer.get("result")
        if not isinstance(result, dict) or "context" not in result:
            return None
        seen[call["method"]] += 1
        if seen[call["method"]] % 2:
            return None
        slot = max(result["context"]["slot"] - LAG, 0)
        return {"result": {**result, "context": {**result["context"], "slot": slot}}}

    async with open_live_engine(
        database_url, redis_url, data_dir, tell_older_slot, **SETTINGS
    ) as live:
        engine = live.engine
        ids = await engine.place_orders(*[engine.build_terms("0.1", slippage_bps=500)] * 4)
        histories = await engine.wait_all_ended(ids)
        swaps = await read_swaps(engine)
    assert seen["getMultipleAccounts"] > 1
    assert len(swaps) == len(histories)
    for history in histories:
        assert_filled_once(history, swaps)
