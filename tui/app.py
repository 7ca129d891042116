"""The dashboard as a Textual application: message source, dialogs, actions and settings."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import ClassVar, Final

from textual import work
from textual.app import SystemCommand
from textual.events import Event, Key, Paste
from textual.screen import Screen
from textual.types import CSSPathType

from tui import terminal
from tui.connection.client import ApiClient, RequestRefused, ServerUnreachable
from tui.connection.feed import Feed
from tui.connection.recording import InvalidRecording
from tui.model.connection_state import ConnectionStatus
from tui.model.messages import History
from tui.model.orders import Order
from tui.order_actions import OrderActions
from tui.polls.differences import follow_differences
from tui.polls.distances import follow_distances
from tui.polls.markets import follow_prices, follow_quotes
from tui.polls.positions import follow_positions
from tui.polls.quality import follow_quality
from tui.polls.trading import follow_trading
from tui.screens.batch import BatchScreen
from tui.screens.connect import ConnectScreen
from tui.screens.help import HelpScreen
from tui.screens.main import MainScreen
from tui.screens.palette import list_commands
from tui.session import Session
from tui.widgets.theme import THEMES, build_extra_colours
from tui.widgets.typed_keys import TypedKeys

_GC_INTERVAL_S: Final = 60
_HISTORY_DELAY_S: Final = 0.1
"""Delay before the events at the cursor are requested: moving past an order sends nothing."""
_HISTORY_RETRY_S: Final = 2


class Dashboard(OrderActions):
    """Shows one session. ``connect`` opens a session with another server."""

    CSS_PATH: ClassVar[CSSPathType | None] = "dashboard.tcss"
    TITLE: str | None = "Order Execution Engine"

    def __init__(
        self,
        session: Session,
        *,
        connect: Callable[[str], Session] | None = None,
    ) -> None:
        super().__init__(session)
        self._connect = connect
        self._has_mouse = True
        self._requested_id = ""
        self._typed_keys = TypedKeys(self, super().on_event)
        for theme in THEMES:
            self.register_theme(theme)
        if session.settings.theme in self.available_themes:
            self.theme = session.settings.theme
        if session.symbols.is_ascii:
            self.add_class("-ascii")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Add the style sheet's colours that themes lack."""
        return build_extra_colours(self.current_theme)

    @property
    def has_pending_keys(self) -> bool:
        """Whether there are keys that have not had their effects yet."""
        return not self._typed_keys.is_idle

    def on_mount(self) -> None:
        """Show the session and start its source."""
        self.theme_changed_signal.subscribe(self, self._save_theme)
        self._show_session()
        self.call_later(self._typed_keys.open)
        self.set_interval(_GC_INTERVAL_S, self._collect_garbage)

    async def on_event(self, event: Event) -> None:
        """Handle an event; a key waits until the one before it has had its effects."""
        if isinstance(event, Key | Paste) and not event.is_forwarded:
            await self._typed_keys.add(event)
        else:
            await super().on_event(event)

    def _show_session(self) -> None:
        screen = MainScreen(self.session)
        self.session.on_change = screen.wake
        self.session.request_history = self._request_history
        self.push_screen(screen)
        self._run_source(self.session)

    @work(group="source", exclusive=True, description="runs the source")
    async def _run_source(self, session: Session) -> None:
        async with AsyncExitStack() as stack:
            if session.client is not None:
                await stack.enter_async_context(session.client)
                self._poll_server(session, session.client)
            try:
                await session.source.run(session.handle_message)
            except InvalidRecording as error:
                self.exit(return_code=1, message=str(error))
            session.recording = "recording over" if session.recording else ""

    @work(group="polls", exclusive=True, description="asks for what no event tells")
    async def _poll_server(self, session: Session, client: ApiClient) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow_distances(session, client))
            tasks.create_task(follow_differences(session, client, session.handle_message))
            tasks.create_task(follow_trading(session, client))
            tasks.create_task(follow_positions(session, client))
            tasks.create_task(follow_prices(session, client))
            tasks.create_task(follow_quotes(session, client))
            tasks.create_task(follow_quality(session, client))

    def _collect_garbage(self) -> None:
        if not self.session.model.counters.in_flight:
            gc.collect()

    def _save_theme(self, _: object) -> None:
        self.session.settings.theme = self.theme

    # One order

    def _request_history(self, order: Order) -> None:
        """Request the events of an order, unless that request is running."""
        if self.session.client is not None and order.id != self._requested_id:
            self._requested_id = order.id
            self._load_history(self.session.client, order)

    @work(group="history", exclusive=True, description="loads the events of an order")
    async def _load_history(self, client: ApiClient, order: Order) -> None:
        await asyncio.sleep(_HISTORY_DELAY_S)
        try:
            events = await client.fetch_events(order.id)
            self.session.handle_message(History(order.id, events), self.session.source.now_ms())
        except (RequestRefused, ServerUnreachable):
            await asyncio.sleep(_HISTORY_RETRY_S)
        self._requested_id = ""

    # Dialogs

    def action_batch(self) -> None:
        """Open the batch builder."""
        self.push_screen(BatchScreen(self.session))

    def action_order(self) -> None:
        """Open the form for a single order."""
        self.push_screen(BatchScreen(self.session, is_single=True))

    def action_repeat_order(self) -> None:
        """Open the form for a single order with the values of the last one."""
        last = self.session.settings.last_order
        if last:
            self.push_screen(BatchScreen(self.session, is_single=True, form=last))
        else:
            self.notify("no order was placed with the form yet: o opens it", timeout=3)

    def action_help(self) -> None:
        """Show the help page."""
        self.push_screen(HelpScreen(self.session.symbols))

    def action_connect(self) -> None:
        """Ask for the address of another server, and connect to it."""
        url = self.session.client.url if self.session.client is not None else ""
        self.push_screen(ConnectScreen(url), self._reconnect)

    # The connection

    def action_retry_now(self) -> None:
        """Skip the rest of the reconnect backoff, and say what is done; the log has the outcome."""
        connection = self.session.model.connection
        if not isinstance(self.session.source, Feed):
            text = "a recording is shown: there is no connection"
        elif connection.status is ConnectionStatus.OFFLINE:
            self.session.source.retry_now()
            text = f"connecting to {connection.url} again"
        else:
            text = f"connected to {connection.url}: nothing to repeat"
        self.notify(text, timeout=3, markup=False)

    def _reconnect(self, url: str | None) -> None:
        if url and self._connect is not None:
            self.workers.cancel_group(self, "source")
            self.workers.cancel_group(self, "polls")
            self.pop_screen()
            self.session = self._connect(url)
            self._show_session()

    # The terminal

    def action_mouse(self) -> None:
        """Switch mouse capture off, so that the terminal can select text, or on again."""
        self._has_mouse = not self._has_mouse
        if self._driver is not None:
            self._driver.write(terminal.MOUSE_ON if self._has_mouse else terminal.MOUSE_OFF)
            self._driver.flush()
        owner = "the dashboard" if self._has_mouse else "the terminal: m takes it back"
        self.notify(f"the mouse belongs to {owner}", timeout=3)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """List the commands of the palette."""
        yield from super().get_system_commands(screen)
        yield from list_commands(self, self.main)
        if self._connect is not None:
            yield SystemCommand("Connect", "Follow another server", self.action_connect)
