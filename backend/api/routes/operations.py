"""Operations: is it alive, is it ready, what does it measure, how is it used."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

from redis.exceptions import RedisError

from backend.api.context import Api
from backend.api.wire.http import Answer, Call, json_answer
from backend.api.wire.problems import RETRY_AFTER_S, Problem
from backend.domain.errors import EngineError
from backend.runtime import observe

CHECK_TIMEOUT_S = 2.0
STATIC = Path(__file__).parents[3] / "static"
_KINDS = {".yaml": "application/yaml", ".http": "text/plain"}
"""What Python 3.11 has no name for."""

_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
_STATIC_HEADERS = {
    **_SAFE,
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
    ),
}
# The documents' script writes styles into the page.
_DOCS_HEADERS = {
    **_SAFE,
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
        " frame-ancestors 'none'"
    ),
}
_DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Order Execution Engine: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_DOCS_START = """window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
_DOCS_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})


async def healthz(api: Api, call: Call) -> Answer:
    """``GET /healthz`` and ``/livez``: this process answers; nothing else is asked."""
    return json_answer({"status": "ok"})


async def readyz(api: Api, call: Call) -> Answer:
    """``GET /readyz``: whether orders can be accepted and executed."""
    front = api.front

    async def redis() -> None:
        await front.redis.ping()

    async def node() -> None:
        await front.rpc.get_latest_blockhash()

    parts = {"database": front.orders.ping, "redis": redis, "node": node}
    async with asyncio.TaskGroup() as tasks:
        asked = {name: tasks.create_task(_check(ask)) for name, ask in parts.items()}
    checks = {name: task.result() for name, task in asked.items()}
    broken = [name for name, check in checks.items() if not check["ok"]]
    if api.gate.is_draining:
        detail = "this server is stopping"
    elif broken:
        detail = f"no answer from: {', '.join(broken)}"
    else:
        return json_answer({"status": "ready", "checks": checks})
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    raise Problem(503, "not_ready", detail, headers=headers, members={"checks": checks})


async def _check(ask: Callable[[], Awaitable[None]]) -> dict[str, object]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await ask()
    except TimeoutError:
        return {"ok": False, "reason": f"no answer within {CHECK_TIMEOUT_S:g} s"}
    except EngineError as error:
        return {"ok": False, "reason": error.reason}
    except (RedisError, OSError) as error:
        return {"ok": False, "reason": type(error).__name__}
    return {"ok": True}


async def metrics(api: Api, call: Call) -> Answer:
    """``GET /metrics`` in Prometheus' text format."""
    body, content_type = observe.metrics()
    return Answer(200, body, {}, content_type)


async def openapi(api: Api, call: Call) -> Answer:
    """``GET /openapi.json``."""
    return Answer(200, api.document)


async def docs(api: Api, call: Call) -> Answer:
    """``GET /docs``: the OpenAPI document for people, without anything from elsewhere."""
    return Answer(200, _DOCS_PAGE, _DOCS_HEADERS, "text/html; charset=utf-8")


async def docs_file(api: Api, call: Call) -> Answer:
    """``GET /docs/<file>``: the files of that page."""
    if call.name == "start.js":
        return Answer(200, _DOCS_START, _DOCS_HEADERS, "text/javascript; charset=utf-8")
    if call.name not in _DOCS_FILES:
        raise _no_file()
    spec = find_spec("flask_swagger_ui")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "dist"
    return await _file(folder / call.name, _DOCS_HEADERS)


async def static_file(api: Api, call: Call) -> Answer:
    """``GET /static/<file>``: the browser client."""
    path = STATIC / call.name
    if "\0" in call.name or not path.resolve().is_relative_to(STATIC.resolve()):
        raise _no_file()
    return await _file(path, _STATIC_HEADERS)


async def _file(path: Path, headers: dict[str, str]) -> Answer:
    try:
        body = await asyncio.to_thread(path.read_bytes)
    except (OSError, ValueError):
        raise _no_file() from None
    guessed = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    kind = guessed or "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return Answer(200, body, headers, kind)


def _no_file() -> Problem:
    return Problem(404, "not_found", "there is no such file")
