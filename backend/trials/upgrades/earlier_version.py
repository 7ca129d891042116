"""An earlier version of the program, from the history of its repository, in a folder of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from backend.domain.errors import Rejected

_REPOSITORY: Final = Path(__file__).parents[3]
_TIMEOUT_S: Final = 120.0


class EarlierVersion:
    """The files of a revision, which run with the interpreter and the packages of this one."""

    def __init__(self, revision: str, folder: Path) -> None:
        self.revision: Final = revision
        self._folder = folder

    def build_environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """An environment in which ``python -m backend.cli`` is this version.

        Without ``PYTHONSAFEPATH`` the module of the working directory would come first.
        """
        return {**env, "PYTHONPATH": str(self._folder), "PYTHONSAFEPATH": "1"}

    def run_command(self, *argv: str, env: Mapping[str, str]) -> None:
        """Run a command of the program. Raises ``Rejected`` with its last words if it fails."""
        done = subprocess.run(  # noqa: S603 - this interpreter
            (sys.executable, "-m", "backend.cli", *argv),
            env=self.build_environment(env),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            words = (done.stderr or done.stdout).strip().rpartition("\n")[2]
            reason = f"order-engine {argv[0]} of {self.revision} failed: {words}"
            raise Rejected("earlier_version_failed", reason)


def install_earlier(revision: str | None, folder: Path) -> EarlierVersion:
    """Write the files of a revision into a folder; without one, those of the last tag.

    Nothing is installed beside them: packages that this version no longer has are missing. Raises
    ``Rejected`` if there is no such revision, or it does not run.
    """
    if revision is None:
        revision = _find_last_tag()
    commit = _run_git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if commit is None:
        raise Rejected("unknown_revision", f"{_REPOSITORY} has no revision {revision!r}")
    name = commit.decode().strip()[:10]
    files = _run_git("archive", "--format=tar", name, "backend", "static", "pyproject.toml")
    if files is None:
        raise Rejected("unknown_revision", f"{revision} has no backend")
    with tarfile.open(fileobj=io.BytesIO(files)) as archive:
        # Python before 3.11.4 has no filters; the files are those of this repository.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202
    version = EarlierVersion(name, folder)
    version.run_command("--version", env=os.environ)
    return version


def _find_last_tag() -> str:
    tag = _run_git("describe", "--tags", "--abbrev=0")
    if tag is None:
        reason = "there is no tag to upgrade from: name a revision of this repository with --from"
        raise Rejected("no_earlier_version", reason)
    return tag.decode().strip()


def _run_git(*argv: str) -> bytes | None:
    """The output of git in this repository; ``None`` if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - its arguments are no options of a user
            ("git", "-C", str(_REPOSITORY), *argv),  # noqa: S607
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise Rejected("no_git", f"git cannot be run: {error.strerror}") from error
    return None if done.returncode else done.stdout
