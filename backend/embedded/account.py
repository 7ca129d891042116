"""Who the servers run as, and what that user can reach.

PostgreSQL refuses to run as root. Started as root, both servers therefore run as an ordinary
user: the one that already owns the data, else the one who called ``sudo``, else ``postgres``,
else ``nobody``. What that user can reach is asked of the system itself, by trying as that user:
permission bits alone would miss access lists, capabilities and mount options.
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

_ORDINARY = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the servers run as; ``is_switched`` if that is not the user we run as."""

    name: str
    uid: int
    gid: int
    is_switched: bool

    def owns(self, path: Path) -> None:
        """Makes this user the owner of a file or folder that we created."""
        if self.is_switched:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can reach ``folder``."""
        return self.run(["/bin/sh", "-c", 'cd -- "$0"', folder]) is not None

    def run(self, argv: Sequence[str | Path]) -> str | None:
        """What a short command prints when this user runs it; None if it fails or may not run."""
        try:
            done = subprocess.run(  # noqa: S603  (the programs that we found, no shell input)
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
        return done.stdout if done.returncode == 0 else None


def account_for(data_dir: Path) -> Account:
    """The user that the servers over ``data_dir`` run as.

    Raises ``Rejected`` if we are root and there is no ordinary user that we may become.
    """
    if os.geteuid() != 0:
        return Account(_name(os.geteuid()), os.geteuid(), os.getegid(), is_switched=False)
    uid, gid = next(_candidates(data_dir), (None, None))
    if uid is None or gid is None:
        raise Rejected(
            "no_ordinary_user",
            "PostgreSQL does not run as root and there is neither a user postgres nor nobody: "
            "start as an ordinary user, or set DATABASE_URL and REDIS_URL",
        )
    account = Account(_name(uid), uid, gid, is_switched=True)
    if not account.can_enter(Path("/")):
        raise Rejected(
            "cannot_drop_root",
            f"PostgreSQL does not run as root and this process may not become {account.name}: "
            "start as an ordinary user, or set DATABASE_URL and REDIS_URL",
        )
    return account


def _candidates(data_dir: Path) -> Iterator[tuple[int, int]]:
    for folder in (data_dir / "postgres", data_dir / "valkey"):
        if folder.exists() and folder.stat().st_uid != 0:
            yield folder.stat().st_uid, folder.stat().st_gid
    caller = os.environ.get("SUDO_UID", "")
    if caller.isdecimal() and int(caller) != 0:
        with contextlib.suppress(KeyError):
            yield int(caller), pwd.getpwuid(int(caller)).pw_gid
    for name in _ORDINARY:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield entry.pw_uid, entry.pw_gid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
