"""The embedded PostgreSQL server: initialized once, started over any state a previous run left.

Its settings keep full durability (fsync, synchronous commit, full page writes); only features that
a single machine does not need are off: replication, TCP, JIT.

A previous run may have left:

- an incomplete data directory: initdb writes to another name, which is renamed when complete;
- a postmaster that is still shutting down: it is stopped and waited for (``stale_process``);
- backends of a killed postmaster: PostgreSQL itself refuses to start while one is running, because
  it finds their shared memory through ``postmaster.pid``; so the start is retried;
- a ``postmaster.pid`` whose pid now belongs to another program: PostgreSQL would refuse forever.
  The pid is replaced by ours, which PostgreSQL treats as stale because it is its parent's; the file
  stays, because its other lines guard the shared memory.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Iterator
from pathlib import Path

from backend.domain.errors import Rejected, Transient
from backend.embedded import child_process
from backend.embedded.binaries import Program, ensure_executable, find_postgres
from backend.embedded.data_dir import DataDirectory
from backend.embedded.stale_process import (
    POLL_INTERVAL_S,
    is_running,
    read_pid_file,
    stop_stale_process,
)

INITDB_TIMEOUT_S = 120.0
START_TIMEOUT_S = 300.0  # crash recovery may replay up to max_wal_size
RETRY_TIMEOUT_S = 10.0
SYNCFS_VERSION_MIN = (17,)
_STATUS_LINE_INDEX = 7  # of postmaster.pid, as pg_ctl reads it
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "log_line_prefix": "%m [%p] ",
}


class PostgresServer:
    """PostgreSQL over ``directory``; ``start`` may be called again after it died."""

    name = "postgres"
    stop_steps: tuple[child_process.StopStep, ...] = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0))

    def __init__(self, directory: DataDirectory, connections_max: int) -> None:
        self._directory = directory
        self._connections_max = connections_max
        self._data = directory.data_dir / "postgres"
        self._pid_file = self._data / "postmaster.pid"
        self._log = directory.log_dir / "postgres.log"

    @property
    def url(self) -> str:
        """The URL of its socket; unchanged by a restart."""
        return build_url(self._directory.run_dir)

    async def start(self) -> Process:
        """Start it and wait until it accepts connections.

        Raises ``Rejected`` without a suitable program, ``Transient`` if it does not start.
        """
        program = ensure_executable(
            find_postgres(read_data_major(self._directory.data_dir)),
            self._directory.account,
            self._directory.data_dir / "servers",
        )
        child_process.truncate_large_log(self._log)
        if not self._data.exists():
            await self._create_cluster(program)
        await stop_stale_process(self._pid_file, f"postgres -D {self._data}", self.stop_steps)
        # A retry helps only while processes of a previous run are still ending.
        retry_s = RETRY_TIMEOUT_S if self._pid_file.exists() else 0.0
        give_up_at = asyncio.get_running_loop().time() + retry_s
        while True:
            self._remove_stale_files()
            process = await self._spawn_as_account([program.path, *self._arguments()])
            if await self._is_ready(process):
                return process
            if asyncio.get_running_loop().time() > give_up_at:
                raise self._build_start_error(
                    f"PostgreSQL {child_process.describe_exit(process)} while starting"
                )
            await asyncio.sleep(POLL_INTERVAL_S)

    def _arguments(self) -> Iterator[str | Path]:
        yield from ("-D", self._data, "-k", self._directory.run_dir, "-p", "5432")
        for name, value in _SETTINGS.items():
            yield from ("-c", f"{name}={value}")
        yield from ("-c", f"max_connections={self._connections_max}")

    async def _create_cluster(self, program: Program) -> None:
        partial = self._data.with_name("postgres.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self._directory.account.chown(partial)
        initdb = program.path.with_name("initdb")
        options = ("-U", "postgres", "--locale=C", "--encoding=UTF8")
        access = ("--auth-local=trust", "--auth-host=reject")  # the socket's folder is private
        process = await self._spawn_as_account(
            [initdb, "-D", partial, *options, *access, *_choose_sync_method(program)]
        )
        try:
            async with asyncio.timeout(INITDB_TIMEOUT_S):
                code = await process.wait()
        except TimeoutError:
            raise self._build_start_error(
                f"initdb is not done after {INITDB_TIMEOUT_S:.0f} s"
            ) from None
        finally:
            await child_process.kill_group(process)
        if code != 0:
            raise self._build_start_error(f"initdb {child_process.describe_exit(process)}")
        partial.rename(self._data)

    async def _spawn_as_account(self, argv: list[str | Path]) -> Process:
        # A minimal environment: variables such as LANG and PGPORT must not affect the server.
        return await child_process.spawn_process(
            argv,
            log=self._log,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            # The postmaster's immediate shutdown, which also ends its backends at once.
            death_signal=signal.SIGQUIT,
            account=self._directory.account,
            cwd=Path("/"),
        )

    def _remove_stale_files(self) -> None:
        for stale in self._directory.run_dir.glob(".s.PGSQL.5432*"):
            stale.unlink()
        pid = read_pid_file(self._pid_file)
        if pid is not None and self._is_foreign_process(pid):
            lines = self._pid_file.read_text().split("\n")
            self._pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))

    def _is_foreign_process(self, pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not is_running(pid, f"postgres -D {self._data}")

    async def _is_ready(self, process: Process) -> bool:
        """Wait until it accepts connections: True; False if it exits before that."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while process.returncode is None:
                    if self._read_status(process.pid) == "ready":
                        return True
                    await asyncio.sleep(POLL_INTERVAL_S)
        except TimeoutError:
            await child_process.kill_group(process)
            raise self._build_start_error(
                f"PostgreSQL is not ready after {START_TIMEOUT_S:.0f} s"
            ) from None
        except BaseException:
            await child_process.kill_group(process)
            raise
        return False

    def _read_status(self, pid: int) -> str:
        try:
            lines = self._pid_file.read_text().splitlines()
        except OSError:
            return ""
        if len(lines) <= _STATUS_LINE_INDEX or lines[0] != str(pid):
            return ""
        return lines[_STATUS_LINE_INDEX].strip()

    def _build_start_error(self, reason: str) -> Transient:
        return Transient(
            "postgres_did_not_start",
            f"{reason}; {self._log} ends:\n{child_process.read_log_tail(self._log)}",
        )


def build_url(run_dir: Path) -> str:
    """The URL of a server by the folder of its socket."""
    return f"postgresql://postgres@/postgres?host={run_dir}"


def _choose_sync_method(program: Program) -> tuple[str, ...]:
    """Sync the file system once where that exists: each of the thousand new files takes seconds."""
    has_syncfs = sys.platform == "linux" and program.version_numbers >= SYNCFS_VERSION_MIN
    return ("--sync-method=syncfs",) if has_syncfs else ()


def read_data_major(data_dir: Path) -> int | None:
    """Read the PostgreSQL major version of the data in ``data_dir``; None if there is no data."""
    version_file = data_dir / "postgres" / "PG_VERSION"
    try:
        text = version_file.read_text().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Rejected(
            "data_dir_unusable", f"{version_file} cannot be read: {error.strerror}"
        ) from error
    return int(text)
