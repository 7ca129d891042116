"""The dashboard as an application: the source that feeds it, its dialogs, and what it keeps."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import ClassVar, Final

from textual.app import App, SystemCommand
from textual.screen import Screen
from textual.types import CSSPathType

from tui import terminal
from tui.connection.client import Client, Refused, Unreachable
from tui.connection.feed import Feed
from tui.connection.recording import BadRecording
from tui.model.messages import History
from tui.model.orders import Order
from tui.output.export import record
from tui.screens.batch import BatchScreen
from tui.screens.connect import ConnectScreen
from tui.screens.export import ExportScreen
from tui.screens.help import HelpScreen
from tui.screens.main import MainScreen
from tui.screens.order import OrderScreen
from tui.screens.reasons import ReasonsScreen
from tui.screens.resubmit import ResubmitScreen
from tui.session import Desk
from tui.table.columns import COLUMNS
from tui.widgets.theme import THEMES, colours

_TIDY_S: Final = 60
_HISTORY_S: Final = 0.1
"""How long the cursor rests on an order before its steps are asked for."""
_HISTORY_RETRY_S: Final = 2


class Dashboard(App[None]):
    """Shows a desk. ``connect`` makes the desk of another server."""

    CSS_PATH: ClassVar[CSSPathType | None] = "dashboard.tcss"
    TITLE: str | None = "Order Execution Engine"

    def __init__(
        self,
        desk: Desk,
        *,
        connect: Callable[[str], Desk] | None = None,
    ) -> None:
        super().__init__()
        self.desk = desk
        self._connect = connect
        self._has_mouse = True
        self._asked = ""
        for theme in THEMES:
            self.register_theme(theme)
        if desk.settings.theme in self.available_themes:
            self.theme = desk.settings.theme
        if desk.marks.is_ascii:
            self.add_class("-ascii")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The colours that themes do not have."""
        return colours(self.current_theme)

    def on_mount(self) -> None:
        """Show the desk, and begin to feed it."""
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        self._show_desk()
        self.set_interval(_TIDY_S, self._tidy)

    @property
    def main(self) -> MainScreen:
        """The screen below all dialogs."""
        return next(each for each in self.screen_stack if isinstance(each, MainScreen))

    def _show_desk(self) -> None:
        screen = MainScreen(self.desk)
        self.desk.wake = screen.wake
        self.desk.ask = self._ask
        self.push_screen(screen)
        self.run_worker(self._follow(self.desk), group="source", exclusive=True)

    async def _follow(self, desk: Desk) -> None:
        async with AsyncExitStack() as stack:
            if desk.client is not None:
                await stack.enter_async_context(desk.client)
            try:
                await desk.source.run(desk.put)
            except BadRecording as error:
                self.exit(return_code=1, message=str(error))
            desk.recording = "recording over" if desk.recording else ""

    def _tidy(self) -> None:
        if not self.desk.model.tally.in_flight:
            gc.collect()

    def _keep_theme(self, _: object) -> None:
        self.desk.settings.theme = self.theme

    # One order

    def _ask(self, order: Order) -> None:
        """Ask for the steps of an order, unless that is being done."""
        if self.desk.client is not None and order.id != self._asked:
            self._asked = order.id
            self.run_worker(self._tell(self.desk.client, order), group="history", exclusive=True)

    async def _tell(self, client: Client, order: Order) -> None:
        await asyncio.sleep(_HISTORY_S)
        try:
            events = await client.history(order.id)
            self.desk.put(History(order.id, events), self.desk.source.now_ms())
        except (Refused, Unreachable):
            await asyncio.sleep(_HISTORY_RETRY_S)
        self._asked = ""

    def action_open(self) -> None:
        """Show the order at the cursor in full."""
        if self.desk.cursor.order is not None and not isinstance(self.screen, OrderScreen):
            self.push_screen(OrderScreen(self.desk))

    def on_blotter_opened(self) -> None:
        """Show the order that was clicked twice in full."""
        self.action_open()

    def action_failed(self, step: int) -> None:
        """Go to the next failed order, also while one is shown in full."""
        self.main.action_failed(step)

    def action_step(self, step: int) -> None:
        """Go to the next order, also while one is shown in full."""
        self.main.blotter.action_move(step)

    def action_copy(self, what: str) -> None:
        """Copy the id, the whole order as JSON, or its signature."""
        order = self.desk.cursor.order
        if order is None:
            return
        texts = {"id": order.id, "tx": order.tx_hash, "json": json.dumps(record(order), indent=2)}
        text = texts[what]
        if text is None:
            yet = "" if order.is_end else " yet"
            self.notify(f"it was not signed{yet}", timeout=2)
        else:
            self.copy_to_clipboard(text)
            shown = text if what != "json" else f"order {order.short_id} as JSON"
            self.notify(f"copied {shown}", timeout=2, markup=False)

    # Dialogs

    def action_batch(self) -> None:
        """Make a batch of orders."""
        self._dialog(BatchScreen(self.desk))

    def action_order(self) -> None:
        """Place a single order."""
        self._dialog(BatchScreen(self.desk, single=True))

    def action_export(self) -> None:
        """Write the orders that are shown to a file."""
        self._dialog(ExportScreen(self.desk, self.desk.view.all()))

    def action_resubmit(self) -> None:
        """Send failed orders again."""
        failures = [order for order in self.desk.view.all() if order.status == "failed"]
        selected = self.desk.cursor.order
        if failures:
            chosen = selected if selected is not None and selected.status == "failed" else None
            self._dialog(ResubmitScreen(self.desk, chosen, failures))
        else:
            self.notify("no failed order is shown", timeout=2)

    def action_reasons(self) -> None:
        """Group the failures by reason."""
        failures = (order for order in self.desk.model.ordered if order.status == "failed")
        self.push_screen(ReasonsScreen(failures), self._show_reason)

    def _show_reason(self, code: str | None) -> None:
        if code:
            self.main.action_narrow(f"status:failed code:{code}")

    def action_help(self) -> None:
        """Show what the keys mean."""
        self._dialog(HelpScreen(self.desk.marks))

    def action_connect(self) -> None:
        """Follow another server."""
        url = self.desk.client.url if self.desk.client is not None else ""
        self.push_screen(ConnectScreen(url), self._reconnect)

    def _dialog(self, screen: Screen[None]) -> None:
        self.push_screen(screen)

    # The connection

    def action_retry_now(self) -> None:
        """Do not wait any longer before connecting again."""
        if isinstance(self.desk.source, Feed):
            self.desk.source.retry_now()

    def _reconnect(self, url: str | None) -> None:
        if url and self._connect is not None:
            self.workers.cancel_group(self, "source")
            self.pop_screen()
            self.desk = self._connect(url)
            self._show_desk()

    # The terminal

    def action_mouse(self) -> None:
        """Give the mouse to the terminal, so that it can select text; or take it back."""
        self._has_mouse = not self._has_mouse
        if self._driver is not None:
            self._driver.write(terminal.MOUSE_ON if self._has_mouse else terminal.MOUSE_OFF)
            self._driver.flush()
        whose = "the dashboard" if self._has_mouse else "the terminal: m takes it back"
        self.notify(f"the mouse belongs to {whose}", timeout=3)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers."""
        yield from super().get_system_commands(screen)
        yield SystemCommand("New batch", "Make a batch of orders", self.action_batch)
        yield SystemCommand("New order", "Place a single order", self.action_order)
        yield SystemCommand("Export", "Write the orders shown to a file", self.action_export)
        yield SystemCommand("Resubmit failures", "Send failed orders again", self.action_resubmit)
        yield SystemCommand("Failures by reason", "Group the failures", self.action_reasons)
        yield SystemCommand("Pause", "Hold the view still, or go on", self.main.action_pause)
        yield SystemCommand("Follow", "Stay with the newest order", self.main.action_follow)
        yield SystemCommand("Mouse", "Give the mouse to the terminal", self.action_mouse)
        if self._connect is not None:
            yield SystemCommand("Connect", "Follow another server", self.action_connect)
        for key, column in COLUMNS.items():
            if column.is_optional:
                yield SystemCommand(
                    f"Column: {column.title.strip()}",
                    "Show or hide this column",
                    lambda key=key: self.main.toggle_column(key),
                )
