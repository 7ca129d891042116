"""Orders that end by themselves while every worker is stopped: they never land."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from backend.domain.times import format_time
from backend.engine.api_services import now
from tests.e2e.test_up import INSTANT, ORDER, post_order, receive_all
from tests.e2e.up import RunningUp, run_up
from tests.scenario import HAPPY_PATH, TIMEOUT_S

Json = dict[str, Any]
ORDERS = 20


async def get(up: RunningUp, path: str) -> Json:
    async with up.http.get(path) as response:
        assert response.status == 200
        body: Json = await response.json()
        return body


async def test_orders_end_while_workers_are_stopped_and_never_land(data_dir: Path) -> None:
    async with run_up(data_dir, *INSTANT) as up:
        confirmed = await receive_all(up, (await post_order(up, ORDER))["ws_url"])
        assert [event["status"] for event in confirmed] == HAPPY_PATH
        worker = up.child("worker")
        worker.send_signal(signal.SIGSTOP)
        expires_at = format_time(now() + timedelta(seconds=1))
        expiring = [await post_order(up, {**ORDER, "expiresAt": expires_at}) for _ in range(ORDERS)]
        cancelled = [await post_order(up, ORDER) for _ in range(ORDERS)]
        async with up.http.post("/api/orders/cancel-after", json={"seconds": 1}) as response:
            assert response.status == 200
        for orders, code in ((expiring, "expired"), (cancelled, "cancelled_by_timer")):
            for order in orders:
                events = await receive_all(up, order["ws_url"])
                assert [event["status"] for event in events[:1]] == ["pending"]
                assert events[-1]["code"] == code
        worker.send_signal(signal.SIGCONT)
        last = await receive_all(up, (await post_order(up, ORDER))["ws_url"])
        assert [event["status"] for event in last] == HAPPY_PATH
        assert (await up.control("totals"))["swaps"] == 2
        async with asyncio.timeout(TIMEOUT_S):
            while (await get(up, "/api/stats"))["open"]:
                await asyncio.sleep(0.01)
        for order in (*expiring, *cancelled):
            shown = await get(up, order["statusUrl"])
            assert shown["status"] in {"expired", "cancelled"}
            assert shown["txHash"] is None
