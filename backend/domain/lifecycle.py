"""The order lifecycle: the transition table, and the only code that decides an order's status.

Two rules:

- Every decision about a transition is made in this file, and this file has no side effects:
  callers report a cause, ``advance`` returns the step to store, and the journal stores it. A
  cause that the table does not list for the current status raises and changes nothing.
- An order has at most one transaction that could still land. ``submitted`` is stored, with the
  signature and the signed bytes, *before* the bytes are sent; the order leaves it only when the
  chain shows that the transaction landed or that it never can. So a crash at any point leaves
  either an order that sent nothing, or one whose signature resolves its outcome
  (``choose_recovery``). And an order that is not submitted can be cancelled, or expire, at any
  moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ATTEMPTS_MAX = 3


class Status(StrEnum):
    """The status of an order; the last four are final."""

    PENDING = "pending"
    WAITING = "waiting"
    """Until the market meets its condition."""
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether no further transition is possible."""
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({Status.CONFIRMED, Status.FAILED, Status.CANCELLED, Status.EXPIRED})
OPEN_STATUSES = tuple(status for status in Status if status not in FINAL_STATUSES)


class Cause(StrEnum):
    """The cause of a transition; the values label the arrows of the diagram."""

    CLAIMED = "claimed by a worker"
    CONDITIONAL = "has a condition"
    MET = "its condition is met"
    AMENDED = "amended by its owner"
    UNMET = "its condition no longer holds"
    SLICED = "a slice placed"
    SLICES_FILLED = "its slices filled it"
    SLICES_ENDED = "its slices ended, not all filled"
    ROUTED = "route chosen"
    SIGNED = "signed and stored"
    LANDED = "landed and succeeded"
    REVERTED = "landed and failed on chain"
    SIGNATURE_EXPIRED = "can never land any more"
    TRANSIENT = "transient error"
    OUTAGE = "node unavailable for too long"
    INTERRUPTED = "worker lost before signing"
    REJECTED = "rejected"
    CANCELLED = "cancelled by its owner"
    TIMED_OUT = "its time ran out"
    UNFILLED = "not filled by its only attempt"


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """The target status of a cause; if retryable, only while attempts remain, else ``failed``.

    ``ends_attempt`` if the next attempt begins, whatever remains: each has at most one signature.
    """

    to: Status
    is_retryable: bool = False
    ends_attempt: bool = False


_RETRY_RULE = TransitionRule(Status.ROUTING, is_retryable=True)
# What waits for a better price than there is has failed at nothing: no bound of attempts counts.
_WAIT_RULE = TransitionRule(Status.WAITING)
_FAIL_RULE = TransitionRule(Status.FAILED)
_CANCEL_RULE = TransitionRule(Status.CANCELLED)
_EXPIRE_RULE = TransitionRule(Status.EXPIRED)

TRANSITIONS: dict[tuple[Status, Cause], TransitionRule] = {
    (Status.PENDING, Cause.CLAIMED): TransitionRule(Status.ROUTING),
    (Status.PENDING, Cause.CONDITIONAL): _WAIT_RULE,
    (Status.PENDING, Cause.CANCELLED): _CANCEL_RULE,
    (Status.PENDING, Cause.TIMED_OUT): _EXPIRE_RULE,
    (Status.WAITING, Cause.MET): TransitionRule(Status.ROUTING),
    (Status.WAITING, Cause.AMENDED): _WAIT_RULE,
    # A TWAP order is executed by its slices, and waits until they have ended.
    (Status.WAITING, Cause.SLICED): _WAIT_RULE,
    (Status.WAITING, Cause.SLICES_FILLED): TransitionRule(Status.CONFIRMED),
    (Status.WAITING, Cause.SLICES_ENDED): _FAIL_RULE,
    (Status.WAITING, Cause.CANCELLED): _CANCEL_RULE,
    (Status.WAITING, Cause.TIMED_OUT): _EXPIRE_RULE,
    (Status.ROUTING, Cause.ROUTED): TransitionRule(Status.BUILDING),
    (Status.ROUTING, Cause.TRANSIENT): _RETRY_RULE,
    (Status.ROUTING, Cause.UNMET): _WAIT_RULE,
    (Status.ROUTING, Cause.OUTAGE): _FAIL_RULE,
    (Status.ROUTING, Cause.REJECTED): _FAIL_RULE,
    (Status.ROUTING, Cause.CANCELLED): _CANCEL_RULE,
    (Status.ROUTING, Cause.TIMED_OUT): _EXPIRE_RULE,
    (Status.ROUTING, Cause.UNFILLED): _EXPIRE_RULE,
    (Status.BUILDING, Cause.SIGNED): TransitionRule(Status.SUBMITTED),
    (Status.BUILDING, Cause.TRANSIENT): _RETRY_RULE,
    (Status.BUILDING, Cause.UNMET): _WAIT_RULE,
    (Status.BUILDING, Cause.OUTAGE): _FAIL_RULE,
    (Status.BUILDING, Cause.REJECTED): _FAIL_RULE,
    (Status.BUILDING, Cause.CANCELLED): _CANCEL_RULE,
    (Status.BUILDING, Cause.TIMED_OUT): _EXPIRE_RULE,
    (Status.BUILDING, Cause.UNFILLED): _EXPIRE_RULE,
    # A crash of a worker is not the order's failure: it uses up no attempt.
    (Status.BUILDING, Cause.INTERRUPTED): TransitionRule(Status.ROUTING),
    # What is submitted may land at any moment: it is not cancelled, and no time ends it.
    (Status.SUBMITTED, Cause.LANDED): TransitionRule(Status.CONFIRMED),
    # Slippage may pass with a fresh quote. A failure that can never pass is REJECTED.
    (Status.SUBMITTED, Cause.REVERTED): _RETRY_RULE,
    (Status.SUBMITTED, Cause.REJECTED): _FAIL_RULE,
    (Status.SUBMITTED, Cause.SIGNATURE_EXPIRED): _RETRY_RULE,
    # The chain shows that its transaction was reverted or can never land.
    (Status.SUBMITTED, Cause.UNMET): TransitionRule(Status.WAITING, ends_attempt=True),
    (Status.SUBMITTED, Cause.UNFILLED): _EXPIRE_RULE,
}


