"""Sends transactions to a bundle endpoint, beside the nodes or before them.

The signature of a transaction is the same wherever it is sent, so it is executed at most once. The
endpoint costs no order anything: what it refuses, or does not answer for, goes to the nodes, and
so does what it has taken and what has not landed when it is to be sent again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from solders.signature import Signature

from backend.chain.bundles.endpoint import TIMEOUT_S, BundleEndpoint
from backend.chain.bundles.tips import TipAccounts
from backend.chain.nodes.circuit_breaker import CircuitBreaker
from backend.chain.transaction_costs import has_transfer
from backend.domain.errors import EngineError, Unavailable
from backend.runtime import observe_node
from backend.runtime.background import raise_single_error
from backend.runtime.coalescer import Coalescer

CALLS_MAX: Final = 8
"""Most bundles that are sent at the same time."""
WAITING_MAX: Final = 1_000
"""More bundles do not wait: their transactions go to the nodes alone."""
_REMEMBERED_MAX: Final = 20_000
_LIMITED: Final = "rate_limited"
"""The code of a refusal for load, which says nothing about the endpoint's health."""

SendResults = Sequence[str | EngineError]
SendToNodes = Callable[[Sequence[bytes]], Awaitable[SendResults]]


class BundleSender:
    """Sends what pays a tip to ``endpoint`` as well; ``run`` must be running.

    With ``is_first`` the nodes get a transaction only if the endpoint does not take it, or once it
    is to be sent again.
    """

    def __init__(
        self,
        endpoint: BundleEndpoint,
        tips: TipAccounts,
        send_to_nodes: SendToNodes,
        *,
        is_first: bool,
    ) -> None:
        self.choose_tip = tips.choose
        self._tips = tips
        self._endpoint = endpoint
        self._send_to_nodes = send_to_nodes
        self._is_first = is_first
        self._breaker = CircuitBreaker(monotonic)
        self._sent: OrderedDict[bytes, None] = OrderedDict()
        self._bundles: Coalescer[bytes, bool] = Coalescer(
            self._send_bundles,
            name="send bundles",
            items_max=1,
            calls_max=CALLS_MAX,
            waiting_max=WAITING_MAX,
        )

    async def run(self) -> None:
        """Send bundles, and keep the tip accounts current, until cancelled."""
        async with self._endpoint.connect(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bundles.run())
            tasks.create_task(self._tips.run())

    async def send(self, wires: Sequence[bytes]) -> list[str | EngineError]:
        """Send signed transactions; returns the signature or the error of each, as nodes do."""
        bundles = self._start_bundles(wires)
        held = {wire for wire in bundles if self._is_first and self._is_new(wire)}
        with raise_single_error():
            async with asyncio.TaskGroup() as tasks:
                direct = [wire for wire in wires if wire not in held]
                sending = tasks.create_task(self._send_direct(direct))
                taken = await _wait_taken({wire: bundles[wire] for wire in held})
        results = sending.result() | dict.fromkeys(taken)
        results |= await self._send_direct([wire for wire in held if wire not in taken])
        return [results[wire] or _read_signature(wire) for wire in wires]

    async def _send_direct(self, wires: Sequence[bytes]) -> dict[bytes, str | EngineError | None]:
        """What the nodes say of each transaction."""
        if not wires:
            return {}
        return dict(zip(wires, await self._send_to_nodes(wires), strict=True))

    def _start_bundles(self, wires: Sequence[bytes]) -> dict[bytes, asyncio.Future[bool]]:
        """The bundles of those that pay a tip, unless the endpoint is left alone for a while."""
        started: dict[bytes, asyncio.Future[bool]] = {}
        for wire in wires:
            if has_transfer(wire) and self._breaker.may_probe:
                with suppress(Unavailable):  # too many wait
                    started[wire] = self._bundles.submit_nowait(wire)
        return started

    async def _send_bundles(self, wires: Sequence[bytes]) -> list[bool]:
        return [await self._send_bundle(wire) for wire in wires]

    async def _send_bundle(self, wire: bytes) -> bool:
        """Send one bundle; returns whether the endpoint has taken it."""
        try:
            await self._endpoint.send_bundle(wire)
        except EngineError as error:
            if isinstance(error, Unavailable) and error.code != _LIMITED:
                self._breaker.record_failure()
            observe_node.bundle_sent(error.code)
            return False
        self._breaker.record_success()
        observe_node.bundle_sent("ok")
        return True

    def _is_new(self, wire: bytes) -> bool:
        """Whether a transaction has not been sent before, as far as this process remembers."""
        signature = wire[1:65]
        if signature in self._sent:
            return False
        self._sent[signature] = None
        if len(self._sent) > _REMEMBERED_MAX:
            self._sent.popitem(last=False)
        return True


async def _wait_taken(bundles: Mapping[bytes, asyncio.Future[bool]]) -> set[bytes]:
    """The transactions that the endpoint takes in time."""
    if bundles:
        await asyncio.wait(bundles.values(), timeout=TIMEOUT_S)
    return {
        wire
        for wire, bundle in bundles.items()
        if bundle.done() and not bundle.cancelled() and bundle.result()
    }


def _read_signature(wire: bytes) -> str:
    return str(Signature.from_bytes(wire[1:65]))
