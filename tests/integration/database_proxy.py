"""A proxy in front of PostgreSQL, to simulate an outage of the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit


class DatabaseProxy:
    """A proxy in front of PostgreSQL, whose connections can be cut and restored, and held up."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        [host] = parse_qs(parts.query)["host"]
        self._target = next(Path(host).glob(".s.PGSQL.*[0-9]"))
        self._path = folder / self._target.name
        query = f"host={quote(str(folder))}"
        self.url = urlunsplit(parts._replace(query=query))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flow = asyncio.Event()
        self._flow.set()

    def hold(self) -> None:
        """Pass nothing on any more, as a server that is stopped; ``cut`` ends it."""
        self._flow.clear()

    async def restore(self) -> None:
        self._server = await asyncio.start_unix_server(self._relay, self._path)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self._path.unlink(missing_ok=True)
        for writer in tuple(self._writers):
            writer.transport.abort()
        self._flow.set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._target)
        writers = {writer, server_writer}
        self._writers |= writers
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._copy_bytes(reader, server_writer))
            tasks.create_task(self._copy_bytes(server_reader, writer))
        self._writers -= writers

    async def _copy_bytes(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._flow.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def open_database_proxy(database_url: str, folder: Path) -> AsyncIterator[DatabaseProxy]:
    proxy = DatabaseProxy(database_url, folder)
    await proxy.restore()
    try:
        yield proxy
    finally:
        await proxy.cut()
