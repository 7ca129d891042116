"""The timing settings of a chaos run, and the recovery bound that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.execution.outage import PAUSE_JITTER, PAUSE_MAX_S

LEASE_S: Final = 2.0
TRIGGER_LEASE_S: Final = 1.0
SWEEP_S: Final = 0.3
REKICK_S: Final = 1.0
BACKOFF_S: Final = 0.2
SETTINGS: Final[Mapping[str, str]] = {
    "lease_s": str(LEASE_S),
    "trigger_lease_s": str(TRIGGER_LEASE_S),
    "sweep_s": str(SWEEP_S),
    "rekick_s": str(REKICK_S),
    "backoff_s": str(BACKOFF_S),
    "resend_s": "0.3",
    "rpc_timeout_s": "2",
    "quote_timeout_s": "1",
    "shutdown_s": "1",
}
"""Short times, so that a run sees many recoveries; the logic is that of the defaults."""
RETRIES_S: Final = 3 * BACKOFF_S * 1.1
"""The sum of the backoffs between three attempts."""
CLOCK_AHEAD_S: Final = 6
"""How far the database's clock is set ahead: more than leases last, and than orders wait."""
WAIT_S: Final = 5.0
"""How long orders wait for a price after the last was posted; then they expire."""
CANCELLED_WAIT_S: Final = 120.0
"""The same where what still waits is cancelled in the end: no machine is so busy."""
OUTAGE_S: Final = 10.0
"""How long a server is down in the scenarios of outages."""
OUTAGE_PAUSE_S: Final = PAUSE_MAX_S * (1 + PAUSE_JITTER)
"""How long after the end of an outage an order that waits for it may ask again."""
ANSWER_S: Final = 5.0
"""How long a request may wait for its answer, and a subscriber for an event, without a fault."""
CRASH_S: Final = 15.0
"""How long after the last order was posted a worker may take to reach where it is to crash."""
MACHINE_S: Final = 3.0
"""What a process restart may take on a small machine."""
ORDERS_PER_S: Final = 100
"""The minimum rate at which a small, busy machine drains a backlog."""
SLOT_S: Final = 0.1
CONFIRMED_SLOTS: Final = 2
FINALIZED_SLOTS: Final = 3
"""Of the simulated chain: a transaction expires 15 s after it was signed."""


def recovery_bound_s(orders: int, machine_s: float = MACHINE_S) -> float:
    """Return how long after the last fault so many orders may take to end.

    ``machine_s`` is what a small or shared machine may add to the engine's guarantee.
    """
    guaranteed_s = LEASE_S + REKICK_S + SWEEP_S * 1.1 + RETRIES_S + OUTAGE_PAUSE_S
    return guaranteed_s + machine_s + orders / ORDERS_PER_S
