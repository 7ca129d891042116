"""``order-engine doctor``: diagnostics for embedded servers that do not start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.domain.errors import EngineError
from backend.embedded import postgres, valkey
from backend.embedded.account import choose_account
from backend.embedded.binaries import Program, find_postgres, find_valkey
from backend.embedded.child_process import read_command_line
from backend.embedded.data_dir import find_holder, find_node_url
from backend.embedded.stale_process import read_pid_file

Rows = Iterator[tuple[str, str]]


def diagnose(
    data_dir: Path, *, has_postgres: bool = True, has_valkey: bool = True
) -> list[tuple[str, str]]:
    """Return rows of name and finding; read-only, never raises ``EngineError``.

    Of a server that is not embedded, as it has a URL of its own, there are none.
    """
    data_dir = data_dir.resolve()
    return [
        ("data directory", f"{data_dir} {_describe_access(data_dir)}"),
        ("servers run as", _describe_or_reason(lambda: choose_account(data_dir).name)),
        ("held by", _describe_or_reason(lambda: _describe_holder(data_dir))),
        *(_describe_postgres(data_dir) if has_postgres else ()),
        *(_describe_valkey(data_dir) if has_valkey else ()),
        ("simulated node", _describe_or_reason(lambda: find_node_url(data_dir) or "none")),
        ("logs", str(data_dir / "logs")),
    ]


def find_database_url(data_dir: Path) -> str | None:
    """The URL of the PostgreSQL that runs over a data directory; ``None`` if none does.

    Raises ``Rejected`` if the lock file may not be read.
    """
    holder = find_holder(data_dir.resolve())
    return None if holder is None else postgres.build_url(holder[1])


def find_redis_url(data_dir: Path) -> str | None:
    """The URL of the Valkey that runs over a data directory; else as ``find_database_url``."""
    holder = find_holder(data_dir.resolve())
    return None if holder is None else valkey.build_url(holder[1])


def _describe_access(data_dir: Path) -> str:
    if os.access(data_dir, os.W_OK | os.X_OK):
        return "(usable)"
    return "(of another user)" if os.access(data_dir, os.F_OK) else "(not there)"


def _describe_postgres(data_dir: Path) -> Rows:
    def read_major() -> int | None:
        return postgres.read_data_major(data_dir)

    program = _describe_or_reason(lambda: _describe_program(find_postgres(read_major())))
    yield "PostgreSQL", program
    yield "PostgreSQL data", _describe_or_reason(lambda: _describe_data(read_major()))
    yield "postgres process", _describe_pid_file(data_dir / "postgres" / "postmaster.pid")


def _describe_valkey(data_dir: Path) -> Rows:
    yield "Valkey", _describe_or_reason(lambda: _describe_program(find_valkey()))
    yield "valkey process", _describe_pid_file(data_dir / "valkey" / "valkey.pid")


def _describe_pid_file(pid_file: Path) -> str:
    pid = read_pid_file(pid_file)
    return "none" if pid is None else _describe_process(pid)


def _describe_holder(data_dir: Path) -> str:
    holder = find_holder(data_dir)
    if holder is None:
        return "nobody"
    pid, run_dir = holder
    return f"{_describe_process(pid)}, with its sockets in {run_dir}"


def _describe_process(pid: int) -> str:
    return f"{pid} {read_command_line(pid) or '(gone)'}"


def _describe_program(program: Program) -> str:
    return f"{program.version} from {program.origin}: {program.path}"


def _describe_data(major: int | None) -> str:
    return "none yet" if major is None else f"written by version {major}"


def _describe_or_reason(describe: Callable[[], str]) -> str:
    try:
        return describe()
    except EngineError as error:
        return error.reason
