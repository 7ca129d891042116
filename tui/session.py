"""What the parts of the dashboard share: the model and its view, and who they belong to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from decimal import Decimal

from tui.connection.client import Client
from tui.connection.recording import Recorder
from tui.connection.source import Source
from tui.model.messages import Message, Note
from tui.model.model import Model
from tui.model.orders import Order
from tui.settings import Settings
from tui.table.cursor import Cursor
from tui.table.view import View
from tui.text.symbols import Marks


def _nobody() -> None:
    """Nobody draws yet."""


def _nobody_asks(_order: Order) -> None:
    """There is nobody to ask."""


@dataclass(slots=True)
class Desk:
    """One dashboard. ``client`` is none while a recording is shown; ``recording`` describes it."""

    source: Source
    client: Client | None
    marks: Marks
    zone: tzinfo
    settings: Settings
    new_id: Callable[[], str]
    recording: str = ""
    recorder: Recorder | None = None
    model: Model = field(default_factory=Model)
    wake: Callable[[], None] = field(default=_nobody)
    """Called when the model changed."""
    ask: Callable[[Order], None] = field(default=_nobody_asks)
    """Called when the steps of an order are to be shown and are not known."""
    view: View = field(init=False)
    cursor: Cursor = field(init=False)

    def __post_init__(self) -> None:
        self.view = View(
            self.model, sort=self.settings.sort, is_descending=self.settings.is_descending
        )
        self.cursor = Cursor(self.view)

    def put(self, message: Message, at_ms: int) -> None:
        """Take a message into the model, and into the recording if there is one."""
        self.model.apply(message, at_ms)
        if self.recorder is not None:
            self._record(self.recorder, message, at_ms)
        self.wake()

    def _record(self, recorder: Recorder, message: Message, at_ms: int) -> None:
        try:
            recorder.write(message, at_ms)
        except OSError as error:
            self.recorder = None
            with suppress(OSError):
                recorder.close()
            self.note(f"nothing more is recorded: {error}", "warn")

    def note(self, text: str, role: str = "") -> None:
        """Add a line to the log."""
        self.put(Note(text, role), self.source.now_ms())

    @property
    def server_ms(self) -> int:
        """The server's time, which orders are stamped with."""
        return self.model.link.server_ms(self.source.now_ms())

    def last_price(self, pair: str) -> Decimal | None:
        """What a pair was last traded at, as far as the newest orders show."""
        for order in reversed(self.model.ordered[-2_000:]):
            if order.pair.name == pair and order.price is not None:
                return order.price
        return None
