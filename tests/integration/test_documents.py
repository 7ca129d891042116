"""The Postman, .http and AsyncAPI documents: every example is sent, every frame is validated."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml
from jsonschema import Draft7Validator, ValidationError

from backend.api.application.route_table import SOCKETS
from backend.domain.lifecycle import Status
from backend.domain.quotes import Dex
from tests.integration.apis import Json, RunningApi
from tests.integration.full_engine import FullEngine, run_full_engine

ROOT = Path(__file__).parent.parent.parent
STATIC = ROOT / "static"
ASYNCAPI: Json = yaml.safe_load((STATIC / "asyncapi.yaml").read_text())
SCHEMAS = ASYNCAPI["components"]["schemas"]
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}


@pytest.fixture
async def engine(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setattr("backend.api.sockets.stream_socket.HEARTBEAT_S", 0.05)
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        yield engine


# The Postman collection


def load_collection_items() -> list[Json]:
    collection = json.loads((STATIC / "postman_collection.json").read_text())
    return [item for folder in collection["item"] for item in folder["item"]]


def test_the_collection_is_what_the_openapi_document_makes() -> None:
    script = ROOT / "scripts" / "generate" / "api_documents.py"
    check = [sys.executable, str(script), "--check"]
    result = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_collection_has_what_people_try_first() -> None:
    names = [item["name"] for item in load_collection_items()]
    assert len([name for name in names if name.startswith("Swap ")]) == 5
    assert len([name for name in names if name.startswith("Refused: ")]) >= 4
    assert "Refused: zero amount" in names
    assert any(name.startswith("Load run: ") for name in names)


async def test_every_request_of_the_collection_gets_the_response_that_it_promises(
    engine: FullEngine,
) -> None:
    values = {"orders": json.dumps([ORDER] * 3)}
    for item in load_collection_items():
        request, script = item["request"], "\n".join(item["event"][-1]["script"]["exec"])
        path = request["url"]["raw"].removeprefix("{{api}}")
        body = fill_variables(request.get("body", {}).get("raw", ""), values)
        headers = {
            each["key"]: each["value"] for each in request["header"] if "disabled" not in each
        }
        status, response = await send_request(
            engine.api, request["method"], fill_variables(path, values), body, headers
        )
        expected = re.search(r"expect\(\[([0-9, ]+)\]\)", script)
        assert expected is not None
        assert str(status) in expected[1].split(", "), (item["name"], response)
        if '"orderId", pm.response' in script:
            values["orderId"] = response["orderId"]
        if '"webhookId", pm.response' in script:
            values["webhookId"] = response["id"]


def fill_variables(text: str, values: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: values[found[1]], text)


async def send_request(
    api: RunningApi, method: str, path: str, body: str, headers: dict[str, str]
) -> tuple[int, Any]:
    async with api.session.request(method, path, data=body or None, headers=headers) as response:
        is_json = "json" in response.content_type
        return response.status, await (response.json() if is_json else response.text())


# The .http file


def load_http_requests() -> Iterator[tuple[str, str, str, dict[str, str], str]]:
    """The title, method, address, headers and body of each request."""
    text = (STATIC / "orders.http").read_text()
    for block in text.split("\n### ")[1:]:
        head, _, body = block.partition("\n\n")
        title, *lines = [line for line in head.splitlines() if not line.startswith("# @")]
        method, address = lines[0].split(" ", 1)
        headers = dict(line.split(": ", 1) for line in lines[1:])
        yield title, method, address, headers, body.strip()


async def test_every_request_of_the_http_file_gets_the_status_in_its_title(
    engine: FullEngine,
) -> None:
    values: dict[str, str] = {}
    sent = 0
    for title, method, address, headers, body in load_http_requests():
        path = re.sub(r"{{\w+\.response\.body\.\$\.(\w+)}}", r"{{\1}}", address)
        path = fill_variables(path.removeprefix("{{api}}"), values)
        if method == "WEBSOCKET":
            async with engine.api.session.ws_connect(path) as socket:
                assert title.startswith("101 ")
                assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
            continue
        status, response = await send_request(engine.api, method, path, body, headers)
        assert str(status) in title.split(" ", 1)[0].split("/"), (title, response)
        values |= {name: response[name] for name in ("orderId", "batchId") if name in response}
        sent += 1
    assert sent >= 10


# The AsyncAPI document


def assert_valid(name: str, value: object) -> None:
    """Assert that a value matches a schema of the AsyncAPI document."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": ASYNCAPI["components"]}
    Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER).validate(value)


