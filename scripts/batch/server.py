"""An order engine as the script speaks to it: its responses, and in words why it cannot be used."""

from __future__ import annotations

from typing import NamedTuple

import aiohttp
from yarl import URL

from batch.orders import InvalidInput
from batch.progress import Json, Refusal

REQUEST_TIMEOUT_S = 60
BALANCES_TIMEOUT_S = 10
RETRY_DELAY_S = 1.0
RETRYABLE_STATUSES = frozenset({429, 503})

_ERROR_REASONS: dict[type[Exception], str] = {
    aiohttp.ClientConnectorCertificateError: "its certificate is for another name or not trusted",
    aiohttp.ClientSSLError: "it does not speak TLS: try http://",
    aiohttp.ServerDisconnectedError: "it closed the connection without an answer",
    aiohttp.InvalidURL: "this is no valid address",
    TimeoutError: "it did not answer in time",
}


class ApiResponse(NamedTuple):
    """A response of the API; ``is_replayed``: it repeats the response to an earlier request."""

    status: int
    body: Json
    is_replayed: bool


class RetryableError(Exception):
    """The request or the stream failed temporarily: retry after ``wait_s``."""

    def __init__(self, reason: str, wait_s: float = RETRY_DELAY_S) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def connect(url: str, key: str | None, concurrency: int) -> aiohttp.ClientSession:
    """A session with an engine, for so many requests at once; raises ``InvalidInput``."""
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"{url}: write the API's address as http://HOST:PORT")
    try:
        URL(url)
    except ValueError as error:
        raise InvalidInput(f"{url}: this is no valid address: {error}") from None
    return aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {key}"} if key else {},
        connector=aiohttp.TCPConnector(limit=concurrency + 1),  # one is the stream
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
    )


def read_refusal(problem: Json) -> Refusal:
    """The code of a problem, and its reasons with the fields that they are about."""
    reasons = [
        ": ".join(filter(None, (error.get("field"), error.get("reason"))))
        for error in problem.get("errors", [])
    ]
    reason = "; ".join(reasons) or problem.get("detail") or problem.get("title") or "no reason"
    return Refusal(str(problem.get("code", "unknown")), str(reason))


async def read_response(response: aiohttp.ClientResponse) -> ApiResponse:
    """Read a response; raises ``RetryableError`` if the same request may succeed later."""
    if response.status in RETRYABLE_STATUSES:
        wait_s = float(response.headers.get("Retry-After", RETRY_DELAY_S))
        raise RetryableError(f"it is not ready or overloaded (HTTP {response.status})", wait_s)
    try:
        body = await response.json(content_type=None)
    except ValueError:  # the response of a proxy, not of the engine
        body = None
    if not isinstance(body, dict):
        raise RetryableError(f"what answers is no order engine (HTTP {response.status})")
    return ApiResponse(response.status, body, response.headers.get("Idempotent-Replayed") == "true")


async def check_server(http: aiohttp.ClientSession, url: str) -> None:
    """``GET /api/stats``: raises ``InvalidInput`` if no engine responds or the key is wrong."""
    try:
        async with http.get("/api/stats") as raw_response:
            response = await read_response(raw_response)
    except (RetryableError, aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = describe_error(error)
        raise InvalidInput(f"{url}: no order engine answers there: {reason}") from None
    if response.status != 200:
        reason = read_refusal(response.body).reason
        advice = "; set ORDER_ENGINE_API_KEY or use --key-file" if response.status == 401 else ""
        raise InvalidInput(f"{url}: the order engine refuses: {reason}{advice}")


async def read_differences(http: aiohttp.ClientSession) -> list[Json]:
    """``GET /api/balances``: what no order explains, the last first; nothing if it is not told."""
    timeout = aiohttp.ClientTimeout(total=BALANCES_TIMEOUT_S)
    try:
        async with http.get("/api/balances", timeout=timeout) as raw_response:
            response = await read_response(raw_response)
    except (RetryableError, aiohttp.ClientError, TimeoutError, OSError):
        return []
    return list(response.body.get("differences", ()))


def describe_error(error: Exception) -> str:
    """Describe in words why a server cannot be reached."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} is not known"
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.strerror:
        is_refused = isinstance(error.os_error, ConnectionRefusedError)
        listens = "nothing listens there; `order-engine up` starts one"
        return listens if is_refused else error.os_error.strerror.lower()
    for kind, reason in _ERROR_REASONS.items():
        if isinstance(error, kind):
            return reason
    return str(error) if isinstance(error, RetryableError) else "it does not speak HTTP"
