"""CPU time and memory of processes, read from Linux's ``/proc``.

PostgreSQL runs one process per connection, so a process includes its children: the running ones,
and those that have ended and were waited for.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

PROC: Final = Path("/proc")
_KIB: Final = 1_024
_RESET_PEAK: Final = "5"


class ProcessStat(NamedTuple):
    """Fields of ``/proc/<pid>/stat``: parent pid, own CPU ticks, CPU ticks of ended children."""

    parent: int
    own_ticks: int
    ended_ticks: int


def parse_stat(text: str) -> ProcessStat:
    """Parse ``/proc/<pid>/stat``; the program name in it may contain any character."""
    fields = text[text.rindex(")") + 2 :].split()
    utime, stime, cutime, cstime = (int(each) for each in fields[11:15])
    return ProcessStat(int(fields[1]), utime + stime, cutime + cstime)


def parse_status(text: str) -> dict[str, int]:
    """Parse the memory amounts in ``/proc/<pid>/status``, in bytes."""
    return {
        name: int(value.split()[0]) * _KIB
        for name, _, value in (line.partition(":") for line in text.splitlines())
        if value.endswith(" kB")
    }


def sum_ticks(pid: int, stats: Mapping[int, ProcessStat]) -> int:
    """Sum the ticks of a process and of all its descendants."""
    children = defaultdict(list)
    for child, stat in stats.items():
        children[stat.parent].append(child)

    def sum_tree(process: int) -> int:
        stat = stats.get(process)
        if stat is None:
            return 0
        return (
            stat.own_ticks + stat.ended_ticks + sum(sum_tree(child) for child in children[process])
        )

    return sum_tree(pid)


def read_cpu_s(pids: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Read the CPU seconds so far, by name; ``client`` is this process without its children.

    On other systems than Linux only ``client`` is known.
    """
    stats = _read_stats()
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    used_s = {
        name: sum(sum_ticks(pid, stats) for pid in group) * tick_s
        for name, group in pids.items()
        if all(pid in stats for pid in group)
    }
    return {**used_s, "client": time.process_time()}


def read_memory_bytes(pids: Iterable[int], field: str) -> int:
    """Sum ``VmRSS`` (now) or ``VmHWM`` (peak since ``reset_memory_peaks``) of processes."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += parse_status((PROC / str(pid) / "status").read_text()).get(field, 0)
    return total


def reset_memory_peaks(pids: Iterable[int]) -> None:
    """Reset ``VmHWM`` where the system permits it."""
    for pid in pids:
        with suppress(OSError):
            (PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)


def count_descriptors(pid: int) -> int:
    """Count the open files and sockets of a process."""
    return len(list((PROC / str(pid) / "fd").iterdir()))


def find_child(parent: int, argument: str) -> int | None:
    """Find the child of a process that was started with this argument."""
    for pid, stat in _read_stats().items():
        if stat.parent == parent and argument.encode() in _read_arguments(pid):
            return pid
    return None


def find_parent_named(pid: int, name: str) -> int | None:
    """Return the parent of a local process if both program names contain ``name``."""
    stat = _read_stats().get(pid)
    if (
        stat is None
        or name not in _read_process_name(pid)
        or name not in _read_process_name(stat.parent)
    ):
        return None
    return stat.parent


def is_process_named(pid: int, names: Iterable[str]) -> bool:
    """Whether the program name of a local process contains one of ``names``."""
    return any(name in _read_process_name(pid) for name in names)


def _read_process_name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text()
    except OSError:
        return ""


def _read_arguments(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _read_stats() -> dict[int, ProcessStat]:
    stats = {}
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):
            stats[int(folder.name)] = parse_stat((folder / "stat").read_text())
    return stats
