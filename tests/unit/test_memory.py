"""What is free goes back to the system, though the allocator would keep it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from pathlib import Path
from backend.runtime.resources.memory import release_free_memory

def read_resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

# Larger than what Python allocates by itself, with one in use behind each page that is free.
blocks = [bytes(1_000) for _ in range(100_000)]
blocks = blocks[::100]
before = read_resident_pages()
release_free_memory()
print(before - read_resident_pages())
"""


def test_free_pages_between_used_blocks_are_given_back() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert int(result.stdout) > 10_000  # of the 24,000 pages that the blocks had
