"""Percentiles of what trials measure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least ``share`` (0 to 1) of the samples do not exceed."""
    assert samples
    assert 0 <= share <= 1
    return sorted(samples)[max(0, ceil(share * len(samples)) - 1)]
