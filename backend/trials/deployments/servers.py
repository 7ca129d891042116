"""The servers of the matrix: started once, and made new for every cell.

PostgreSQL is the embedded one, reached through its socket or through PgBouncer in either mode; the
engine's role owns its database and nothing else. Redis runs twice: plain, and with TLS and an ACL.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from redis.asyncio import Redis

from backend.embedded.data_dir import DataDirectory
from backend.embedded.postgres import PostgresServer
from backend.embedded.supervisor import NoticeHandler, SupervisedProgram, supervise
from backend.trials.deployments.cells import PostgresKind, RedisKind
from backend.trials.deployments.programs import (
    HOST,
    MATRIX_PROGRAMS,
    ServerProgram,
    create_certificates,
    create_folder,
    find_program,
    find_programs,
    write_file,
)
from backend.trials.deployments.templates import render

ROLE: Final = "order_engine"
REDIS_USER: Final = "engine"
_CONNECTIONS_MAX: Final = 200
_ACL_LOG_MAX: Final = 100
_POOL_MODES: Final = {PostgresKind.SESSION: "session", PostgresKind.TRANSACTION: "transaction"}


@dataclass(frozen=True, slots=True)
class _RedisServer:
    url: str
    admin_url: str


class Servers:
    """The running servers, with the engine's addresses of each kind."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._account = directory.account
        self._password = secrets.token_hex(16)
        self._postgres = PostgresServer(directory, _CONNECTIONS_MAX)
        self._pooler_ports: dict[PostgresKind, int] = {}
        self._redis: dict[RedisKind, _RedisServer] = {}

    @asynccontextmanager
    async def run(self, on_notice: NoticeHandler) -> AsyncIterator[None]:
        """Run them all for the duration of the block.

        Raises ``Rejected`` if a program is missing, ``Transient`` if a server does not start.
        """
        find_programs(*MATRIX_PROGRAMS)
        async with AsyncExitStack() as stack:
            programs: list[SupervisedProgram] = [
                self._postgres,
                *(self._configure_pooler(kind, mode) for kind, mode in _POOL_MODES.items()),
                self._configure_redis(),
                await self._configure_tls_redis(),
            ]
            await stack.enter_async_context(
                supervise(programs, on_notice=on_notice, force_stop=asyncio.Event())
            )
            await self._execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{self._password}'")
            yield

    def get_database_url(self, kind: PostgresKind, name: str) -> str:
        """The engine's address of a database."""
        if kind is PostgresKind.DIRECT:
            return f"postgresql://{ROLE}@/{name}?host={self._directory.run_dir}"
        return f"postgresql://{ROLE}:{self._password}@{HOST}:{self._pooler_ports[kind]}/{name}"

    def get_admin_url(self, name: str) -> str:
        """The address of a database for the audit: past every pooler."""
        return f"postgresql://postgres@/{name}?host={self._directory.run_dir}"

    def get_redis_url(self, kind: RedisKind) -> str:
        """The engine's address of Redis."""
        return self._redis[kind].url

    async def create_database(self, name: str) -> None:
        """Create an empty database that the engine's role owns."""
        await self._execute(f"CREATE DATABASE {name} OWNER {ROLE}")

    async def drop_database(self, name: str) -> None:
        """Drop a database, with the connections that a pooler keeps to it."""
        await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def clear_redis(self, kind: RedisKind) -> None:
        """Remove all data and the log of refused commands."""
        async with Redis.from_url(self._redis[kind].admin_url) as redis:
            await redis.flushall()
            await redis.acl_log_reset()

    async def list_refused_commands(self, kind: RedisKind) -> list[str]:
        """The commands that the ACL refused to the engine since the data was cleared."""
        async with Redis.from_url(self._redis[kind].admin_url) as redis:
            entries: Any = await redis.acl_log(_ACL_LOG_MAX)
        return sorted({f"{_text(each['object'])} ({_text(each['reason'])})" for each in entries})

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _configure_pooler(self, kind: PostgresKind, mode: str) -> ServerProgram:
        folder, port = self._create_folder(kind.value), find_free_port()
        self._pooler_ports[kind] = port
        values = {
            "postgres_host": str(self._directory.run_dir),
            "postgres_port": "5432",
            "pool_mode": mode,
            **self._get_values(folder, port),
        }
        self._write(folder, "userlist.txt", "userlist.txt", values)
        settings = self._write(folder, "pgbouncer.ini", "pgbouncer.ini", values)
        return self._build_program(kind.value, [find_program("pgbouncer"), settings], port)

    def _configure_redis(self) -> ServerProgram:
        folder, port = self._create_folder("redis"), find_free_port()
        settings = self._write(folder, "redis.conf", "redis.conf", self._get_values(folder, port))
        url = f"redis://{HOST}:{port}/0"
        self._redis[RedisKind.PLAIN] = _RedisServer(url, url)
        self._redis[RedisKind.RESP3] = _RedisServer(f"{url}?protocol=3", url)
        return self._build_program("redis", [find_program("redis-server"), settings], port)

    async def _configure_tls_redis(self) -> ServerProgram:
        folder, port = self._create_folder("redis-tls"), find_free_port()
        await create_certificates(folder)
        for name in ("ca.crt", "server.crt", "server.key"):
            self._account.chown(folder / name)
        admin_password = secrets.token_hex(16)
        values = {
            **self._get_values(folder, port),
            "admin_password": admin_password,
            "data": str(folder),
        }
        self._write(folder, "users.acl", "users.acl", values)
        settings = self._write(folder, "redis.conf", "redis-tls.conf", values)
        # Where the engine can read it, which is not where the servers keep their keys.
        authority = self._directory.data_dir / "ca.crt"
        authority.write_bytes((folder / "ca.crt").read_bytes())
        where = f"{HOST}:{port}/0?ssl_ca_certs={authority}"
        self._redis[RedisKind.TLS_ACL] = _RedisServer(
            f"rediss://{REDIS_USER}:{self._password}@{where}",
            f"rediss://operator:{admin_password}@{where}",
        )
        return self._build_program("redis-tls", [find_program("redis-server"), settings], port)

    def _get_values(self, folder: Path, port: int) -> dict[str, str]:
        return {"folder": str(folder), "port": str(port), "password": self._password}

    def _create_folder(self, name: str) -> Path:
        folder = self._directory.data_dir / name
        create_folder(folder, self._account)
        return folder

    def _write(self, folder: Path, name: str, template: str, values: dict[str, str]) -> Path:
        path = folder / name
        write_file(path, render(template, values), self._account)
        return path

    def _build_program(self, name: str, argv: list[Path], port: int) -> ServerProgram:
        return ServerProgram(
            name, argv, port, self._directory.log_dir / f"{name}.log", self._account
        )


def find_free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
