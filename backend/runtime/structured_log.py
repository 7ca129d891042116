"""``structlog``, imported without Rich.

It imports Rich and Pygments wherever they are installed, for tracebacks that show local variables:
those are not used here, as they would show keys, and their import is a tenth of a worker's start.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["structlog"]


@contextmanager
def _hide_module(name: str) -> Iterator[None]:
    """Let imports of a module fail as if it were not installed."""
    hidden = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # as the import system documents it
    try:
        yield
    finally:
        del sys.modules[name]
        if hidden is not None:
            sys.modules[name] = hidden


with _hide_module("rich"):
    import structlog
