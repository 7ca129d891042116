"""The embedded PostgreSQL: made once, started over whatever the last run left behind.

Its settings keep every promise of a real one (fsync, synchronous commit, full page writes); what
is left out is what one machine does not need: replication, TCP, compiled queries.

What may be left behind, and what is done about it:

- a data directory that was being made: it is made under another name and renamed when complete;
- a postmaster that is still dying: it is waited for (``leftover``);
- backends of a postmaster that was killed: PostgreSQL itself refuses to start while one is left,
  because it finds their shared memory through ``postmaster.pid``; so it is tried again;
- a ``postmaster.pid`` whose number is another program's by now: PostgreSQL would refuse for ever.
  The number is replaced by our own, which PostgreSQL takes for stale in its child; the file stays,
  because its other lines guard the shared memory.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Iterator
from pathlib import Path

from backend.domain.errors import Rejected, Transient
from backend.embedded import child_process as child
from backend.embedded.binaries import Program, find_postgres, reachable
from backend.embedded.data_dir import Place
from backend.embedded.stale_process import POLL_S, end_leftover, is_running, named_in

INITDB_S_MAX = 120.0
START_S_MAX = 300.0  # replaying max_wal_size after a crash takes its time
RETRY_S_MAX = 10.0
_STATUS_LINE = 7  # of postmaster.pid, as pg_ctl reads it
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


class Postgres:
    """PostgreSQL over ``place``; ``start`` may be called again whenever it has died."""

    name = "postgres"
    stopping: tuple[child.Step, ...] = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0))

    def __init__(self, place: Place, connections_max: int) -> None:
        self._place = place
        self._connections_max = connections_max
        self._data = place.data_dir / "postgres"
        self._pid_file = self._data / "postmaster.pid"
        self._log = place.logs / "postgres.log"

    @property
    def url(self) -> str:
        """Where it accepts connections; the same after a restart."""
        return f"postgresql://postgres@/postgres?host={self._place.run_dir}"

    async def start(self) -> Process:
        """Starts it and waits until it accepts connections.

        Raises ``Rejected`` without a fitting program, ``Transient`` if it does not start.
        """
        program = reachable(
            find_postgres(data_major(self._place.data_dir)),
            self._place.account,
            self._place.data_dir / "servers",
        )
        child.bound_log(self._log)
        if not self._data.exists():
            await self._create(program)
        await end_leftover(self._pid_file, f"postgres -D {self._data}", self.stopping)
        # Only something left behind is worth waiting for.
        patience_s = RETRY_S_MAX if self._pid_file.exists() else 0.0
        give_up_at = asyncio.get_running_loop().time() + patience_s
        while True:
            self._clear_the_way()
            process = await self._spawn([program.path, *self._arguments()])
            if await self._is_ready(process):
                return process
            if asyncio.get_running_loop().time() > give_up_at:
                raise self._failure(f"PostgreSQL {child.ending(process)} while starting")
            await asyncio.sleep(POLL_S)

    def _arguments(self) -> Iterator[str | Path]:
        yield from ("-D", self._data, "-k", self._place.run_dir, "-p", "5432")
        for name, value in _SETTINGS.items():
            yield from ("-c", f"{name}={value}")
        yield from ("-c", f"max_connections={self._connections_max}")

    async def _create(self, program: Program) -> None:
        partial = self._data.with_name("postgres.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self._place.account.owns(partial)
        initdb = program.path.with_name("initdb")
        options = ("-U", "postgres", "--locale=C", "--encoding=UTF8")
        access = ("--auth-local=trust", "--auth-host=reject")  # only we reach the socket's folder
        process = await self._spawn([initdb, "-D", partial, *options, *access])
        try:
            async with asyncio.timeout(INITDB_S_MAX):
                code = await process.wait()
        except TimeoutError:
            raise self._failure(f"initdb is not done after {INITDB_S_MAX:.0f} s") from None
        finally:
            await child.end(process)
        if code != 0:
            raise self._failure(f"initdb {child.ending(process)}")
        partial.rename(self._data)

    async def _spawn(self, argv: list[str | Path]) -> Process:
        # A minimal environment: LANG, PGPORT and their like must not change what is started.
        return await child.spawn(
            argv,
            log=self._log,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            # Of the signals that end a postmaster, the one that takes its backends with it at once.
            death_signal=signal.SIGQUIT,
            account=self._place.account,
            cwd=Path("/"),
        )

    def _clear_the_way(self) -> None:
        for stale in self._place.run_dir.glob(".s.PGSQL.5432*"):
            stale.unlink()
        pid = named_in(self._pid_file)
        if pid is not None and self._is_another(pid):
            lines = self._pid_file.read_text().split("\n")
            self._pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))

    def _is_another(self, pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not is_running(pid, f"postgres -D {self._data}")

    async def _is_ready(self, process: Process) -> bool:
        """True once it accepts connections, False if it ends before."""
        try:
            async with asyncio.timeout(START_S_MAX):
                while process.returncode is None:
                    if self._status(process.pid) == "ready":
                        return True
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            await child.end(process)
            raise self._failure(f"PostgreSQL is not ready after {START_S_MAX:.0f} s") from None
        except BaseException:
            await child.end(process)
            raise
        return False

    def _status(self, pid: int) -> str:
        try:
            lines = self._pid_file.read_text().splitlines()
        except OSError:
            return ""
        if len(lines) <= _STATUS_LINE or lines[0] != str(pid):
            return ""
        return lines[_STATUS_LINE].strip()

    def _failure(self, what: str) -> Transient:
        return Transient(
            "postgres_did_not_start", f"{what}; {self._log} ends:\n{child.log_tail(self._log)}"
        )


def data_major(data_dir: Path) -> int | None:
    """The major version that wrote the data in ``data_dir``; None if there is none yet."""
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
