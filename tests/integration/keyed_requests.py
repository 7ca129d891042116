"""Requests that place orders with keys, and what their responses say of repeats."""

from __future__ import annotations

from collections.abc import Mapping

from tests.integration.apis import ORDER, Json, RunningApi

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"


async def post(
    api: RunningApi, path: str, body: object, headers: Mapping[str, str] | None = None
) -> tuple[int, Json, bool]:
    """The status, the response, and whether it is a replayed response."""
    async with api.session.post(path, json=body, headers=headers) as response:
        is_repeat = response.headers.get("Idempotent-Replayed") == "true"
        return response.status, await response.json(content_type=None), is_repeat


def order_body(**fields: object) -> Json:
    return {**ORDER, **fields}


async def count_orders(api: RunningApi) -> int:
    return len((await api.get("/api/orders?limit=500"))["orders"])
