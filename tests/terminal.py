"""A command in a pseudo-terminal, for tests."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.conftest import ROOT
from tests.processes import wait_until

WAIT_S = 60


class Terminal:
    """The command on one side of a pseudo-terminal; this object is the other side."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self.master = master
        self.output = b""
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            self.output += os.read(self.master, 65_536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self.master)

    async def wait_for_output(self, text: str) -> None:
        await wait_until(lambda: text.encode() in self.output)

    def hang_up(self) -> None:
        """Close the terminal."""
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        self.master = -1

    async def wait_for_exit(self) -> int:
        async with asyncio.timeout(WAIT_S):
            return await self.process.wait()


@asynccontextmanager
async def run_in_terminal(
    home: Path,
    *arguments: str,
    before: Callable[[], object] | None = None,
    is_controlling: bool = True,
    program: tuple[str, ...] = ("-m", "tui"),
    **environ: str,
) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    os.set_blocking(master, False)

    def prepare() -> None:
        os.setsid()
        import fcntl
        import termios

        if is_controlling:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        if before is not None:
            before()

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, *arguments),
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": str(home), **environ},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=prepare,
    )
    os.close(slave)
    terminal = Terminal(process, master)
    try:
        yield terminal
    finally:
        if terminal.master >= 0:
            terminal.hang_up()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
