"""File descriptors of this process: the limit, raised at the start."""

from __future__ import annotations

import resource
from typing import Final

DESCRIPTORS_WANTED: Final = 65_536
"""More than a process ever opens: sockets of clients, servers and files together."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit on open files as far as this user may; return it.

    Shells set it low, often to 1,024, for programs that cannot use more. Child processes inherit
    the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # the kernel has a lower limit of its own
            return soft
        return wanted
    return get_descriptor_limit()


def get_descriptor_limit() -> int:
    """How many files and sockets this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return DESCRIPTORS_WANTED if soft == resource.RLIM_INFINITY else soft
