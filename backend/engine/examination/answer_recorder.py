"""Records what nodes answer: a proxy before each, whose answers go to a file as they came.

The file has one JSON object a line: the request, the status, some headers and the body of the
answer. The addresses of nodes, which may hold keys, are not in it, nor are cookies.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

import aiohttp
import orjson
from aiohttp import web

ANSWER_S_MAX: Final = 60.0
_HEADERS: Final = ("content-type", "content-encoding", "date", "retry-after")
_REQUEST: Final = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
_QUOTA_HEADER: Final = "ratelimit"


@asynccontextmanager
async def record_answers(urls: Sequence[str], path: Path) -> AsyncIterator[list[str]]:
    """Run a proxy before each node, and yield their addresses.

    Raises ``OSError`` if the file cannot be written.
    """
    timeout = aiohttp.ClientTimeout(total=ANSWER_S_MAX)
    async with AsyncExitStack() as stack:
        file = stack.enter_context(path.open("wb"))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        )
        yield [
            await stack.enter_async_context(_run_proxy(_RecordingProxy(url, session, file)))
            for url in urls
        ]


class _RecordingProxy:
    """Passes requests on to one node, and the answers back as they came."""

    def __init__(self, url: str, session: aiohttp.ClientSession, file: BinaryIO) -> None:
        self._url = url
        self._session = session
        self._file = file

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass one request on. A node that cannot be reached has no answer to record."""
        body = await request.read()
        try:
            async with self._session.post(self._url, data=body, headers=_REQUEST) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return web.Response(status=502)
        headers = {
            str(name): value
            for name, value in response.headers.items()
            if name.lower() in _HEADERS or _QUOTA_HEADER in name.lower()
        }
        self._record(body, response.status, headers, content)
        return web.Response(status=response.status, headers=headers, body=content)

    def _record(self, body: bytes, status: int, headers: dict[str, str], content: bytes) -> None:
        entry = {
            "request": orjson.Fragment(body),
            "status": status,
            "headers": headers,
            "body": _unpack(content, headers).decode(errors="replace"),
        }
        self._file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))


def _unpack(content: bytes, headers: Mapping[str, str]) -> bytes:
    """The body of an answer without its compression; one that is cut stays as it is."""
    try:
        return gzip.decompress(content) if "Content-Encoding" in headers else content
    except (OSError, EOFError, zlib.error):
        return content


@asynccontextmanager
async def _run_proxy(proxy: _RecordingProxy) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(proxy.handle), shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
