"""Everything the dashboard knows, changed by messages and by nothing else.

Two rules:

- Stored orders and live transitions meet by ``seq``: whatever is not newer than what is known is
  left out, and transitions of an order that no page has shown yet wait for its page. So nothing
  is missed or counted twice, in whatever order pages and transitions come.
- Nobody is called back: what changed is collected, and whoever draws takes it with ``changes``
  when it is time to draw. A thousand transitions between two frames cost one frame.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from tui.model.activity_log import Log
from tui.model.connection_state import Link, State
from tui.model.counters import Before, Tally
from tui.model.messages import (
    Connected,
    Connecting,
    Events,
    Heartbeat,
    History,
    Lost,
    Message,
    Note,
    Page,
    Totals,
    WireEvent,
    WireOrder,
)
from tui.model.orders import Order
from tui.text.symbols import STATUSES

ORDERS_MAX: Final = 50_000
"""Orders kept; past it the oldest that have ended go."""
_SPARE: Final = 500

by_age = attrgetter("id")
"""Ids begin with the time of creation."""


@dataclass(slots=True)
class Changes:
    """What happened since somebody last asked."""

    added: list[Order] = field(default_factory=list)
    """New orders, each newer than all others."""
    changed: set[Order] = field(default_factory=set)
    is_reloaded: bool = False
    """Orders went away, or came that are not the newest."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.is_reloaded)


class Model:
    """The orders, what is counted about them, the connection, and the log."""

    def __init__(self, *, orders_max: int = ORDERS_MAX) -> None:
        self._orders_max = orders_max
        self.link = Link()
        self.log = Log()
        self.events = 0
        self._frozen: dict[Order, Order] | None = None
        self._changes = Changes()
        self._forget()
        self._handlers: Mapping[type[Message], Callable[[Any, int], None]] = {
            Connecting: self.link.connecting,
            Connected: self._connected,
            Totals: self._totals,
            Page: self._page,
            Events: self._events,
            Heartbeat: self._heartbeat,
            Lost: self._lost,
            History: self._history,
            Note: self._note,
        }

    def apply(self, message: Message, at_ms: int) -> None:
        """Take a message that came at ``at_ms`` (Unix time by our clock)."""
        self._handlers[type(message)](message, at_ms)

    def changes(self) -> Changes:
        """What happened since the last time this was asked."""
        changes, self._changes = self._changes, Changes()
        return changes

    def freeze(self) -> None:
        """From now on keep orders as they are, beside what becomes of them."""
        self._frozen = {}

    def thaw(self) -> None:
        """Forget how orders were."""
        self._frozen = None

    def shown(self, order: Order) -> Order:
        """The order, or as it was when the model was frozen."""
        return self._frozen.get(order, order) if self._frozen else order

    def _forget(self) -> None:
        self.orders: dict[str, Order] = {}
        self.ordered: list[Order] = []
        self.tally = Tally()
        self.total = 0
        self.is_complete = False
        self._held: dict[str, list[WireEvent]] = {}
        self._changes = Changes(is_reloaded=True)

    # The connection

    def _connected(self, message: Connected, at_ms: int) -> None:
        lost_ms = self.link.lost_ms
        self.link.connected(message, at_ms)
        if message.was_reset:
            self._forget()
            text = "the server restarted with another journal, loading it anew"
            self.log.say(self.link.server_ms(at_ms), "warn", text)
        elif lost_ms and not message.is_fresh:
            self.log.resumed(at_ms - lost_ms, self.link.server_ms(at_ms))

    def _heartbeat(self, message: Heartbeat, at_ms: int) -> None:
        self.link.heartbeat(message, at_ms)
        self.log.caught_up()

    def _lost(self, message: Lost, at_ms: int) -> None:
        if self.link.state is not State.OFFLINE:
            text = f"offline, showing the last known state: {message.reason}"
            self.log.say(self.link.server_ms(at_ms), "warn", text)
        self.link.lost(message, at_ms)

    def _note(self, note: Note, at_ms: int) -> None:
        self.log.say(self.link.server_ms(at_ms), note.role, note.text)

    # What is stored

    def _totals(self, message: Totals, at_ms: int) -> None:
        self.link.heard(at_ms)
        self.total = message.stats["total"]
        if self.link.state is State.LIVE and not self.is_complete:
            self.tally.stored(message.stats["byStatus"])

    def _page(self, message: Page, at_ms: int) -> None:
        self.link.heard(at_ms)
        for stored in message.orders:
            self._store(stored)
        self.ordered.sort(key=by_age)
        self._changes.is_reloaded = True
        if message.is_last:
            self.is_complete = message.is_all
            self._held.clear()
            self.link.loaded()
        self._evict()

    def _store(self, stored: WireOrder) -> None:
        order = self.orders.get(stored["orderId"])
        if order is None:
            order = self.orders[stored["orderId"]] = Order(stored["orderId"])
            order.refresh(stored)
            self.ordered.append(order)
            self.tally.counted(order, None)
        elif stored["seq"] > order.seq:
            before = self._keep(order)
            order.refresh(stored)
            self._changed(order, before)
        for event in self._held.pop(order.id, ()):
            self._advance(order, event)

    def _history(self, message: History, at_ms: int) -> None:
        self.link.heard(at_ms)
        order = self.orders.get(message.order_id)
        if order is not None and not order.is_told:
            before = self._keep(order)
            order.retell(message.events)
            self._changed(order, before)

    def _evict(self) -> None:
        surplus = len(self.ordered) - self._orders_max
        if surplus <= _SPARE:
            return
        gone = []
        for order in self.ordered:
            if order.is_end:
                gone.append(order)
                if len(gone) == surplus:
                    break
        for order in gone:
            del self.orders[order.id]
            self.tally.dropped(order)
        dropped = set(gone)
        self.ordered = [order for order in self.ordered if order not in dropped]
        self.is_complete = False
        self._changes.is_reloaded = True

    # What happens

    def _events(self, message: Events, at_ms: int) -> None:
        self.link.heard(at_ms)
        self.events += len(message.events)
        for event in message.events:
            order = self.orders.get(event["orderId"])
            if order is not None:
                self._advance(order, event)
            elif event["seq"] == 1:
                self._create(event)
            elif self.link.state is State.LOADING:
                self._held.setdefault(event["orderId"], []).append(event)
        self.log.happened(message.events)
        self._evict()

    def _create(self, event: WireEvent) -> None:
        order = self.orders[event["orderId"]] = Order(event["orderId"])
        order.apply(event)
        self.tally.counted(order, None)
        if not self.ordered or order.id > self.ordered[-1].id:
            self.ordered.append(order)
            self._changes.added.append(order)
        else:
            insort(self.ordered, order, key=by_age)
            self._changes.is_reloaded = True

    def _advance(self, order: Order, event: WireEvent) -> None:
        if event["seq"] <= order.seq or event["status"] not in STATUSES:
            return
        before = self._keep(order)
        order.apply(event)
        self._changed(order, before)
        self.tally.stepped(order, before)
        if order.status == "failed":
            self.log.failed(order)

    def _keep(self, order: Order) -> Before:
        if self._frozen is not None and order not in self._frozen:
            self._frozen[order] = order.copy()
        return Before.of(order)

    def _changed(self, order: Order, before: Before) -> None:
        self.tally.counted(order, before)
        self._changes.changed.add(order)
