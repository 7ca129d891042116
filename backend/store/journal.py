"""The journal: all transitions of all orders, in group commits, fenced by the lease epoch.

The transitions of the many orders that one process executes go into one statement: it updates
each order whose row still has the expected epoch and seq, writes the event, and commits once. The
caller that recorded a transition resumes when its row is committed, or gets an error because the
lease was lost. Nothing is published before the commit.

Leases and expiries use the database's clock, so that a worker whose own clock is wrong can neither
hold an order too long nor take one too early. The statement itself refuses to store that an order
is ``submitted`` once its expiry has passed, or while a trading state holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any, Final

import asyncpg

from backend.domain.lifecycle import Status
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.runtime.commit_notifications import Commit, CommitObserver
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import (
    DATABASE_ERRORS,
    Reaction,
    classify,
    repeat_conflicts,
    report_unavailable,
)
from backend.store.group_commit import group_commits
from backend.store.groups import confirmations
from backend.store.limits import submission_limits
from backend.store.limits.known_limits import NO_LIMITS, KnownLimits
from backend.store.record_outcome import (
    CommitKind,
    RecordOutcome,
    build_record_commit,
    explain_unsubmitted,
    group_transitions,
)
from backend.store.transitions import (
    ADD_COSTS,
    CLAIM_COLUMN,
    RECORD,
    TERMS_TEXT,
    Transition,
    key_steps,
    to_columns,
)
from backend.store.wallets.checked_spends import (
    BUDGETS,
    NO_BUDGETS,
    WITHIN_BUDGETS,
    check_spends,
    to_budget_columns,
)
from backend.store.wallets.spending import FundsReserved
from backend.store.withdrawals.cancellations import CancelReason

_CommitCall = Callable[
    [DatabaseConnection, Sequence[Transition], RecordOutcome], Coroutine[Any, Any, None]
]

RETRY_S = 0.1
LEASE_MAX: Final = timedelta(seconds=300)
"""The longest lease, and the longest time before a job is resent, that any process may have."""

_NOTHING: Final = dict.fromkeys(
    ("note", "group_type", "group_column", "locks", "group_returned", "effects", "counts", "left"),
    "",
)
_RECORD_TRANSITIONS: Final = RECORD.format(
    source="input",
    terms_text=TERMS_TEXT,
    budget=BUDGETS,
    budgeted=WITHIN_BUDGETS,
    add_costs=ADD_COSTS,
    **_NOTHING,
    **submission_limits.NO_PARTS,
)
_RECORD_CONFIRMATIONS: Final = RECORD.format(
    note=" confirmations with what they do to other orders",
    budget="",
    budgeted="",
    terms_text=TERMS_TEXT,
    add_costs=ADD_COSTS,
    group_type=", $30::uuid[]",
    group_column=", oco_group",
    locks=f"{confirmations.LOCKS}, ",
    source="settled",
    group_returned=", o.oco_group",
    effects=f", {confirmations.EFFECTS}",
    counts=confirmations.COUNTS,
    left=confirmations.LEFT,
    **submission_limits.NO_PARTS,
)

_FIND_RECORDED = """ -- find recorded
SELECT o.id, o.epoch, o.tx_hash
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[])
        AS i(id, epoch, seq, via, claim)
    LIMIT cardinality($1::uuid[])
) i JOIN orders o ON o.id = i.id AND o.epoch = i.epoch
    AND o.seq = i.seq + num_nonnulls(i.claim, i.via) + 1
