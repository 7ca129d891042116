"""Stored API keys for tests: made in PostgreSQL, used over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from backend.domain.access.scopes import OWNER_SCOPES, Scope
from backend.store.access.key_store import CreatedKey, KeyStore
from backend.store.database import open_pool
from tests.integration.apis import WAIT_S, Json, RunningApi, wait_until

STREAM = "/api/orders/stream"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
"""The headers of a WebSocket handshake, for those that are refused."""


@asynccontextmanager
async def open_keys(database_url: str) -> AsyncIterator[KeyStore]:
    async with open_pool(database_url, connections_max=2) as pool:
        yield KeyStore(pool)


async def make_key(
    database_url: str, owner: str = "anna", *scopes: Scope, **options: object
) -> CreatedKey:
    async with open_keys(database_url) as keys:
        return await keys.create(owner, scopes or OWNER_SCOPES, **options)  # type: ignore[arg-type]


def show_key(created: CreatedKey | str) -> dict[str, str]:
    """The headers of a request with a key or a token."""
    key = created if isinstance(created, str) else created.key
    return {"Authorization": f"Bearer {key}"}


async def send(
    api: RunningApi,
    path: str = "/api/stats",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    body: object = None,
) -> tuple[int, Json]:
    """The status and the body of a response."""
    async with api.session.request(method, path, headers=headers, json=body) as response:
        if response.status == 401:
            assert response.headers["WWW-Authenticate"].startswith('Bearer realm="orders"')
        return response.status, dict(await response.json(content_type=None))


async def wait_for_status(
    api: RunningApi, headers: Mapping[str, str], status: int, path: str = "/api/stats"
) -> None:
    """Wait until a request with these headers has this status."""

    async def has_status() -> bool:
        return (await send(api, path, headers))[0] == status

    await wait_until(has_status)


async def receive_close(socket: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
    """The code and the reason with which the server closes a socket."""
    while True:
        message = await socket.receive(WAIT_S)
        if message.type is aiohttp.WSMsgType.CLOSE:
            return int(message.data), str(message.extra)
        assert message.type is aiohttp.WSMsgType.TEXT, message
