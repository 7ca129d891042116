"""A model of a chain: blocks on virtual time, and the ledger that is the witness.

Blocks come by themselves, one a slot. A transaction that was sent may be dropped, or land in a
block as long as its blockhash is recent; a block that is not confirmed yet may be forked away,
with what it contains. Nothing here waits: the time comes as an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from uuid import UUID

from solders.hash import Hash
from solders.transaction import VersionedTransaction

from backend.chain.rpc_results import Blockhash, Json, SignatureStatus
from backend.chain.transactions import wrap_seed
from backend.chain.wire import Commitment
from backend.venues.spl import MEMO_PROGRAM

FIRST_HEIGHT = 1_000


@dataclass(frozen=True, slots=True)
class Rules:
    """How the chain works: heights are counted in blocks."""

    slot_s: float
    valid_blocks: int
    """How long a transaction can land after the block of its blockhash."""
    confirmed_blocks: int
    finalized_blocks: int
    remembered_blocks: int
    """How long a status is told to those who do not ask for a search of the history."""


@dataclass(slots=True)
class Mood:
    """What befalls transactions, as parts of 1, and in seconds."""

    dropped: float = 0.0
    reverted: float = 0.0
    refused: float = 0.0
    """It reverts for a reason that no new attempt would change."""
    lands_within_s: float = 1.5
    late: float = 0.0
    """Its status is told some time after it landed."""
    late_s: float = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """What somebody sent: a swap for an attempt of an order."""

    signature: str
    order_id: UUID
    attempt: int
    wire: bytes
    last_valid_height: int


@dataclass(frozen=True, slots=True)
class Landing:
    """A transaction in a block. ``err`` is ``None`` if the swap was executed."""

    transaction: Transaction
    height: int
    err: Json
    amount_out: int
    told_at: float


class Chain:
    """The blocks and what waits to be in one."""

    def __init__(self, rules: Rules, random: Random) -> None:
        self.rules = rules
        self.mood = Mood()
        self.landed: dict[str, Landing] = {}
        self.sent: dict[UUID, list[Transaction]] = {}
        """What arrived for each order, each transaction once."""
        self.told: Callable[[str, Transaction], None] = lambda what, transaction: None
        self._random = random
        self._pending: dict[str, tuple[float, Transaction]] = {}
        self._parsed: dict[bytes, Transaction] = {}
        self._seeds: dict[bytes, tuple[UUID, int]] = {}
        self._heights: dict[bytes, int] = {}
        self._stood_s = 0.0
        self._stands_since: float | None = None

    def expect(self, order_id: UUID, attempts_max: int) -> None:
        """Know the transactions of an order when they come."""
        for attempt in range(1, attempts_max + 1):
            self._seeds[wrap_seed(order_id, attempt).encode()] = order_id, attempt

    def height(self, now: float, commitment: Commitment = Commitment.PROCESSED) -> int:
        """How many blocks there are."""
        top = FIRST_HEIGHT + int(self._time(now) / self.rules.slot_s)
        return top - self._depth(commitment)

    def blockhash(self, now: float) -> Blockhash:
        """The newest that is confirmed."""
        height = self.height(now, Commitment.CONFIRMED)
        recent = Hash(sha256(b"block %d" % height).digest())
        self._heights[bytes(recent)] = height
        return Blockhash(recent, height + self.rules.valid_blocks, height)

    def send(self, now: float, wire: bytes) -> Transaction:
        """Take a transaction. One that landed, waits already or has expired changes nothing."""
        self.advance(now)
        transaction = self._parse(wire)
        known = self.sent.setdefault(transaction.order_id, [])
        is_new = transaction not in known
        if is_new:
            known.append(transaction)
        self.told("arrives" if is_new else "comes again", transaction)
        if transaction.signature in self._pending or transaction.signature in self.landed:
            return transaction
        if self._random.random() < self.mood.dropped:
            self.told("is dropped", transaction)
        elif self.height(now) <= transaction.last_valid_height:
            due = self._time(now) + self._random.uniform(0.2, 1) * self.mood.lands_within_s
            self._pending[transaction.signature] = due, transaction
        return transaction

    def advance(self, now: float) -> None:
        """Let land what is due."""
        time = self._time(now)
        due = [item for item in self._pending.values() if item[0] <= time]
        for at, transaction in sorted(due, key=lambda item: item[0]):
            del self._pending[transaction.signature]
            height = FIRST_HEIGHT + int(at / self.rules.slot_s)
            if height <= transaction.last_valid_height:
                self._land(transaction, height, now)
            else:
                self.told("expires", transaction)

    def landing(self, now: float, signature: str, *, search: bool) -> Landing | None:
        """Where a signature landed, if that is told."""
        self.advance(now)
        landing = self.landed.get(signature)
        if landing is None or landing.height > self.height(now):
            return None
        is_final = self.commitment(now, landing) is Commitment.FINALIZED
        if now < landing.told_at and not (search and is_final):
            return None
        is_old = self.height(now) - landing.height > self.rules.remembered_blocks
        return None if is_old and not search else landing

    def status(self, now: float, signature: str, *, search: bool) -> SignatureStatus | None:
        """``getSignatureStatuses`` for one signature."""
        landing = self.landing(now, signature, search=search)
        if landing is None:
            return None
        return SignatureStatus(landing.height, landing.err, self.commitment(now, landing))

    def commitment(self, now: float, landing: Landing) -> Commitment:
        """How sure its block is."""
        for commitment in (Commitment.FINALIZED, Commitment.CONFIRMED):
            if landing.height <= self.height(now, commitment):
                return commitment
        return Commitment.PROCESSED

    def may_land(self, now: float, transaction: Transaction) -> bool:
        """Whether a transaction has been executed, or could still be."""
        self.advance(now)
        landing = self.landed.get(transaction.signature)
        if landing is None:
            return self.height(now, Commitment.FINALIZED) <= transaction.last_valid_height
        is_sure = self.commitment(now, landing) is not Commitment.PROCESSED
        return landing.err is None or not is_sure

    def fork(self, now: float, blocks: int) -> None:
        """The last blocks, as far as they are not confirmed, never were.

        What was in them is forgotten, or lands again in another block.
        """
        self.advance(now)
        kept = self.height(now) - min(blocks, self.rules.confirmed_blocks)
        for signature, landing in list(self.landed.items()):
            if landing.height <= kept:
                continue
            del self.landed[signature]
            self.told("is forked away", landing.transaction)
            if self._random.random() < 0.5:
                due = self._time(now) + self._random.uniform(0.2, 1) * self.mood.lands_within_s
                self._pending[signature] = due, landing.transaction

    def stand(self, now: float) -> None:
        """Make no more blocks."""
        self.advance(now)
        if self._stands_since is None:
            self._stands_since = now

    def go_on(self, now: float) -> None:
        """Make blocks again."""
        if self._stands_since is not None:
            self._stood_s += now - self._stands_since
            self._stands_since = None

    def _time(self, now: float) -> float:
        return (now if self._stands_since is None else self._stands_since) - self._stood_s

    def _depth(self, commitment: Commitment) -> int:
        match commitment:
            case Commitment.PROCESSED:
                return 0
            case Commitment.CONFIRMED:
                return self.rules.confirmed_blocks
            case Commitment.FINALIZED:
                return self.rules.finalized_blocks

    def _land(self, transaction: Transaction, height: int, now: float) -> None:
        mood, chance = self.mood, self._random.random()
        err: Json = None
        if chance < mood.reverted:
            err = "ProgramFailedToComplete"
        elif chance < mood.reverted + mood.refused:
            err = "InsufficientFundsForFee"
        is_late = self._random.random() < mood.late
        told_at = now + self._random.uniform(0, mood.late_s) if is_late else now
        amount_out = self._random.randint(10**6, 10**9)
        self.landed[transaction.signature] = Landing(transaction, height, err, amount_out, told_at)
        self.told("lands" if err is None else f"reverts ({err})", transaction)

    def _parse(self, wire: bytes) -> Transaction:
        known = self._parsed.get(wire)
        if known is not None:
            return known
        message = VersionedTransaction.from_bytes(wire).message
        memo = next(
            bytes(each.data)
            for each in message.instructions
            if message.account_keys[each.program_id_index] == MEMO_PROGRAM
        )
        order_id, attempt = self._seeds[memo]
        signature = str(VersionedTransaction.from_bytes(wire).signatures[0])
        last_valid = self._heights[bytes(message.recent_blockhash)] + self.rules.valid_blocks
        parsed = Transaction(signature, order_id, attempt, wire, last_valid)
        return self._parsed.setdefault(wire, parsed)