def is_documented(name: str, value: object) -> bool:
    try:
        assert_valid(name, value)
    except ValidationError:
        return False
    return True


def find_references(node: object) -> Iterator[str]:
    match node:
        case {"$ref": str(pointer)}:
            yield pointer
        case dict():
            for value in node.values():
                yield from find_references(value)
        case list():
            for value in node:
                yield from find_references(value)
        case _:
            pass


def test_the_asyncapi_document_has_every_socket_and_every_status() -> None:
    addresses = {channel["address"] for channel in ASYNCAPI["channels"].values()}
    assert addresses == {re.sub(r"<\w+>", "{orderId}", route.path) for route in SOCKETS}
    assert SCHEMAS["status"]["enum"] == [status.value for status in Status]
    assert set(SCHEMAS["dex"]["enum"]) == {dex.value for dex in Dex}
    status_schemas = {
        json.dumps(SCHEMAS[pointer.rpartition("/")[2]]["properties"]["status"])
        for pointer in find_references(SCHEMAS["event"])
    }
    assert all(status.value in "".join(status_schemas) for status in Status)


def test_the_asyncapi_document_refers_to_nothing_that_it_has_not() -> None:
    for pointer in find_references(ASYNCAPI):
        node: Any = ASYNCAPI
        for step in pointer.removeprefix("#/").split("/"):
            node = node[step]
    for schema in SCHEMAS.values():
        Draft7Validator.check_schema(schema)
    for message in ASYNCAPI["components"]["messages"].values():
        for example in message.get("examples", []):
            assert_valid(message["payload"]["$ref"].rpartition("/")[2], example["payload"])


async def test_the_messages_of_an_order_socket_are_as_documented(engine: FullEngine) -> None:
    await engine.arm_fault(fault="fail", reason="slippage", count=1)
    retried = await engine.api.post("/api/orders/execute", {**ORDER, "clientOrderId": "a"})
    events = await engine.read_events(retried["orderId"])
    hopeless = {**ORDER, "minAmountOut": "1000000"}
    failed = await engine.api.post("/api/orders/execute", hopeless)
    events += await engine.read_events(failed["orderId"])
    await engine.arm_fault(fault="down", venue="raydium")
    partly = await engine.api.post("/api/orders/execute", dict(ORDER))
    events += await engine.read_events(partly["orderId"])
    for event in events:
        assert_valid("event", event)
        assert_valid(event["status"], event)
    facts = {(event["status"], key) for event in events for key in event}
    assert {("routing", "waitMs"), ("routing", "txHash"), ("building", "unavailable")} <= facts
    assert {("failed", "code"), ("confirmed", "slot"), ("pending", "minAmountOut")} <= facts


async def test_the_response_to_an_order_on_a_socket_is_as_documented(
    engine: FullEngine,
) -> None:
    for order, name in ((ORDER, "queued"), ({**ORDER, "amount": 0}, "problem")):
        async with engine.api.session.ws_connect("/api/orders/execute") as socket:
            await socket.send_json(order)
            first, *rest = [message.json() async for message in socket]
        assert is_documented("order", order) == (name == "queued")
        assert_valid(name, first)
        for event in rest:
            assert_valid("event", event)


async def test_the_messages_of_the_stream_are_as_documented(engine: FullEngine) -> None:
    orders = [{**ORDER, "clientOrderId": str(n)} for n in range(20)]
    counts: dict[str, int] = {}
    ended = 0
    async with engine.api.open_stream() as socket:
        batch = await engine.api.post("/api/orders/batch", {"orders": orders})
        assert urlsplit(batch["ws_url"]).path == "/api/orders/stream"
        async for message in socket:
            value = message.json()
            name = "frame" if isinstance(value, list) else next(iter(value))
            assert_valid(name, value)
            counts[name] = counts.get(name, 0) + 1
            if name == "frame":
                assert ["cursor" in event for event in value] == [False] * (len(value) - 1) + [True]
                ended += sum(event["status"] == "confirmed" for event in value)
            if ended == len(orders) and "heartbeat" in counts:
                engine.api.stop.set()
    assert set(counts) == {"hello", "frame", "heartbeat", "bye"}
    assert counts["hello"] == counts["bye"] == 1
