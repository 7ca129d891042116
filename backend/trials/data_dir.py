"""The data directory of one run of a trial: removed after a good run, kept after a bad one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class TrialDirectory:
    """An empty directory for the data and logs of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_disposable = False
        """Set it when the run has passed: nobody will want to read its logs."""


@contextmanager
def create_trial_directory(
    trial: str, on_keep: Callable[[Path], None] = lambda _: None
) -> Iterator[TrialDirectory]:
    """Create a directory for the duration of the block; ``on_keep`` hears of one that stays."""
    path = Path(tempfile.mkdtemp(prefix=f"oe-{trial}-"))
    path.chmod(0o711)  # the servers run as another user, who has to enter it
    directory = TrialDirectory(path)
    try:
        yield directory
    finally:
        if directory.is_disposable:
            shutil.rmtree(path, ignore_errors=True)
        else:
            on_keep(path)
