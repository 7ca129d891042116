"""How long an order waits between a failed attempt and the next one."""

from __future__ import annotations

from typing import Final

LONGEST_MS: Final = 30_000
"""The longest backoff of what is tried until it is filled, without its jitter."""
_EXPONENT_MAX: Final = 30


def backoff_ms(
    failed_attempt: int,
    *,
    base_ms: int,
    jitter: float,
    chance: float,
    longest_ms: int | None = None,
) -> int:
    """Compute the backoff after ``failed_attempt`` (from 1): ``base_ms`` · 2ⁿ⁻¹, with jitter.

    It is at most ``longest_ms`` before the jitter.
    ``jitter`` is the largest deviation as a fraction of the backoff. ``chance`` is a random number
    from 0 to 1 supplied by the caller: 0.5 means no deviation.
    """
    wait_ms: int = base_ms * 2 ** min(failed_attempt - 1, _EXPONENT_MAX)
    if longest_ms is not None:
        wait_ms = min(wait_ms, longest_ms)
    return round(wait_ms * (1 + jitter * (2 * chance - 1)))
