"""Words for what a person does and sees on the page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import (
    ConsoleMessage,
    Error,
    FloatRect,
    Locator,
    Page,
    Request,
    WebSocket,
    expect,
)

Json = dict[str, Any]
REFUSAL = re.compile(r"the server responded with a status of 4(04|22)")
WAIT_MS = 30_000

expect.set_options(timeout=WAIT_MS)


@dataclass
class Screen:
    """One page, what it complains of, and what its sockets were told."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self._console)
        self.page.on("pageerror", self._page_error)
        self.page.on("request", self._request)
        self.page.on("websocket", self._socket)

    def _console(self, message: ConsoleMessage) -> None:
        # Of answers that refuse something the browser itself tells; the page handles them.
        is_refusal = REFUSAL.search(message.text) is not None
        if message.type in {"error", "warning"} and not is_refusal:
            self.complaints.append(message.text)

    def _page_error(self, error: Error) -> None:
        self.complaints.append(f"{error.message} {error.stack}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.foreign.append(request.url)

    def _socket(self, socket: WebSocket) -> None:
        self.sockets.append(socket.url)
        socket.on("framereceived", self._frame)

    def _frame(self, frame: str | bytes) -> None:
        value = json.loads(frame)
        if isinstance(value, list):
            self.events.extend(value)

    def part(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def rows(self, status: str = "") -> Locator:
        which = f"[data-status={status}]" if status else "[data-order]"
        return self.page.locator(f"#orders tbody tr{which}")

    @property
    def badge(self) -> Locator:
        return self.part("badge")

    async def open(self, query: str = "") -> None:
        """Go to the page, and wait until it follows the server."""
        await self.page.goto(f"{self.url}/static/client.html{query}")
        await expect(self.badge).to_have_text("● live")

    async def fill(self, **fields: str) -> None:
        """Write into fields of the form; a preset first, for it writes into all others."""
        if preset := fields.pop("preset", None):
            await self.part("preset").select_option(preset)
        if side := fields.pop("side", None):
            await self.page.check(f"input[name=side][value={side}]")
        for name, value in fields.items():
            place = self.page.locator(f"#order-form [name={name}]")
            if await place.evaluate("node => node.tagName") == "SELECT":
                await place.select_option(value)
            else:
                await place.fill(value)

    async def place(self) -> None:
        await self.part("place").click()

    async def place_many(self, count: int, **fields: str) -> list[str]:
        """Place orders; the ids of their batches."""
        await self.fill(**{"preset": "a hundred", "count": str(count), **fields})
        await self.place()
        outcome = self.part("outcome")
        await expect(outcome).to_contain_text(f"{count:,} accepted")
        link = await outcome.locator("a").get_attribute("href")
        assert link is not None
        return parse_qs(urlsplit(link).query)["batch"]

    async def shown(self) -> str:
        """How many orders the page says that it shows."""
        return await self.part("shown").inner_text()

    async def box(self, place: Locator) -> FloatRect:
        found = await place.bounding_box()
        assert found is not None
        return found
