"""JSON-RPC over HTTP: single calls and batches, with the faults that affect responses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import orjson
from aiohttp import web

from backend.simulator.faults import (
    ArrayRefusal,
    HtmlAnswer,
    HttpFailure,
    MethodRefusal,
    SlowResponse,
    Unreachability,
)
from backend.simulator.methods.params import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Json,
    NoResponse,
    ResponseLost,
    RpcError,
)
from backend.simulator.node_view import BundleView, NodeView

BODY_BYTES_MAX: Final = 50 * 1024
"""The default limit of a real node for the body of a request."""

_NO_RESPONSE_S: Final = 60
_PAGE: Final = "<!DOCTYPE html><title>Bad gateway</title><h1>Bad gateway</h1>"
_ACCOUNT_READS: Final = frozenset(
    {
        "getAccountInfo",
        "getBalance",
        "getMultipleAccounts",
        "getProgramAccounts",
        "getTokenAccountBalance",
    }
)


class RpcGateway:
    """Handles the JSON-RPC requests to one node, each of which costs a read ``read_s``.

    Or those to its bundle endpoint.
    """

    def __init__(self, view: NodeView | BundleView, *, read_s: float) -> None:
        self._view = view
        self._read_s = read_s

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle an HTTP request with one call or a batch of calls."""
        try:
            body = orjson.loads(await request.read())
        except ValueError:
            return _json_response(_error_response(None, RpcError(PARSE_ERROR, "Parse error")))
        calls = body if isinstance(body, list) else [body]
        methods = frozenset(_method_name(call) for call in calls)
        error_response = self._inject_node_fault(request, body)
        if error_response is None:
            error_response = self._inject_http_failure(methods)
        if error_response is not None:
            return error_response
        await self._delay_response(methods)
        if not calls:
            return _json_response(
                _error_response(None, RpcError(INVALID_REQUEST, "Invalid request"))
            )
        try:
            responses = self._execute_calls(calls)
        except NoResponse:
            await asyncio.sleep(_NO_RESPONSE_S)
            return web.Response(status=504)
        except ResponseLost as error:
            if error.is_connection_closed and request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _json_response(responses if isinstance(body, list) else responses[0])

    def _inject_node_fault(self, request: web.BaseRequest, body: Json) -> web.Response | None:
        faults = self._view.faults
        if faults.trigger(Unreachability) is not None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        if (page := faults.trigger(HtmlAnswer)) is not None:
            return web.Response(status=page.status, text=_PAGE, content_type="text/html")
        if isinstance(body, list) and faults.trigger(ArrayRefusal) is not None:
            return web.Response(status=403)
        return None

    def _inject_http_failure(self, methods: frozenset[str]) -> web.Response | None:
        def matches(fault: HttpFailure) -> bool:
            return fault.methods is None or not methods.isdisjoint(fault.methods)

        fault = self._view.faults.trigger(HttpFailure, matches)
        if fault is None:
            return None
        headers = {}
        if fault.retry_after_seconds is not None:
            headers["Retry-After"] = f"{fault.retry_after_seconds:g}"
        return web.Response(status=fault.status, headers=headers)

    async def _delay_response(self, methods: frozenset[str]) -> None:
        def matches(fault: SlowResponse) -> bool:
            return fault.methods is None or not methods.isdisjoint(fault.methods)

        fault = self._view.faults.trigger(SlowResponse, matches)
        wait_s = 0 if fault is None else fault.by_seconds
        if not methods.isdisjoint(_ACCOUNT_READS):
            wait_s += self._read_s
        if wait_s:
            await asyncio.sleep(wait_s)

    def _execute_calls(self, calls: Sequence[Json]) -> list[Json]:
        """Execute every call of a batch, even if the response to one of them is lost."""
        responses = []
        error: ResponseLost | None = None
        for call in calls:
            try:
                responses.append(self._execute_call(call))
            except ResponseLost as response_lost:
                error = response_lost
        if error is not None:
            raise error
        return responses

    def _execute_call(self, call: Json) -> Json:
        call_id = call.get("id") if isinstance(call, dict) else None
        try:
            return {"jsonrpc": "2.0", "result": self._invoke_method(call), "id": call_id}
        except RpcError as error:
            return _error_response(call_id, error)

    def _invoke_method(self, call: Json) -> Json:
        if not isinstance(call, dict) or call.get("jsonrpc") != "2.0":
            raise RpcError(INVALID_REQUEST, "Invalid request")
        name = _method_name(call)
        refusal = self._view.faults.trigger(MethodRefusal, lambda fault: name in fault.methods)
        if name not in self._view.methods or refusal is not None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        return self._view.answer(name, call.get("params"))


def _method_name(call: Json) -> str:
    name = call.get("method") if isinstance(call, dict) else None
    return name if isinstance(name, str) else ""


def _error_response(call_id: Json, error: RpcError) -> Json:
    content = {"code": error.code, "message": error.message}
    if error.data is not None:
        content["data"] = error.data
    return {"jsonrpc": "2.0", "error": content, "id": call_id}


def _json_response(content: Json) -> web.Response:
    return web.Response(body=orjson.dumps(content), content_type="application/json")
