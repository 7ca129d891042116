"""What a person is told when the API is ready: its address, and how to open what belongs to it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from backend.api.server.listener import get_reachable_url

_PROGRAM = "order-engine"


def build_ready_message(url: str) -> str:
    """Build the ``ready`` line of an API at ``url``, and a line each for its clients.

    The first line is what the supervisor and scripts read.
    """
    reachable = get_reachable_url(url)
    return "\n".join(
        (
            f"ready {url}",
            f"  page       {reachable}/",
            f"  documents  {reachable}/docs",
            f"  dashboard  {find_command(Path(sys.argv[0]))} dashboard --url {reachable}",
        )
    )


def find_command(program: Path) -> str:
    """Find how the present program is started from a shell, given its ``argv[0]``."""
    if program.name != _PROGRAM:
        return f"{sys.executable} -m backend.cli"
    on_path = shutil.which(_PROGRAM)
    if on_path is not None and Path(on_path).samefile(program):
        return _PROGRAM
    relative = os.path.relpath(program)
    return str(program) if relative.startswith("..") else relative
