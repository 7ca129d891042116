"""A client that a generator makes from the served OpenAPI document works against the API."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from tests.integration.apis import RunningApi, open_api

PACKAGE = "generated_order_client"


async def generate_client(api: RunningApi, folder: Path) -> str:
    """Generate a client from the document that the API serves; return what the generator says."""
    async with api.session.get("/openapi.json") as response:
        (folder / "openapi.json").write_bytes(await response.read())
    command = ("generate", "--path", "openapi.json", "--meta", "none", "--output-path", PACKAGE)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "openapi_python_client", *command),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def operation(tag: str, name: str) -> Any:
    return import_module(f"{PACKAGE}.api.{tag}.{name}")


async def use_client(api: RunningApi, package: ModuleType) -> None:
    models = import_module(f"{PACKAGE}.models")
    [server] = (await api.get("/openapi.json"))["servers"]
    assert server["url"] == api.url
    client = package.AuthenticatedClient(base_url=server["url"], token="any")
    async with client:
        body = models.OrderBody(token_in="SOL", token_out="USDC", amount="1.5", slippage_bps=50)
        placed = await operation("orders", "place_order").asyncio_detailed(
            client=client, body=body, idempotency_key="generated"
        )
        assert placed.status_code == 202
        assert isinstance(placed.parsed, models.Queued)
        assert placed.parsed.status == "queued"
        order_id = UUID(str(placed.parsed.order_id))
        order = await operation("orders", "get_order").asyncio(client=client, order_id=order_id)
        assert (order.token_in, order.amount_in, order.status) == ("SOL", "1.5", "pending")
        page = await operation("orders", "list_orders").asyncio(
            client=client, status=[models.Status.PENDING], limit=10
        )
        assert [each.order_id for each in page.orders] == [order.order_id]
        events = await operation("orders", "get_order_events").asyncio(
            client=client, order_id=order_id, after=0
        )
        assert [event.seq for event in events.events] == [1]
        refused = await operation("orders", "place_order").asyncio(
            client=client, body=models.OrderBody(token_in="SOL", token_out="SOL", amount="1")
        )
        assert (refused.code, refused.errors[0].field) == ("same_token", "tokenOut")


async def test_a_generated_client_places_and_reads_orders(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_api(database_url, redis_url) as api:
        output = await generate_client(api, tmp_path)
        lost = {line.split(" within ")[0] for line in output.splitlines() if "WARNING" in line}
        # Files of any media type: no client needs a function for them.
        assert {each.rpartition(" ")[2] for each in lost} <= {"/docs/{name}", "/static/{name}"}
        monkeypatch.syspath_prepend(tmp_path)
        await use_client(api, import_module(PACKAGE))


async def test_operations_and_variables_have_names_of_their_own(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, public_url="https://x.example/dex") as api:
        document = await api.get("/openapi.json")
    assert document["servers"] == [{"url": "https://x.example/dex"}]
    operations = [each for item in document["paths"].values() for each in item.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    assert {"placeOrder", "placeBatch", "listOrders", "getOrder", "getQuotes"} <= set(names)
    assert "/api/orders/{orderId}" in document["paths"]
    assert "X-Request-ID" in json.dumps(operations[0]["responses"]["202"]["headers"])
