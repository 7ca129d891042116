"""The embedded Valkey (or Redis): a Unix socket, an append-only file, nothing else.

Every write is in the file before it is answered and on the disk a second later, so ``kill -9``
loses nothing and a power cut at most a second. That is enough: what it holds are hints and
notices, and PostgreSQL holds the truth.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Iterator
from pathlib import Path

from backend.domain.errors import Transient
from backend.embedded import child_process as child
from backend.embedded.binaries import find_valkey, reachable
from backend.embedded.data_dir import Place
from backend.embedded.stale_process import POLL_S, end_leftover

START_S_MAX = 60.0
PING_S_MAX = 5.0


class Valkey:
    """Valkey over ``place``; ``start`` may be called again whenever it has died."""

    name = "valkey"
    stopping: tuple[child.Step, ...] = ((signal.SIGTERM, 10.0),)

    def __init__(self, place: Place, databases: int) -> None:
        self._place = place
        self._databases = databases
        self._data = place.data_dir / "valkey"
        self._pid_file = self._data / "valkey.pid"
        self._socket = place.run_dir / "valkey.sock"
        self._log = place.logs / "valkey.log"

    @property
    def url(self) -> str:
        """Where it accepts connections; the same after a restart."""
        return f"unix://{self._socket}"

    async def start(self) -> Process:
        """Starts it and waits until it answers.

        Raises ``Rejected`` without a fitting program, ``Transient`` if it does not start.
        """
        account = self._place.account
        program = reachable(find_valkey(), account, self._place.data_dir / "servers")
        child.bound_log(self._log)
        if not self._data.exists():
            self._data.mkdir(mode=0o700)
            account.owns(self._data)
        await end_leftover(self._pid_file, f"-server --dir {self._data}", self.stopping)
        self._socket.unlink(missing_ok=True)
        process = await child.spawn(
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
        yield from ("--set-proc-title", "no")  # its command line is how it is found again

    async def _wait_until_ready(self, process: Process) -> None:
        try:
            async with asyncio.timeout(START_S_MAX):
                while process.returncode is None:
                    if await self._answers():
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            await child.end(process)
            raise self._failure(f"Valkey is not ready after {START_S_MAX:.0f} s") from None
        except BaseException:
            await child.end(process)
            raise
        raise self._failure(f"Valkey {child.ending(process)} while starting")

    async def _answers(self) -> bool:
        """Whether it answers a PING; while it still loads its data it does not."""
        try:
            async with asyncio.timeout(PING_S_MAX):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                writer.write(b"PING\r\n")
                answer = await reader.readline()
                writer.close()
                await writer.wait_closed()
        except OSError:  # a time-out is one too
            return False
        return answer.startswith(b"+PONG")

    def _failure(self, what: str) -> Transient:
        return Transient(
            "valkey_did_not_start", f"{what}; {self._log} ends:\n{child.log_tail(self._log)}"
        )
