"""A model test of one order with two workers, under any sequence of failures.

The decisions are the engine's own; the store and the chain are models. A worker that hangs is one
that takes no step while others do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from backend.chain import transactions
from backend.chain.compute_budget import ComputeBudget
from backend.chain.transactions import SwapLeg, SwapParameters, build_swap
from backend.chain.wire import Commitment
from backend.domain.lifecycle import (
    ATTEMPTS_MAX,
    Cause,
    RecoveryAction,
    SignatureOutcome,
    Status,
    advance,
    choose_recovery,
)
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.execution.confirmation import signature_search
from backend.store.transitions import Transition, to_columns
from tests.simulation.audit import find_end_violations, find_history_violations
from tests.simulation.model.chain import ChainModel, ChainRules, Landing
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.node import WALLET
from tests.simulation.model.rows import LeaseKey, OrderRow
from tests.simulation.model.transition_write import TransitionWrite, parse_writes
from tests.simulation.model.venues import ORDER_TERMS, POOL, QUOTE

ORDER_ID = UUID(int=1)
LEASE_S = 3.0
REKICK_S = 2.0
AHEAD_S = 3_600.0
WAIT_MS = 500
RULES = ChainRules(
    slot_s=0.5, valid_blocks=12, confirmed_blocks=2, finalized_blocks=5, remembered_blocks=12
)
SETTINGS = settings(max_examples=150, stateful_step_count=40)
WORKERS = st.sampled_from(["A", "B"])
ROUNDS_MAX = 300
"""The sweeps and worker steps after the last failure, within which the order must end."""


@dataclass(slots=True)
class ExecutionModel:
    """The state of one worker's execution of the order that it claimed."""

    order: LeasedOrder
    is_resumed: bool
    """The order was claimed half-way, and what was done before is unknown."""
    signed: SignedTransaction | None = None
    height: int | None = None
    """The finalized height, read before the search."""
    is_sent: bool = False


