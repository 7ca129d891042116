"""Why a process cannot start with its ``DATABASE_URL``: one sentence, exit code 1, no secret."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg
import pytest

from backend import embedded
from tests.e2e.up import build_environment

SECRET = "hunter2"
COMMANDS = ("migrate", "api", "worker", "up")
RUN_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts the engine's commands on a Redis that works."""

    redis_url: str
    data_dir: Path

    async def run(self, command: str, url: str) -> tuple[int, str]:
        """Run a command of the engine; returns its exit code and standard error."""
        arguments = [command]
        settings = {
            "DATABASE_URL": url,
            "ORDER_ENGINE_PORT": "0",
            "ORDER_ENGINE_LOG_LEVEL": "error",
        }
        if command == "up":
            arguments += ["--headless", "--port", "0", "--data-dir", str(self.data_dir / "up")]
        else:
            settings |= {"REDIS_URL": self.redis_url, "SOLANA_RPC_URL": "http://127.0.0.1:9"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "backend.cli", *arguments),
            env=build_environment(**settings),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
        )
        async with asyncio.timeout(RUN_TIMEOUT_S):
            _, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, errors.decode()

    async def check_refusals(
        self, url: str, sentence: str, commands: Sequence[str] = COMMANDS
    ) -> None:
        """Check that each of the commands says this and ends."""
        async with asyncio.TaskGroup() as tasks:
            runs = [tasks.create_task(self.run(each, url)) for each in commands]
        for run in runs:
            code, errors = run.result()
            assert code == 1, errors
            lines = [line for line in errors.splitlines() if line.startswith("Error: ")]
            assert len(lines) == 1, errors
            assert sentence in lines[0]
            assert "Traceback" not in errors
            assert SECRET not in errors


@pytest.fixture
def starter(redis_url: str, data_dir: Path) -> Starter:
    return Starter(redis_url, data_dir)


def replace_url(url: str, *, user: str | None = None, path: str | None = None) -> str:
    parts = urlsplit(url)
    netloc = parts.netloc if user is None else f"{user}:{SECRET}@"
    return urlunsplit(parts._replace(netloc=netloc, path=path or parts.path))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:9/d", "nothing listens for PostgreSQL at 127.0.0.1:9"),
        (f"postgresql://u:{SECRET}@[::1]:9/d", "PostgreSQL at [::1]:9"),
        (f"postgresql://u:{SECRET}@/d?host=/nowhere", "nothing listens for PostgreSQL at /nowhere"),
        (f"postgresql://u:{SECRET}@no-such-host.invalid/d", "host of PostgreSQL at no-such-host"),
    ],
)
async def test_a_migration_without_a_server_is_a_sentence(
    url: str, sentence: str, starter: Starter
) -> None:
    # What serves waits for its server instead: tests/e2e/test_start.py.
    await starter.check_refusals(url, sentence, ("migrate",))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (f"postgresql://u:{SECRET}@h/d?sslmod=require", "did you mean sslmode?"),
        (f"mysql://u:{SECRET}@h/d", "must start with postgresql://"),
    ],
)
async def test_an_address_that_is_none_is_a_sentence(
    url: str, sentence: str, starter: Starter
) -> None:
    await starter.check_refusals(url, sentence, ("migrate", "worker"))


async def test_a_missing_database_is_a_sentence(database_url: str, starter: Starter) -> None:
    url = replace_url(database_url, path="/no_such_database")
    await starter.check_refusals(url, "has no such database: create it")


async def test_a_wrong_password_is_a_sentence(starter: Starter, data_dir: Path) -> None:
    async with embedded.run_servers(data_dir / "own") as servers:
        admin = await asyncpg.connect(servers.database_url)
        await admin.execute("CREATE ROLE locked LOGIN PASSWORD 'another'")
        prepend_line(await admin.fetchval("SHOW hba_file"), "local all locked scram-sha-256")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.close()
        url = replace_url(servers.database_url, user="locked")
        await starter.check_refusals(url, 'refuses the password of user "locked"', ("api",))


def prepend_line(path: str, line: str) -> None:
    file = Path(path)
    file.write_text(f"{line}\n{file.read_text()}")


@pytest.fixture
async def stranger_url(database_url: str) -> AsyncIterator[str]:
    """An empty database, as a role without any right in it."""
    name = f"stranger_{os.getpid()}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE ROLE {name} LOGIN")
    await admin.execute(f"CREATE DATABASE {name}")
    yield replace_url(database_url, user=name, path=f"/{name}")
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.execute(f"DROP ROLE {name}")
    await admin.close()


async def test_missing_rights_are_a_sentence(
    stranger_url: str, database_url: str, starter: Starter
) -> None:
    await starter.check_refusals(stranger_url, "CREATE on the schema", ("migrate", "up"))
    user = urlsplit(stranger_url).username
    migrated = replace_url(database_url, user=user)
    await starter.check_refusals(migrated, "grant it", ("api",))


async def test_a_database_without_tables_is_a_sentence(stranger_url: str, starter: Starter) -> None:
    await starter.check_refusals(stranger_url, " migrate`", ("worker",))


@asynccontextmanager
async def run_tcp_relay(
    database_url: str, replace: tuple[bytes, bytes] = (b"", b"")
) -> AsyncIterator[str]:
    """PostgreSQL over TCP; yields its URL. The first answer of the server may be changed."""
    [folder] = parse_qs(urlsplit(database_url).query)["host"]

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = f"{folder}/.s.PGSQL.5432"
        server_reader, server_writer = await asyncio.open_unix_connection(path)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(copy_bytes(reader, server_writer, (b"", b"")))
            tasks.create_task(copy_bytes(server_reader, writer, replace))

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        parts = urlsplit(database_url)
        yield urlunsplit(parts._replace(netloc=f"postgres@127.0.0.1:{port}", query=""))


async def copy_bytes(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replace: tuple[bytes, bytes]
) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data.replace(*replace) if replace[0] else data)
    writer.close()


async def test_a_server_without_tls_is_a_sentence(database_url: str, starter: Starter) -> None:
    async with run_tcp_relay(database_url) as url:
        await starter.check_refusals(f"{url}?sslmode=require", "offers no TLS", ("api",))


async def test_a_server_that_is_too_old_is_a_sentence(database_url: str, starter: Starter) -> None:
    connection = await asyncpg.connect(database_url)
    version = connection.get_settings().server_version.encode()
    await connection.close()
    old = b"9.6".ljust(len(version), b"0")
    async with run_tcp_relay(database_url, (version, old)) as url:
        await starter.check_refusals(url, "the engine needs 14 or newer", ("migrate", "worker"))


async def test_what_hosted_servers_put_into_an_address_is_taken(
    database_url: str, starter: Starter
) -> None:
    async with run_tcp_relay(database_url) as url:
        query = (
            "sslmode=prefer&channel_binding=require&connect_timeout=5&application_name=mine"
            "&keepalives=1&keepalives_idle=30&gssencmode=disable&target_session_attrs=read-write"
            "&options=-c%20statement_timeout%3D60000"
        )
        code, errors = await starter.run("migrate", f"{url}?{query}")
        assert (code, errors) == (0, "")


async def test_a_migration_of_a_read_only_server_is_a_sentence(
    database_url: str, starter: Starter
) -> None:
    url = f"{database_url}&options=-c%20default_transaction_read_only%3Don"
    # What serves waits for a server that can write, as it does in a failover.
    await starter.check_refusals(url, "is read-only", ("migrate",))
