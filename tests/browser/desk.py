"""What the tests of the desk ask of the engine beside the page."""

from __future__ import annotations

from typing import Any

from tests.e2e.up import RunningUp


async def cancel_all(up: RunningUp) -> None:
    """Cancel all open orders."""
    async with up.http.delete("/api/orders?all=true") as response:
        assert response.status == 200


async def read_json(up: RunningUp, path: str) -> Any:
    """What the API answers."""
    async with up.http.get(path) as response:
        assert response.status == 200
        return await response.json()