"""


@dataclass(frozen=True, slots=True)
class LeasePolicy:
    """The duration of a lease, and the time after which an order without a worker is overdue.

    ``wait_max`` is the longest time for which an order waits for its next attempt.
    """

    duration: timedelta
    rekick_after: timedelta
    wait_max: timedelta = timedelta(0)

    @property
    def ahead_max(self) -> timedelta:
        """How far ahead of the database's clock any time of an order may be.

        One further ahead was stored before that clock was set back, and counts as passed: else its
        order would wait until the clock is there again.
        """
        return LEASE_MAX + self.wait_max


class Journal:
    """Records transitions in group commits; ``run`` must be running.

    ``on_commit`` is called with each commit that updated an order. While any owner has ``limits``,
    the commits that store signed transactions check them.
    """

    def __init__(
        self,
        pool: DatabasePool,
        *,
        policy: LeasePolicy,
        on_commit: CommitObserver,
        limits: KnownLimits = NO_LIMITS,
    ) -> None:
        self._limits = limits
        self._pool = pool
        self._policy = policy
        self._on_commit = on_commit
        self._writes: Coalescer[Transition, None] = group_commits(self._write, "record")
        self._commits: Mapping[CommitKind, _CommitCall] = {
            CommitKind.PLAIN: self._commit,
            CommitKind.CHECKED: self._commit_checked,
            CommitKind.CONFIRMATIONS: self._commit_confirmations,
        }
        self.run = self._writes.run
        self.wait_idle = self._writes.wait_idle

    async def record(self, transition: Transition) -> None:
        """Store one transition; returns when it is committed.

        Retries while PostgreSQL is unavailable or not set up. Raises ``LeaseLost`` if the order
        has another epoch or seq than the caller's, and ``OrderExpired`` or ``OrderHeld`` if it may
        not be submitted, any more or for now; ``FundsReserved`` or ``BudgetRevoked`` if its wallet
        cannot pay for it beside what is in flight, or not without being asked; the error of a limit
        of its owner. Then nothing was stored. Raises the database's error if that is its fault.
        """
        await self._writes.submit(transition)

    async def _write(self, transitions: Sequence[Transition]) -> list[Exception | None]:
        started_at = perf_counter()
        outcome = RecordOutcome()
        groups = group_transitions(transitions)
        failures: dict[int, Exception] = {}
        for (kind, _), group in groups.items():
            try:
                await self._store(group, self._commits[kind], outcome)
            except DATABASE_ERRORS as error:  # the others are stored all the same
                failures |= {id(each): error for each in group}
        observe.journal_committed(len(transitions), perf_counter() - started_at)
        if not failures:
            return [outcome.find_error(each) for each in transitions]
        return [failures.get(id(each)) or outcome.find_error(each) for each in transitions]

    async def _store(
        self, transitions: Sequence[Transition], commit: _CommitCall, outcome: RecordOutcome
    ) -> None:
        """Store transitions, until PostgreSQL has done so: adds to ``outcome``."""
        if any(each.order.oco_group is not None for each in transitions):
            # In the order of ids, as all statements that write several rows of a group.
            transitions = sorted(transitions, key=lambda each: each.order.id)
        is_in_doubt = False

        async def write() -> None:
            async with self._pool.acquire() as connection:
                await commit(connection, transitions, outcome)
                if is_in_doubt:
                    # The connection broke in an earlier attempt, which may have committed.
                    columns = to_columns(transitions)
                    rows = await connection.fetch(
                        _FIND_RECORDED, *columns[:4], columns[CLAIM_COLUMN]
                    )
                    outcome.stored.update(key_steps(rows))
                await explain_unsubmitted(connection, transitions, outcome)

        while True:
            try:
                await repeat_conflicts(write)
                break
            except DATABASE_ERRORS as error:
                report_unavailable(error)
                if classify(error) is Reaction.REPORT:
                    raise
                is_in_doubt = True
                await asyncio.sleep(RETRY_S)

    async def _commit(
        self,
        connection: DatabaseConnection,
        transitions: Sequence[Transition],
        outcome: RecordOutcome,
    ) -> None:
        budgets = to_budget_columns(transitions)
        rows = await self._record(connection, transitions, budgets, outcome)
        self._take_in(rows, transitions, outcome)

    async def _commit_checked(
        self,
        connection: DatabaseConnection,
        transitions: Sequence[Transition],
        outcome: RecordOutcome,
    ) -> None:
        """Store those transitions of one wallet that it can pay for."""
        async with connection.transaction():
            if self._limits.are_set:
                await submission_limits.lock_owners(connection, transitions)
            checked = await check_spends(connection, transitions)
            rows: Sequence[asyncpg.Record] = ()
            if checked.fitting:
                rows = await self._record(connection, checked.fitting, NO_BUDGETS, outcome)
        checked.apply()
        outcome.refuse(checked.unpaid, FundsReserved())
        self._take_in(rows, checked.fitting, outcome)

    async def _record(
        self,
        connection: DatabaseConnection,
        transitions: Sequence[Transition],
        budgets: Sequence[Sequence[object]],
        outcome: RecordOutcome,
    ) -> list[asyncpg.Record]:
        columns = *to_columns(transitions), self._policy.duration, self._policy.rekick_after
        if not (self._limits.are_set and any(map(submission_limits.is_counted, transitions))):
            return await connection.fetch(_RECORD_TRANSITIONS, *columns, *budgets)
        limits = submission_limits.to_limit_columns(transitions, self._limits.reference)
        rows = await connection.fetch(submission_limits.RECORD_LIMITED, *columns, *budgets, *limits)
        for each, error in submission_limits.find_refusals(rows, transitions, self._limits):
            outcome.refuse([each], error)
        return [row for row in rows if row["name"] is None]

    def _take_in(
        self,
        rows: Sequence[asyncpg.Record],
        transitions: Sequence[Transition],
        outcome: RecordOutcome,
    ) -> None:
        if rows:
            self._on_commit(build_record_commit(rows, transitions))
        outcome.stored |= key_steps(rows)

    async def _commit_confirmations(
        self,
        connection: DatabaseConnection,
        transitions: Sequence[Transition],
        outcome: RecordOutcome,
    ) -> None:
        policy, left = self._policy, transitions
        while left:  # an order of the group was withdrawn, or amended, at this very moment
            rows = await connection.fetch(
                _RECORD_CONFIRMATIONS,
                *to_columns(left),
                *(policy.duration, policy.rekick_after),
                *confirmations.to_columns(left),
            )
            committed = [row for row in rows if row["txid"] is not None]
            if committed:
                begins_wait = any(each.children for each in left)
                self._on_commit(Commit(committed[0]["txid"], None, begins_wait))
                observe.orders_stored(committed[0]["placed_count"])
                for _ in range(committed[0]["cancelled_count"]):
                    observe.order_ended(Status.CANCELLED, "", CancelReason.SIBLING_FILLED)
            outcome.stored |= key_steps(committed)
            moved = {(row["id"], row["epoch"]) for row in rows if row["txid"] is None}
            left = [each for each in left if (each.order.id, each.order.epoch) in moved]
