"""``order-engine doctor``: diagnostics for embedded servers that do not start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.domain.errors import EngineError
from backend.embedded.account import choose_account
from backend.embedded.binaries import Program, find_postgres, find_valkey
from backend.embedded.child_process import read_command_line
from backend.embedded.data_dir import find_holder
from backend.embedded.postgres import build_url, read_data_major
from backend.embedded.stale_process import read_pid_file


def diagnose(data_dir: Path) -> list[tuple[str, str]]:
    """Return rows of name and finding; read-only, never raises ``EngineError``."""
    data_dir = data_dir.resolve()
    return [
        ("data directory", f"{data_dir} {_describe_access(data_dir)}"),
        ("servers run as", _describe_or_reason(lambda: choose_account(data_dir).name)),
        (
            "PostgreSQL",
            _describe_or_reason(
                lambda: _describe_program(find_postgres(read_data_major(data_dir)))
            ),
        ),
        ("PostgreSQL data", _describe_or_reason(lambda: _describe_data(read_data_major(data_dir)))),
        ("Valkey", _describe_or_reason(lambda: _describe_program(find_valkey()))),
        *_describe_processes(data_dir),
        ("logs", str(data_dir / "logs")),
    ]


def find_database_url(data_dir: Path) -> str | None:
    """The URL of the PostgreSQL that runs over a data directory; ``None`` if none does.

    Raises ``Rejected`` if the lock file may not be read.
    """
    holder = find_holder(data_dir.resolve())
    return None if holder is None else build_url(holder[1])


def _describe_access(data_dir: Path) -> str:
    if os.access(data_dir, os.W_OK | os.X_OK):
        return "(usable)"
    return "(of another user)" if os.access(data_dir, os.F_OK) else "(not there)"


def _describe_processes(data_dir: Path) -> Iterator[tuple[str, str]]:
    yield "held by", _describe_or_reason(lambda: _describe_holder(data_dir))
    for name, pid_file in (
        ("postgres", data_dir / "postgres" / "postmaster.pid"),
        ("valkey", data_dir / "valkey" / "valkey.pid"),
    ):
        pid = read_pid_file(pid_file)
        yield f"{name} process", "none" if pid is None else _describe_process(pid)


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
