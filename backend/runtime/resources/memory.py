"""Memory of a process that holds thousands of live orders and connections.

Orders and their tasks form no reference cycles: reference counting alone frees them. The cyclic
collector stops the process, traverses all of them and finds nothing; with Python's default
thresholds it does so for every 700 surviving objects, which takes a third of a busy worker's time.

What many connections used is free after them, but scattered: glibc gives back only what is at the
end of its heap, until it is told to look for whole free pages.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_THRESHOLDS: Final = (10_000, 50, 50)


def tune_gc() -> None:
    """Exclude the objects that exist now from collection, and collect the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


@contextmanager
def exclude_imports_from_gc() -> Iterator[None]:
    """Collect nothing while modules are imported, nor later what exists by then: it stays.

    A traversal of the modules of a process takes a tenth of the time that their import takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def release_free_memory() -> None:
    """Give free memory back to the system, in about a millisecond; with glibc only."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
