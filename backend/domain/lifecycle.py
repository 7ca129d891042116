"""The life of an order: one table, and the only code that decides a status.

Two rules:

- Everything that affects a transition is in this file, and nothing here acts: callers tell
  what happened, ``advance`` answers with the step to store, and the journal stores it. A
  happening that the table does not list is refused and changes nothing.
- An order has at most one transaction that could still land. ``submitted`` is stored, with the
  signature and the signed bytes, *before* the bytes are sent; it is left only when the chain
  shows that the transaction landed or that it never can. So a crash anywhere leaves either an
  order that sent nothing, or one whose signature tells what became of it (``recover``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

ATTEMPTS_MAX = 3


class Status(StrEnum):
    """Where an order is; the last four are ends."""

    PENDING = "pending"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_end(self) -> bool:
        """Whether nothing can happen to the order any more."""
        return self in ENDS


ENDS = frozenset({Status.CONFIRMED, Status.FAILED, Status.CANCELLED, Status.EXPIRED})


class Happening(StrEnum):
    """What can happen to an order; the words are those of the diagram."""

    CLAIMED = "claimed by a worker"
    ROUTED = "route chosen"
    SIGNED = "signed and stored"
    LANDED = "landed and succeeded"
    REVERTED = "landed and failed on chain"
    UNLANDED = "can never land any more"
    TRANSIENT = "transient error"
    INTERRUPTED = "worker lost before signing"
    REJECTED = "rejected"
    CANCELLED = "cancelled by its owner"
    TIMED_OUT = "its time ran out"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a happening leads; with ``retries``, only while attempts remain, else to ``failed``."""

    to: Status
    retries: bool = False


_RETRY = Rule(Status.ROUTING, retries=True)
_FAIL = Rule(Status.FAILED)

TABLE: dict[tuple[Status, Happening], Rule] = {
    (Status.PENDING, Happening.CLAIMED): Rule(Status.ROUTING),
    (Status.PENDING, Happening.CANCELLED): Rule(Status.CANCELLED),
    (Status.PENDING, Happening.TIMED_OUT): Rule(Status.EXPIRED),
    (Status.ROUTING, Happening.ROUTED): Rule(Status.BUILDING),
    (Status.ROUTING, Happening.TRANSIENT): _RETRY,
    (Status.ROUTING, Happening.REJECTED): _FAIL,
    (Status.BUILDING, Happening.SIGNED): Rule(Status.SUBMITTED),
    (Status.BUILDING, Happening.TRANSIENT): _RETRY,
    (Status.BUILDING, Happening.REJECTED): _FAIL,
    # Our crash is not the order's failure: it costs no attempt.
    (Status.BUILDING, Happening.INTERRUPTED): Rule(Status.ROUTING),
    (Status.SUBMITTED, Happening.LANDED): Rule(Status.CONFIRMED),
    # Slippage may pass with a fresh quote. What can never pass is REJECTED.
    (Status.SUBMITTED, Happening.REVERTED): _RETRY,
    (Status.SUBMITTED, Happening.REJECTED): _FAIL,
    (Status.SUBMITTED, Happening.UNLANDED): _RETRY,
}


class IllegalTransition(AssertionError):
    """A caller reported a happening that cannot happen in this status: a bug of ours."""


@dataclass(frozen=True, slots=True)
class Step:
    """The transition to store: the new status and the number of the attempt it belongs to."""

    status: Status
    attempt: int
    is_retry: bool = False


def advance(
    status: Status, attempt: int, what: Happening, *, attempts_max: int = ATTEMPTS_MAX
) -> Step:
    """The step that ``what`` causes for an order in ``status`` on its ``attempt`` (from 1).

    Raises ``IllegalTransition`` if the table does not list it.
    """
    rule = TABLE.get((status, what))
    if rule is None:
        raise IllegalTransition(f"{what.name} cannot happen to an order that is {status}")
    if not rule.retries:
        return Step(rule.to, attempt)
    if attempt >= attempts_max:
        return Step(Status.FAILED, attempt)
    return Step(rule.to, attempt + 1, is_retry=True)


def backoff_ms(failed_attempt: int, *, base_ms: int, jitter: float, chance: float) -> int:
    """How long to wait after ``failed_attempt`` (from 1): ``base_ms`` · 2ⁿ⁻¹, give or take.

    ``jitter`` is the largest deviation as a fraction of the wait and ``chance``, from 0 to 1, a
    random number that the caller brings: 0.5 is no deviation at all.
    """
    wait_ms: int = base_ms * 2 ** (failed_attempt - 1)
    return round(wait_ms * (1 + jitter * (2 * chance - 1)))


class Fate(StrEnum):
    """What the chain shows of a signature."""

    LANDED = "landed"
    REVERTED = "reverted"
    OPEN = "open"
    """Not seen, and still able to land."""
    DEAD = "dead"
    """Not seen by a search made after the last valid block height was final: it never can."""


class Recovery(StrEnum):
    """What the next holder of an order does first."""

    ROUTE = "route"
    ROUTE_AGAIN = "route again"
    SETTLE = "settle"
    RESEND = "resend the same bytes"
    NEW_ATTEMPT = "new attempt"


def recover(status: Status, fate: Fate | None = None) -> Recovery:
    """What to do with a claimed order that is in ``status``, given its signature's ``fate``.

    ``fate`` must be known for a submitted order. No answer but ``NEW_ATTEMPT`` lets a submitted
    order be signed again, and only ``DEAD`` leads there.
    """
    match status:
        case Status.ROUTING:
            return Recovery.ROUTE
        case Status.BUILDING:
            return Recovery.ROUTE_AGAIN
        case Status.SUBMITTED:
            assert fate is not None, "ask the chain before deciding about a submitted order"
            return _SUBMITTED[fate]
        case _:
            raise IllegalTransition(f"an order that is {status} has nothing to recover")


_SUBMITTED = {
    Fate.LANDED: Recovery.SETTLE,
    Fate.REVERTED: Recovery.SETTLE,
    Fate.OPEN: Recovery.RESEND,
    Fate.DEAD: Recovery.NEW_ATTEMPT,
}


def diagram() -> Iterator[str]:
    """The table as the lines of a Mermaid state diagram."""
    yield "stateDiagram-v2"
    yield f"    [*] --> {Status.PENDING}"
    for (status, what), rule in TABLE.items():
        words = f"{what}, attempts remain" if rule.retries else what.value
        yield f"    {status} --> {rule.to}: {words}"
    for status in sorted({s for (s, _), rule in TABLE.items() if rule.retries}):
        yield f"    {status} --> {Status.FAILED}: no attempts remain"
    for status in Status:
        if status.is_end:
            yield f"    {status} --> [*]"