CANCELLABLE_STATUSES: Final = frozenset(
    status for status, cause in TRANSITIONS if cause is Cause.CANCELLED
)
"""The statuses in which nothing was sent that could still land: these can expire as well."""


class IllegalTransition(AssertionError):
    """A caller reported a cause that the table does not list for this status: a bug."""


@dataclass(frozen=True, slots=True)
class Step:
    """The transition to store: the new status and the number of the attempt it belongs to."""

    status: Status
    attempt: int
    is_retry: bool = False


def advance(
    status: Status, attempt: int, cause: Cause, *, attempts_max: int | None = ATTEMPTS_MAX
) -> Step:
    """Determine the step for ``cause`` on an order in ``status`` on its ``attempt`` (from 1).

    Without ``attempts_max`` attempts always remain. Raises ``IllegalTransition`` if the table does
    not list it.
    """
    rule = TRANSITIONS.get((status, cause))
    if rule is None:
        raise IllegalTransition(f"{cause.name} is no transition of an order that is {status}")
    if not rule.is_retryable:
        return Step(rule.to, attempt + 1 if rule.ends_attempt else attempt)
    if attempts_max is not None and attempt >= attempts_max:
        return Step(Status.FAILED, attempt)
    return Step(rule.to, attempt + 1, is_retry=True)


class SignatureOutcome(StrEnum):
    """The outcome of a signature, as far as the chain shows it."""

    LANDED = "landed"
    REVERTED = "reverted"
    UNRESOLVED = "unresolved"
    """Not seen, and still able to land."""
    EXPIRED = "expired"
    """Not seen by a search made after the last valid block height was final: it can never land."""


class RecoveryAction(StrEnum):
    """The first action of a worker that claims an order in progress."""

    ROUTE = "route"
    ROUTE_AGAIN = "route again"
    SETTLE = "settle"
    RESEND = "resend the same bytes"
    NEW_ATTEMPT = "new attempt"


def choose_recovery(status: Status, outcome: SignatureOutcome | None = None) -> RecoveryAction:
    """Choose the action for a claimed order in ``status``, given the outcome of its signature.

    ``outcome`` is required for a submitted order. Only ``NEW_ATTEMPT`` lets a submitted order be
    signed again, and only ``SignatureOutcome.EXPIRED`` leads to it.
    """
    match status:
        case Status.ROUTING:
            return RecoveryAction.ROUTE
        case Status.BUILDING:
            return RecoveryAction.ROUTE_AGAIN
        case Status.SUBMITTED:
            assert outcome is not None, "check the chain before deciding about a submitted order"
            return _SUBMITTED_RECOVERY[outcome]
        case _:
            raise IllegalTransition(f"an order that is {status} needs no recovery")


_SUBMITTED_RECOVERY = {
    SignatureOutcome.LANDED: RecoveryAction.SETTLE,
    SignatureOutcome.REVERTED: RecoveryAction.SETTLE,
    SignatureOutcome.UNRESOLVED: RecoveryAction.RESEND,
    SignatureOutcome.EXPIRED: RecoveryAction.NEW_ATTEMPT,
}


def render_diagram() -> Iterator[str]:
    """Render the table as the lines of a Mermaid state diagram, with an arrow for each pair."""
    arrows: dict[tuple[Status, Status], list[str]] = {}
    for (status, cause), rule in TRANSITIONS.items():
        label = f"{cause}, attempts remain" if rule.is_retryable else cause.value
        arrows.setdefault((status, rule.to), []).append(label)
    for status in {s for (s, _), rule in TRANSITIONS.items() if rule.is_retryable}:
        arrows.setdefault((status, Status.FAILED), []).append("no attempts remain")
    yield "stateDiagram-v2"
    yield f"    [*] --> {Status.PENDING}"
    for (status, to), labels in arrows.items():
        yield f"    {status} --> {to}: {' / '.join(labels)}"
    for status in Status:
        if status.is_final:
            yield f"    {status} --> [*]"
