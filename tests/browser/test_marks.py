"""Marked orders on the page: keys and clicks, and what is done with those that are marked."""

from __future__ import annotations

import csv

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage
from tests.browser.desk import read_json
from tests.e2e.up import RunningUp

pytestmark = pytest.mark.asyncio(loop_scope="package")
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.5"}
WAITS = {**ORDER, "type": "takeProfit", "triggerPrice": "100000"}


async def test_marked_orders_are_cancelled_sent_again_and_exported(
    desk: ClientPage, up: RunningUp
) -> None:
    client, page = desk, desk.page
    await up.control("faults", {"fault": "fail", "reason": "slippage", "count": 3})
    async with up.http.post(
        "/api/orders/batch", json={"orders": [ORDER, *[WAITS] * 3]}
    ) as response:
        batch_id = (await response.json())["batchId"]
    await client.open(f"?batch={batch_id}")
    await expect(client.rows("failed")).to_have_count(1)
    await expect(client.rows("waiting")).to_have_count(3)
    await page.locator("h1").click()
    for _ in range(2):
        await page.keyboard.press("v")
    marked = page.locator("#orders tr.marked")
    await expect(marked).to_have_count(2)
    await expect(client.element("cancel-shown")).to_have_text("Cancel marked (2)")
    async with page.expect_download() as saving:
        await page.keyboard.press("S")
    with open(await (await saving.value).path(), newline="") as file:  # noqa: ASYNC230, PTH123
        assert [row["status"] for row in csv.DictReader(file)] == ["waiting"] * 2
    await page.keyboard.press("X")
    await expect(client.element("cancel-title")).to_have_text("Cancel 2 open orders of 2 marked?")
    await client.element("cancel-yes").click()
    await expect(client.rows("cancelled")).to_have_count(2)
    await expect(client.rows("waiting")).to_have_count(1)
    await page.keyboard.press("V")
    await expect(marked).to_have_count(0)
    await client.rows("failed").locator("input").click()  # marks it, and opens no detail
    await expect(client.element("detail")).to_be_hidden()
    await page.keyboard.press("R")
    await expect(client.element("again-title")).to_have_text("Send 1 order again?")
    await client.element("again-yes").click()
    await expect(client.element("cancel-outcome")).to_contain_text("1 accepted")
    await client.element("cancel-outcome").locator("a").click()
    await expect(client.rows("confirmed")).to_have_count(1)


async def test_a_signature_leads_to_an_explorer_of_its_cluster(
    client: ClientPage, up: RunningUp
) -> None:
    page = client.page
    assert (await read_json(up, "/api/stats"))["cluster"] == "simulated"
    async with up.http.post("/api/orders/execute", json=ORDER) as response:
        order_id = (await response.json())["orderId"]
    await client.open(f"?order={order_id}")
    await expect(client.element("detail-status")).to_have_text("● confirmed")
    facts = client.element("detail-facts")
    await expect(facts).to_contain_text("Transaction")
    await expect(facts.locator("a[target]")).to_have_count(0)  # no explorer shows that chain
    address = """async ([cluster, pattern]) => {
      const { Explorer } = await import("./client/model/desk/explorer.js");
      const explorer = new Explorer();
      explorer.setCluster(cluster);
      return [explorer.setPattern(pattern), explorer.buildAddress("5abc")];
    }"""
    default = "https://explorer.solana.com/tx/5abc?cluster="
    for cluster, pattern, told in (
        ("mainnet-beta", "", ["", f"{default}mainnet-beta"]),
        ("localnet", "", ["", f"{default}custom"]),
        ("unknown", "", ["", None]),
        ("unknown", "https://solscan.io/tx/{signature}", ["", "https://solscan.io/tx/5abc"]),
        ("simulated", "https://solscan.io/tx/{signature}", ["", None]),
    ):
        assert await page.evaluate(address, [cluster, pattern]) == told
    for pattern in ("javascript:alert('{signature}')", "https://solscan.io"):
        assert "please" in (await page.evaluate(address, ["devnet", pattern]))[0]
    await page.keyboard.press("?")
    await client.element("explorer").fill("solscan.io")
    await client.element("explorer").blur()
    await expect(client.element("explorer-error")).to_contain_text("{signature}")
