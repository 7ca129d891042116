"""Names of keys that all processes share."""

from __future__ import annotations

from typing import Final

STREAM: Final = "order-engine:jobs"
PROBE: Final = f"order-engine:probe:{{{STREAM}}}"
"""A key that is written to see whether that is permitted; of the stream's hash slot."""
