"""A token on the page that only its mint names, as a user pastes it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage
from tests.e2e.up import RunningUp

pytestmark = pytest.mark.asyncio(loop_scope="package")
NOWHERE = "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh"


async def test_a_pasted_mint_is_quoted_bought_and_shown(client: ClientPage, up: RunningUp) -> None:
    pool = await up.control("launch", {"venue": "raydium", "quote": "USDC"})
    mint = str(pool["mint"])
    await client.open()
    await client.fill(preset="one order", side="buy", low="10")
    await client.page.uncheck("input[value='SOL/USDC']")
    await client.fill(others=f"{NOWHERE}/USDC")
    await expect(client.element("error-pairs")).to_contain_text("the chain has no such account")
    await client.fill(others=f"{mint}/USDC")
    await expect(client.element("preview")).to_contain_text(f"{mint[:4]}…")
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("● confirmed")
    await expect(client.element("detail-facts")).to_contain_text(f"{mint[:4]}…")
