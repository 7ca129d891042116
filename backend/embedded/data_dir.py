"""The data directory of one engine: who holds it, what lies where, who can reach it.

    lock        held (flock) by the one process that supervises; holds its pid and its run folder
    logs/       one file for each process
    postgres/   PostgreSQL's data
    valkey/     Valkey's append-only file
    servers/    copies of server programs, only where their own place cannot be reached

The sockets lie elsewhere, in a run folder with a short name, because the path of a Unix socket
has at most 107 bytes (103 on macOS) and a data directory may lie deep.

The mode of a folder is set when it is created. That of an existing folder is left alone, with one
exception: a data directory of root's that the servers' user cannot enter lets that user's group
pass, if it is new or already holds an engine's data. Its parents are never touched.
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
from backend.embedded.account import Account, account_for

SOCKET_PATH_BYTES_MAX = 100
_LONGEST_SOCKET = ".s.PGSQL.5432.lock"
_NAME = "order-engine"
_SYSTEM_DATA_DIR = Path("/var/lib") / _NAME


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory that this process holds."""

    data_dir: Path
    run_dir: Path
    account: Account

    @property
    def logs(self) -> Path:
        """Where the processes write what they have to say."""
        return self.data_dir / "logs"


def default_data_dir() -> Path:
    """Where data lies when nobody says otherwise; needs neither HOME nor an entry in passwd."""
    if os.geteuid() == 0:
        return _SYSTEM_DATA_DIR
    for folder in _homes():
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if os.access(existing, os.W_OK | os.X_OK):
            return folder
    return Path(tempfile.gettempdir()) / f"{_NAME}-data-{os.geteuid()}"


def _homes() -> Iterator[Path]:
    if os.environ.get("HOME") or os.environ.get("XDG_DATA_HOME"):
        yield Path(platformdirs.user_data_dir(_NAME)).absolute()
    with suppress(KeyError):
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
        yield home / ".local" / "share" / _NAME


@contextmanager
def held(data_dir: Path) -> Iterator[Place]:
    """Holds ``data_dir`` while inside, created where it is missing.

    Raises ``Rejected`` if another process holds it or it cannot be used; never waits.
    """
    data_dir = data_dir.resolve()
    is_new = _create(data_dir)
    lock = _lock(data_dir)
    try:
        account = account_for(data_dir)
        _let_in(account, data_dir, is_ours=is_new or (data_dir / "postgres").exists())
        (data_dir / "logs").mkdir(exist_ok=True)
        run_dir = _run_dir(data_dir, account)
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n{run_dir}\n".encode(), 0)
        try:
            yield Place(data_dir, run_dir, account)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)
    finally:
        os.close(lock)


def holder(data_dir: Path) -> tuple[int, Path] | None:
    """The process that holds ``data_dir`` and its run folder; None if it is free.

    Raises ``Rejected`` if that may not be known.
    """
    try:
        with (data_dir / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, run_dir = _holder_lines(data_dir)
        return (int(pid), Path(run_dir)) if pid.isdecimal() else (0, Path(run_dir))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Rejected("data_dir_unusable", f"{error.filename}: {error.strerror}") from error
    return None


def _holder_lines(data_dir: Path) -> tuple[str, str]:
    try:
        lines = (data_dir / "lock").read_text().splitlines()
    except OSError:
        lines = []
    return (lines[0], lines[1]) if len(lines) >= 2 else ("", "")


def _create(data_dir: Path) -> bool:
    """Whether ``data_dir`` is new, or as good as new: without anything in it."""
    try:
        missing = [path for path in (data_dir, *data_dir.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir()
            path.chmod(0o755 if os.geteuid() == 0 else 0o700)
        return not any(data_dir.iterdir())
    except OSError as error:
        raise Rejected(
            "data_dir_unusable",
            f"the data directory {data_dir} cannot be used: {error.strerror} ({error.filename})",
        ) from error


def _lock(data_dir: Path) -> int:
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
        pid, _ = _holder_lines(data_dir)
        raise Rejected(
            "data_dir_in_use",
            f"{data_dir} is in use by process {pid or 'unknown'}: stop that first, or choose "
            "another data directory",
        ) from None
    return lock


def _let_in(account: Account, data_dir: Path, *, is_ours: bool) -> None:
    if account.can_enter(data_dir):
        return
    for parent in reversed(data_dir.parents):
        if not account.can_enter(parent):
            raise Rejected(
                "data_dir_unreachable",
                f"the servers run as {account.name}, who cannot enter {parent}: choose a data "
                f"directory outside of it, or let that user pass (chmod o+x {parent})",
            )
    if account.is_switched and is_ours:
        os.chown(data_dir, -1, account.gid)
        data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | stat.S_IXGRP)
    if not account.can_enter(data_dir):
        raise Rejected(
            "data_dir_unreachable",
            f"the servers run as {account.name}, who cannot enter {data_dir}, a folder that holds "
            f"other things: choose an empty one, or let that user pass (chmod o+x {data_dir})",
        )


def _run_dir(data_dir: Path, account: Account) -> Path:
    """A folder for sockets: short, the servers' own, and the same at each start if it can be."""
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    name = f"{_NAME}-{account.uid}-{digest}"
    for base in _run_bases(account):
        if len(os.fsencode(base / name / _LONGEST_SOCKET)) > SOCKET_PATH_BYTES_MAX:
            continue
        run_dir = base / name
        try:
            if not _make_own(run_dir, account):  # somebody else has that name: take any other
                run_dir = Path(tempfile.mkdtemp(prefix=f"{_NAME}-", dir=base))
                account.owns(run_dir)
        except OSError:
            continue
        if account.can_enter(run_dir):
            return run_dir
        run_dir.rmdir()
    raise Rejected(
        "no_run_dir",
        f"there is no folder for sockets that {account.name} can reach: set TMPDIR to a short path",
    )


def _run_bases(account: Account) -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and not account.is_switched:
        yield Path(runtime)
    yield Path(tempfile.gettempdir())
    yield Path("/tmp")  # noqa: S108  (the folder inside is created for us alone, or refused)


def _make_own(run_dir: Path, account: Account) -> bool:
    """Makes ``run_dir`` an empty folder of the servers' user alone; False if it is another's."""
    if not os.path.lexists(run_dir):
        run_dir.mkdir(mode=0o700)
        account.owns(run_dir)
        return True
    found = run_dir.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        return False
    for leftover in run_dir.iterdir():
        leftover.unlink()
    return True
