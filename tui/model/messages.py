"""The messages from the connection to the model.

The model changes only by these messages, each with the time at which it arrived. The replay of a
recording therefore builds the same model, and the model never waits for I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tui.model.desk.wire import (
    WireFill,
    WireLimits,
    WirePositions,
    WirePrices,
    WireReport,
    WireWallet,
)
from tui.model.wire import WireDifference, WireEvent, WireOrder, WireRoute, WireStats, WireWaiting


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
class Waiting:
    """How far orders that wait are from what they wait for; no step of theirs."""

    orders: list[WireWaiting]


@dataclass(frozen=True, slots=True)
class Differences:
    """The latest changes of balances that no order explains, the last one first."""

    differences: list[WireDifference]


@dataclass(frozen=True, slots=True)
class Positions:
    """What fills did to each token, and what the wallets hold."""

    positions: WirePositions
    wallets: list[WireWallet]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the owner, and what is left of them."""

    limits: WireLimits


@dataclass(frozen=True, slots=True)
class Prices:
    """Bars of a pair: new ones, or newer versions of those that are known."""

    prices: WirePrices


@dataclass(frozen=True, slots=True)
class MarketNow:
    """The latest fills of a pair, and the quotes of all pools for both directions.

    ``buy`` is for ``amount`` of the quote token, ``sell`` for what that buys; ``None``
    without a quote.
    """

    pair: str
    fills: list[WireFill]
    amount: str
    buy: WireRoute | None
    sell: WireRoute | None


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a period, by a group, and the newest fills of that time."""

    period: str
    group: str
    report: WireReport
    fills: list[WireFill]


@dataclass(frozen=True, slots=True)
class ViewProblem:
    """Why a view could not be brought up to date."""

    view: str
    text: str


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


Message = (
    Connecting
    | Connected
    | Totals
    | Page
    | Events
    | Waiting
    | Differences
    | Positions
    | Limits
    | Prices
    | MarketNow
    | Report
    | ViewProblem
    | Heartbeat
    | Lost
    | History
    | Note
)

KINDS: Final[dict[str, type[Message]]] = {
    "connecting": Connecting,
    "connected": Connected,
    "totals": Totals,
    "page": Page,
    "events": Events,
    "waiting": Waiting,
    "differences": Differences,
    "positions": Positions,
    "limits": Limits,
    "prices": Prices,
    "market_now": MarketNow,
    "report": Report,
    "view_problem": ViewProblem,
    "heartbeat": Heartbeat,
    "lost": Lost,
    "history": History,
    "note": Note,
}
"""The names of the message classes in recordings; part of the file format, like their fields."""
