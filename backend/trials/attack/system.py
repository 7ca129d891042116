"""The engine under attack: ``order-engine up`` with few descriptors and a key."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from backend.config import Profile, build_child_environment
from backend.domain.errors import Transient
from backend.embedded import child_process
from backend.embedded.engine_processes import EngineProcess, ProcessCommand

KEY: Final = "attack-trial-client-key"
"""The key of the client that behaves."""
START_TIMEOUT_S: Final = 120.0
_LIMITED: Final = 'ulimit -n "$0" && exec "$@"'
_PROC: Final = Path("/proc")
_KIB: Final = 1_024


class EngineUnderAttack:
    """A running engine: its URL, and what its API process uses."""

    def __init__(self, url: str, api_pid: int) -> None:
        self.url = url
        self._folder = _PROC / str(api_pid)

    def read_memory_bytes(self) -> int:
        """The resident memory of the API process."""
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * _KIB
        return 0

    def read_cpu_s(self) -> float:
        """The CPU seconds of the API process so far."""
        stat = (self._folder / "stat").read_text()
        user, system = stat[stat.rindex(")") + 2 :].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def count_descriptors(self) -> int:
        """The open files and sockets of the API process."""
        return len(list((self._folder / "fd").iterdir()))


@asynccontextmanager
async def run_engine(data_dir: Path, descriptors: int) -> AsyncIterator[EngineUnderAttack]:
    """An engine whose processes have ``descriptors`` each, and cannot raise that.

    Raises ``Transient`` if it does not start.
    """
    log_dir = data_dir / "logs"
    log_dir.mkdir(mode=0o700)
    settings = {
        "data_dir": data_dir,
        "port": 0,
        "profile": Profile.INSTANT,
        "api_keys": f"client:{KEY}",
        "log_level": "warning",
    }
    argv = ("/bin/sh", "-c", _LIMITED, str(descriptors), sys.executable, "-m", "backend.cli", "up")
    env = build_child_environment(os.environ, **settings)
    program = EngineProcess(
        ProcessCommand("up", (*argv, "--headless"), env, START_TIMEOUT_S), log_dir
    )
    process = await program.start()
    try:
        yield EngineUnderAttack(program.address, _find_api(process.pid))
    finally:
        await child_process.stop_process(process, ((signal.SIGTERM, 30.0),), asyncio.Event())


def _find_api(parent: int) -> int:
    for folder in _PROC.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            argv = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(stat[stat.rindex(")") + 2 :].split()[1]) == parent and b"api" in argv:
            return int(folder.name)
    raise Transient("process_not_found", "the API process of the engine was not found in /proc")
