"""What became of the transitions that the journal was to record, and how they are grouped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import asyncpg

from backend.domain.lifecycle import Status, Step
from backend.domain.orders import OrderEvent
from backend.runtime.commit_notifications import EVENTS_MAX, Commit
from backend.store.committed_events import build_event
from backend.store.database import DatabaseConnection
from backend.store.groups import confirmations
from backend.store.trading.held_orders import OrderHeld, find_held
from backend.store.transitions import (
    LeaseLost,
    StepKey,
    StoredSteps,
    Transition,
    is_stored,
    key_steps,
)
from backend.store.wallets.checked_spends import find_revoked
from backend.store.wallets.spending import BudgetRevoked
from backend.store.withdrawals.expired_submissions import OrderExpired, find_expired


class CommitKind(Enum):
    """By which commit a transition is stored."""

    PLAIN = auto()
    CHECKED = auto()
    """It is checked whether its wallet pays for it."""
    CONFIRMATIONS = auto()
    """With what it does to other orders."""


def group_transitions(
    transitions: Sequence[Transition],
) -> Mapping[tuple[CommitKind, str], Sequence[Transition]]:
    """Transitions by their commits: those that are checked by their wallets as well."""
    groups: dict[tuple[CommitKind, str], list[Transition]] = {}
    for each in transitions:
        if confirmations.changes_others(each):
            key = CommitKind.CONFIRMATIONS, ""
        elif each.spend is not None and each.spend.is_checked:
            key = CommitKind.CHECKED, each.spend.wallet
        else:
            key = CommitKind.PLAIN, ""
        groups.setdefault(key, []).append(each)
    # What confirms orders comes last, as the others are often of the same ones.
    return dict(sorted(groups.items(), key=lambda item: item[0][0].value))


@dataclass(slots=True)
class RecordOutcome:
    """Which transitions were stored, and why others were not."""

    stored: StoredSteps = field(default_factory=dict)
    expired: set[StepKey] = field(default_factory=set)
    refused: dict[int, Exception] = field(default_factory=dict)
    """The errors of transitions that were not tried, by the identity of these."""

    def refuse(self, transitions: Iterable[Transition], error: Exception) -> None:
        """Take note why transitions were not stored."""
        self.refused |= {id(each): error for each in transitions}

    def list_unsubmitted(self, transitions: Sequence[Transition]) -> list[Transition]:
        """The submissions that were not stored, for a reason that is not known yet."""
        return [
            each
            for each in transitions
            if each.step.status is Status.SUBMITTED
            and not is_stored(each, self.stored)
            and id(each) not in self.refused
        ]

    def find_error(self, transition: Transition) -> Exception | None:
        """Why a transition was not stored; ``None`` if it was."""
        if is_stored(transition, self.stored):
            return None
        order = transition.order
        if (order.id, order.epoch) in self.expired:
            return OrderExpired(str(order.id))
        return self.refused.get(id(transition)) or LeaseLost(str(order.id))


def build_record_commit(
    rows: Sequence[asyncpg.Record], transitions: Sequence[Transition]
) -> Commit:
    """The commit of rows that the journal's statement returned for transitions."""
    txid = rows[0]["txid"]
    if len(rows) > EVENTS_MAX:
        begins_wait = any(each.step.status is Status.WAITING for each in transitions)
        return Commit(txid, None, begins_wait)
    stored = {(row["id"], row["epoch"]): row for row in rows}
    steps = key_steps(rows)
    events = []
    for transition in transitions:
        order = transition.order
        is_own = is_stored(transition, steps)
        row = stored.pop((order.id, order.epoch), None) if is_own else None
        if row is None:
            continue
        seq = order.seq + 1
        for before in transition.steps_before:
            events.append(_build_event(row, seq, before.step, before.data))
            seq += 1
        events.append(_build_event(row, seq, transition.step, transition.data))
    return Commit(txid, events)


def _build_event(row: asyncpg.Record, seq: int, step: Step, data: str) -> OrderEvent:
    return build_event(row, seq=seq, status=step.status, attempt=step.attempt, data=data)


async def explain_unsubmitted(
    connection: DatabaseConnection, transitions: Sequence[Transition], outcome: RecordOutcome
) -> None:
    """Find why submissions were not stored."""
    if not (unsubmitted := outcome.list_unsubmitted(transitions)):
        return
    if orders := [each.order for each in unsubmitted if each.order.can_expire]:
        outcome.expired.update(await find_expired(connection, orders))
    paid = [each for each in unsubmitted if each.spend is not None and not each.spend.is_checked]
    if paid and await find_revoked(connection, paid):
        outcome.refuse(paid, BudgetRevoked())
    outcome.refuse(await find_held(connection, unsubmitted), OrderHeld())
