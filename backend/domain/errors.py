"""Engine errors, classified by the reaction that each permits.

EngineError
├── Rejected                    final: the same input fails again, never retry
│   ├── InvalidInput                one field of a client's request is wrong
│   └── IdempotencyKeyReused        the key already identifies another request
├── Transient                   no effect: a new attempt may succeed
│   └── Unavailable                 nobody is there or has time: wait, it costs no attempt
└── OutcomeUnknown              possibly an effect: check the chain, never repeat blindly

A violated invariant of the engine itself is none of these: it is an ``assert``.
"""

from __future__ import annotations

from typing import Final

INSUFFICIENT_FUNDS: Final = "insufficient_funds"
"""The code of what the wallet lacks."""
OUT_OF_COMPUTE: Final = "out_of_compute"
"""The code of a transaction whose limit of compute units was too low."""
NO_POOL_CODE: Final = "no_pool"
"""The code of tokens that no pool swaps."""


class EngineError(Exception):
    """Base class of the failures that are reported to clients or decide about a retry.

    ``code`` is a stable snake_case identifier for programs, ``reason`` a sentence for people.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Rejected(EngineError):
    """A final failure: no pool, not enough funds, a minimum output that no venue meets."""


class InvalidInput(Rejected):
    """A field of a request is invalid; ``field`` is its name as the client wrote it."""

    def __init__(self, field: str, reason: str, code: str = "invalid_field") -> None:
        super().__init__(code, reason)
        self.field = field


class IdempotencyKeyReused(Rejected):
    """An idempotency key or client order id was reused for a different request."""


class Transient(EngineError):
    """A failure without effect that may pass: a price that moved, a transaction that expired."""


class Unavailable(Transient):
    """A node, or every venue through it, is unreachable, overloaded or behind.

    The failure is none of the order's: as long as nothing is signed, waiting is safe and uses up
    no attempt. ``retry_after_s`` is the pause that the node asked for, if any.
    """

    def __init__(self, code: str, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(code, reason)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(EngineError):
    """A request was sent and its outcome is unknown: it may or may not have taken effect."""


class RetryLater(Exception):
    """An attempt failed, which is stored: the job must be retried after ``wait_s`` seconds.

    However often it was retried before, if it ``is_unbounded``.
    """

    def __init__(self, wait_s: float, *, is_unbounded: bool = False) -> None:
        super().__init__(f"retry in {wait_s} s")
        self.wait_s = wait_s
        self.is_unbounded = is_unbounded
