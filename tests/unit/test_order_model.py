"""One order, two workers, and whatever may happen to them in whatever order.

The decisions are the engine's own; the store and the chain are models. A worker that stands still
is one that takes no step while others do.
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

from backend.chain.transactions import Budget, Swap, build, wrap_seed
from backend.chain.wire import Commitment
from backend.domain.lifecycle import (
    ATTEMPTS_MAX,
    Fate,
    Happening,
    Recovery,
    Status,
    advance,
    recover,
)
from backend.domain.orders import Held, Signed
from backend.domain.quotes import Dex
from backend.execution import submission
from backend.store import journal
from backend.store.journal import Transition
from tests.simulation.audit import ending, history
from tests.simulation.chain import Chain, Landing, Rules
from tests.simulation.database import Database, Key, Row, Write
from tests.simulation.market import POOL, QUOTE, TERMS
from tests.simulation.node import WALLET
from tests.simulation.postgres import writes_of

ORDER = UUID(int=1)
LEASE_S = 3.0
REKICK_S = 2.0
WAIT_MS = 500
RULES = Rules(
    slot_s=0.5, valid_blocks=12, confirmed_blocks=2, finalized_blocks=5, remembered_blocks=12
)
SETTINGS = settings(max_examples=150, stateful_step_count=40)
WORKERS = st.sampled_from(["A", "B"])
ROUNDS_MAX = 300
"""How many times somebody looks after the order once nothing goes wrong any more."""


@dataclass(slots=True)
class Drive:
    """What one worker believes of the order that it claimed, and what it has at hand."""

    held: Held
    is_found: bool
    """It was claimed half-way: nobody knows what has been done."""
    signed: Signed | None = None
    height: int | None = None
    """The finalized height, read before the search."""
    is_sent: bool = False


class OrderLife(RuleBasedStateMachine):
    @initialize(random=st.randoms(use_true_random=False))
    def accept(self, random: Random) -> None:
        self.now = 0.0
        self.jobs = 1
        self.database = Database()
        self.chain = Chain(RULES, random)
        self.chain.expect(ORDER, ATTEMPTS_MAX)
        self.drives: dict[str, Drive] = {}
        self.writes: list[Write] = []
        self.database.accept(self.now, ORDER, TERMS, REKICK_S)

    @property
    def row(self) -> Row:
        return self.database.rows[ORDER]

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
    def a_job_is_doubled(self) -> None:
        self.jobs += 1

    @precondition(lambda self: self.jobs)
    @rule(worker=WORKERS)
    def a_job_is_delivered(self, worker: str) -> None:
        self.jobs -= 1
        for row, _ in self.database.claim(self.now, [ORDER], LEASE_S):
            self.drives[worker] = Drive(row.held(), is_found=row.status is not Status.ROUTING)

    @rule()
    def the_sweep_looks(self) -> None:
        self.jobs += len(self.database.sweep(self.now, 10, REKICK_S, 0))

    @precondition(lambda self: self.drives)
    @rule(worker=WORKERS)
    def a_worker_crashes(self, worker: str) -> None:
        self.drives.pop(worker, None)

    @precondition(lambda self: self.drives)
    @rule(worker=WORKERS)
    def a_lease_is_renewed(self, worker: str) -> None:
        if worker in self.drives:
            held = self.drives[worker].held
            if not self.database.renew(self.now, [Key(held.id, held.epoch)], LEASE_S):
                del self.drives[worker]

    @precondition(lambda self: self.drives)
    @rule(worker=WORKERS)
    def an_order_is_handed_back(self, worker: str) -> None:
        if worker in self.drives:
            held = self.drives.pop(worker).held
            self.database.release(self.now, [Key(held.id, held.epoch)])

    @precondition(lambda self: self.writes)
    @rule(chance=st.integers(0, 10**6))
    def a_write_arrives_again(self, chance: int) -> None:
        """Its sender had no answer and tried again, or is gone."""
        write = self.writes[chance % len(self.writes)]
        assert self.database.record(self.now, [write], LEASE_S, REKICK_S) == []

    @precondition(lambda self: self.chain.sent)
    @rule(chance=st.integers(0, 10**6))
    def a_transaction_arrives_again(self, chance: int) -> None:
        sent = self.chain.sent[ORDER]
        self.chain.send(self.now, sent[chance % len(sent)].wire)

    @rule(blocks=st.integers(1, 3))
    def the_chain_forks(self, blocks: int) -> None:
        self.chain.fork(self.now, blocks)

    @rule(
        lands_within_s=st.sampled_from([0, 1, 5]),
        dropped=st.sampled_from([0, 1]),
        reverted=st.sampled_from([0, 0, 1]),
    )
    def the_chain_has_a_mood(self, lands_within_s: float, dropped: float, reverted: float) -> None:
        mood = self.chain.mood
        mood.lands_within_s = lands_within_s
        mood.dropped, mood.reverted = dropped, reverted

    @precondition(lambda self: self.drives)
    @rule(worker=WORKERS, steps=st.integers(1, 6), venues_answer=st.booleans())
    def a_worker_goes_on(self, worker: str, steps: int, venues_answer: bool) -> None:
        for _ in range(steps):
            if worker in self.drives:
                self.step(worker, self.drives[worker], venues_answer)

    def step(self, worker: str, drive: Drive, venues_answer: bool) -> None:
        match drive.held.status:
            case Status.ROUTING if venues_answer:
                self.record(worker, Happening.ROUTED, dex=Dex.RAYDIUM)
            case Status.ROUTING:
                self.record(worker, Happening.TRANSIENT)
            case Status.BUILDING if drive.is_found:
                assert recover(Status.BUILDING) is Recovery.ROUTE_AGAIN
                self.record(worker, Happening.INTERRUPTED)
            case Status.BUILDING if drive.signed is None:
                drive.signed = self.sign(drive.held)
            case Status.BUILDING:
                self.record(worker, Happening.SIGNED, signed=drive.signed)
            case _:
                self.follow(worker, drive)

    def sign(self, held: Held) -> Signed:
        seed = wrap_seed(ORDER, held.attempt)
        swap = Swap(POOL, POOL.address, WALLET.address, 1, QUOTE.amount_out, seed)
        return build(swap, WALLET, self.chain.blockhash(self.now), Budget())

    def follow(self, worker: str, drive: Drive) -> None:
        """A transaction that is stored: send it, or look at what became of it."""
        signed = drive.held.signed
        assert signed is not None
        if not drive.is_sent and not drive.is_found:
            self.chain.send(self.now, signed.wire)
            drive.is_sent = True
        elif drive.height is None:
            drive.height = self.chain.height(self.now, Commitment.FINALIZED)
        else:
            status = self.chain.status(self.now, signed.signature, search=True)
            fate = submission._fate(status, is_over=drive.height > signed.last_valid_height)
            drive.height = None
            self.decide(worker, signed, fate)

    def decide(self, worker: str, signed: Signed, fate: Fate) -> None:
        match recover(Status.SUBMITTED, fate):
            case Recovery.RESEND:
                self.chain.send(self.now, signed.wire)
            case Recovery.NEW_ATTEMPT:
                self.record(worker, Happening.UNLANDED)
            case _ if fate is Fate.LANDED:
                landing = self.chain.landed[signed.signature]
                facts = {"amount_out": landing.amount_out, "executed_price": "1"}
                self.record(worker, Happening.LANDED, **facts)
            case _:
                self.record(worker, Happening.REVERTED)

    def record(self, worker: str, what: Happening, **known: Any) -> None:
        """Store what happened, or learn that the lease is lost."""
        drive = self.drives[worker]
        held = drive.held
        step = advance(held.status, held.attempt, what)
        transition = Transition(
            held,
            step,
            known["signed"].signature if "signed" in known else "",
            last_error="why" if step.is_retry or step.status is Status.FAILED else None,
            wait_ms=WAIT_MS if step.is_retry else None,
            **known,
        )
        [write] = writes_of(journal._columns([transition]))
        self.writes.append(write)
        is_stored = self.database.record(self.now, [write], LEASE_S, REKICK_S) != []
        if not is_stored or not write.kept:
            del self.drives[worker]
            return
        drive.held = replace(
            held,
            status=step.status,
            seq=held.seq + 1,
            attempt=step.attempt,
            signed=known.get("signed"),
        )
        drive.is_found, drive.signed = False, None

    @invariant()
    def at_most_one_transaction_landed_or_still_can(self) -> None:
        assert len(self.swaps()) <= 1
        sent = self.chain.sent.get(ORDER, [])
        able = [each for each in sent if self.chain.may_land(self.now, each)]
        assert len(able) <= 1
        if self.row.status in (Status.FAILED, Status.PENDING):
            assert able == []

    @invariant()
    def whoever_ended_it_told_the_truth(self) -> None:
        if not self.row.open:
            assert list(ending(self.row, self.swaps())) == []

    @invariant()
    def its_events_are_a_path_through_the_table(self) -> None:
        landings = list(self.chain.landed.values())
        assert list(history(self.row, landings, ATTEMPTS_MAX)) == []

    def swaps(self) -> list[Landing]:
        self.chain.advance(self.now)
        return [landing for landing in self.chain.landed.values() if landing.err is None]

    def teardown(self) -> None:
        """Nothing goes wrong any more: the order ends, and nothing lands after that."""
        self.the_chain_has_a_mood(lands_within_s=0.1, dropped=0, reverted=0)
        for _ in range(ROUNDS_MAX):
            if not self.row.open:
                break
            self.the_sweep_looks()
            while self.jobs:
                self.a_job_is_delivered("A")
            for worker in list(self.drives):
                self.a_worker_goes_on(worker, steps=1, venues_answer=True)
            self.time_passes(0.3)
        assert not self.row.open
        self.time_passes(1_000)
        self.at_most_one_transaction_landed_or_still_can()
        self.whoever_ended_it_told_the_truth()
        self.its_events_are_a_path_through_the_table()


TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = SETTINGS
