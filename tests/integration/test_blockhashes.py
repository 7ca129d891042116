"""The blockhash that transactions are signed with: of a confirmed block, and not too old."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.node_proxy import Json
from tests.integration.proxied_engine import open_proxied_engine
from tests.integration.signed_transactions import read_landed
from tests.scenario import HAPPY_PATH

ORDERS = 4
METHOD = "getLatestBlockhash"


@pytest.mark.parametrize(("age_s", "fetched"), [(0, ORDERS), (30, 1)])
async def test_no_blockhash_is_older_than_the_setting(
    database_url: str, redis_url: str, data_dir: Path, age_s: float, fetched: int
) -> None:
    asked: list[Json] = []

    async def note(calls: Sequence[Json]) -> None:
        asked.extend(call for call in calls if call["method"] == METHOD)

    async with open_proxied_engine(
        database_url, redis_url, data_dir, blockhash_age_s=age_s
    ) as proxied:
        proxied.proxy.on_calls = note
        signed_with = set()
        for _ in range(ORDERS):
            await proxied.engine.control_node("advance", {"blocks": 1})
            terms = proxied.engine.build_terms("0.1", slippage_bps=500)
            [order_id] = await proxied.engine.place_orders(terms)
            history = await proxied.engine.wait_ended(order_id)
            assert history.statuses == HAPPY_PATH
            landed = await read_landed(proxied.engine, history)
            signed_with.add(landed.transaction.blockhash)
        assert len(signed_with) == fetched
    assert {call["params"][0]["commitment"] for call in asked} == {"confirmed"}