class OrderMachine(RuleBasedStateMachine):
    @initialize(random=st.randoms(use_true_random=False))
    def accept(self, random: Random) -> None:
        self.now = 0.0
        self.jobs = 1
        self.database = DatabaseModel()
        self.chain = ChainModel(RULES, random)
        self.chain.register_order(ORDER_ID, ATTEMPTS_MAX)
        self.executions: dict[str, ExecutionModel] = {}
        self.writes: list[TransitionWrite] = []
        self.database.accept(self.now, ORDER_ID, ORDER_TERMS, REKICK_S)

    @property
    def row(self) -> OrderRow:
        return self.database.rows[ORDER_ID]

    @rule(seconds=st.sampled_from([0.1, 0.5, 1, 2, 4, 9]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.chain.advance(self.now)

    @precondition(lambda self: self.jobs)
    @rule()
    def a_job_is_lost(self) -> None:
        self.jobs -= 1

    @precondition(lambda self: self.jobs)
    @rule()
    def a_job_is_duplicated(self) -> None:
        self.jobs += 1

    @precondition(lambda self: self.jobs)
    @rule(worker=WORKERS)
    def a_job_is_delivered(self, worker: str) -> None:
        self.jobs -= 1
        for row, _ in self.database.claim(self.now, [ORDER_ID], LEASE_S, AHEAD_S):
            self.executions[worker] = ExecutionModel(
                row.to_leased_order(self.now), is_resumed=row.status is not Status.ROUTING
            )

    @rule()
    def the_sweep_runs(self) -> None:
        self.jobs += len(self.database.find_overdue_owners(self.now, AHEAD_S))

    @precondition(lambda self: self.executions)
    @rule(worker=WORKERS)
    def a_worker_crashes(self, worker: str) -> None:
        self.executions.pop(worker, None)

    @precondition(lambda self: self.executions)
    @rule(worker=WORKERS)
    def a_lease_is_renewed(self, worker: str) -> None:
        if worker in self.executions:
            order = self.executions[worker].order
            if not self.database.renew(self.now, [LeaseKey(order.id, order.epoch)], LEASE_S):
                del self.executions[worker]

    @precondition(lambda self: self.executions)
    @rule(worker=WORKERS)
    def a_lease_is_released(self, worker: str) -> None:
        if worker in self.executions:
            order = self.executions.pop(worker).order
            self.database.release(self.now, [LeaseKey(order.id, order.epoch)])

    @precondition(lambda self: self.writes)
    @rule(chance=st.integers(0, 10**6))
    def a_write_arrives_again(self, chance: int) -> None:
        """The sender got no response and tried again, or has crashed."""
        write = self.writes[chance % len(self.writes)]
        assert self.database.record(self.now, [write], LEASE_S, REKICK_S) == []

    @precondition(lambda self: self.chain.submissions)
    @rule(chance=st.integers(0, 10**6))
    def a_transaction_arrives_again(self, chance: int) -> None:
        sent = self.chain.submissions[ORDER_ID]
        self.chain.send(self.now, sent[chance % len(sent)].wire)

    @rule(blocks=st.integers(1, 3))
    def the_chain_forks(self, blocks: int) -> None:
        self.chain.fork(self.now, blocks)

    @rule(
        landing_max_s=st.sampled_from([0, 1, 5]),
        dropped=st.sampled_from([0, 1]),
        reverted=st.sampled_from([0, 0, 1]),
    )
    def the_chain_injects_faults(self, landing_max_s: float, dropped: int, reverted: int) -> None:
        faults = self.chain.faults
        faults.landing_max_s = landing_max_s
        faults.drop_chance, faults.revert_chance = dropped, reverted

    @precondition(lambda self: self.executions)
    @rule(worker=WORKERS, steps=st.integers(1, 6), venues_respond=st.booleans())
    def a_worker_continues(self, worker: str, steps: int, venues_respond: bool) -> None:
        for _ in range(steps):
            if worker in self.executions:
                self.step(worker, self.executions[worker], venues_respond)

    def step(self, worker: str, execution: ExecutionModel, venues_respond: bool) -> None:
        match execution.order.status:
            case Status.ROUTING if venues_respond:
                self.record(worker, Cause.ROUTED, dex=Dex.RAYDIUM)
            case Status.ROUTING:
                self.record(worker, Cause.TRANSIENT)
            case Status.BUILDING if execution.is_resumed:
                assert choose_recovery(Status.BUILDING) is RecoveryAction.ROUTE_AGAIN
                self.record(worker, Cause.INTERRUPTED)
            case Status.BUILDING if execution.signed is None:
                execution.signed = self.sign(execution.order)
            case Status.BUILDING:
                self.record(worker, Cause.SIGNED, signed=execution.signed)
            case _:
                self.follow_transaction(worker, execution)

    def sign(self, order: LeasedOrder) -> SignedTransaction:
        seed = transactions.derive_wrap_seed(ORDER_ID, order.attempt)
        leg = SwapLeg(POOL, 1, QUOTE.amount_out)
        swap = SwapParameters([leg], POOL.address, WALLET.address, seed)
        recent = self.chain.latest_blockhash(self.now)
        return build_swap(swap, WALLET.address, recent, ComputeBudget()).sign(WALLET)

    def follow_transaction(self, worker: str, execution: ExecutionModel) -> None:
        """Send a stored transaction, or check its outcome."""
        signed = execution.order.signed
        assert signed is not None
        if not execution.is_sent and not execution.is_resumed:
            self.chain.send(self.now, signed.wire)
            execution.is_sent = True
        elif execution.height is None:
            execution.height = self.chain.height(self.now, Commitment.FINALIZED)
        else:
            status = self.chain.signature_status(self.now, signed.signature, search=True)
            outcome = signature_search.read_result(
                status, is_expired=execution.height > signed.last_valid_height
            ).outcome
            execution.height = None
            self.decide(worker, signed, outcome)

    def decide(self, worker: str, signed: SignedTransaction, outcome: SignatureOutcome) -> None:
        match choose_recovery(Status.SUBMITTED, outcome):
            case RecoveryAction.RESEND:
                self.chain.send(self.now, signed.wire)
            case RecoveryAction.NEW_ATTEMPT:
                self.record(worker, Cause.SIGNATURE_EXPIRED)
            case _ if outcome is SignatureOutcome.LANDED:
                landing = self.chain.landings[signed.signature]
                fields = {"amount_out": landing.amount_out, "executed_price": "1"}
                self.record(worker, Cause.LANDED, **fields)
            case _:
                self.record(worker, Cause.REVERTED)

    def record(self, worker: str, cause: Cause, **fields: Any) -> None:
        """Record the next step, or drop the execution if the lease is lost."""
        execution = self.executions[worker]
        order = execution.order
        step = advance(order.status, order.attempt, cause)
        transition = Transition(
            order,
            step,
            fields["signed"].signature if "signed" in fields else "",
            last_error="error" if step.is_retry or step.status is Status.FAILED else None,
            wait_ms=WAIT_MS if step.is_retry else None,
            **fields,
        )
        [write] = parse_writes(to_columns([transition]))
        self.writes.append(write)
        is_stored = self.database.record(self.now, [write], LEASE_S, REKICK_S) != []
        if not is_stored or not write.is_leased:
            del self.executions[worker]
            return
        execution.order = replace(
            order,
            status=step.status,
            seq=order.seq + 1,
            attempt=step.attempt,
            signed=fields.get("signed"),
        )
        execution.is_resumed, execution.signed = False, None

    @invariant()
    def at_most_one_transaction_landed_or_still_can(self) -> None:
        assert len(self.swaps()) <= 1
        sent = self.chain.submissions.get(ORDER_ID, [])
        can_land = [each for each in sent if self.chain.can_land(self.now, each)]
        assert len(can_land) <= 1
        if self.row.status in (Status.FAILED, Status.PENDING):
            assert can_land == []

    @invariant()
    def its_end_is_the_outcome_on_chain(self) -> None:
        if not self.row.open:
            assert list(find_end_violations(self.row, self.swaps())) == []

    @invariant()
    def its_events_are_valid_transitions(self) -> None:
        landings = list(self.chain.landings.values())
        assert list(find_history_violations(self.row, landings, ATTEMPTS_MAX)) == []

    def swaps(self) -> list[Landing]:
        self.chain.advance(self.now)
        return [landing for landing in self.chain.landings.values() if landing.err is None]

    def teardown(self) -> None:
        """Without further failures the order ends, and nothing lands after that."""
        self.the_chain_injects_faults(landing_max_s=0.1, dropped=0, reverted=0)
        for _ in range(ROUNDS_MAX):
            if not self.row.open:
                break
            self.the_sweep_runs()
            while self.jobs:
                self.a_job_is_delivered("A")
            for worker in list(self.executions):
                self.a_worker_continues(worker, steps=1, venues_respond=True)
            self.time_passes(0.3)
        assert not self.row.open
        self.time_passes(1_000)
        self.at_most_one_transaction_landed_or_still_can()
        self.its_end_is_the_outcome_on_chain()
        self.its_events_are_valid_transitions()


TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = SETTINGS
