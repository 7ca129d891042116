"""Reads the files of golden vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

HERE = Path(__file__).parent


def load_vectors(name: str) -> list[object]:
    """The vectors of one file, which names its source."""
    content = json.loads((HERE / name).read_text())
    assert content["source"]
    return cast("list[object]", content["vectors"])
