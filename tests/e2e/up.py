"""``order-engine up`` as a real process, for tests."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from tests.conftest import ROOT

START_TIMEOUT_S = 60


def build_command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "backend.cli", *arguments)


def build_environment(**settings: str) -> dict[str, str]:
    """This process's environment without the engine's settings, plus ``settings``."""
    prefixes = ("DATABASE_URL", "REDIS_URL", "SOLANA_RPC_URL", "ORDER_ENGINE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**inherited, **settings}


def run_command(*arguments: str, timeout_s: float) -> str:
    """Run a command of the engine that is to succeed; returns its output."""
    completed = subprocess.run(
        build_command(*arguments),
        cwd=ROOT,
        env=build_environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@dataclass(frozen=True, slots=True)
class RunningUp:
    process: Process
    url: str
    data_dir: Path
    http: aiohttp.ClientSession

    def children(self) -> list[psutil.Process]:
        """All descendant processes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, command_name: str) -> psutil.Process:
        """One of the engine's processes: ``api``, ``worker``, ``chain``."""
        [process] = [p for p in self.children() if command_name in p.cmdline()[1:4]]
        return process

    async def control(self, path: str, body: dict[str, object] | None = None) -> dict[str, object]:
        """Query the control API of the simulated node, or with a body tell it something."""
        log = (self.data_dir / "logs" / "chain.log").read_text()
        ready = [line for line in log.splitlines() if line.startswith("ready ")]
        node = ready[-1].split()[1]
        method = "GET" if body is None else "POST"
        async with self.http.request(method, f"{node}/control/{path}", json=body) as response:
            answer: dict[str, object] = await response.json()
            assert response.status == 200, answer
            return answer

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a stop signal; return the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(START_TIMEOUT_S):
            return await self.process.wait()


@asynccontextmanager
async def run_server(
    command: str, data_dir: Path, *arguments: str, **settings: str
) -> AsyncIterator[tuple[Process, str]]:
    """Run a command that serves; yields its process and its URL."""
    process = await asyncio.create_subprocess_exec(
        *build_command(command, "--port", "0", "--data-dir", str(data_dir), *arguments),
        env=build_environment(**settings),
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready http://"), line
        yield process, line.split()[1]
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # closes its pipe


@asynccontextmanager
async def run_up(data_dir: Path, *arguments: str, **settings: str) -> AsyncIterator[RunningUp]:
    async with (
        run_server("up", data_dir, *arguments, **settings) as (process, url),
        aiohttp.ClientSession(url) as http,
    ):
        yield RunningUp(process, url, data_dir, http)
