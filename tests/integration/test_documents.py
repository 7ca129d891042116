"""The documents beside the API: each example is sent, each frame is held against its schema."""

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

from backend.api.server.route_table import SOCKETS
from backend.domain.lifecycle import Status
from backend.domain.quotes import Dex
from tests.integration.apis import Api, Json
from tests.integration.whole import Whole, whole_engine

ROOT = Path(__file__).parent.parent.parent
STATIC = ROOT / "static"
ASYNC: Json = yaml.safe_load((STATIC / "asyncapi.yaml").read_text())
SCHEMAS = ASYNC["components"]["schemas"]
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}


@pytest.fixture
async def engine(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setattr("backend.api.sockets.views.HEARTBEAT_S", 0.05)
    async with whole_engine(database_url, redis_url, data_dir) as whole:
        yield whole


# The Postman collection


def collection_items() -> list[Json]:
    collection = json.loads((STATIC / "postman_collection.json").read_text())
    return [item for folder in collection["item"] for item in folder["item"]]


def test_the_collection_is_what_the_openapi_document_makes() -> None:
    script = ROOT / "scripts" / "api_documents.py"
    check = [sys.executable, str(script), "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_collection_has_what_people_try_first() -> None:
    names = [item["name"] for item in collection_items()]
    assert len([name for name in names if name.startswith("Swap ")]) == 5
    assert len([name for name in names if name.startswith("Refused: ")]) >= 4
    assert "Refused: zero amount" in names
    assert any(name.startswith("Load run: ") for name in names)


async def test_every_request_of_the_collection_gets_the_answer_that_it_promises(
    engine: Whole,
) -> None:
    values = {"orders": json.dumps([ORDER] * 3)}
    for item in collection_items():
        request, script = item["request"], "\n".join(item["event"][-1]["script"]["exec"])
        path = request["url"]["raw"].removeprefix("{{api}}")
        body = filled(request.get("body", {}).get("raw", ""), values)
        headers = {
            each["key"]: each["value"] for each in request["header"] if "disabled" not in each
        }
        status, answer = await send(
            engine.api, request["method"], filled(path, values), body, headers
        )
        assert f"have.status({status})" in script, (item["name"], answer)
        if '"orderId", pm.response' in script:
            values["orderId"] = answer["orderId"]


def filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: values[found[1]], text)


async def send(
    api: Api, method: str, path: str, body: str, headers: dict[str, str]
) -> tuple[int, Any]:
    async with api.session.request(method, path, data=body or None, headers=headers) as response:
        is_json = "json" in response.content_type
        return response.status, await (response.json() if is_json else response.text())


# The .http file


def http_requests() -> Iterator[tuple[str, str, str, dict[str, str], str]]:
    """Of each request: its title, method, address, headers and body."""
    text = (STATIC / "orders.http").read_text()
    for block in text.split("\n### ")[1:]:
        head, _, body = block.partition("\n\n")
        title, *lines = [line for line in head.splitlines() if not line.startswith("# @")]
        method, address = lines[0].split(" ", 1)
        headers = dict(line.split(": ", 1) for line in lines[1:])
        yield title, method, address, headers, body.strip()


async def test_every_request_of_the_http_file_gets_the_answer_in_its_title(engine: Whole) -> None:
    known: dict[str, str] = {}
    sent = 0
    for title, method, address, headers, body in http_requests():
        path = re.sub(r"{{\w+\.response\.body\.\$\.(\w+)}}", r"{{\1}}", address)
        path = filled(path.removeprefix("{{api}}"), known)
        if method == "WEBSOCKET":
            async with engine.api.session.ws_connect(path) as socket:
                assert title.startswith("101 ")
                assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
            continue
        status, answer = await send(engine.api, method, path, body, headers)
        assert title.startswith(f"{status} "), (title, answer)
        known |= {name: answer[name] for name in ("orderId", "batchId") if name in answer}
        sent += 1
    assert sent >= 10


# The AsyncAPI document


def holds(name: str, value: object) -> None:
    """Assert that a value is what a schema of the AsyncAPI document says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": ASYNC["components"]}
    Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER).validate(value)


def is_documented(name: str, value: object) -> bool:
    try:
        holds(name, value)
    except ValidationError:
        return False
    return True


def pointers(node: object) -> Iterator[str]:
    match node:
        case {"$ref": str(pointer)}:
            yield pointer
        case dict():
            for value in node.values():
                yield from pointers(value)
        case list():
            for value in node:
                yield from pointers(value)
        case _:
            pass


def test_the_asyncapi_document_has_every_socket_and_every_word() -> None:
    addresses = {channel["address"] for channel in ASYNC["channels"].values()}
    assert addresses == {re.sub(r"<\w+>", "{orderId}", route.path) for route in SOCKETS}
    assert SCHEMAS["status"]["enum"] == [status.value for status in Status]
    assert set(SCHEMAS["dex"]["enum"]) == {dex.value for dex in Dex}
    told = {
        json.dumps(SCHEMAS[pointer.rpartition("/")[2]]["properties"]["status"])
        for pointer in pointers(SCHEMAS["event"])
    }
    assert all(status.value in "".join(told) for status in Status)


def test_the_asyncapi_document_refers_to_nothing_that_it_has_not() -> None:
    for pointer in pointers(ASYNC):
        node: Any = ASYNC
        for step in pointer.removeprefix("#/").split("/"):
            node = node[step]
    for schema in SCHEMAS.values():
        Draft7Validator.check_schema(schema)
    for message in ASYNC["components"]["messages"].values():
        for example in message.get("examples", []):
            holds(message["payload"]["$ref"].rpartition("/")[2], example["payload"])


async def test_an_orders_socket_says_what_the_document_says(engine: Whole) -> None:
    await engine.fault(fault="fail", reason="slippage", count=1)
    retried = await engine.api.post("/api/orders/execute", {**ORDER, "clientOrderId": "a"})
    events = await engine.ended(retried["orderId"])
    hopeless = {**ORDER, "minAmountOut": "1000000"}
    failed = await engine.api.post("/api/orders/execute", hopeless)
    events += await engine.ended(failed["orderId"])
    await engine.fault(fault="down", venue="raydium")
    partly = await engine.api.post("/api/orders/execute", dict(ORDER))
    events += await engine.ended(partly["orderId"])
    for event in events:
        holds("event", event)
        holds(event["status"], event)
    facts = {(event["status"], key) for event in events for key in event}
    assert {("routing", "waitMs"), ("routing", "txHash"), ("building", "unavailable")} <= facts
    assert {("failed", "code"), ("confirmed", "slot"), ("pending", "minAmountOut")} <= facts


async def test_an_order_that_is_placed_on_a_socket_is_answered_as_the_document_says(
    engine: Whole,
) -> None:
    for order, name in ((ORDER, "queued"), ({**ORDER, "amount": 0}, "problem")):
        async with engine.api.session.ws_connect("/api/orders/execute") as socket:
            await socket.send_json(order)
            first, *rest = [message.json() async for message in socket]
        assert is_documented("order", order) == (name == "queued")
        holds(name, first)
        for event in rest:
            holds("event", event)


async def test_the_stream_says_what_the_document_says(engine: Whole) -> None:
    orders = [{**ORDER, "clientOrderId": str(n)} for n in range(20)]
    seen: dict[str, int] = {}
    ended = 0
    async with engine.api.stream() as socket:
        batch = await engine.api.post("/api/orders/batch", {"orders": orders})
        assert urlsplit(batch["ws_url"]).path == "/api/orders/stream"
        async for message in socket:
            value = message.json()
            name = "frame" if isinstance(value, list) else next(iter(value))
            holds(name, value)
            seen[name] = seen.get(name, 0) + 1
            if name == "frame":
                assert ["cursor" in event for event in value] == [False] * (len(value) - 1) + [True]
                ended += sum(event["status"] == "confirmed" for event in value)
            if ended == len(orders) and "heartbeat" in seen:
                engine.api.stop.set()
    assert set(seen) == {"hello", "frame", "heartbeat", "bye"}
    assert seen["hello"] == seen["bye"] == 1
