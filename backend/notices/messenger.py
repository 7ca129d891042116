"""Sends messages by apprise, which knows Telegram, Discord, Slack, mail and a hundred others.

Its addresses hold tokens and passwords: nothing here logs or shows one, and the library's own log
is off, as it repeats them. What sends waits on threads of its own, and for a limited time.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

SEND_TIMEOUT_S: Final = 20.0
_THREADS: Final = 4
_MISSING: Final = (
    "ORDER_ENGINE_NOTIFY needs apprise, which is not installed: run `scripts/install` (without it:"
    " install this project with its extra `notify`)"
)


class MessengerError(Exception):
    """The addresses cannot be used; the message says why and repeats none of them."""


class SendResult(NamedTuple):
    """Whether a service has taken a message; its name is that of its kind."""

    service: str
    is_sent: bool


class Messenger:
    """The services of a setting. Raises ``MessengerError`` if there are none that can be used."""

    def __init__(self, addresses: str) -> None:
        self._services = _parse(addresses)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="notices")

    @property
    def names(self) -> list[str]:
        """The kinds of the services, such as ``Telegram``."""
        return [str(each.service_name) for each in self._services]

    async def send(self, title: str, body: str) -> list[SendResult]:
        """Send a message to every service, side by side."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._send(each, title, body)) for each in self._services]
        return [task.result() for task in tasks]

    async def _send(self, service: Any, title: str, body: str) -> SendResult:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                sent = await loop.run_in_executor(
                    self._threads, lambda: service.notify(title=title, body=body)
                )
        except Exception:  # noqa: BLE001 - whatever a plugin raises, which may repeat its address
            sent = False
        return SendResult(str(service.service_name), bool(sent))

    def close(self) -> None:
        """Let the threads end, without waiting for services that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _parse(addresses: str) -> Sequence[Any]:
    try:
        import apprise  # noqa: PLC0415 - loaded only where it is asked for: it takes 0.3 s
        from apprise.utils.parse import parse_urls  # noqa: PLC0415
    except ImportError:
        raise MessengerError(_MISSING) from None
    log = logging.getLogger("apprise")
    log.disabled, log.propagate = True, False
    services = []
    texts: list[str] = parse_urls(addresses)  # type: ignore[no-untyped-call]
    for number, text in enumerate(texts, start=1):
        with warnings.catch_warnings():  # of all its plugins, which it loads for the first
            warnings.simplefilter("ignore")
            service = apprise.Apprise.instantiate(text)
        if service is None:
            raise MessengerError(
                f"ORDER_ENGINE_NOTIFY: its address number {number} is none that apprise understands"
            )
        services.append(service)
    if not services:
        raise MessengerError("ORDER_ENGINE_NOTIFY has no address that apprise understands")
    return services
