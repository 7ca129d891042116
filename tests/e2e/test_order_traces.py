"""The trace of an order, as an OpenTelemetry collector receives it from real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from backend.runtime.order_traces import format_traceparent, is_traced
from tests.e2e.up import START_TIMEOUT_S, RunningUp, run_up

CALLER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 10}
STATUSES = {"pending", "routing", "building", "submitted"}


class ReceivedSpan(NamedTuple):
    process: str
    span: Span


class Collector:
    """Receives spans over OTLP by HTTP."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.told: dict[str, str | None] = {}
        """The trace that webhooks name, by order."""
        self._received = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        export = ExportTraceServiceRequest.FromString(await request.read())
        async with self._received:
            for each in export.resource_spans:
                names = {item.key: item.value.string_value for item in each.resource.attributes}
                process = names["service.name"]
                self.spans += (
                    ReceivedSpan(process, span)
                    for scope in each.scope_spans
                    for span in scope.spans
                )
            self._received.notify_all()
        body = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=body, content_type="application/x-protobuf")

    async def take_webhook(self, request: web.Request) -> web.Response:
        event = (await request.json())["data"]
        async with self._received:
            self.told[event["orderId"]] = request.headers.get("traceparent")
            self._received.notify_all()
        return web.Response()

    async def wait_told(self, order_id: UUID) -> str | None:
        """The trace that the webhooks of an order name, once there is one."""
        async with asyncio.timeout(START_TIMEOUT_S), self._received:
            await self._received.wait_for(lambda: str(order_id) in self.told)
            return self.told[str(order_id)]

    async def wait_for_children(self, parent_id: UUID, count: int) -> set[UUID]:
        """The orders whose traces are linked to that of a parent, once there are so many."""

        def find() -> set[UUID]:
            return {
                UUID(bytes=span.trace_id)
                for _, span in self.spans
                if any(link.trace_id == parent_id.bytes for link in span.links)
            }

        async with asyncio.timeout(START_TIMEOUT_S), self._received:
            await self._received.wait_for(lambda: len(find()) == count)
            return find()

    async def wait_for_trace(self, order_id: UUID, names: set[str]) -> dict[str, ReceivedSpan]:
        """The spans of an order by their names, once these are all there."""

        def find() -> dict[str, ReceivedSpan]:
            trace = [each for each in self.spans if each.span.trace_id == order_id.bytes]
            return {each.span.name: each for each in trace}

        async with asyncio.timeout(START_TIMEOUT_S), self._received:
            await self._received.wait_for(lambda: find().keys() >= names)
            return find()


@asynccontextmanager
async def run_collector() -> AsyncIterator[tuple[Collector, str]]:
    collector, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    app.router.add_post("/webhook", collector.take_webhook)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def run_traced(data_dir: Path) -> AsyncIterator[tuple[Collector, RunningUp]]:
    """An engine that sends its traces and its webhooks to a collector."""
    async with AsyncExitStack() as stack:
        collector, url = await stack.enter_async_context(run_collector())
        settings = {
            "ORDER_ENGINE_OTLP_URL": f"{url}/v1/traces",
            "ORDER_ENGINE_WEBHOOK_NETWORKS": "127.0.0.0/8",
            "ORDER_ENGINE_WEBHOOK_HTTP": "true",
        }
        running = run_up(data_dir, "--profile", "instant", **settings)
        up = await stack.enter_async_context(running)
        async with up.http.post("/api/webhooks", json={"url": f"{url}/webhook"}) as response:
            assert response.status == 201
        yield collector, up


async def check_children(collector: Collector, up: RunningUp) -> None:
    """What another order places has a trace of its own, linked to that of the other one."""
    bracket = {**ORDER, "bracket": {"takeProfit": {"triggerPrice": "0.000001"}}}
    sliced = {**ORDER, "type": "twap", "slices": 2, "intervalS": 1}
    for body, count in ((bracket, 1), (sliced, 2)):
        async with up.http.post("/api/orders/execute", json=body) as response:
            parent_id = UUID((await response.json())["orderId"])
        for child_id in await collector.wait_for_children(parent_id, count):
            executed = STATUSES - {"pending"}
            trace = await collector.wait_for_trace(child_id, {"place order", *executed})
            process, root = trace.pop("place order")
            assert process == "order-engine-worker"
            assert not root.parent_span_id
            assert [link.trace_id for link in root.links] == [parent_id.bytes]
            assert {span.parent_span_id for _, span in trace.values()} == {root.span_id}
            starts = [span.start_time_unix_nano for _, span in trace.values()]
            assert root.start_time_unix_nano <= min(starts)


async def test_an_order_has_one_trace_from_its_request_to_its_end(data_dir: Path) -> None:
    caller = {"traceparent": f"00-{CALLER_TRACE}-00f067aa0ba902b7-01"}
    async with run_traced(data_dir) as (collector, up):
        async with up.http.post("/api/orders/execute", json=ORDER, headers=caller) as response:
            order_id = UUID((await response.json())["orderId"])
        orders = {"orders": [ORDER, ORDER]}
        async with up.http.post("/api/orders/batch", json=orders) as response:
            batch = [UUID(each["orderId"]) for each in (await response.json())["orders"]]
        trace = await collector.wait_for_trace(order_id, {"accept order", *STATUSES})
        root = trace.pop("accept order")
        assert root.process == "order-engine-api"
        assert not root.span.parent_span_id
        assert [link.trace_id.hex() for link in root.span.links] == [CALLER_TRACE]
        traceparent = format_traceparent(order_id)
        assert await collector.wait_told(order_id) == traceparent
        _, _, span_id, _ = traceparent.split("-")
        assert root.span.span_id.hex() == span_id
        for process, span in trace.values():
            assert process == "order-engine-worker"
            assert span.parent_span_id == root.span.span_id
            assert span.start_time_unix_nano <= span.end_time_unix_nano
        times = [trace[name].span for name in ("pending", "routing", "building", "submitted")]
        ends = [span.end_time_unix_nano for span in times]
        assert ends == sorted(ends)
        for each in batch:
            other = await collector.wait_for_trace(each, {"accept order", *STATUSES})
            assert not other["accept order"].span.links
        log = (up.data_dir / "logs" / "worker-1.log").read_text()
        metrics = next(line for line in log.splitlines() if line.startswith("ready ")).split()[1]
        open_metrics = {"Accept": "application/openmetrics-text"}
        async with up.http.get(metrics, headers=open_metrics) as response:
            assert f'trace_id="{batch[-1].hex}"' in await response.text()
        await check_children(collector, up)


def test_a_share_of_orders_is_traced() -> None:
    orders = [UUID(int=(7 << 76) | (2 << 62) | (at << 52)) for at in range(1_024)]
    assert sum(is_traced(each, 0.25) for each in orders) == 256
    assert all(is_traced(each, 1) for each in orders)
    assert not any(is_traced(each, 0) for each in orders)


def test_without_the_extra_a_process_says_how_to_get_it() -> None:
    command = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from backend.cli import main; main(['worker'])"
    )
    url = {"ORDER_ENGINE_OTLP_URL": "http://127.0.0.1:9/v1/traces"}
    ended = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, **url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "ORDER_ENGINE_OTLP_URL: " in ended.stderr
    assert "`scripts/install`" in ended.stderr
    assert "Traceback" not in ended.stderr
