"""The data directory of one engine: its lock, its layout and its access permissions.

    lock        held (flock) by the supervising process; contains its pid and its run folder
    logs/       one file for each process
    postgres/   PostgreSQL's data
    valkey/     Valkey's append-only file
    servers/    copies of server programs, only if the originals are not accessible

The sockets are outside, in a run folder with a short name, because the path of a Unix socket has
at most 107 bytes (103 on macOS) and the path of a data directory may be long. Beside them is
``node``: the address of the simulated node that runs with them.

Nobody else may read any of it. The mode of a folder is set when it is created; that of an older
``logs`` becomes private. A data directory that was there keeps its mode, with one exception: one
owned by root that the servers' user cannot enter lets that user's group in, if it is new or already
holds an engine's data. Its parents are never changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from backend.domain.errors import Rejected
from backend.embedded.account import Account, choose_account

SOCKET_PATH_BYTES_MAX = 100
_LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"
_NODE_FILE = "node"
_APP_NAME = "order-engine"
_SYSTEM_DATA_DIR = Path("/var/lib") / _APP_NAME


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A data directory locked by this process."""

    data_dir: Path
    run_dir: Path
    account: Account

    @property
    def log_dir(self) -> Path:
        """The folder of the processes' log files."""
        return self.data_dir / "logs"


def default_data_dir() -> Path:
    """Return the default data directory; needs neither HOME nor an entry in passwd."""
    if os.geteuid() == 0:
        return _SYSTEM_DATA_DIR
    for folder in _user_data_dirs():
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if os.access(existing, os.W_OK | os.X_OK):
            return folder
    return Path(tempfile.gettempdir()) / f"{_APP_NAME}-data-{os.geteuid()}"


def _user_data_dirs() -> Iterator[Path]:
    if os.environ.get("HOME") or os.environ.get("XDG_DATA_HOME"):
        yield Path(platformdirs.user_data_dir(_APP_NAME)).absolute()
    with suppress(KeyError):
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
        yield home / ".local" / "share" / _APP_NAME


@contextmanager
def hold_data_dir(data_dir: Path) -> Iterator[DataDirectory]:
    """Lock ``data_dir`` for the duration of the context; create it if it is missing.

    Raises ``Rejected`` if another process holds it or it cannot be used; never waits.
    """
    data_dir = data_dir.resolve()
    is_new = _create_data_dir(data_dir)
    lock = _acquire_lock(data_dir)
    try:
        account = choose_account(data_dir)
        _grant_access(account, data_dir, is_engine_data=is_new or (data_dir / "postgres").exists())
        (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)
        (data_dir / "logs").chmod(0o700)
        run_dir = _create_run_dir(data_dir, account)
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n{run_dir}\n".encode(), 0)
        try:
            yield DataDirectory(data_dir, run_dir, account)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)
    finally:
        os.close(lock)


def find_holder(data_dir: Path) -> tuple[int, Path] | None:
    """Find the process that holds ``data_dir`` and its run folder; None if it is free.

    Raises ``Rejected`` if the lock file may not be read.
    """
    try:
        with (data_dir / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, run_dir = _read_lock_file(data_dir)
        return (int(pid), Path(run_dir)) if pid.isdecimal() else (0, Path(run_dir))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Rejected("data_dir_unusable", f"{error.filename}: {error.strerror}") from error
    return None


def note_node_url(data_dir: Path, url: str) -> None:
    """Note where the simulated node is, until ``data_dir``, which is held, is released."""
    holder = find_holder(data_dir)
    assert holder is not None
    (holder[1] / _NODE_FILE).write_text(url)


def find_node_url(data_dir: Path) -> str | None:
    """The simulated node of the engine that holds ``data_dir``; None if there is none.

    Raises ``Rejected`` if the lock file may not be read.
    """
    holder = find_holder(data_dir.resolve())
    if holder is None:
        return None
    try:
        return (holder[1] / _NODE_FILE).read_text() or None
    except OSError:
        return None


def _read_lock_file(data_dir: Path) -> tuple[str, str]:
    try:
        lines = (data_dir / "lock").read_text().splitlines()
    except OSError:
        lines = []
    return (lines[0], lines[1]) if len(lines) >= 2 else ("", "")


def _create_data_dir(data_dir: Path) -> bool:
    """Create ``data_dir`` where it is missing; return whether it is empty."""
    try:
        missing = [path for path in (data_dir, *data_dir.parents) if not path.exists()]
        for path in reversed(missing):
            is_parent_of_root = path != data_dir and os.geteuid() == 0  # the servers' user passes
            path.mkdir()
            path.chmod(0o755 if is_parent_of_root else 0o700)
        return not any(data_dir.iterdir())
    except OSError as error:
        raise Rejected(
            "data_dir_unusable",
            f"the data directory {data_dir} cannot be used: {error.strerror} ({error.filename})",
        ) from error


def _acquire_lock(data_dir: Path) -> int:
    try:
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Rejected(
            "data_dir_unusable",
            f"{data_dir / 'lock'} cannot be opened: {error.strerror}. Does the data directory "
            "belong to another user?",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        pid, _ = _read_lock_file(data_dir)
        raise Rejected(
            "data_dir_in_use",
            f"{data_dir} is in use by process {pid or 'unknown'}: stop that first, or choose "
            "another data directory",
        ) from None
    return lock


def _grant_access(account: Account, data_dir: Path, *, is_engine_data: bool) -> None:
    if account.can_enter(data_dir):
        return
    for parent in reversed(data_dir.parents):
        if not account.can_enter(parent):
            raise Rejected(
                "data_dir_unreachable",
                f"the servers run as {account.name}, who cannot enter {parent}: choose a data "
                f"directory outside of it, or grant that user access (chmod o+x {parent})",
            )
    if account.is_switched and is_engine_data:
        os.chown(data_dir, -1, account.gid)
        data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | stat.S_IXGRP)
    if not account.can_enter(data_dir):
        raise Rejected(
            "data_dir_unreachable",
            f"the servers run as {account.name}, who cannot enter {data_dir}, which holds other "
            f"files: choose an empty folder, or grant that user access (chmod o+x {data_dir})",
        )


def _create_run_dir(data_dir: Path, account: Account) -> Path:
    """Create the sockets' folder: short, private to the servers, the same at each start if free."""
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    name = f"{_APP_NAME}-{account.uid}-{digest}"
    for parent in _run_dir_parents(account):
        if len(os.fsencode(parent / name / _LONGEST_SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX:
            continue
        run_dir = parent / name
        try:
            if not _claim_run_dir(run_dir, account):  # another user owns that name
                run_dir = Path(tempfile.mkdtemp(prefix=f"{_APP_NAME}-", dir=parent))
                account.chown(run_dir)
        except OSError:
            continue
        if account.can_enter(run_dir):
            return run_dir
        run_dir.rmdir()
    raise Rejected(
        "no_run_dir",
        f"no folder for sockets is accessible to {account.name}: set TMPDIR to a short path",
    )


def _run_dir_parents(account: Account) -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and not account.is_switched:
        yield Path(runtime)
    yield Path(tempfile.gettempdir())
    yield Path("/tmp")  # noqa: S108  (the subfolder is created private to us, or refused)


def _claim_run_dir(run_dir: Path, account: Account) -> bool:
    """Make ``run_dir`` an empty folder private to the servers' user; False if another owns it."""
    if not os.path.lexists(run_dir):
        run_dir.mkdir(mode=0o700)
        account.chown(run_dir)
        return True
    status = run_dir.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or status.st_mode & 0o077:
        return False
    for stale in run_dir.iterdir():
        stale.unlink()
    return True
