"""JSON-RPC over HTTP: one call or a batch of them in a body, and what faults do to the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import orjson
from aiohttp import web

from backend.simulator.faults import Http, Slow
from backend.simulator.methods.params import (
    INVALID_REQUEST,
    NO_METHOD,
    PARSE_ERROR,
    Json,
    Lost,
    Params,
    RpcError,
    Silence,
)
from backend.simulator.node import Node

BODY_BYTES_MAX: Final = 50 * 1024
"""What a real node takes in one request unless it is told otherwise."""

_SILENCE_S: Final = 60
_ACCOUNT_READS: Final = frozenset(
    {"getAccountInfo", "getBalance", "getMultipleAccounts", "getTokenAccountBalance"}
)


class Gateway:
    """Answers requests to one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One HTTP request with one call or a batch."""
        try:
            body = orjson.loads(await request.read())
        except ValueError:
            return _json(_error(None, RpcError(PARSE_ERROR, "Parse error")))
        calls = body if isinstance(body, list) else [body]
        methods = frozenset(_method(call) for call in calls)
        broken = self._broken(methods)
        if broken is not None:
            return broken
        await self._delay(methods)
        if not calls:
            return _json(_error(None, RpcError(INVALID_REQUEST, "Invalid request")))
        try:
            answers = self._call_each(calls)
        except Silence:
            await asyncio.sleep(_SILENCE_S)
            return web.Response(status=504)
        except Lost as loss:
            if loss.closes and request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _json(answers if isinstance(body, list) else answers[0])

    def _broken(self, methods: frozenset[str]) -> web.Response | None:
        def fits(fault: Http) -> bool:
            return fault.methods is None or not methods.isdisjoint(fault.methods)

        fault = self._node.faults.strike(Http, fits)
        if fault is None:
            return None
        headers = {}
        if fault.retry_after_seconds is not None:
            headers["Retry-After"] = f"{fault.retry_after_seconds:g}"
        return web.Response(status=fault.status, headers=headers)

    async def _delay(self, methods: frozenset[str]) -> None:
        def fits(fault: Slow) -> bool:
            return fault.methods is None or not methods.isdisjoint(fault.methods)

        slow = self._node.faults.strike(Slow, fits)
        wait_s = 0 if slow is None else slow.by_seconds
        if not methods.isdisjoint(_ACCOUNT_READS):
            wait_s += self._node.options.timing.read_s
        if wait_s:
            await asyncio.sleep(wait_s)

    def _call_each(self, calls: Sequence[Json]) -> list[Json]:
        """Every call is made even if the answer to one of them is lost: they came together."""
        answers = []
        loss: Lost | None = None
        for call in calls:
            try:
                answers.append(self._call(call))
            except Lost as lost:
                loss = lost
        if loss is not None:
            raise loss
        return answers

    def _call(self, call: Json) -> Json:
        number = call.get("id") if isinstance(call, dict) else None
        try:
            return {"jsonrpc": "2.0", "result": self._result(call), "id": number}
        except RpcError as error:
            return _error(number, error)

    def _result(self, call: Json) -> Json:
        if not isinstance(call, dict) or call.get("jsonrpc") != "2.0":
            raise RpcError(INVALID_REQUEST, "Invalid request")
        method = self._node.methods.get(_method(call))
        if method is None:
            raise RpcError(NO_METHOD, "Method not found")
        return method(Params(call.get("params")))


def _method(call: Json) -> str:
    name = call.get("method") if isinstance(call, dict) else None
    return name if isinstance(name, str) else ""


def _error(number: Json, error: RpcError) -> Json:
    content = {"code": error.code, "message": error.message}
    if error.data is not None:
        content["data"] = error.data
    return {"jsonrpc": "2.0", "error": content, "id": number}


def _json(content: Json) -> web.Response:
    return web.Response(body=orjson.dumps(content), content_type="application/json")
