"""The crash of a worker at a checkpoint, for failure tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from backend.execution.context import Checkpoint


def build_crash_trigger(crash_at: str) -> Callable[[Checkpoint], None]:
    """A callback that ends this process by SIGKILL at the n-th hit of a checkpoint."""
    name, _, hits = crash_at.partition(":")
    hits_left = int(hits or 0)

    def on_checkpoint(checkpoint: Checkpoint) -> None:
        nonlocal hits_left
        if checkpoint == name:
            hits_left -= 1
            if hits_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return on_checkpoint
