"""Sessions for dashboard tests, fed from a recording of a real run or with hand-made frames.

The recording is of 453 orders on a simulated chain with faults: slippage, an empty wallet, a venue
that is down, and an API process that is killed and restarted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC
from functools import cache
from io import StringIO
from pathlib import Path
from typing import cast

from rich.console import Console
from textual.pilot import Pilot

from tui.app import Dashboard
from tui.connection.client import ApiClient
from tui.connection.recording import RecordedMessage, read_recording
from tui.connection.source import MessageHandler
from tui.session import Session
from tui.settings import Settings
from tui.text.symbols import ASCII, UNICODE

RECORDING = Path(__file__).parent / "recordings" / "demo.jsonl.gz"
WAIT_S = 60
WIDE, NARROW = (120, 40), (80, 24)


class StaticSource:
    """A message source that emits its messages at once; its clock then stops at the last one."""

    def __init__(self, messages: Iterable[RecordedMessage], at_ms: int | None = None) -> None:
        self._messages = list(messages)
        self.at_ms = at_ms or 0
        self._handle_message: MessageHandler | None = None

    def now_ms(self) -> int:
        return self.at_ms

    async def run(self, handle_message: MessageHandler) -> None:
        self._handle_message = handle_message
        self.play(self._messages)

    def play(self, messages: Iterable[RecordedMessage]) -> None:
        """Emit more messages."""
        assert self._handle_message is not None
        for recorded in messages:
            self.at_ms = max(self.at_ms, recorded.at_ms)
            self._handle_message(recorded.message, recorded.at_ms)


@cache
def _read_demo_recording() -> tuple[RecordedMessage, ...]:
    return tuple(read_recording(RECORDING))


def load_recorded_messages(until_ms: int | None = None) -> list[RecordedMessage]:
    """Return the messages of the recording, or those of its first ``until_ms``."""
    messages = list(_read_demo_recording())
    if until_ms is None:
        return messages
    return [message for message in messages if message.at_ms - messages[0].at_ms <= until_ms]


def make_session(
    source: StaticSource, *, is_ascii: bool = False, client: ApiClient | None = None
) -> Session:
    return Session(
        source=source,
        client=client,
        symbols=ASCII if is_ascii else UNICODE,
        timezone=UTC,
        settings=Settings(),
        new_id=lambda: "0f8fad5b-d9cb-469f-a165-70867728950e",
    )


@asynccontextmanager
async def show_dashboard(
    session: Session, size: tuple[int, int] = WIDE
) -> AsyncIterator[Pilot[None]]:
    """Run the dashboard; yields once it has drawn the messages of its source."""
    app = Dashboard(session)
    async with app.run_test(size=size) as pilot:
        await wait_until_drawn(pilot)
        yield pilot


async def wait_until_drawn(pilot: Pilot[None]) -> None:
    """Wait until no frame is pending."""
    app = get_dashboard(pilot)
    await pilot.pause()
    while app.main.is_due:
        await pilot.pause(0.01)
    app.main.refresh_panels()
    await pilot.pause()


async def press_keys(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, and wait until they have had their effects: a dialog is open, with its fields."""
    await pilot.press(*keys)
    await wait_for(pilot, lambda: not get_dashboard(pilot).has_pending_keys)
    await wait_until_drawn(pilot)


def get_dashboard(pilot: Pilot[None]) -> Dashboard:
    return cast(Dashboard, pilot.app)


def screen_text(pilot: Pilot[None]) -> str:
    """Return the text on the screen, dialogs included."""
    app = pilot.app
    console = Console(
        width=app.size.width,
        height=app.size.height,
        file=StringIO(),
        record=True,
        color_system=None,
    )
    console.print(
        app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    )
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"


def row_texts(pilot: Pilot[None]) -> list[str]:
    """Return the visible rows of the order table."""
    order_table = get_dashboard(pilot).main.order_table
    lines = [order_table.render_line(y).text.rstrip() for y in range(1, order_table.size.height)]
    return [line for line in lines if line]


def notification_texts(pilot: Pilot[None]) -> list[str]:
    """Return the texts of the notifications."""
    return [notification.message for notification in pilot.app._notifications]


async def wait_for(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await pilot.pause(0.02)


def count_statuses(pilot: Pilot[None]) -> Counter[str]:
    return Counter(order.status for order in get_dashboard(pilot).session.view.list_displayed())
