"""The messages from the connection to the model, and the types of the API's JSON inside them.

The model changes only by these messages, each with the time at which it arrived. The replay of a
recording therefore builds the same model, and the model never waits for I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NotRequired, Required, TypedDict


class WireQuote(TypedDict):
    """The quote of a venue."""

    dex: str
    price: str
    fee: str
    amountOut: str
    priceImpact: str
    refused: NotRequired[WireRefusal]


class WireRefusal(TypedDict):
    """The reason why a quote may not be chosen."""

    code: str
    reason: str


class WireUnavailable(TypedDict):
    """A venue without a quote, and the reason."""

    dex: str
    code: str
    reason: str


class WireFee(TypedDict):
    """What a venue keeps of one token."""

    token: str
    amount: str


class WireRoute(TypedDict, total=False):
    """A route, as in a `building` event and in a stored order."""

    dex: Required[str]
    quotes: Required[list[WireQuote]]
    minAmountOut: Required[str]
    venueFees: list[WireFee]
    unavailable: list[WireUnavailable]


class WireEvent(TypedDict, total=False):
    """One event; the optional keys depend on the status."""

    orderId: Required[str]
    seq: Required[int]
    status: Required[str]
    at: Required[str]
    attempt: Required[int]
    cursor: str
    type: str
    tokenIn: str
    tokenOut: str
    amountIn: str
    slippageBps: int
    maxPriceImpactBps: int
    minAmountOut: str | None
    limitPrice: str | None
    triggerPrice: str | None
    activationPrice: str | None
    priceOf: str | None
    trailBps: int | None
    confirmations: int | None
    then: str | None
    timeInForce: str
    expiresAt: str | None
    executablePrice: str
    batchId: str | None
    clientOrderId: str | None
    code: str
    reason: str
    waitMs: int
    dex: str
    quotes: list[WireQuote]
    unavailable: list[WireUnavailable]
    venueFees: list[WireFee]
    networkFeeLamports: int
    txHash: str
    mayLandUntil: int
    executedPrice: str | None
    amountOut: str | None
    amountKnown: bool
    slot: int


class WireOrder(TypedDict):
    """An order as `GET /api/orders` returns it."""

    orderId: str
    clientOrderId: str | None
    batchId: str | None
    type: str
    tokenIn: str
    tokenOut: str
    amountIn: str
    minAmountOut: str | None
    limitPrice: NotRequired[str | None]
    triggerPrice: NotRequired[str | None]
    activationPrice: NotRequired[str | None]
    priceOf: NotRequired[str | None]
    trailBps: NotRequired[int | None]
    confirmations: NotRequired[int | None]
    then: NotRequired[str | None]
    isTriggered: NotRequired[bool]
    timeInForce: NotRequired[str]
    expiresAt: NotRequired[str | None]
    slippageBps: int
    maxPriceImpactBps: NotRequired[int | None]
    status: str
    seq: int
    attempts: int
    dex: str | None
    route: WireRoute | None
    txHash: str | None
    amountOut: str | None
    executedPrice: str | None
    networkFeeLamports: NotRequired[int | None]
    lastError: str | None
    mayLandUntil: NotRequired[int | None]
    cancelReason: NotRequired[str | None]
    createdAt: str
    updatedAt: str


class WireStats(TypedDict):
    """The response of `GET /api/stats`: counts as of ``cursor``."""

    at: str
    cursor: str
    total: int
    open: int
    byStatus: dict[str, int]


class WireOrderTerms(TypedDict, total=False):
    """Order terms as a request sends them."""

    tokenIn: Required[str]
    tokenOut: Required[str]
    amount: Required[str]
    slippageBps: int
    maxPriceImpactBps: int
    minAmountOut: str
    type: str
    limitPrice: str
    triggerPrice: str
    activationPrice: str
    priceOf: str
    trailBps: int
    confirmations: int
    then: str
    timeInForce: str
    expiresAt: str
    clientOrderId: str


class WireProblem(TypedDict, total=False):
    """An error response (RFC 9457)."""

    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: list[dict[str, str]]
    orders: list[Any]
    order: WireOrder


class WireBatchEntry(TypedDict, total=False):
    """The result for one order of a batch: an order id or a problem."""

    orderId: str
    clientOrderId: str
    replayed: bool
    problem: WireProblem


@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection attempt has started."""

    url: str
    tries: int


@dataclass(frozen=True, slots=True)
class Connected:
    """The stream is open. ``is_fresh``: the stored orders are loaded next."""

    epoch: str
    cursor: str
    server_at: str
    is_fresh: bool
    was_reset: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """The server's counts of orders."""

    stats: WireStats


@dataclass(frozen=True, slots=True)
class Page:
    """A page of stored orders. ``is_last``: no page follows; ``is_all``: no older orders exist."""

    orders: list[WireOrder]
    is_last: bool
    is_all: bool


@dataclass(frozen=True, slots=True)
class Events:
    """Events in feed order."""

    events: list[WireEvent]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat: no events, and the connection is alive."""

    server_at: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is lost; the next attempt follows after ``retry_ms``.

    ``None``: the server refuses this client, and the next attempt is the user's.
    """

    reason: str
    retry_ms: int | None


@dataclass(frozen=True, slots=True)
class History:
    """All events of one order."""

    order_id: str
    events: list[WireEvent]


@dataclass(frozen=True, slots=True)
class Note:
    """An entry for the activity log from the dashboard itself."""

    text: str
    role: str = ""


Message = Connecting | Connected | Totals | Page | Events | Heartbeat | Lost | History | Note

KINDS: Final[dict[str, type[Message]]] = {
    "connecting": Connecting,
    "connected": Connected,
    "totals": Totals,
    "page": Page,
    "events": Events,
    "heartbeat": Heartbeat,
    "lost": Lost,
    "history": History,
    "note": Note,
}
"""The names of the message classes in recordings; part of the file format, like their fields."""
