"""The model: all data that the dashboard displays, changed only by messages.

Two rules:

- Stored orders and live events are merged by ``seq``: an event that is not newer than the known
  state is ignored, and events of an order that no page has contained yet wait for its page. So no
  event is lost or counted twice, in whatever order pages and events arrive.
- There are no callbacks: changes accumulate, and the screen collects them with ``take_changes``
  when it draws a frame. A thousand events between two frames cost one frame.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from tui.model.activity_log import ActivityLog
from tui.model.balances import describe_difference
from tui.model.connection_state import ConnectionState, ConnectionStatus
from tui.model.counts.counters import Counters, OrderBefore
from tui.model.desk.desk import Desk
from tui.model.groups import OrderGroups
from tui.model.messages import (
    Connected,
    Connecting,
    Differences,
    Events,
    Heartbeat,
    History,
    Lost,
    Message,
    Note,
    Page,
    Totals,
    Waiting,
)
from tui.model.orders import Order
from tui.model.wire import WireDifference, WireEvent, WireOrder
from tui.text.format import parse_timestamp_ms, sanitize_text
from tui.text.symbols import STATUSES

ORDERS_MAX: Final = 50_000
"""Orders in memory; beyond it, the oldest ended orders are evicted."""
_EVICTION_BATCH_MIN: Final = 500
"""Orders evicted together at least: an eviction copies the whole list."""

_by_rank = attrgetter("rank")
"""Sort key: by the time of creation."""


@dataclass(slots=True)
class Changes:
    """The changes since the previous ``take_changes``."""

    new_orders: list[Order] = field(default_factory=list)
    """New orders, each newer than all orders before it."""
    changed_orders: set[Order] = field(default_factory=set)
    is_reloaded: bool = False
    """Orders were removed, or added at other positions than the newest."""

    def __bool__(self) -> bool:
        return bool(self.new_orders or self.changed_orders or self.is_reloaded)


class Model:
    """The orders, their counters, the connection and the activity log."""

    def __init__(self, *, orders_max: int = ORDERS_MAX) -> None:
        self._orders_max = orders_max
        self.connection = ConnectionState()
        self.log = ActivityLog()
        self.event_count = 0
        self.stopped: list[str] = []
        self.cluster = ""
        """The one that signatures are on; empty until the engine has told it."""
        """A sentence for each trading state that stops orders."""
        self.desk = Desk()
        self._frozen: dict[Order, Order] | None = None
        self._changes = Changes()
        self._reset()
        self._handlers: Mapping[type[Message], Callable[[Any, int], None]] = {
            Connecting: self.connection.on_connecting,
            Connected: self._on_connected,
            Totals: self._on_totals,
            Page: self._on_page,
            Events: self._on_events,
            Heartbeat: self._on_heartbeat,
            Lost: self._on_lost,
            History: self._on_history,
            Note: self._on_note,
            Waiting: self._on_waiting,
            Differences: self._on_differences,
            **self.desk.handlers,
        }

    def apply(self, message: Message, at_ms: int) -> None:
        """Apply a message that arrived at ``at_ms`` (Unix time by the local clock)."""
        self._handlers[type(message)](message, at_ms)

    def take_changes(self) -> Changes:
        """Return the changes since the previous call, and start a new collection."""
        changes, self._changes = self._changes, Changes()
        return changes

    def freeze(self) -> None:
        """From now on, keep a copy of each order as it is now before it changes."""
        self._frozen = {}

    def unfreeze(self) -> None:
        """Drop the copies of frozen orders."""
        self._frozen = None

    def get_displayed(self, order: Order) -> Order:
        """Return the order, or its copy from the time when the model was frozen."""
        return self._frozen.get(order, order) if self._frozen else order

    def _reset(self) -> None:
        self.orders: dict[str, Order] = {}
        self.sorted_orders: list[Order] = []
        self.counters = Counters()
        self.groups = OrderGroups(self.orders)
        self.desk.clear()
        self.total = 0
        self.differences: list[WireDifference] | None = None
        self.is_complete = False
        self._early_events: dict[str, list[WireEvent]] = {}
        self._changes = Changes(is_reloaded=True)

    # The connection

    def _on_connected(self, message: Connected, at_ms: int) -> None:
        lost_at_ms = self.connection.lost_at_ms
        self.connection.on_connected(message, at_ms)
        if message.was_reset:
            self._reset()
            text = "the server restarted with another journal, loading it anew"
            self.log.add_entry(self.connection.to_server_ms(at_ms), "warn", text)
        elif lost_at_ms and not message.is_fresh:
            self.log.start_catch_up(at_ms - lost_at_ms, self.connection.to_server_ms(at_ms))

    def _on_heartbeat(self, message: Heartbeat, at_ms: int) -> None:
        self.connection.on_heartbeat(message, at_ms)
        self.log.finish_catch_up()

    def _on_lost(self, message: Lost, at_ms: int) -> None:
        if self.connection.status is not ConnectionStatus.OFFLINE:
            text = f"offline, showing the last known state: {message.reason}"
            self.log.add_entry(self.connection.to_server_ms(at_ms), "warn", text)
        self.connection.on_lost(message, at_ms)

    def _on_note(self, note: Note, at_ms: int) -> None:
        self.log.add_entry(self.connection.to_server_ms(at_ms), note.role, note.text)

    def _on_differences(self, message: Differences, at_ms: int) -> None:
        self.connection.on_message(at_ms)
        known, self.differences = self.differences, message.differences
        if known is None:  # these are history
            return
        for each in reversed([each for each in message.differences if each not in known]):
            text = describe_difference(each)
            self.log.add_entry(parse_timestamp_ms(each["at"]), "warn", text)

    # Stored orders

    def _on_totals(self, message: Totals, at_ms: int) -> None:
        self.connection.on_message(at_ms)
        self.total = message.stats["total"]
        if self.connection.status is ConnectionStatus.LIVE and not self.is_complete:
            self.counters.load_server_counts(message.stats["byStatus"])
        self.cluster = message.stats.get("cluster", "")
        self._update_stopped(message.stats.get("stopped", []), at_ms)

    def _update_stopped(self, stopped: list[str], at_ms: int) -> None:
        at_server_ms = self.connection.to_server_ms(at_ms)
        for sentence in stopped:
            if sentence not in self.stopped:
                self.log.add_entry(at_server_ms, "warn", sanitize_text(sentence))
        if self.stopped and not stopped:
            self.log.add_entry(at_server_ms, "", "nothing is halted any more")
        self.stopped = stopped

    def _on_page(self, message: Page, at_ms: int) -> None:
        self.connection.on_message(at_ms)
        for stored in message.orders:
            self._apply_stored_order(stored)
        self.sorted_orders.sort(key=_by_rank)
        self._changes.is_reloaded = True
        if message.is_last:
            self.is_complete = message.is_all
            self._early_events.clear()
            self.connection.on_loaded()
        self._evict_ended_orders()

    def _apply_stored_order(self, stored: WireOrder) -> None:
        order = self.orders.get(stored["orderId"])
        if order is None:
            order = self.orders[stored["orderId"]] = Order(stored["orderId"])
            order.load_stored(stored)
            self.sorted_orders.append(order)
            self.groups.add(order)
            self.counters.count_order(order, None)
        elif stored["seq"] > order.seq:
            before = self._snapshot_order(order)
            order.load_stored(stored)
            self._record_change(order, before)
        for event in self._early_events.pop(order.id, ()):
            self._apply_event(order, event)

    def _on_history(self, message: History, at_ms: int) -> None:
        self.connection.on_message(at_ms)
        order = self.orders.get(message.order_id)
        if order is not None and not order.has_full_history:
            before = self._snapshot_order(order)
            order.replace_history(message.events)
            self._record_change(order, before)

    def _on_waiting(self, message: Waiting, at_ms: int) -> None:
        self.connection.on_message(at_ms)
        for record in message.orders:
            order = self.orders.get(record["orderId"])
            if order is not None:
                self._snapshot_order(order)
                if order.set_waiting(record):
                    self._changes.changed_orders.add(order)

    def _evict_ended_orders(self) -> None:
        surplus = len(self.sorted_orders) - self._orders_max
        if surplus <= _EVICTION_BATCH_MIN:
            return
        evicted = []
        for order in self.sorted_orders:
            if order.is_end:
                evicted.append(order)
                if len(evicted) == surplus:
                    break
        for order in evicted:
            del self.orders[order.id]
            self.counters.count_eviction(order)
            self.groups.remove(order)
        evicted_set = set(evicted)
        self.sorted_orders = [order for order in self.sorted_orders if order not in evicted_set]
        self.is_complete = False
        self._changes.is_reloaded = True

    # Live events

    def _on_events(self, message: Events, at_ms: int) -> None:
        self.connection.on_message(at_ms)
        self.event_count += len(message.events)
        for event in message.events:
            order = self.orders.get(event["orderId"])
            if order is not None:
                self._apply_event(order, event)
            elif event["seq"] == 1:
                self._create_order(event)
            elif self.connection.status is ConnectionStatus.LOADING:
                self._early_events.setdefault(event["orderId"], []).append(event)
        self.log.count_replayed(message.events)
        self._evict_ended_orders()

    def _create_order(self, event: WireEvent) -> None:
        order = self.orders[event["orderId"]] = Order(event["orderId"])
        order.apply_event(event)
        self.groups.add(order)
        self.counters.count_order(order, None)
        if not self.sorted_orders or order.rank > self.sorted_orders[-1].rank:
            self.sorted_orders.append(order)
            self._changes.new_orders.append(order)
        else:
            insort(self.sorted_orders, order, key=_by_rank)
            self._changes.is_reloaded = True

    def _apply_event(self, order: Order, event: WireEvent) -> None:
        if event["seq"] <= order.seq or event["status"] not in STATUSES:
            return
        before = self._snapshot_order(order)
        order.apply_event(event)
        self._record_change(order, before)
        self.counters.count_transition(order, before)
        if order.status == "failed":
            self.log.add_failure(order)

    def _snapshot_order(self, order: Order) -> OrderBefore:
        if self._frozen is not None and order not in self._frozen:
            self._frozen[order] = order.copy()
        return OrderBefore.of(order)

    def _record_change(self, order: Order, before: OrderBefore) -> None:
        self.counters.count_order(order, before)
        self._changes.changed_orders.add(order)
