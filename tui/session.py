"""The session: the model, view, client and settings that the parts of a dashboard share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from decimal import Decimal

from tui.connection.client import ApiClient
from tui.connection.recording import Recorder
from tui.connection.source import MessageSource
from tui.model.balances import BalanceDifference, add_up_differences
from tui.model.desk.market import MarketChoice
from tui.model.desk.quality import QualityChoice
from tui.model.messages import Connected, Message, Note
from tui.model.model import Model
from tui.model.orders import Order
from tui.settings import Settings
from tui.table.cursor import Cursor
from tui.table.view import OrderView
from tui.text.symbols import Symbols
from tui.text.views import MARKETS, OPEN, ORDER_VIEWS, ORDERS


def _ignore_change() -> None:
    """Default of ``on_change``: nothing is drawn yet."""


def _ignore_history_request(_order: Order) -> None:
    """Default of ``request_history``: there is no server to load it from."""


@dataclass(slots=True)
class Session:
    """State of one dashboard.

    ``client`` is ``None`` while a recording is replayed; ``recording`` describes that recording.
    """

    source: MessageSource
    client: ApiClient | None
    symbols: Symbols
    timezone: tzinfo
    settings: Settings
    new_id: Callable[[], str]
    recording: str = ""
    recorder: Recorder | None = None
    shown_view: str = ORDERS
    market: MarketChoice = field(default_factory=MarketChoice)
    quality: QualityChoice = field(default_factory=QualityChoice)
    marked: dict[str, Order] = field(default_factory=dict)
    """The orders that the user has marked, by id."""
    view_changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set for those that wait for it when something else is looked at."""
    model: Model = field(default_factory=Model)
    on_change: Callable[[], None] = field(default=_ignore_change)
    """Called when the model has changed, to schedule a frame."""
    request_history: Callable[[Order], None] = field(default=_ignore_history_request)
    """Called when the steps of an order are to be displayed and have not been loaded."""
    view: OrderView = field(init=False)
    cursor: Cursor = field(init=False)

    def __post_init__(self) -> None:
        self.view = OrderView(
            self.model, sort=self.settings.sort, is_descending=self.settings.is_descending
        )
        self.cursor = Cursor(self.view)

    def show_view(self, name: str) -> None:
        """Show a view; that of open orders has a list of its own."""
        self.shown_view = name
        self.wake_polls()
        if name in ORDER_VIEWS and (name == OPEN) != self.view.is_open_list:
            self.view.switch_list()
            self.cursor.switch_list()

    def wake_polls(self) -> None:
        """Have what is looked at fetched at once."""
        self.view_changed.set()
        self.view_changed.clear()

    @property
    def selected_order(self) -> Order | None:
        """The order that keys act on: at the cursor of the list, or of the market."""
        if self.shown_view != MARKETS:
            return self.cursor.order
        return self.model.orders.get(self.market.order_id)

    def handle_message(self, message: Message, at_ms: int) -> None:
        """Apply a message to the model, and record it if a recorder is open."""
        if isinstance(message, Connected) and message.was_reset:
            self.marked.clear()  # they are of another journal
        self.model.apply(message, at_ms)
        if self.recorder is not None:
            self._record(self.recorder, message, at_ms)
        self.on_change()

    def _record(self, recorder: Recorder, message: Message, at_ms: int) -> None:
        try:
            recorder.write(message, at_ms)
        except OSError as error:
            self.recorder = None
            with suppress(OSError):
                recorder.close()
            self.add_note(f"nothing more is recorded: {error}", "warn")

    def add_note(self, text: str, role: str = "") -> None:
        """Add an entry to the activity log."""
        self.handle_message(Note(text, role), self.source.now_ms())

    def list_differences(self) -> list[BalanceDifference]:
        """Return the differences of balances that the user has not dismissed."""
        return add_up_differences(self.model.differences or (), self.settings.seen_differences)

    def dismiss_difference(self) -> None:
        """Dismiss the first difference, until its balance differs anew."""
        for first in self.list_differences()[:1]:
            self.settings.seen_differences[first.key] = first.last_at

    @property
    def server_now_ms(self) -> int:
        """The current time by the server's clock, which stamps the orders."""
        return self.model.connection.to_server_ms(self.source.now_ms())

    def find_last_price(self, pair: str) -> Decimal | None:
        """Return the last execution price of a pair among the newest orders."""
        for order in reversed(self.model.sorted_orders[-2_000:]):
            if order.pair.name == pair and order.price is not None:
                return order.price
        return None
