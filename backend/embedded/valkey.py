"""The embedded Valkey (or Redis) server: a Unix socket, an append-only file, nothing else.

Every write is in the file before its reply and is synced to disk within a second, so ``kill -9``
loses nothing and a power failure at most a second. That is sufficient: it holds only hints and
notifications, PostgreSQL is the source of truth.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Iterator
from pathlib import Path

from backend.domain.errors import Transient
from backend.embedded import child_process
from backend.embedded.binaries import ensure_executable, find_valkey
from backend.embedded.data_dir import DataDirectory
from backend.embedded.stale_process import POLL_INTERVAL_S, stop_stale_process

START_TIMEOUT_S = 60.0
PING_TIMEOUT_S = 5.0
_SOCKET_NAME = "valkey.sock"


def build_url(run_dir: Path) -> str:
    """The URL of the server whose socket is in a run folder."""
    return f"unix://{run_dir / _SOCKET_NAME}"


class ValkeyServer:
    """Valkey over ``directory``; ``start`` may be called again after it died."""

    name = "valkey"
    stop_steps: tuple[child_process.StopStep, ...] = ((signal.SIGTERM, 10.0),)

    def __init__(self, directory: DataDirectory, databases: int) -> None:
        self._directory = directory
        self._databases = databases
        self._data = directory.data_dir / "valkey"
        self._pid_file = self._data / "valkey.pid"
        self._socket = directory.run_dir / _SOCKET_NAME
        self._log = directory.log_dir / "valkey.log"

    @property
    def url(self) -> str:
        """The URL of its socket; unchanged by a restart."""
        return build_url(self._directory.run_dir)

    async def start(self) -> Process:
        """Start it and wait until it responds to PING.

        Raises ``Rejected`` without a suitable program, ``Transient`` if it does not start.
        """
        account = self._directory.account
        program = ensure_executable(find_valkey(), account, self._directory.data_dir / "servers")
        child_process.truncate_large_log(self._log)
        if not self._data.exists():
            self._data.mkdir(mode=0o700)
            account.chown(self._data)
        await stop_stale_process(self._pid_file, f"-server --dir {self._data}", self.stop_steps)
        self._socket.unlink(missing_ok=True)
        process = await child_process.spawn_process(
            [program.path, *self._arguments()],
            log=self._log,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            death_signal=signal.SIGKILL,
            account=account,
            cwd=Path("/"),
        )
        await self._wait_until_ready(process)
        return process

    def _arguments(self) -> Iterator[str | Path]:
        yield from ("--dir", self._data, "--pidfile", self._pid_file)
        yield from ("--port", "0", "--unixsocket", self._socket, "--unixsocketperm", "700")
        yield from ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
        yield from ("--databases", str(self._databases))
        yield from ("--set-proc-title", "no")  # ``stale_process`` identifies it by its command line

    async def _wait_until_ready(self, process: Process) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while process.returncode is None:
                    if await self._is_responding():
                        return
                    await asyncio.sleep(POLL_INTERVAL_S)
        except TimeoutError:
            await child_process.kill_group(process)
            raise self._build_start_error(
                f"Valkey is not ready after {START_TIMEOUT_S:.0f} s"
            ) from None
        except BaseException:
            await child_process.kill_group(process)
            raise
        raise self._build_start_error(
            f"Valkey {child_process.describe_exit(process)} while starting"
        )

    async def _is_responding(self) -> bool:
        """Whether it responds to PING; it does not while it loads its data."""
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                writer.write(b"PING\r\n")
                response = await reader.readline()
                writer.close()
                await writer.wait_closed()
        except OSError:  # includes TimeoutError
            return False
        return response.startswith(b"+PONG")

    def _build_start_error(self, reason: str) -> Transient:
        return Transient(
            "valkey_did_not_start",
            f"{reason}; {self._log} ends:\n{child_process.read_log_tail(self._log)}",
        )
