"""The errors of the engine, sorted by the reaction they permit.

EngineError
├── Rejected        final: the same input will fail again, never retry
│   ├── InvalidInput    a client's request is wrong, and which field is
│   └── Reused          a name that stands for another request already
├── Transient       nothing happened: a new attempt may succeed
└── Unknown         the effect may have happened: look at the chain, never redo

A broken invariant of our own is none of these: it is an ``assert``.
"""

from __future__ import annotations


class EngineError(Exception):
    """Something went wrong that somebody else has to hear about.

    ``code`` is a stable snake_case word for programs, ``reason`` a sentence for people.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Rejected(EngineError):
    """It will never work as asked: no pool, not enough funds, a minimum that no venue meets."""


class InvalidInput(Rejected):
    """A field of a request is wrong; ``field`` is its name as the client wrote it."""

    def __init__(self, field: str, reason: str, code: str = "invalid_field") -> None:
        super().__init__(code, reason)
        self.field = field


class Reused(Rejected):
    """An idempotency key or client order id came again with another request."""


class Transient(EngineError):
    """It did not work this time and had no effect: a time-out, a venue that is down."""


class Unknown(EngineError):
    """It was sent and no answer came back: it may or may not have taken effect."""


class RetryLater(Exception):
    """An attempt failed and is stored so: the order is to be driven again after ``wait_s``."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"again in {wait_s} s")
        self.wait_s = wait_s
