"""The chain: time, accounts, pools, history and ledger, kept in step with each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.wire import Commitment
from backend.domain.amounts import Token
from backend.domain.quotes import Dex
from backend.simulator.chain import genesis
from backend.simulator.chain.ledger import Executed, Ledger
from backend.simulator.chain.status_cache import SLOTS_KEPT, History, Status
from backend.simulator.market.pools import Pools
from backend.simulator.options import SimulatedOptions
from backend.simulator.programs.context import View
from backend.simulator.programs.runtime import Outcome, Refused, execute
from backend.simulator.state.bank import Bank, Changes
from backend.simulator.state.clock import ChainClock, Course
from backend.simulator.wire.transaction_parser import Parsed
from backend.venues.hosting import HostedPool
from backend.venues.venue import Account

_LEDGER_FILE: Final = "chain.sqlite"


@dataclass(frozen=True, slots=True)
class Meddling:
    """What is done to executions: why a swap fails, and which pool it meets instead."""

    forced: Callable[[], str | None]
    pool: Callable[[Pubkey, int], HostedPool | None]


HONEST: Final = Meddling(lambda: None, lambda _address, _slot: None)


class Chain:
    """One chain in one folder. Nothing here waits: whoever calls sees the effect at once."""

    def __init__(self, options: SimulatedOptions, folder: Path, now: Callable[[], float]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.options: Final = options
        self.ledger: Final = Ledger(folder / _LEDGER_FILE)
        self.clock: Final = ChainClock(self._course(now), options.slot_s, options.seed, now)
        self.clock.never_before(self.ledger.last_slot())
        self._factors = self._remembered_factors()
        self.pools: Final = Pools(options, self.clock, self._factors)
        self._mints = genesis.mints()
        self.bank: Final = Bank(self._accounts())
        self._opened_in = self.clock.slot()
        self.history: Final = History(self.ledger.statuses(self._opened_in - SLOTS_KEPT))

    def close(self) -> None:
        """Let go of the folder."""
        self.ledger.close()

    def slot_at(self, commitment: Commitment) -> int:
        """The last slot that has a commitment."""
        match commitment:
            case Commitment.PROCESSED:
                return self.clock.slot()
            case Commitment.CONFIRMED:
                return self.clock.slot() - self.options.depth_of(finalized=False)
            case Commitment.FINALIZED:
                return self.clock.slot() - self.options.depth_of(finalized=True)

    def commitment_of(self, slot: int) -> Commitment:
        """How sure a block is by now."""
        for commitment in (Commitment.FINALIZED, Commitment.CONFIRMED):
            if slot <= self.slot_at(commitment):
                return commitment
        return Commitment.PROCESSED

    def account(self, key: Pubkey) -> Account | None:
        """The account at an address, as it is now."""
        stored = self.bank.get(key) or self._mints.get(key)
        return stored or self.pools.account(key, self.clock.slot())

    def status(self, signature: str, *, search: bool) -> Status | None:
        """Where a signature landed; with ``search``, however long ago."""
        status = self.history.get(signature)
        if status is None and search:
            return self.ledger.status(signature)
        return status

    def attempt(self, parsed: Parsed) -> Outcome:
        """What a transaction would do now; nothing changes. Raises ``Refused``."""
        return execute(parsed, self._view(self.clock.slot(), HONEST))

    def check(self, parsed: Parsed) -> None:
        """Raises ``Refused`` if a transaction can never land, or has landed already."""
        if parsed.signature in self.history:
            raise Refused("AlreadyProcessed")
        if not self.clock.is_valid(parsed.blockhash, self.clock.slot()):
            raise Refused("BlockhashNotFound")

    def land(self, batch: Sequence[Parsed], meddling: Meddling = HONEST) -> list[Parsed]:
        """Execute transactions in the block under way; those that no block can contain are left
        out. All of it is on disk when this returns. Returns those that landed."""
        slot = self.clock.slot()
        view = self._view(slot, meddling)
        executed: list[Executed] = []
        changed: dict[Pubkey, Account | None] = {}
        for parsed in batch:
            try:
                self.check(parsed)
                outcome = execute(parsed, view)
            except Refused:
                continue
            self.bank.commit(outcome.changes, slot)
            self.pools.swapped(outcome.pools, outcome.vaults)
            self.history.add(parsed.signature, slot, outcome.err)
            changed.update(outcome.changes)
            executed.append(Executed(parsed, outcome))
        if executed:
            self.ledger.commit(slot, executed, changed)
        return [item.parsed for item in executed]

    def forget(self, blocks: int) -> list[bytes]:
        """The last blocks never were. Returns the transactions that were in them.

        Raises ``ValueError`` if one of them is confirmed, or of before the node was started.
        """
        first = self.clock.slot() - blocks + 1
        if blocks < 1 or first <= self.slot_at(Commitment.CONFIRMED):
            depth = self.options.depth_of(finalized=False)
            raise ValueError(f"only the last {depth} blocks are not confirmed yet")
        if first <= self._opened_in:
            raise ValueError("the way back to before the node was started is not kept")
        wires = self.ledger.wires(first)
        changed = self.bank.forget(first)
        self.ledger.forget(first, self.bank.snapshot(changed))
        self.history.forget(first)
        self.clock.fork(blocks)
        self.pools.recentre()
        self.remember_course()
        return wires

    def is_pools(self, key: Pubkey) -> bool:
        """Whether an account belongs to a pool."""
        return self.pools.dex_of(key) is not None

    def is_stored(self, key: Pubkey) -> bool:
        """Whether an account is, or would be, one that transactions and decrees may change."""
        return key not in self._mints and self.pools.peek(key, self.clock.slot()) is None

    def put(self, changes: Changes) -> None:
        """Accounts change by decree, outside of any transaction."""
        self.bank.put(changes)
        self.ledger.commit(self.clock.slot(), (), changes)

    def move_price(self, base: Token, quote: Token, dex: Dex | None, bps: int) -> int:
        """Move the price of ``base`` in ``quote`` for good; how many pools that is."""
        moved = self.pools.move(base, quote, dex, bps)
        self._factors |= moved
        self.ledger.remember("factors", json.dumps(self._factors))
        return len(moved)

    def remember_course(self) -> None:
        """Keep what decides the slot; to be called whenever that was changed."""
        self.ledger.remember("course", json.dumps(asdict(self.clock.course)))

    def _course(self, now: Callable[[], float]) -> Course:
        text = self.ledger.fact("course")
        if text is not None:
            fields = json.loads(text)
            return Course(**{**fields, "forks": tuple(fields["forks"])})
        course = Course(born_at=now())
        self.ledger.remember("course", json.dumps(asdict(course)))
        return course

    def _remembered_factors(self) -> dict[str, int]:
        text = self.ledger.fact("factors")
        return {} if text is None else {str(k): int(v) for k, v in json.loads(text).items()}

    def _accounts(self) -> Mapping[Pubkey, Account]:
        accounts = self.ledger.accounts()
        if not accounts:
            accounts = genesis.wallets(self.options.sol_price)
            self.ledger.commit(self.clock.slot(), (), accounts)
        return accounts

    def _view(self, slot: int, meddling: Meddling) -> View:
        bank, mints, pools = self.bank, self._mints, self.pools

        def account(key: Pubkey) -> Account | None:
            return bank.get(key) or mints.get(key) or pools.peek(key, slot)

        def pool(address: Pubkey) -> HostedPool | None:
            return meddling.pool(address, slot) or pools.get(address, slot)

        return View(account, pool, pools.vault, self.is_pools, meddling.forced)
