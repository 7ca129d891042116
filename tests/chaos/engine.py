"""The engine as real processes, for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from backend.trials.chaos.system import EngineSystem


@asynccontextmanager
async def run_engine(
    data_dir: Path, **settings: str
) -> AsyncIterator[tuple[EngineSystem, aiohttp.ClientSession]]:
    """An engine whose workers are stopped, and an HTTP session to it."""
    system = EngineSystem(data_dir, settings, workers=1)
    async with system.run():
        await system.units["worker-1"].stop()
        async with aiohttp.ClientSession(system.api_url) as session:
            yield system, session
