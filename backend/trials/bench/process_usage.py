"""What processes cost, as Linux counts it in ``/proc``: processor time and memory.

PostgreSQL is a process for each connection, so a process counts with its children: those that
run, and those that have ended and were waited for.
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


class Stat(NamedTuple):
    """What ``/proc/<pid>/stat`` says: the parent, and ticks of its own and of ended children."""

    parent: int
    own_ticks: int
    ended_ticks: int


def parse_stat(text: str) -> Stat:
    """Of the text of that file; the program's name in it may hold anything."""
    fields = text[text.rindex(")") + 2 :].split()
    utime, stime, cutime, cstime = (int(each) for each in fields[11:15])
    return Stat(int(fields[1]), utime + stime, cutime + cstime)


def parse_status(text: str) -> dict[str, int]:
    """The amounts of memory in ``/proc/<pid>/status``, in bytes."""
    return {
        name: int(value.split()[0]) * _KIB
        for name, _, value in (line.partition(":") for line in text.splitlines())
        if value.endswith(" kB")
    }


def ticks_of(pid: int, stats: Mapping[int, Stat]) -> int:
    """The ticks of a process and of everything below it."""
    children = defaultdict(list)
    for child, stat in stats.items():
        children[stat.parent].append(child)

    def below(of: int) -> int:
        stat = stats.get(of)
        if stat is None:
            return 0
        return stat.own_ticks + stat.ended_ticks + sum(below(each) for each in children[of])

    return below(pid)


def cpu_s(pids: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Seconds of processor time so far, by name; ``client`` is this process without children.

    Elsewhere than on Linux only ``client`` is known.
    """
    stats = _stats()
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    used = {
        name: sum(ticks_of(pid, stats) for pid in group) * tick_s
        for name, group in pids.items()
        if all(pid in stats for pid in group)
    }
    return {**used, "client": time.process_time()}


def memory_bytes(pids: Iterable[int], what: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (the most since ``forget_peaks``) of processes together."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += parse_status((PROC / str(pid) / "status").read_text()).get(what, 0)
    return total


def forget_peaks(pids: Iterable[int]) -> None:
    """Let ``VmHWM`` begin again, where the system lets us."""
    for pid in pids:
        with suppress(OSError):
            (PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)


def parent_if(pid: int, name: str) -> int | None:
    """The parent of a process here, if both are programs with this in their names."""
    stat = _stats().get(pid)
    if stat is None or name not in _name_of(pid) or name not in _name_of(stat.parent):
        return None
    return stat.parent


def is_named(pid: int, names: Iterable[str]) -> bool:
    """Whether a process here is a program with one of these in its name."""
    return any(name in _name_of(pid) for name in names)


def _name_of(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text()
    except OSError:
        return ""


def _stats() -> dict[int, Stat]:
    stats = {}
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):
            stats[int(folder.name)] = parse_stat((folder / "stat").read_text())
    return stats
