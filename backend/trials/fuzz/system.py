"""The engine that is tried, and what it logged."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from backend.trials.whole_engine import run_whole_engine

_UNLIMITED: Final = 10_000_000
_ERROR: Final = re.compile(rb"Traceback \(most recent call last\)|\[error|\"level\": ?\"error\"")


@asynccontextmanager
async def run_engine(data_dir: Path, seed: int) -> AsyncIterator[str]:
    """Run an engine that takes any number of orders; yields its address.

    Raises ``Transient`` if it does not start.
    """
    settings = {
        "seed": seed,
        "open_orders_max": _UNLIMITED,
        "owner_open_orders_max": _UNLIMITED,
    }
    async with run_whole_engine(data_dir, settings) as engine:
        yield engine.url


def find_logged_errors(data_dir: Path) -> list[str]:
    """What the engine's processes logged as errors: the name of the log, and the line."""
    return [
        f"{path.name}: {line[:300].decode(errors='replace')}"
        for path in sorted((data_dir / "logs").glob("*.log"))
        for line in path.read_bytes().splitlines()
        if _ERROR.search(line)
    ]
