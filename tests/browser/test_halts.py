"""A halt on the page: what is halted is shown in words, and goes once trading is resumed."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage
from tests.e2e.up import RunningUp

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_the_page_says_what_is_halted(client: ClientPage, up: RunningUp) -> None:
    await client.open()
    notice = client.element("stopped")
    await expect(notice).to_be_hidden()
    halt = {"owner": "local", "why": "a drill <b>"}
    async with up.http.post("/api/admin/halt", json=halt) as response:
        assert response.status == 200
    try:
        await expect(notice).to_contain_text("owner local: halted since ")
        await expect(notice).to_contain_text(": a drill <b> (by local)")
    finally:
        async with up.http.post("/api/admin/resume", json={"owner": "local"}) as response:
            assert response.status == 200
    await expect(notice).to_be_hidden()
