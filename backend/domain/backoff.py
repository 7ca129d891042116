"""How long an order waits between a failed attempt and the next one."""

from __future__ import annotations


def backoff_ms(failed_attempt: int, *, base_ms: int, jitter: float, chance: float) -> int:
    """Compute the backoff after ``failed_attempt`` (from 1): ``base_ms`` · 2ⁿ⁻¹, with jitter.

    ``jitter`` is the largest deviation as a fraction of the backoff. ``chance`` is a random number
    from 0 to 1 supplied by the caller: 0.5 means no deviation.
    """
    wait_ms: int = base_ms * 2 ** (failed_attempt - 1)
    return round(wait_ms * (1 + jitter * (2 * chance - 1)))
