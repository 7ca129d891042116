"""A process before the simulated node that makes it one of the kinds that people have.

``python -m backend.trials.deployments.node_proxy --upstream http://127.0.0.1:8899 --kind behind``
prints ``ready <url>`` once it accepts requests.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web

from backend.chain.wire import TESTNET_GENESIS_HASH
from backend.runtime.background import run_in_background
from backend.trials.deployments.cells import NodeKind
from backend.trials.deployments.node_models import (
    Json,
    NodeModel,
    Refusal,
    build_model,
)

HOST: Final = "127.0.0.1"
TIP_INTERVAL_S: Final = 0.2


class NodeProxy:
    """Passes requests on to the simulated node, as far as the model lets them."""

    def __init__(
        self, session: aiohttp.ClientSession, upstream: str, model: NodeModel, *, is_simulated: bool
    ) -> None:
        self._session = session
        self._upstream = upstream
        self._model = model
        self._is_simulated = is_simulated

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one HTTP request."""
        body: Any = orjson.loads(await request.read())
        calls: list[Json] = body if isinstance(body, list) else [body]
        now_s = asyncio.get_running_loop().time()
        refusal = self._model.refuse(calls, now_s, is_array=isinstance(body, list))
        if refusal is not None:
            return _build_refusal(refusal)
        responses = await self._respond(calls)
        content = responses if isinstance(body, list) else responses[0]
        return web.Response(body=orjson.dumps(content), content_type="application/json")

    async def _respond(self, calls: list[Json]) -> list[Json]:
        """The response to each call, in order: the model's own, or the node's as revised."""
        own = [self._answer(call) for call in calls]
        passed = [call for call, answer in zip(calls, own, strict=True) if answer is None]
        received = iter(await self._forward(passed) if passed else [])
        responses = []
        for call, answer in zip(calls, own, strict=True):
            if answer is None:
                responses.append(self._model.revise(call, next(received)))
            else:
                responses.append({"jsonrpc": "2.0", "id": call.get("id"), **answer})
        return responses

    async def follow_tip(self) -> None:
        """Tell the model the node's newest confirmed slot, until cancelled."""
        call = {"jsonrpc": "2.0", "id": 0, "method": "getSlot"}
        while True:
            [response] = await self._forward([{**call, "params": [{"commitment": "confirmed"}]}])
            self._model.observe_tip(response["result"])
            await asyncio.sleep(TIP_INTERVAL_S)

    def _answer(self, call: Json) -> Json | None:
        if call["method"] == "getGenesisHash" and not self._is_simulated:
            return {"result": TESTNET_GENESIS_HASH}
        return self._model.answer(call)

    async def _forward(self, calls: list[Json]) -> list[Json]:
        body = calls if len(calls) > 1 else calls[0]
        headers = {"Content-Type": "application/json"}
        async with self._session.post(
            self._upstream, data=orjson.dumps(body), headers=headers
        ) as response:
            content: Any = orjson.loads(await response.read())
        return content if isinstance(content, list) else [content]


def _build_refusal(refusal: Refusal) -> web.Response:
    headers = {}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return web.Response(status=refusal.status, text=refusal.text, headers=headers)


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    kind = NodeKind(arguments.kind)
    model = build_model(kind, arguments.seed)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        proxy = NodeProxy(session, arguments.upstream, model, is_simulated=kind is NodeKind.HEALTHY)
        server = web.Server(proxy.handle, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0, backlog=1_024).start()
            sys.stdout.write(f"ready http://{HOST}:{runner.addresses[0][1]}\n")
            sys.stdout.flush()
            async with run_in_background(proxy.follow_tip):
                await stop.wait()
        finally:
            await runner.cleanup()


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--kind", choices=[kind.value for kind in NodeKind], required=True)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
