"""The engine under attack: ``order-engine up`` with few descriptors and a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from backend.domain.errors import Transient
from backend.trials import process_usage as usage
from backend.trials.whole_engine import run_whole_engine

KEY: Final = "attack-trial-client-key"
"""The key of the client that behaves."""
_LIMITED: Final = 'ulimit -n "$0" && exec "$@"'
_API: Final = "api"


class EngineUnderAttack:
    """A running engine: its URL, and what its API process uses."""

    def __init__(self, url: str, api_pid: int) -> None:
        self.url = url
        self._pid = api_pid

    def read_memory_bytes(self) -> int:
        """The resident memory of the API process."""
        return usage.read_memory_bytes([self._pid], "VmRSS")

    def read_cpu_s(self) -> float:
        """The CPU seconds of the API process so far."""
        return usage.read_cpu_s({_API: [self._pid]})[_API]

    def count_descriptors(self) -> int:
        """The open files and sockets of the API process."""
        return usage.count_descriptors(self._pid)


@asynccontextmanager
async def run_engine(data_dir: Path, descriptors: int) -> AsyncIterator[EngineUnderAttack]:
    """An engine whose processes have ``descriptors`` each, and cannot raise that.

    Raises ``Transient`` if it does not start.
    """
    limit = ("/bin/sh", "-c", _LIMITED, str(descriptors))
    settings = {"api_keys": f"client:{KEY}", "log_level": "warning"}
    async with run_whole_engine(data_dir, settings, limit) as engine:
        yield EngineUnderAttack(engine.url, _find_api(engine.pid))


def _find_api(parent: int) -> int:
    pid = usage.find_child(parent, _API)
    if pid is None:
        raise Transient("process_not_found", "the API process of the engine was not found in /proc")
    return pid
