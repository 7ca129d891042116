"""A PostgreSQL server that has standbys, or is one: it is copied, promoted, and set back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from backend.embedded.binaries import ensure_executable, find_postgres
from backend.embedded.data_dir import DataDirectory
from backend.embedded.postgres import PostgresServer, build_url

_SETTINGS: Final[Mapping[str, str]] = {
    "wal_level": "replica",
    "max_wal_senders": "10",
    "hot_standby": "on",
    "wal_keep_size": "256MB",
    "wal_receiver_timeout": "5s",
    "wal_sender_timeout": "5s",
    "wal_retrieve_retry_interval": "200ms",
}
_POLL_S: Final = 0.02
_PASSED: Final = """
SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= $1::text::pg_lsn
"""


class PostgresNode(PostgresServer):
    """A server over a folder of its own; ``settings`` come after those of every node.

    Its URL is that of its socket.
    """

    def __init__(
        self,
        directory: DataDirectory,
        name: str,
        settings: Mapping[str, str] | None = None,
        *,
        connections_max: int = 100,
    ) -> None:
        super().__init__(directory, connections_max)
        self.name = name
        self._folder = directory.data_dir / "postgres"
        self._own_settings = {**_SETTINGS, **(settings or {})}

    @property
    def socket_folder(self) -> Path:
        """The folder of its socket."""
        return self._directory.run_dir

    def _arguments(self) -> Iterator[str | Path]:
        yield from super()._arguments()
        for name, value in self._own_settings.items():
            yield from ("-c", f"{name}={value}")

    def copy(self, source: str, *, is_standby: bool) -> None:
        """Become a copy of a running server; ``source`` is its address as libpq takes it.

        A standby follows it from then on. The server must not be running.
        """
        account = self._directory.account
        program = ensure_executable(
            find_postgres(), account, self._directory.data_dir / "servers"
        ).path.with_name("pg_basebackup")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        account.chown(self._folder)
        options = ("-X", "stream", "-c", "fast", *(("-R",) if is_standby else ()))
        done = account.run([program, "-d", source, "-D", self._folder, *options])
        assert done is not None, f"pg_basebackup of {source} failed"

    async def promote(self) -> None:
        """End its recovery: it accepts writes from then on, on a timeline of its own."""
        await self.fetch("SELECT pg_promote(true)")

    async def wait_replayed(self, primary: PostgresNode) -> None:
        """Wait until it has replayed what another server has written by now."""
        [row] = await primary.fetch("SELECT pg_current_wal_flush_lsn()::text AS lsn")
        while not (await self.fetch(_PASSED, row["lsn"]))[0][0]:  # noqa: ASYNC110 - a server
            await asyncio.sleep(_POLL_S)

    async def fetch(self, query: str, *args: object) -> Sequence[asyncpg.Record]:
        """The rows of a statement, in a session of its own."""
        connection = await asyncpg.connect(build_url(self.socket_folder))
        try:
            return await connection.fetch(query, *args)
        finally:
            await connection.close()


def build_shared_url(*nodes: PostgresNode) -> str:
    """The URL of whichever of several servers accepts writes."""
    hosts = ",".join(str(node.socket_folder) for node in nodes)
    return f"postgresql://postgres@/postgres?host={hosts}&target_session_attrs=read-write"


def describe_source(node: PostgresNode) -> str:
    """The address of a server as its standbys take it."""
    return f"host={node.socket_folder} user=postgres"
