"""Files for browsers: the OpenAPI document, its Swagger UI page, and the static browser client."""

from __future__ import annotations

import asyncio
import mimetypes
from importlib.util import find_spec
from pathlib import Path

from backend.api.context import ApiContext
from backend.api.wire.http import Request, Response
from backend.api.wire.json import encode
from backend.api.wire.problems import Problem

STATIC_DIR = Path(__file__).parents[3] / "static"
_CONTENT_TYPES = {".yaml": "application/yaml", ".http": "text/plain"}
"""The content types that ``mimetypes`` of Python 3.11 does not know."""

_CACHE_HEADERS = {"Cache-Control": "no-cache"}
_STATIC_HEADERS = {
    **_CACHE_HEADERS,
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
    ),
}
# Swagger UI writes inline styles into the page.
_DOCS_HEADERS = {
    **_CACHE_HEADERS,
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
        " frame-ancestors 'none'"
    ),
}
# Addresses are relative to the page's own: it may be under any prefix of a proxy.
_DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Order Execution Engine: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_DOCS_SCRIPT = """window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
_DOCS_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})


async def get_home(api: ApiContext, request: Request) -> Response:
    """``GET /``: leads to the browser client."""
    location = f"{api.public_address.find_base(request).path}/static/client.html"
    headers = {**_STATIC_HEADERS, "Location": location}
    return Response(302, f"the page is at {location}\n", headers, "text/plain; charset=utf-8")


async def get_openapi(api: ApiContext, request: Request) -> Response:
    """``GET /openapi.json``, with the address by which this client reached the server."""
    servers = encode([{"url": api.public_address.find_base(request).url}])
    return Response(200, f'{{"servers":{servers},{api.describe_api()[1:]}')


async def get_docs_page(api: ApiContext, request: Request) -> Response:
    """``GET /docs``: the OpenAPI document in Swagger UI, served from here without a CDN."""
    return Response(200, _DOCS_PAGE, _DOCS_HEADERS, "text/html; charset=utf-8")


async def get_docs_file(api: ApiContext, request: Request) -> Response:
    """``GET /docs/<file>``: the scripts and styles of ``/docs``."""
    if request.path_variable == "start.js":
        return Response(200, _DOCS_SCRIPT, _DOCS_HEADERS, "text/javascript; charset=utf-8")
    if request.path_variable not in _DOCS_FILES:
        raise _file_not_found()
    spec = find_spec("flask_swagger_ui")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "dist"
    return await _build_file_response(folder / request.path_variable, _DOCS_HEADERS)


async def get_static_file(api: ApiContext, request: Request) -> Response:
    """``GET /static/<file>``: the browser client."""
    path = STATIC_DIR / request.path_variable
    if "\0" in request.path_variable or not path.resolve().is_relative_to(STATIC_DIR.resolve()):
        raise _file_not_found()
    return await _build_file_response(path, _STATIC_HEADERS)


async def _build_file_response(path: Path, headers: dict[str, str]) -> Response:
    try:
        body = await asyncio.to_thread(path.read_bytes)
    except (OSError, ValueError):
        raise _file_not_found() from None
    content_type = _CONTENT_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    content_type = content_type or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return Response(200, body, headers, content_type)


def _file_not_found() -> Problem:
    return Problem(404, "not_found", "there is no such file")
