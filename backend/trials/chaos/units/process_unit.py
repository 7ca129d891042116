"""One process of the engine under test, which can be killed, paused and started."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import Process
from typing import Final

from backend.domain.errors import EngineError
from backend.embedded import child_process as child
from backend.embedded.supervisor import SupervisedProgram

RESTART_DELAY_S: Final = 0.1


class ProcessUnit:
    """One process of the engine; ``watch`` must be running."""

    def __init__(self, program: SupervisedProgram) -> None:
        self._program = program
        self._process: Process | None = None
        self._is_enabled = False
        self._changed = asyncio.Event()
        self._starting = asyncio.Lock()
        self.fault_lock = asyncio.Lock()
        """Held while a fault is applied to it, so that faults of one process never overlap."""
        self.crashes = 0
        """How often it exited without having been stopped."""

    @property
    def name(self) -> str:
        """Its name, such as ``worker-1``."""
        return self._program.name

    @property
    def pid(self) -> int:
        """Its process id. It must be running."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it is ready; retried while its dependencies are still down."""
        self._is_enabled = True
        async with self._starting:
            while self._process is None and self._is_enabled:
                try:
                    self._process = await self._program.start()
                except EngineError:
                    await asyncio.sleep(RESTART_DELAY_S)
        self._changed.set()
        if not self._is_enabled:
            await self.kill()

    async def kill(self) -> None:
        """``kill -9``; it stays down."""
        process = self._release_process()
        if process is not None:
            await child.kill_group(process)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after the stop timeout; it stays down."""
        process = self._release_process()
        if process is not None:
            await child.stop_process(process, self._program.stop_steps, asyncio.Event())

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def wait_exited(self) -> None:
        """Wait for an expected exit, which does not count as a crash."""
        self._is_enabled = False
        if self._process is not None:
            await self._process.wait()
        self._process = None

    async def watch(self) -> None:
        """Restart it whenever it exits without having been stopped, until cancelled."""
        while True:
            process = self._process
            if process is None or not self._is_enabled:
                self._changed.clear()
                await self._changed.wait()
                continue
            await process.wait()
            if self._is_enabled and self._process is process:
                self.crashes += 1
                self._process = None
                await self.start()

    def _release_process(self) -> Process | None:
        process, self._process = self._process, None
        self._is_enabled = False
        return process

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
