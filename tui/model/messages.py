"""What the connection tells the model, and the shapes of the API's JSON inside it.

Everything that changes the model is one of these messages, with the time at which it came. So a
recording of them, replayed, gives the same model; and the model never has to wait for anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NotRequired, Required, TypedDict


class WireQuote(TypedDict):
    """What a venue offered."""

    dex: str
    price: str
    fee: str
    amountOut: str
    priceImpact: str


class WireUnavailable(TypedDict):
    """Why a venue offered nothing."""

    dex: str
    code: str
    reason: str


class WireRoute(TypedDict, total=False):
    """A route as `building` tells it, and as an order keeps it."""

    dex: Required[str]
    quotes: Required[list[WireQuote]]
    minAmountOut: Required[str]
    unavailable: list[WireUnavailable]


class WireEvent(TypedDict, total=False):
    """One transition; which of the later keys are there depends on the status."""

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
    minAmountOut: str | None
    limitPrice: str | None
    batchId: str | None
    clientOrderId: str | None
    code: str
    reason: str
    waitMs: int
    dex: str
    quotes: list[WireQuote]
    unavailable: list[WireUnavailable]
    txHash: str
    executedPrice: str
    amountOut: str
    slot: int


class WireOrder(TypedDict):
    """An order as `GET /api/orders` shows it."""

    orderId: str
    clientOrderId: str | None
    batchId: str | None
    type: str
    tokenIn: str
    tokenOut: str
    amountIn: str
    minAmountOut: str | None
    limitPrice: NotRequired[str | None]
    slippageBps: int
    status: str
    seq: int
    attempts: int
    dex: str | None
    route: WireRoute | None
    txHash: str | None
    amountOut: str | None
    executedPrice: str | None
    lastError: str | None
    createdAt: str
    updatedAt: str


class WireStats(TypedDict):
    """`GET /api/stats`: true at ``cursor``."""

    at: str
    cursor: str
    total: int
    open: int
    byStatus: dict[str, int]


class WireTerms(TypedDict, total=False):
    """An order to be posted."""

    tokenIn: Required[str]
    tokenOut: Required[str]
    amount: Required[str]
    slippageBps: int
    minAmountOut: str
    type: str
    limitPrice: str
    clientOrderId: str


class WireProblem(TypedDict, total=False):
    """An error answer, after RFC 9457."""

    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: list[dict[str, str]]
    orders: list[Any]


class WirePlace(TypedDict, total=False):
    """What became of one order of a batch: it has an id or a problem."""

    orderId: str
    clientOrderId: str
    replayed: bool
    problem: WireProblem


@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection is being made."""

    url: str
    tries: int


@dataclass(frozen=True, slots=True)
class Connected:
    """The stream said hello. ``is_fresh``: what is known is to be loaded anew."""

    epoch: str
    cursor: str
    server_at: str
    is_fresh: bool
    was_reset: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """How many orders the server has."""

    stats: WireStats


@dataclass(frozen=True, slots=True)
class Page:
    """A page of stored orders. ``is_last``: none follows; ``is_all``: there are no older ones."""

    orders: list[WireOrder]
    is_last: bool
    is_all: bool


@dataclass(frozen=True, slots=True)
class Events:
    """Transitions, in order; ``cursor`` stands behind them."""

    events: list[WireEvent]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened, and the connection works."""

    server_at: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone, and will be made again after ``retry_ms``."""

    reason: str
    retry_ms: int


@dataclass(frozen=True, slots=True)
class History:
    """All transitions of one order."""

    order_id: str
    events: list[WireEvent]


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the log that the dashboard itself did."""

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
"""The names under which messages are recorded."""
