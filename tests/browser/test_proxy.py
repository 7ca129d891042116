"""The page and the documents behind a real nginx: under a prefix, on another port, over TLS."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.client_page import ClientPage
from tests.e2e.up import RunningUp
from tests.integration.test_proxies import PREFIX_SERVER, ROOT_SERVER
from tests.nginx import create_certificate, run_nginx

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("prefix", ["", "/engine"], ids=["root", "prefix"])
async def test_the_page_goes_live_and_places_orders(
    browser: Browser, up: RunningUp, data_dir: Path, prefix: str, is_tls: bool
) -> None:
    server = PREFIX_SERVER if prefix else ROOT_SERVER
    server = server.replace("127.0.0.1:3000", up.url.removeprefix("http://"))
    http, listen = (create_certificate(data_dir), "ssl") if is_tls else ("", "")
    async with run_nginx(data_dir, server, http=http, listen=listen) as host:
        url = f"{'https' if is_tls else 'http'}://{host}{prefix}"
        page = await browser.new_page(ignore_https_errors=True)
        client = ClientPage(page, url)
        await client.open()
        [batch] = await client.place_orders(20)
        await client.element("filter").fill(f"batch:{batch} status:confirmed,failed")
        await expect(client.element("shown")).to_contain_text("20 of ")
        link = page.get_by_role("link", name="API", exact=True)
        await link.click()
        await expect(page).to_have_url(f"{url}/docs")
        await page.close()
        assert client.foreign_requests == []
        assert client.console_errors == []


@pytest.mark.parametrize("prefix", ["", "/engine"], ids=["root", "prefix"])
async def test_the_documents_show_and_try_each_route(
    browser: Browser, up: RunningUp, data_dir: Path, prefix: str
) -> None:
    server = PREFIX_SERVER if prefix else ROOT_SERVER
    server = server.replace("127.0.0.1:3000", up.url.removeprefix("http://"))
    async with run_nginx(data_dir, server) as host:
        page = await browser.new_page()
        client = ClientPage(page, f"http://{host}{prefix}")
        await page.goto(f"{client.url}/docs")
        operation = page.locator(".opblock", has=page.locator('[data-path="/livez"]'))
        await operation.locator(".opblock-summary-control").click()
        await operation.get_by_role("button", name="Try it out").click()
        async with page.expect_response(f"{client.url}/livez") as tried:
            await operation.get_by_role("button", name="Execute").click()
        assert (await tried.value).status == 200
        await page.close()
        assert client.foreign_requests == []
        assert client.console_errors == []
