"""A Redis of the system for one test, with the options that the test is about.

It is Debian's: ``apt-get install --no-install-recommends redis-server``. Where it is missing the
tests that need it are skipped, in CI they fail.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

START_TIMEOUT_S = 30


def find_program(name: str, package: str) -> str:
    """The path of a program of the system; without it the test is skipped, and in CI it fails."""
    program = shutil.which(name)
    if program is None:
        reason = f"{name} is missing: apt-get install --no-install-recommends {package}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running Redis, reached through a socket that no option under test affects."""

    folder: Path
    port: int
    """The port without TLS; 0 if there is none."""
    process: asyncio.subprocess.Process

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"unix://{self.folder}/redis.sock"

    def open_admin(self, *, username: str | None = None, password: str | None = None) -> Redis:
        return Redis.from_url(self.socket_url, username=username, password=password)


@asynccontextmanager
async def run_redis(
    folder: Path, *options: str, port: int | None = None
) -> AsyncIterator[RedisServer]:
    """Run a Redis over a folder until the end of the block."""
    number = find_free_port() if port is None else port
    process = await asyncio.create_subprocess_exec(
        find_program("redis-server", "redis-server"),
        *("--port", str(number), "--bind", "127.0.0.1"),
        *("--unixsocket", str(folder / "redis.sock"), "--dir", str(folder)),
        *("--save", "", "--logfile", str(folder / "redis.log"), "--daemonize", "no"),
        *options,
        stdout=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not (folder / "redis.sock").exists():
                assert process.returncode is None, (folder / "redis.log").read_text()
                await asyncio.sleep(0.01)
        yield RedisServer(folder, number, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        (folder / "redis.sock").unlink(missing_ok=True)
