"""What a person needs to know when the embedded servers do not start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.domain.errors import EngineError
from backend.embedded.account import account_for
from backend.embedded.binaries import Program, find_postgres, find_valkey
from backend.embedded.child_process import command_line
from backend.embedded.data_dir import holder
from backend.embedded.postgres import data_major
from backend.embedded.stale_process import named_in


def doctor(data_dir: Path) -> list[tuple[str, str]]:
    """Rows of a name and a finding; looks only, changes nothing, never raises ``EngineError``."""
    data_dir = data_dir.resolve()
    return [
        ("data directory", f"{data_dir} {_state(data_dir)}"),
        ("servers run as", _finding(lambda: account_for(data_dir).name)),
        ("PostgreSQL", _finding(lambda: _program(find_postgres(data_major(data_dir))))),
        ("PostgreSQL data", _finding(lambda: _data(data_major(data_dir)))),
        ("Valkey", _finding(lambda: _program(find_valkey()))),
        *_running(data_dir),
        ("logs", str(data_dir / "logs")),
    ]


def _state(data_dir: Path) -> str:
    if os.access(data_dir, os.W_OK | os.X_OK):
        return "(usable)"
    return "(of another user)" if os.access(data_dir, os.F_OK) else "(not there)"


def _running(data_dir: Path) -> Iterator[tuple[str, str]]:
    yield "held by", _finding(lambda: _holder(data_dir))
    for name, pid_file in (
        ("postgres", data_dir / "postgres" / "postmaster.pid"),
        ("valkey", data_dir / "valkey" / "valkey.pid"),
    ):
        server = named_in(pid_file)
        yield f"{name} process", "none" if server is None else _process(server)


def _holder(data_dir: Path) -> str:
    found = holder(data_dir)
    if found is None:
        return "nobody"
    pid, run_dir = found
    return f"{_process(pid)}, with its sockets in {run_dir}"


def _process(pid: int) -> str:
    return f"{pid} {command_line(pid) or '(gone)'}"


def _program(program: Program) -> str:
    return f"{program.version} from {program.origin}: {program.path}"


def _data(major: int | None) -> str:
    return "none yet" if major is None else f"written by version {major}"


def _finding(look: Callable[[], str]) -> str:
    try:
        return look()
    except EngineError as error:
        return error.reason
