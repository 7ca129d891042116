"""The user account that the servers run as, and what it can access.

PostgreSQL refuses to run as root. If the parent is root, both servers therefore run as an
unprivileged user: the owner of the existing data, else the user who called ``sudo``, else
``postgres``, else ``nobody``. Access is checked by trying it as that user: permission bits alone
would miss access lists, capabilities and mount options.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.domain.errors import Rejected

_UNPRIVILEGED_USERS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the servers run as; ``is_switched``: it differs from this process's user."""

    name: str
    uid: int
    gid: int
    is_switched: bool

    def chown(self, path: Path) -> None:
        """Make this user the owner of a file or folder that we created."""
        if self.is_switched:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can enter ``folder``."""
        return self.run(["/bin/sh", "-c", 'cd -- "$0"', folder]) is not None

    def run(self, argv: Sequence[str | Path]) -> str | None:
        """Run a short command as this user; return its output, None if it fails or may not run."""
        try:
            completed = subprocess.run(  # noqa: S603  (programs that we located, no shell input)
                argv,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
                user=self.uid if self.is_switched else None,
                group=self.gid if self.is_switched else None,
                extra_groups=[] if self.is_switched else None,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return completed.stdout if completed.returncode == 0 else None


def choose_account(data_dir: Path) -> Account:
    """Choose the user that the servers over ``data_dir`` run as.

    Raises ``Rejected`` if we are root and cannot switch to any unprivileged user.
    """
    if os.geteuid() != 0:
        return Account(_get_user_name(os.geteuid()), os.geteuid(), os.getegid(), is_switched=False)
    uid, gid = next(_find_candidates(data_dir), (None, None))
    if uid is None or gid is None:
        raise Rejected(
            "no_ordinary_user",
            "PostgreSQL does not run as root, and neither a user postgres nor nobody exists: "
            "start as an unprivileged user, or set DATABASE_URL and REDIS_URL",
        )
    account = Account(_get_user_name(uid), uid, gid, is_switched=True)
    if not account.can_enter(Path("/")):
        raise Rejected(
            "cannot_drop_root",
            f"PostgreSQL does not run as root, and this process may not switch to {account.name}: "
            "start as an unprivileged user, or set DATABASE_URL and REDIS_URL",
        )
    return account


def _find_candidates(data_dir: Path) -> Iterator[tuple[int, int]]:
    for folder in (data_dir / "postgres", data_dir / "valkey"):
        if folder.exists() and folder.stat().st_uid != 0:
            yield folder.stat().st_uid, folder.stat().st_gid
    caller = os.environ.get("SUDO_UID", "")
    if caller.isdecimal() and int(caller) != 0:
        with contextlib.suppress(KeyError):
            yield int(caller), pwd.getpwuid(int(caller)).pw_gid
    for name in _UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield entry.pw_uid, entry.pw_gid


def _get_user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
