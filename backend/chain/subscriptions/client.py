"""The subscriptions of one process to a node, over one WebSocket that is opened on demand.

Every connection also follows the node's slots. A connection that has told none for a while is
silent: nothing that it told before is known to be current, and it is replaced. What arrives is a
hint; its receivers decide what they have to read themselves before they act on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Final

import aiohttp
import orjson

from backend.chain.subscriptions.subscription import (
    Json,
    Subscription,
    SubscriptionKind,
    encode_subscribe,
    encode_unsubscribe,
)
from backend.runtime import observe_node
from backend.runtime.background import run_in_background

SILENCE_S: Final = 2.0
"""Five slots of 0.4 s: a connection without a slot for so long is not relied on."""
SILENCE_MAX_S: Final = 15.0
"""A connection without a slot for so long is replaced."""
IDLE_S: Final = 60.0
"""A connection without subscriptions is closed after this time."""
CONNECT_TIMEOUT_S: Final = 5.0
RECONNECT_S: Final = 0.25
"""Wait before the next connection; it doubles with each that brought no slot."""
RECONNECT_S_MAX: Final = 30.0
REFUSAL_PAUSE_S: Final = 60.0
"""So long nothing of a kind is subscribed to that the node refused."""
MESSAGE_BYTES_MAX: Final = 16 << 20
LARGE_PAUSE_S: Final = 600.0
"""So long no blocks are subscribed to after a message that was too large: none is as large."""
SUBSCRIPTIONS_MAX: Final = 1_000
UNSENT_MAX: Final = 10_000


class NodeSubscriptions:
    """The subscriptions of one process; ``run`` must be running.

    ``is_of_node`` is whether the WebSocket is of the host that is asked as well.
    """

    def __init__(self, url: str, *, random: Random, is_of_node: bool = True) -> None:
        self._url = url
        self.is_of_node = is_of_node
        self._random = random
        self._wanted: dict[Subscription, None] = {}
        self._requested: dict[int, Subscription] = {}
        self._confirmed: dict[int, Subscription] = {}
        self._refused_until: dict[SubscriptionKind, float] = {}
        self._slots = Subscription(SubscriptionKind.SLOT, [], self._receive_slot)
        self._last_request_id = 0
        self._unsent: asyncio.Queue[str] | None = None
        """Frames for the open connection; ``None`` while there is none."""
        self._tip_slot: int | None = None
        self._last_slot_at = 0.0
        self._unused_since = 0.0
        self._added = asyncio.Event()
        self._slot_told = asyncio.Event()

    @property
    def tip_slot(self) -> int | None:
        """The newest slot that the open connection has told."""
        return self._tip_slot

    @property
    def is_live(self) -> bool:
        """Whether the open connection has told a slot in the last ``SILENCE_S``."""
        if self._tip_slot is None:
            return False
        return asyncio.get_running_loop().time() - self._last_slot_at <= SILENCE_S

    async def wait_for_slot(self) -> None:
        """Return when the open connection tells a newer slot."""
        await self._slot_told.wait()

    def add(self, subscription: Subscription) -> bool:
        """Subscribe, now or once connected; ``False`` if the node refuses this kind for now."""
        now = asyncio.get_running_loop().time()
        if len(self._wanted) >= SUBSCRIPTIONS_MAX:
            return False
        if now < self._refused_until.get(subscription.kind, 0.0):
            return False
        self._wanted[subscription] = None
        self._added.set()
        if self._unsent is not None:
            self._request(subscription)
        return True

    def remove(self, subscription: Subscription) -> None:
        """End a subscription; one that has ended already is ignored."""
        if subscription not in self._wanted:
            return
        del self._wanted[subscription]
        self._unused_since = asyncio.get_running_loop().time()
        if subscription.number is not None:
            self._end(subscription.kind, subscription.number)
            self._forget(subscription)

    def pause(self, kind: SubscriptionKind, reason: str, pause_s: float = REFUSAL_PAUSE_S) -> None:
        """End all subscriptions of a kind, as if the node refused them, and make none for a while.

        Without any, nothing happens.
        """
        ended = [each for each in self._wanted if each.kind is kind]
        if not ended:
            return
        observe_node.subscriptions_paused(kind, reason)
        self._refused_until[kind] = asyncio.get_running_loop().time() + pause_s
        for subscription in ended:
            self.remove(subscription)
            subscription.is_refused = True
            subscription.on_lost()

    async def run(self) -> None:
        """Connect while anything is subscribed to, and reconnect, until cancelled."""
        failures = 0
        while True:
            self._added.clear()
            if not self._wanted:
                await self._added.wait()
            try:
                await self._serve_connection()
                reason = ""
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                reason = type(error).__name__  # its message contains the node's address
            was_useful = self._tip_slot is not None
            self._lose_all()
            if not self._wanted and not reason:
                continue  # it was closed because nothing needed it
            failures = 0 if was_useful else failures + 1
            if failures <= 1:  # the others say nothing new
                observe_node.subscriptions_lost(reason or "closed")
            await asyncio.sleep(self._compute_pause(failures))

    def _compute_pause(self, failures: int) -> float:
        wait_s: float = min(RECONNECT_S * 2 ** min(failures, 10), RECONNECT_S_MAX)
        return wait_s * self._random.uniform(0.5, 1)

    async def _serve_connection(self) -> None:
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(self._url, max_msg_size=MESSAGE_BYTES_MAX)
            loop = asyncio.get_running_loop()
            self._last_slot_at = self._unused_since = loop.time()
            self._unsent = asyncio.Queue(UNSENT_MAX)
            async with run_in_background(
                partial(self._send_frames, socket, self._unsent),
                partial(self._close_when_useless, socket),
            ):
                for subscription in (self._slots, *self._wanted):
                    self._request(subscription)
                async for message in socket:
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    self._receive(message.data)
            if socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
                self.pause(SubscriptionKind.BLOCK, "a message was too large", LARGE_PAUSE_S)

    async def _send_frames(
        self, socket: aiohttp.ClientWebSocketResponse, unsent: asyncio.Queue[str]
    ) -> None:
        try:
            while True:
                await socket.send_str(await unsent.get())
        except (ConnectionError, RuntimeError):  # aiohttp raises either once it is closing
            await socket.close()

    async def _close_when_useless(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Close a connection that is silent, or that nothing has needed for a while."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SILENCE_S)
            now = loop.time()
            is_unused = not self._wanted and now - self._unused_since >= IDLE_S
            if is_unused or now - self._last_slot_at >= SILENCE_MAX_S:
                await socket.close()
                return

    def _request(self, subscription: Subscription) -> None:
        self._last_request_id += 1
        self._requested[self._last_request_id] = subscription
        self._send(encode_subscribe(subscription, self._last_request_id))

    def _end(self, kind: SubscriptionKind, number: int) -> None:
        self._last_request_id += 1
        self._send(encode_unsubscribe(kind, number, self._last_request_id))

    def _send(self, frame: str) -> None:
        if self._unsent is None:
            return
        with suppress(asyncio.QueueFull):  # it reads nothing any more: its silence will end it
            self._unsent.put_nowait(frame)

    def _receive(self, text: str) -> None:
        """Process one frame. What cannot be understood is ignored: it is only a hint."""
        try:
            message = orjson.loads(text)
            if "method" in message:
                params = message["params"]
                self._notify(params["subscription"], params["result"])
            elif "result" in message:
                self._confirm(message["id"], message["result"])
            else:
                self._refuse(message["id"])
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            observe_node.notification_ignored("malformed")

    def _notify(self, number: Json, result: Json) -> None:
        subscription = self._confirmed.get(number)
        if subscription is None:
            observe_node.notification_ignored("unknown")
            return
        observe_node.notification_received(subscription.kind)
        subscription.receive(result)

    def _confirm(self, request_id: Json, number: Json) -> None:
        subscription = self._requested.pop(request_id, None)
        if subscription is None:
            return  # the answer to an unsubscribe request, or one that is doubled
        if type(number) is not int:
            raise TypeError("not the id of a subscription")
        if subscription is not self._slots and subscription not in self._wanted:
            self._end(subscription.kind, number)  # its owner left before it was confirmed
            return
        subscription.number = number
        self._confirmed[number] = subscription
        subscription.on_confirmed()

    def _refuse(self, request_id: Json) -> None:
        subscription = self._requested.pop(request_id, None)
        if subscription is None:
            return
        observe_node.subscription_refused(subscription.kind)
        now = asyncio.get_running_loop().time()
        self._refused_until[subscription.kind] = now + REFUSAL_PAUSE_S
        self._wanted.pop(subscription, None)
        subscription.is_refused = True
        subscription.on_lost()

    def finish(self, subscription: Subscription) -> None:
        """Forget a subscription that the node has ended itself, after its only notification."""
        self._wanted.pop(subscription, None)
        self._unused_since = asyncio.get_running_loop().time()
        self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        if subscription.number is not None:
            self._confirmed.pop(subscription.number, None)
            subscription.number = None

    def _receive_slot(self, result: Json) -> None:
        slot = int(result["slot"])
        if self._tip_slot is None:
            observe_node.subscriptions_live()
        if self._tip_slot is None or slot > self._tip_slot:
            self._last_slot_at = asyncio.get_running_loop().time()
            self._tip_slot = slot
            self._slot_told.set()
            self._slot_told = asyncio.Event()

    def _lose_all(self) -> None:
        self._unsent = None
        self._tip_slot = None
        lost: Sequence[Subscription] = list(self._confirmed.values())
        self._confirmed.clear()
        self._requested.clear()
        self._slots.number = None
        for subscription in lost:
            subscription.number = None
        for subscription in lost:
            if subscription is not self._slots:
                subscription.on_lost()
