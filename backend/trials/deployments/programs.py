"""Server programs of the system: PgBouncer and Redis as Debian packages them, and certificates.

Each runs in the foreground from a configuration that is a template with its values filled in.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from backend.domain.errors import Rejected, Transient
from backend.embedded import child_process
from backend.embedded.account import Account

PACKAGES: Final[Mapping[str, str]] = {
    "pgbouncer": "pgbouncer",
    "redis-server": "redis-server",
    "openssl": "openssl",
    "nginx": "nginx-light",
}
"""The Debian package of each program."""
MATRIX_PROGRAMS: Final = ("pgbouncer", "redis-server", "openssl")
HOST: Final = "127.0.0.1"

_START_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02
_CERTIFICATE_DAYS: Final = "2"
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"


def find_programs(*names: str, path: str = _PATH) -> list[Path]:
    """Find programs. Raises ``Rejected``, which names all that are missing and their packages."""
    found = {name: shutil.which(name, path=path) for name in names}
    if missing := [name for name in names if found[name] is None]:
        packages = " ".join(PACKAGES[name] for name in missing)
        reason = f"{', '.join(missing)} not found; on Debian: apt-get install {packages}"
        raise Rejected("program_missing", reason)
    return [Path(str(found[name])) for name in names]


def find_program(name: str) -> Path:
    """Find one program. Raises ``Rejected``."""
    return find_programs(name)[0]


def create_folder(folder: Path, account: Account) -> None:
    """Create a folder that only the servers' user can enter."""
    folder.mkdir(mode=0o700)
    account.chown(folder)


def write_file(path: Path, text: str, account: Account) -> None:
    """Write a file that only the servers' user can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    account.chown(path)


class ServerProgram:
    """A server that is ready when it accepts connections on its port."""

    stop_steps: tuple[child_process.StopStep, ...] = ((signal.SIGTERM, 5.0),)

    def __init__(
        self, name: str, argv: Sequence[str | Path], port: int, log: Path, account: Account
    ) -> None:
        self.name = name
        self._argv = argv
        self._port = port
        self._log = log
        self._account = account

    async def start(self) -> Process:
        """Start it; raises ``Transient`` with the end of its log if it does not get ready."""
        process = await child_process.spawn_process(
            self._argv,
            log=self._log,
            env={"PATH": _PATH, "LC_ALL": "C", "TZ": "UTC"},
            death_signal=signal.SIGKILL,
            account=self._account,
            cwd=Path("/"),
        )
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while process.returncode is None:
                    if await _accepts_connections(self._port):
                        return process
                    await asyncio.sleep(_POLL_S)
        except BaseException as error:
            await child_process.kill_group(process)
            if isinstance(error, TimeoutError):
                raise self._build_start_error("is not ready in time") from None
            raise
        raise self._build_start_error(child_process.describe_exit(process))

    def _build_start_error(self, reason: str) -> Transient:
        tail = child_process.read_log_tail(self._log)
        return Transient("server_did_not_start", f"{self.name} {reason}; its log ends:\n{tail}")


async def _accepts_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def create_certificates(folder: Path) -> None:
    """Create ``ca.crt`` and, signed by it, ``server.crt`` and ``server.key`` for this machine."""
    openssl = find_program("openssl")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    common = (openssl, "req", "-x509", *key, "-days", _CERTIFICATE_DAYS)
    await _run(*common, "-subj", "/CN=Trial CA", "-keyout", "ca.key", "-out", "ca.crt", cwd=folder)
    await _run(
        *(*common, "-subj", "/CN=localhost", "-CA", "ca.crt", "-CAkey", "ca.key"),
        *("-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-keyout", "server.key", "-out", "server.crt"),
        cwd=folder,
    )


async def _run(*argv: str | Path, cwd: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        tail = output.decode(errors="replace")[-500:]
        raise Transient("certificate_not_made", f"{Path(argv[0]).name} failed: {tail}")
