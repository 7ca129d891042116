"""A model of a chain: blocks on virtual time, and the ledger that the audit trusts.

There is one block a slot. A sent transaction may be dropped, or land in a block as long as its
blockhash is recent; a fork may replace a block, with its transactions, until it is confirmed.
Nothing here waits: the time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from uuid import UUID

from solders.hash import Hash
from solders.transaction import VersionedTransaction

from backend.chain.rpc.results import Blockhash, Json, SignatureStatus
from backend.chain.transactions import derive_wrap_seed
from backend.chain.wire import Commitment
from backend.venues.spl import MEMO_PROGRAM

FIRST_HEIGHT = 1_000


@dataclass(frozen=True, slots=True)
class ChainRules:
    """The parameters of the chain; heights are counted in blocks."""

    slot_s: float
    valid_blocks: int
    """How long after the block of its blockhash a transaction can land."""
    confirmed_blocks: int
    finalized_blocks: int
    remembered_blocks: int
    """How long a status is in the recent cache, which a request without a history search sees."""


@dataclass(slots=True)
class LandingFaults:
    """How transactions fail or are delayed."""

    drop_chance: float = 0.0
    revert_chance: float = 0.0
    reject_chance: float = 0.0
    """The chance of a revert for a reason that is final: no new attempt would change it."""
    landing_max_s: float = 1.5
    late_status_chance: float = 0.0
    """The chance that its status becomes visible only some time after it landed."""
    late_status_max_s: float = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class SubmittedTransaction:
    """A transaction that arrived at the node: a swap for one attempt of an order."""

    signature: str
    order_id: UUID
    attempt: int
    wire: bytes
    last_valid_height: int


@dataclass(frozen=True, slots=True)
class Landing:
    """A transaction in a block. ``err`` is ``None`` if the swap was executed."""

    transaction: SubmittedTransaction
    height: int
    err: Json
    amount_out: int
    visible_at: float


class ChainModel:
    """The blocks, and the pending transactions."""

    def __init__(self, rules: ChainRules, random: Random) -> None:
        self.rules = rules
        self.faults = LandingFaults()
        self.landings: dict[str, Landing] = {}
        self.submissions: dict[UUID, list[SubmittedTransaction]] = {}
        """The transactions that arrived for each order, each of them once."""
        self.on_event: Callable[[str, SubmittedTransaction], None] = lambda event, transaction: None
        self._random = random
        self._pending: dict[str, tuple[float, SubmittedTransaction]] = {}
        self._parsed: dict[bytes, SubmittedTransaction] = {}
        self._seeds: dict[bytes, tuple[UUID, int]] = {}
        self._heights: dict[bytes, int] = {}
        self._stalled_s = 0.0
        self._stalled_since: float | None = None

    def register_order(self, order_id: UUID, attempts_max: int) -> None:
        """Register the wrap seeds of an order, so that its transactions are recognised."""
        for attempt in range(1, attempts_max + 1):
            self._seeds[derive_wrap_seed(order_id, attempt).encode()] = order_id, attempt

    def height(self, now: float, commitment: Commitment = Commitment.PROCESSED) -> int:
        """Return the block height at a commitment."""
        top = FIRST_HEIGHT + int(self._chain_time(now) / self.rules.slot_s)
        return top - self._depth(commitment)

    def latest_blockhash(self, now: float) -> Blockhash:
        """Return the newest confirmed blockhash."""
        height = self.height(now, Commitment.CONFIRMED)
        recent = Hash(sha256(b"block %d" % height).digest())
        self._heights[bytes(recent)] = height
        return Blockhash(recent, height + self.rules.valid_blocks, height)

    def send(self, now: float, wire: bytes) -> SubmittedTransaction:
        """Accept a transaction; one that landed, is pending or has expired has no effect."""
        self.advance(now)
        transaction = self._parse(wire)
        submitted = self.submissions.setdefault(transaction.order_id, [])
        is_new = transaction not in submitted
        if is_new:
            submitted.append(transaction)
        self.on_event("arrives" if is_new else "arrives again", transaction)
        if transaction.signature in self._pending or transaction.signature in self.landings:
            return transaction
        if self._random.random() < self.faults.drop_chance:
            self.on_event("is dropped", transaction)
        elif self.height(now) <= transaction.last_valid_height:
            due = self._chain_time(now) + self._random.uniform(0.2, 1) * self.faults.landing_max_s
            self._pending[transaction.signature] = due, transaction
        return transaction

    def advance(self, now: float) -> None:
        """Land the pending transactions that are due."""
        time = self._chain_time(now)
        due = [item for item in self._pending.values() if item[0] <= time]
        for at, transaction in sorted(due, key=lambda item: item[0]):
            del self._pending[transaction.signature]
            height = FIRST_HEIGHT + int(at / self.rules.slot_s)
            if height <= transaction.last_valid_height:
                self._land(transaction, height, now)
            else:
                self.on_event("expires", transaction)

    def find_landing(self, now: float, signature: str, *, search: bool) -> Landing | None:
        """Find where a signature landed, if that is visible."""
        self.advance(now)
        landing = self.landings.get(signature)
        if landing is None or landing.height > self.height(now):
            return None
        is_final = self.commitment_of(now, landing) is Commitment.FINALIZED
        if now < landing.visible_at and not (search and is_final):
            return None
        is_old = self.height(now) - landing.height > self.rules.remembered_blocks
        return None if is_old and not search else landing

    def signature_status(
        self, now: float, signature: str, *, search: bool
    ) -> SignatureStatus | None:
        """``getSignatureStatuses`` for one signature."""
        landing = self.find_landing(now, signature, search=search)
        if landing is None:
            return None
        return SignatureStatus(landing.height, landing.err, self.commitment_of(now, landing))

    def commitment_of(self, now: float, landing: Landing) -> Commitment:
        """Return the commitment of its block."""
        for commitment in (Commitment.FINALIZED, Commitment.CONFIRMED):
            if landing.height <= self.height(now, commitment):
                return commitment
        return Commitment.PROCESSED

    def can_land(self, now: float, transaction: SubmittedTransaction) -> bool:
        """Whether a transaction has been executed or still could be."""
        self.advance(now)
        landing = self.landings.get(transaction.signature)
        if landing is None:
            return self.height(now, Commitment.FINALIZED) <= transaction.last_valid_height
        is_confirmed = self.commitment_of(now, landing) is not Commitment.PROCESSED
        return landing.err is None or not is_confirmed

    def fork(self, now: float, blocks: int) -> None:
        """Drop the last blocks, as far as they are not confirmed.

        Their transactions are dropped, or land again in another block.
        """
        self.advance(now)
        fork_height = self.height(now) - min(blocks, self.rules.confirmed_blocks)
        for signature, landing in list(self.landings.items()):
            if landing.height <= fork_height:
                continue
            del self.landings[signature]
            self.on_event("is forked away", landing.transaction)
            if self._random.random() < 0.5:
                due = (
                    self._chain_time(now) + self._random.uniform(0.2, 1) * self.faults.landing_max_s
                )
                self._pending[signature] = due, landing.transaction

    def stall(self, now: float) -> None:
        """Stop producing blocks."""
        self.advance(now)
        if self._stalled_since is None:
            self._stalled_since = now

    def resume(self, now: float) -> None:
        """Produce blocks again."""
        if self._stalled_since is not None:
            self._stalled_s += now - self._stalled_since
            self._stalled_since = None

    def _chain_time(self, now: float) -> float:
        return (now if self._stalled_since is None else self._stalled_since) - self._stalled_s

    def _depth(self, commitment: Commitment) -> int:
        match commitment:
            case Commitment.PROCESSED:
                return 0
            case Commitment.CONFIRMED:
                return self.rules.confirmed_blocks
            case Commitment.FINALIZED:
                return self.rules.finalized_blocks

    def _land(self, transaction: SubmittedTransaction, height: int, now: float) -> None:
        faults, chance = self.faults, self._random.random()
        err: Json = None
        if chance < faults.revert_chance:
            err = "ProgramFailedToComplete"
        elif chance < faults.revert_chance + faults.reject_chance:
            err = "InsufficientFundsForFee"
        is_late = self._random.random() < faults.late_status_chance
        visible_at = now + self._random.uniform(0, faults.late_status_max_s) if is_late else now
        amount_out = self._random.randint(10**6, 10**9)
        self.landings[transaction.signature] = Landing(
            transaction, height, err, amount_out, visible_at
        )
        self.on_event("lands" if err is None else f"reverts ({err})", transaction)

    def _parse(self, wire: bytes) -> SubmittedTransaction:
        cached = self._parsed.get(wire)
        if cached is not None:
            return cached
        message = VersionedTransaction.from_bytes(wire).message
        memo = next(
            bytes(each.data)
            for each in message.instructions
            if message.account_keys[each.program_id_index] == MEMO_PROGRAM
        )
        order_id, attempt = self._seeds[memo]
        signature = str(VersionedTransaction.from_bytes(wire).signatures[0])
        last_valid = self._heights[bytes(message.recent_blockhash)] + self.rules.valid_blocks
        parsed = SubmittedTransaction(signature, order_id, attempt, wire, last_valid)
        return self._parsed.setdefault(wire, parsed)
