"""One subscription to a node, and the frames that it is made and ended with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import orjson

Json: TypeAlias = Any
"""Decoded JSON from the node, not yet validated."""


class SubscriptionKind(StrEnum):
    """What a subscription is to; the node's methods are named after it."""

    ACCOUNT = "account"
    BLOCK = "block"
    PROGRAM = "program"
    SIGNATURE = "signature"
    SLOT = "slot"


def _ignore() -> None:
    """Do nothing."""


class Subscription:
    """A subscription that its owner wants; it is made anew after each reconnect.

    ``receive`` gets each notification's result. ``on_confirmed`` is called when the node has made
    it, ``on_lost`` when what was confirmed ends: with the connection, or because the node refuses
    it, which ends it for good.
    """

    __slots__ = ("is_refused", "kind", "number", "on_confirmed", "on_lost", "params", "receive")

    def __init__(
        self,
        kind: SubscriptionKind,
        params: Sequence[Json],
        receive: Callable[[Json], None],
        *,
        on_confirmed: Callable[[], None] = _ignore,
        on_lost: Callable[[], None] = _ignore,
    ) -> None:
        self.kind = kind
        self.params = params
        self.receive = receive
        self.on_confirmed = on_confirmed
        self.on_lost = on_lost
        self.is_refused = False
        self.number: int | None = None
        """The node's id of it on the open connection; ``None`` unless it is confirmed."""


def encode_subscribe(subscription: Subscription, request_id: int) -> str:
    """The request that makes a subscription."""
    return _encode(request_id, f"{subscription.kind}Subscribe", subscription.params)


def encode_unsubscribe(kind: SubscriptionKind, number: int, request_id: int) -> str:
    """The request that ends a subscription."""
    return _encode(request_id, f"{kind}Unsubscribe", [number])


def _encode(request_id: int, method: str, params: Sequence[Json]) -> str:
    call = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return orjson.dumps(call).decode()
