"""The id of a request is in its response, its problem and its log lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from backend.runtime.observe_requests import add_request_id
from tests.conftest import ROOT
from tests.integration.apis import ORDER, open_api

EXECUTE = "/api/orders/execute"
MADE = re.compile(r"[0-9a-f]{24}")
INVALID_IDS = ["", " ", "a b", "a" * 129, "a;b", "id\u00e9", '"id"', "<script>"]


async def test_an_id_that_comes_with_a_request_is_in_every_response(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, body_bytes_max=10_000) as api:
        for method, path, body, status in (
            ("POST", EXECUTE, json.dumps(dict(ORDER)), 202),
            ("POST", EXECUTE, "{", 400),
            ("POST", EXECUTE, "x" * 10_001, 413),
            ("POST", "/api/orders/batch", json.dumps({"orders": [7]}), 422),
            ("GET", "/api/orders", None, 200),
            ("GET", "/api/orders?limit=0", None, 400),
            ("GET", "/nothing", None, 404),
            ("GET", EXECUTE, None, 426),
            ("PUT", "/api/orders", "{}", 405),
            ("GET", "/static/client.html", None, 200),
        ):
            headers = {"X-Request-ID": f"trace:{status}", "Content-Type": "application/json"}
            request = api.session.request(method, path, data=body, headers=headers)
            async with request as response:
                assert response.status == status, path
                assert response.headers.getall("X-Request-ID") == [f"trace:{status}"]
                if response.content_type == "application/problem+json":
                    problem = await response.json(content_type=None)
                    assert problem["requestId"] == f"trace:{status}"


@pytest.mark.parametrize("request_id", [None, *INVALID_IDS], ids=repr)
async def test_a_request_without_a_valid_id_gets_a_new_one(
    database_url: str, redis_url: str, request_id: str | None
) -> None:
    headers = {} if request_id is None else {"X-Request-ID": request_id}
    async with open_api(database_url, redis_url) as api:
        made = []
        for _ in range(2):
            async with api.session.get("/healthz", headers=headers) as response:
                made.append(response.headers["X-Request-ID"])
        assert all(map(MADE.fullmatch, made))
        assert made[0] != made[1]


async def test_sockets_have_ids_too(database_url: str, redis_url: str) -> None:
    headers = {"X-Request-ID": "socket-1"}
    async with open_api(database_url, redis_url) as api:
        async with api.session.ws_connect("/api/orders/stream", headers=headers) as stream:
            assert get_handshake_headers(stream)["X-Request-ID"] == "socket-1"
        async with api.session.ws_connect(EXECUTE, headers=headers) as socket:
            await socket.send_json({**ORDER, "amount": 0})
            assert (await socket.receive_json())["requestId"] == "socket-1"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect("/api/orders/upgrade/x", headers=headers)
        assert refused.value.headers is not None
        assert refused.value.headers["X-Request-ID"] == "socket-1"


def get_handshake_headers(socket: aiohttp.ClientWebSocketResponse) -> Any:
    return socket._response.headers


async def test_the_log_lines_of_a_request_have_its_id(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        with capture_logs(processors=[add_request_id]) as lines:
            headers = {"X-Request-ID": "logged-1"}
            await api.post(EXECUTE, {**ORDER, "amount": 0}, 422, headers)
            await api.get("/api/orders")
    [line] = [each for each in lines if each.get("request_id") == "logged-1"]
    assert (line["event"], line["route"], line["status"]) == ("request answered", EXECUTE, 422)


@pytest.mark.parametrize("style", ["json", "console"])
def test_the_log_of_a_process_has_ids(style: str) -> None:
    script = (
        "import sys; from backend.runtime import observe, observe_requests as requests;"
        "observe.configure_logging('info', sys.argv[1]); requests.bind_request_id('logged-2');"
        "observe.request_failed('/x', ValueError('y'))"
    )
    command = (sys.executable, "-c", script, style)
    log = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stderr
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log)
    assert re.search(r"request_id\W+logged-2", plain), log
