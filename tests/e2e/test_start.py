"""The start of real processes whose servers are away, or are not what they should be."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backend.queue.broker import STREAM
from tests.e2e.up import START_TIMEOUT_S, build_command, build_environment
from tests.integration.database_proxy import DatabaseProxy
from tests.integration.redis_servers import find_free_port, run_redis
from tests.scenario import run_node

NOTHING_LISTENS = "http://127.0.0.1:9"
NOISE = ("Traceback", "never retrieved", "never awaited")


@dataclass(slots=True)
class StartedProcess:
    """A process and what it has printed and logged."""

    process: Process
    lines: list[str] = field(default_factory=list)

    async def expect(self, text: str) -> str:
        """Read lines until one has ``text``."""
        assert self.process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line)
                if text in line:
                    return line
        raise AssertionError(f"no {text!r} in {self.lines}")

    async def end(self) -> int:
        """Send SIGTERM, if it runs still; return the exit code."""
        assert self.process.stdout is not None
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(START_TIMEOUT_S):
            self.lines.append((await self.process.stdout.read()).decode())
            return await self.process.wait()


@asynccontextmanager
async def start(*arguments: str, **settings: str) -> AsyncIterator[StartedProcess]:
    process = await asyncio.create_subprocess_exec(
        *build_command(*arguments),
        env=build_environment(ORDER_ENGINE_LOG_FORMAT="json", **settings),
        stdout=PIPE,
        stderr=STDOUT,
    )
    started = StartedProcess(process)
    try:
        yield started
    finally:
        await started.end()
    output = "".join(started.lines)
    assert not [noise for noise in NOISE if noise in output], output


COMMANDS = [("worker",), ("api", "--port", "0")]


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_process_waits_for_postgresql_and_says_so(
    database_url: str, redis_url: str, data_dir: Path, command: tuple[str, ...]
) -> None:
    proxy = DatabaseProxy(database_url, data_dir)
    async with run_node(data_dir) as node_url:
        urls = {"DATABASE_URL": proxy.url, "REDIS_URL": redis_url, "SOLANA_RPC_URL": node_url}
        async with start(*command, **urls) as process:
            await process.expect("waiting for PostgreSQL")
            await proxy.restore()
            await process.expect("ready http://")
            assert await process.end() == 0
        await proxy.cut()


async def test_a_worker_waits_for_the_node_and_says_so(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    port = find_free_port()
    urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    async with start("worker", SOLANA_RPC_URL=f"http://127.0.0.1:{port}", **urls) as process:
        await process.expect("waiting for the node")
        async with run_node(data_dir, port=port):
            await process.expect("ready http://")
            assert await process.end() == 0


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_process_names_a_redis_that_is_away_and_uses_it_when_it_comes(
    database_url: str, data_dir: Path, command: tuple[str, ...]
) -> None:
    async with run_node(data_dir) as node_url:
        urls = {
            "DATABASE_URL": database_url,
            "REDIS_URL": f"unix://{data_dir}/redis.sock",
            "SOLANA_RPC_URL": node_url,
        }
        async with start(*command, **urls) as process:
            await process.expect("waiting for Redis")
            await process.expect("ready http://")
            async with run_redis(data_dir) as server, server.open_admin() as admin:
                if command == ("worker",):
                    async with asyncio.timeout(START_TIMEOUT_S):
                        while not await admin.exists(STREAM):
                            await asyncio.sleep(0.01)
                assert await process.end() == 0


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_process_that_waits_ends_on_sigterm(
    redis_url: str, data_dir: Path, command: tuple[str, ...]
) -> None:
    urls = {"DATABASE_URL": f"postgresql:///x?host={data_dir}", "REDIS_URL": redis_url}
    async with start(*command, SOLANA_RPC_URL=NOTHING_LISTENS, **urls) as process:
        await process.expect("waiting for PostgreSQL")
        assert await process.end() == 0


async def test_up_waits_for_servers_that_are_not_its_own(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    port = find_free_port()
    (data_dir / "proxy").mkdir()
    proxy = DatabaseProxy(database_url, data_dir / "proxy")
    urls = {"DATABASE_URL": proxy.url, "SOLANA_RPC_URL": f"http://127.0.0.1:{port}"}
    command = ("up", "--port", "0", "--headless", "--data-dir", str(data_dir / "up"))
    async with start(*command, REDIS_URL=redis_url, **urls) as process:
        await process.expect("waiting for PostgreSQL")
        await proxy.restore()
        await process.expect("worker-1 is not ready yet: waiting for the node")
        async with run_node(data_dir, port=port):
            await process.expect("ready http://")
            assert await process.end() == 0
    await proxy.cut()


async def test_up_that_waits_ends_on_sigterm(redis_url: str, data_dir: Path) -> None:
    urls = {"DATABASE_URL": f"postgresql:///x?host={data_dir}", "REDIS_URL": redis_url}
    command = ("up", "--port", "0", "--headless", "--data-dir", str(data_dir / "up"))
    async with start(*command, **urls) as process:
        await process.expect("waiting for PostgreSQL")
        assert await process.end() == 0


@pytest.mark.parametrize("command", [*COMMANDS, ("up", "--port", "0", "--headless")])
@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://user:s3cr3t@{host}", "REDIS_URL must begin with redis://"),
        ("redis://user:s3cr3t@", "REDIS_URL names no host"),
        ("redis://user:s3cr3t@{host}", "refuses the user or the password"),
        ("redis://{host}/99", "no database of this number"),
    ],
)
async def test_a_wrong_redis_url_ends_the_start_with_one_sentence(
    database_url: str, data_dir: Path, command: tuple[str, ...], address: str, sentence: str
) -> None:
    async with run_redis(data_dir) as server, run_node(data_dir) as node_url:
        urls = {
            "REDIS_URL": address.format(host=f"127.0.0.1:{server.port}"),
            "SOLANA_RPC_URL": node_url,
            "DATABASE_URL": database_url,
            "ORDER_ENGINE_DATA_DIR": str(data_dir / "up"),
        }
        async with start(*command, **urls) as process:
            await process.expect(sentence)
            async with asyncio.timeout(START_TIMEOUT_S):
                assert await process.process.wait() == 1
        assert "s3cr3t" not in "".join(process.lines)
