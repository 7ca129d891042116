"""Desks to look at: fed from a recording of a real session, or with frames made by hand.

The recording is of 453 orders on a simulated chain with faults: slippage, an empty wallet, a venue
that is down, and an API process that is killed and comes back.
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
from tui.connection.client import Client
from tui.connection.recording import Recorded, read
from tui.connection.source import Put
from tui.session import Desk
from tui.settings import Settings
from tui.text.symbols import ASCII, UNICODE

RECORDING = Path(__file__).parent / "recordings" / "demo.jsonl.gz"
WAIT_S = 30
WIDE, NARROW = (120, 40), (80, 24)


class Still:
    """A source that says what it has at once, and then stays at its last moment."""

    def __init__(self, messages: Iterable[Recorded], at_ms: int | None = None) -> None:
        self._messages = list(messages)
        self.at_ms = at_ms or 0
        self._put: Put | None = None

    def now_ms(self) -> int:
        return self.at_ms

    async def run(self, put: Put) -> None:
        self._put = put
        self.play(self._messages)

    def play(self, messages: Iterable[Recorded]) -> None:
        """Say something more."""
        assert self._put is not None
        for recorded in messages:
            self.at_ms = max(self.at_ms, recorded.at_ms)
            self._put(recorded.message, recorded.at_ms)


@cache
def _messages() -> tuple[Recorded, ...]:
    return tuple(read(RECORDING))


def recorded(until_ms: int | None = None) -> list[Recorded]:
    """The recording, or its first ``until_ms``."""
    messages = list(_messages())
    if until_ms is None:
        return messages
    return [each for each in messages if each.at_ms - messages[0].at_ms <= until_ms]


def desk(source: Still, *, is_ascii: bool = False, client: Client | None = None) -> Desk:
    return Desk(
        source=source,
        client=client,
        marks=ASCII if is_ascii else UNICODE,
        zone=UTC,
        settings=Settings(),
        new_id=lambda: "0f8fad5b-d9cb-469f-a165-70867728950e",
    )


@asynccontextmanager
async def shown(desk: Desk, size: tuple[int, int] = WIDE) -> AsyncIterator[Pilot[None]]:
    """The dashboard, once it has drawn what its source has to say."""
    app = Dashboard(desk)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot


async def settled(pilot: Pilot[None]) -> None:
    """Everything that was going to be drawn is drawn."""
    app = dashboard(pilot)
    await pilot.pause()
    while app.main.is_due:
        await pilot.pause(0.01)
    app.main.refresh_panels()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


def dashboard(pilot: Pilot[None]) -> Dashboard:
    return cast(Dashboard, pilot.app)


def screen_text(pilot: Pilot[None]) -> str:
    """What is on the screen, dialogs and all, as text."""
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
    """The rows of the blotter that can be seen."""
    blotter = dashboard(pilot).main.blotter
    lines = [blotter.render_line(y).text.rstrip() for y in range(1, blotter.size.height)]
    return [line for line in lines if line]


def notices(pilot: Pilot[None]) -> list[str]:
    """What was said in passing."""
    return [each.message for each in pilot.app._notifications]


async def comes(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Waits until something is so, and drawn."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await pilot.pause(0.02)


def statuses(pilot: Pilot[None]) -> Counter[str]:
    return Counter(order.status for order in dashboard(pilot).desk.view.all())
