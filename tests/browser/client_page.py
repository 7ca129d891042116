"""Page object of the browser client: the actions of a user, and what the page shows."""

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
HANDLED_ERROR = re.compile(r"the server responded with a status of 4(04|09|22)")
WAIT_MS = 30_000

expect.set_options(timeout=WAIT_MS)


@dataclass
class ClientPage:
    """One page, with its console errors, foreign requests and received events recorded."""

    page: Page
    url: str
    console_errors: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    socket_urls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", self._on_page_error)
        self.page.on("request", self._on_request)
        self.page.on("websocket", self._on_socket)

    def _on_console(self, message: ConsoleMessage) -> None:
        # The browser itself logs responses with an error status; the page handles these.
        is_handled = HANDLED_ERROR.search(message.text) is not None
        if message.type in {"error", "warning"} and not is_handled:
            self.console_errors.append(message.text)

    def _on_page_error(self, error: Error) -> None:
        self.console_errors.append(f"{error.message} {error.stack}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.foreign_requests.append(request.url)

    def _on_socket(self, socket: WebSocket) -> None:
        self.socket_urls.append(socket.url)
        socket.on("framereceived", self._on_frame)

    def _on_frame(self, frame: str | bytes) -> None:
        value = json.loads(frame)
        if isinstance(value, list):
            self.events.extend(value)

    def element(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def rows(self, status: str = "") -> Locator:
        condition = f"[data-status={status}]" if status else "[data-order]"
        return self.page.locator(f"#orders tbody tr{condition}")

    @property
    def badge(self) -> Locator:
        return self.element("badge")

    async def open(self, query: str = "") -> None:
        """Load the page, and wait until its connection is live."""
        await self.page.goto(f"{self.url}/static/client.html{query}")
        await expect(self.badge).to_have_text("● live")

    async def fill(self, **fields: str) -> None:
        """Fill fields of the form; a preset first, because it sets all others."""
        if preset := fields.pop("preset", None):
            await self.element("preset").select_option(preset)
        if side := fields.pop("side", None):
            await self.page.check(f"input[name=side][value={side}]")
        for name, value in fields.items():
            control = self.page.locator(f"#order-form [name={name}]")
            if await control.evaluate("node => node.tagName") == "SELECT":
                await control.select_option(value)
            else:
                await control.fill(value)

    async def submit(self) -> None:
        await self.element("place").click()

    async def place_orders(self, count: int, **fields: str) -> list[str]:
        """Place orders; returns the ids of their batches."""
        await self.element("ask-above").fill("")  # places at once, whatever the sum
        await self.fill(**{"preset": "a hundred", "count": str(count), **fields})
        await self.submit()
        outcome = self.element("outcome")
        await expect(outcome).to_contain_text(f"{count:,} accepted")
        link = await outcome.locator("a").get_attribute("href")
        assert link is not None
        return parse_qs(urlsplit(link).query)["batch"]

    async def shown_text(self) -> str:
        """Return the text that says how many orders are shown."""
        return await self.element("shown").inner_text()

    async def bounding_box(self, locator: Locator) -> FloatRect:
        box = await locator.bounding_box()
        assert box is not None
        return box
