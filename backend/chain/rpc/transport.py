"""JSON-RPC over HTTP to one node: one connection pool, bounded requests, and the node's limits.

A call that the node refuses for its load is repeated here if the pause is short; otherwise it
fails with the pause. The time that a call waits for the limiter is no part of its timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Final, Self

import aiohttp
import orjson

from backend.chain.rpc.call_limiter import CallLimiter
from backend.chain.rpc.errors import ReadFailure, RequestRefused, classify_http_status
from backend.chain.rpc.load_signals import (
    LoadSignal,
    find_load_signal,
    list_used_quotas,
    read_refusal,
)
from backend.chain.rpc.results import Json

_READ_SIZE: Final = 1 << 16
_ERROR_BYTES_MAX: Final = 1 << 12

CallObserver = Callable[[str, str, float], None]
"""Called after each request with the method, ``ok`` or the error code, and the seconds it took."""


class NodeOverloaded(ReadFailure):
    """The node refused a request for its load; ``signal`` says for how long, as far as known."""

    def __init__(self, code: str, reason: str, signal: LoadSignal) -> None:
        super().__init__(code, reason, signal.wait_s)
        self.signal = signal


class RpcTransport:
    """Requests to one node. An async context manager that owns the connection pool."""

    def __init__(
        self,
        url: str,
        limiter: CallLimiter,
        *,
        timeout_s: float,
        connect_timeout_s: float,
        connections_max: int,
        response_bytes_max: int,
        on_call: CallObserver,
        headers: Mapping[str, str],
    ) -> None:
        self._url = url
        self.limiter: Final = limiter
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._connections_max = connections_max
        self._response_bytes_max = response_bytes_max
        self._on_call = on_call
        self._headers = {"Content-Type": "application/json", **headers}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
            headers=self._headers,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def exchange(self, method: str, body: Json, calls: int = 1) -> Json:
        """Perform one HTTP request of so many calls, and return the decoded response.

        Raises ``ReadFailure``: ``RequestRefused`` if a smaller request may pass.
        """
        content = orjson.dumps(body)
        waited_s = 0.0
        while True:
            if self.limiter.is_engaged:
                waited_s = await self.limiter.acquire(method, calls, waited_s)
            sent_at = monotonic()
            self.limiter.count(method, calls, sent_at)
            try:
                response = await self._request(method, content, sent_at)
            except NodeOverloaded as overload:
                wait_s, may_wait = self.limiter.refuse(method, overload.signal, sent_at, waited_s)
                if not may_wait:
                    raise ReadFailure(overload.code, overload.reason, wait_s) from None
                continue
            if self.limiter.is_engaged:
                self.limiter.succeed(method, sent_at)
            return response

    async def _request(self, method: str, content: bytes, sent_at: float) -> Json:
        try:
            response = await self._post(method, content)
            self._check_load(method, response, sent_at)
        except ReadFailure as failure:
            self._on_call(method, failure.code, monotonic() - sent_at)
            raise
        is_refused = isinstance(response, dict) and response.get("error") is not None
        self._on_call(method, "refused" if is_refused else "ok", monotonic() - sent_at)
        return response

    def _check_load(self, method: str, response: Json, sent_at: float) -> None:
        """Raise ``NodeOverloaded`` if every call was refused for load; note it if some were."""
        responses = response if isinstance(response, list) else [response]
        errors = [
            each["error"] for each in responses if isinstance(each, dict) and each.get("error")
        ]
        signals = [signal for error in errors if (signal := find_load_signal(error)) is not None]
        if not signals:
            return
        if len(signals) == len(responses):
            raise NodeOverloaded("rate_limited", _describe_error(errors[0]), signals[0])
        self.limiter.refuse(method, signals[0], sent_at, 0.0)

    async def _post(self, method: str, body: bytes) -> Json:
        try:
            async with asyncio.timeout(self._timeout_s):
                return orjson.loads(await self._fetch(method, body))
        except TimeoutError:
            raise ReadFailure("node_timeout", f"no response within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # Without the error's own message: it contains the node's address, and clients see this.
            reason = f"the connection to the node failed ({type(error).__name__})"
            if isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
                raise ReadFailure("node_unreachable", reason) from None
            raise RequestRefused("node_unreachable", reason) from None
        except ValueError:
            raise RequestRefused("node_error", "the node's response is not JSON") from None

    async def _fetch(self, method: str, body: bytes) -> bytes:
        assert self._session is not None, "used outside of its context"
        async with self._session.post(self._url, data=body) as response:
            if response.status != 200:
                raise await self._classify_response(response)
            for quota in list_used_quotas(response.headers):
                self.limiter.pause(method, quota)
            content = bytearray()
            async for chunk in response.content.iter_chunked(_READ_SIZE):
                content += chunk
                if len(content) > self._response_bytes_max:
                    raise RequestRefused("node_error", "the node's response is too large")
            return bytes(content)

    async def _classify_response(self, response: aiohttp.ClientResponse) -> ReadFailure:
        text = ""
        if response.status == 429:  # some nodes say in its text that one method is limited
            with suppress(aiohttp.ClientError, OSError):
                text = (await response.content.read(_ERROR_BYTES_MAX)).decode(errors="replace")
        signal = read_refusal(response.status, response.headers, text)
        failure = classify_http_status(response.status)
        return failure if signal is None else NodeOverloaded(failure.code, failure.reason, signal)


def _describe_error(error: Json) -> str:
    if not isinstance(error, dict):
        return f"the node reports: {error}"
    return f"the node reports ({error.get('code')}): {error.get('message')}"
