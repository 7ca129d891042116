"""Sends messages to receivers: one attempt each, with bounds on everything that a receiver decides.

Redirects are not followed, and nothing of an answer but its status counts.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final, NamedTuple

import aiohttp

from backend.api.webhooks.messages import Message, sign_message
from backend.api.webhooks.receiver_connections import ReceiverConnector, sending_owner
from backend.api.wire.webhooks.receiver_addresses import AddressNotAllowedError, ReceiverPolicy
from backend.domain.webhooks.webhook import SigningSecrets

RESPONSE_BYTES_MAX: Final = 4_096
"""So much of an answer is read, to use the connection again; with more it is closed."""
RESPONSE_READ_S: Final = 1.0
RETRY_AFTER_MAX_S: Final = 3_600
_USER_AGENT: Final = "order-engine-webhooks/1"


class Attempt(NamedTuple):
    """What came of an attempt: ``error`` is empty if the receiver has taken the message."""

    error: str
    status: int | None
    duration_ms: int
    retry_after_s: int = 0

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has taken the message."""
        return not self.error

    @property
    def is_gone(self) -> bool:
        """Whether the receiver says that it wants no more messages."""
        return self.status == HTTPStatus.GONE


class MessageSender:
    """Sends messages over connections of its own; ``close`` it in the end."""

    def __init__(
        self, policy: ReceiverPolicy, *, timeout_s: float, now: Callable[[], datetime]
    ) -> None:
        self.policy: Final = policy
        self.timeout_s: Final = timeout_s
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        url: str,
        message: Message,
        secrets: SigningSecrets,
        *,
        owner: str,
        within_s: float | None = None,
    ) -> Attempt:
        """Send a message of an owner, within so many seconds if that is less than the time-out."""
        sending_owner.set(owner)
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        timeout_s = self.timeout_s if within_s is None else min(self.timeout_s, within_s)
        status, retry_after_s, error = None, 0, ""
        try:
            async with asyncio.timeout(timeout_s):
                status, headers = await self._post(url, message, secrets)
            error = _explain_status(status)
            retry_after_s = _read_retry_after(headers)
        except TimeoutError:
            error = f"timeout: no answer within {timeout_s:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            error = _explain_failure(failure)
        return Attempt(error, status, round((loop.time() - started_s) * 1000), retry_after_s)

    async def _post(
        self, url: str, message: Message, secrets: SigningSecrets
    ) -> tuple[int, Mapping[str, str]]:
        response = await self._open_session().post(
            url,
            data=message.body.encode(),
            headers=sign_message(message, secrets, self._now()),
            allow_redirects=False,
        )
        try:
            await _read_rest(response)
        finally:
            response.release() if response.content.at_eof() else response.close()
        return response.status, response.headers

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=ReceiverConnector(self.policy),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": _USER_AGENT},
                timeout=aiohttp.ClientTimeout(total=self.timeout_s),
                auto_decompress=False,
                read_bufsize=RESPONSE_BYTES_MAX,
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _read_rest(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end, so that its connection can be used again."""
    read = 0
    try:
        async with asyncio.timeout(RESPONSE_READ_S):
            while read < RESPONSE_BYTES_MAX and not response.content.at_eof():
                read += len(await response.content.read(RESPONSE_BYTES_MAX))
    except (TimeoutError, aiohttp.ClientError):
        return  # its status was read


def _explain_status(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"redirected: the receiver answered {status}, and redirects are not followed"
    return f"refused: the receiver answered {status}"


def _read_retry_after(headers: Mapping[str, str]) -> int:
    text = headers.get("Retry-After", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 9
    return min(int(text), RETRY_AFTER_MAX_S) if is_number else 0


def _explain_failure(error: Exception) -> str:
    """A code and a sentence, without anything that the receiver or its address says."""
    causes = [error, getattr(error, "os_error", None), error.__cause__]
    if any(isinstance(each, AddressNotAllowedError) for each in causes):
        return "address_not_allowed: the receiver's address is in a network that is not public"
    if isinstance(error, aiohttp.InvalidURL):
        return "invalid_address: the address of the receiver is none"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name_not_found: the name of the receiver cannot be resolved"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "tls_failed: the receiver has no valid certificate, or no TLS"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection_failed: the receiver takes no connection"
    return "invalid_answer: the receiver closed the connection, or what it sent is no HTTP"
