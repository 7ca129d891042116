"""How fast the engine of a chaos run is, and how long it may therefore take to recover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LEASE_S: Final = 2.0
SWEEP_S: Final = 0.3
REKICK_S: Final = 1.0
BACKOFF_S: Final = 0.2
SETTINGS: Final[Mapping[str, str]] = {
    "lease_s": str(LEASE_S),
    "sweep_s": str(SWEEP_S),
    "rekick_s": str(REKICK_S),
    "backoff_s": str(BACKOFF_S),
    "resend_s": "0.3",
    "rpc_timeout_s": "2",
    "quote_timeout_s": "1",
    "shutdown_s": "1",
}
"""Short times, so that a run sees many recoveries; the rules are those of the defaults."""
RETRIES_S: Final = 3 * BACKOFF_S * 1.1
"""All the waits between three attempts."""
MACHINE_S: Final = 3.0
"""What starting a process again may take on a small machine."""
ORDERS_PER_S: Final = 100
"""How fast a small, busy machine works off what has piled up, at the least."""
SLOT_S: Final = 0.1
CONFIRMED_SLOTS: Final = 2
FINALIZED_SLOTS: Final = 3
"""Of the simulated chain: a transaction expires 15 s after it was signed."""


def bound_s(orders: int, machine_s: float = MACHINE_S) -> float:
    """How long after the last fault one of so many orders may take to end.

    ``machine_s`` is what a small or shared machine may add to what the engine promises.
    """
    promised = LEASE_S + REKICK_S + SWEEP_S * 1.1 + RETRIES_S
    return promised + machine_s + orders / ORDERS_PER_S
