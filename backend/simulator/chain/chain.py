"""The chain: clock, accounts, pools, status cache and ledger, kept consistent with each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.wire import Commitment
from backend.domain.amounts import Token
from backend.domain.quotes import Dex
from backend.simulator.chain import genesis
from backend.simulator.chain.launches import Launches
from backend.simulator.chain.ledger import Ledger
from backend.simulator.chain.ledger_rows import ExecutedTransaction
from backend.simulator.chain.status_cache import CACHE_SLOTS, SignatureStatus, StatusCache
from backend.simulator.dress import DRESSES
from backend.simulator.market.pools import PoolMarket
from backend.simulator.options import SimulatorOptions
from backend.simulator.programs.context import ChainView
from backend.simulator.programs.runtime import (
    ExecutionResult,
    TransactionRefused,
    build_programs,
    execute_transaction,
)
from backend.simulator.state.bank import AccountChanges, Bank
from backend.simulator.state.clock import ChainClock, ClockState
from backend.simulator.state.inclusion import InclusionPrices
from backend.simulator.wire.lookup_tables import load_addresses
from backend.simulator.wire.transaction_parser import ParsedTransaction, parse_transaction
from backend.venues.hosting import HostedPool
from backend.venues.venue import Account

_LEDGER_FILE: Final = "chain.sqlite"


@dataclass(frozen=True, slots=True)
class FaultInjection:
    """The faults of an execution: why a swap fails, and the pool that it gets instead."""

    draw_failure: Callable[[], str | None]
    draw_moved_pool: Callable[[Pubkey, int], HostedPool | None]


NO_FAULTS: Final = FaultInjection(lambda: None, lambda _address, _slot: None)
_FUNDED_FACT: Final = "funded"
"""The accounts that were funded when they first existed, and are not again."""


def _create_private_folder(folder: Path) -> None:
    """Create what is missing of a folder's path, for its owner only."""
    folder = folder.absolute()
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


class Chain:
    """A chain in a data directory. All methods are synchronous: effects are visible on return."""

    def __init__(self, options: SimulatorOptions, data_dir: Path, now: Callable[[], float]) -> None:
        _create_private_folder(data_dir)
        self.options: Final = options
        self.dress: Final = DRESSES[options.dress]
        self.ledger: Final = Ledger(data_dir / _LEDGER_FILE)
        self.clock: Final = ChainClock(
            self._load_clock_state(now), options.slot_s, options.seed, now
        )
        self.clock.raise_slot_min(self.ledger.last_slot())
        self._price_factors = self._load_price_factors()
        self.pools: Final = PoolMarket(options, self.clock, self._price_factors)
        self._mints = genesis.build_mint_accounts(options)
        self._programs: Final = build_programs(self.dress.venues)
        self._program_accounts: Final = genesis.build_program_accounts(self.dress.venues)
        self.launches: Final = Launches(self.dress.venues, self.ledger, self.pools, self._mints)
        self.bank: Final = Bank(self._load_accounts())
        self.inclusion_prices: Final = InclusionPrices(options.seed)
        self._opened_at_slot = self.clock.slot()
        self.status_cache: Final = StatusCache(
            self.ledger.list_statuses(self._opened_at_slot - CACHE_SLOTS)
        )

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def slot_at(self, commitment: Commitment) -> int:
        """The newest slot that has reached a commitment level."""
        match commitment:
            case Commitment.PROCESSED:
                return self.clock.slot()
            case Commitment.CONFIRMED:
                return self.clock.slot() - self.options.confirmation_depth(is_finalized=False)
            case Commitment.FINALIZED:
                return self.clock.slot() - self.options.confirmation_depth(is_finalized=True)

    def commitment_of(self, slot: int) -> Commitment:
        """The commitment level that the block of a slot has reached."""
        for commitment in (Commitment.FINALIZED, Commitment.CONFIRMED):
            if slot <= self.slot_at(commitment):
                return commitment
        return Commitment.PROCESSED

    def get_account(self, key: Pubkey, slot: int | None = None) -> Account | None:
        """The current account at an address; ``slot`` is the current slot, if it is known."""
        stored = self.bank.get(key) or self._mints.get(key) or self._program_accounts.get(key)
        return stored or self.pools.get_account(key, self.clock.slot() if slot is None else slot)

    def list_program_accounts(self, program: Pubkey) -> Iterator[tuple[Pubkey, Account]]:
        """The accounts that a program owns, with their addresses."""
        for keys in (self.bank.list_owned(program), self._mints, self.pools.list_owned(program)):
            for key in keys:
                account = self.get_account(key)
                if account is not None and account.owner == program:
                    yield key, account

    def find_status(self, signature: str, *, search_history: bool) -> SignatureStatus | None:
        """The slot and error of a landed signature; ``search_history`` also reads the ledger."""
        status = self.status_cache.get(signature)
        if status is None and search_history:
            return self.ledger.find_status(signature)
        return status

    def parse_transaction(self, wire: bytes) -> ParsedTransaction:
        """Parse a transaction, with what it names in tables. Raises ``MalformedTransaction``."""
        slot = self.clock.slot()
        return parse_transaction(
            wire, lambda lookups: load_addresses(lookups, self.get_account, slot)
        )

    def simulate(self, transaction: ParsedTransaction) -> ExecutionResult:
        """Execute a transaction without committing it. Raises ``TransactionRefused``."""
        return execute_transaction(transaction, self._build_view(self.clock.slot(), NO_FAULTS))

    def check_can_land(self, transaction: ParsedTransaction) -> None:
        """Raise ``TransactionRefused`` if a transaction can never land, or has landed already."""
        if transaction.signature in self.status_cache:
            raise TransactionRefused("AlreadyProcessed")
        if not self.clock.is_blockhash_valid(transaction.blockhash, self.clock.slot()):
            raise TransactionRefused("BlockhashNotFound")

    def land_batch(
        self, batch: Sequence[ParsedTransaction], fault_injection: FaultInjection = NO_FAULTS
    ) -> list[ParsedTransaction]:
        """Execute transactions in the current block and commit them to the ledger together.

        Returns those that landed; those that no block can include are left out.
        """
        slot = self.clock.slot()
        view = self._build_view(slot, fault_injection)
        executed: list[ExecutedTransaction] = []
        changed: dict[Pubkey, Account | None] = {}
        for transaction in batch:
            try:
                self.check_can_land(transaction)
                result = execute_transaction(transaction, view)
            except TransactionRefused:
                continue
            self.bank.commit(result.changes, slot)
            self.pools.record_swaps(result.pools, result.vaults)
            self.status_cache.add(transaction.signature, slot, result.err)
            changed.update(result.changes)
            executed.append(ExecutedTransaction(transaction, result))
        if executed:
            self.ledger.commit_block(slot, executed, changed)
        return [item.transaction for item in executed]

    def roll_back(self, blocks: int) -> list[bytes]:
        """Roll the last blocks back. Returns the transactions that they contained.

        Raises ``ValueError`` if one of them is confirmed, or older than the start of the node.
        """
        first = self.clock.slot() - blocks + 1
        if blocks < 1 or first <= self.slot_at(Commitment.CONFIRMED):
            depth = self.options.confirmation_depth(is_finalized=False)
            raise ValueError(f"only the last {depth} blocks are not confirmed yet")
        if first <= self._opened_at_slot:
            raise ValueError("blocks from before the start of the node cannot be rolled back")
        transactions = self.ledger.list_transactions(first)
        changed = self.bank.roll_back(first)
        self.ledger.delete_blocks(first, self.bank.snapshot(changed))
        self.status_cache.roll_back(first)
        self.clock.fork(blocks)
        self.pools.discard_swaps()
        self.save_clock_state()
        return transactions

    def is_pool_account(self, key: Pubkey) -> bool:
        """Whether an account belongs to a pool."""
        return self.pools.find_dex(key) is not None

    def is_mutable_account(self, key: Pubkey) -> bool:
        """Whether transactions and ``override_accounts`` may change an account or create it."""
        is_fixed = key in self._mints or key in self._program_accounts
        return not is_fixed and self.pools.peek_account(key, self.clock.slot()) is None

    def override_accounts(self, changes: AccountChanges) -> None:
        """Set accounts outside of any transaction."""
        self.bank.override(changes)
        self.ledger.commit_block(self.clock.slot(), (), changes)

    def move_price(self, base: Token, quote: Token, dex: Dex | None, bps: int) -> int:
        """Move the price of ``base`` in ``quote`` permanently. Returns the number of pools."""
        factors_by_pool = self.pools.move_price(base, quote, dex, bps)
        self._price_factors |= factors_by_pool
        self.ledger.store_fact("factors", json.dumps(self._price_factors))
        return len(factors_by_pool)

    def save_clock_state(self) -> None:
        """Store the state of the clock; to be called after every change of it."""
        self.ledger.store_fact("course", json.dumps(asdict(self.clock.state)))

    def _load_clock_state(self, now: Callable[[], float]) -> ClockState:
        text = self.ledger.read_fact("course")
        if text is not None:
            fields = json.loads(text)
            return ClockState(**{**fields, "forks": tuple(fields["forks"])})
        state = ClockState(born_at=now())
        self.ledger.store_fact("course", json.dumps(asdict(state)))
        return state

    def _load_price_factors(self) -> dict[str, int]:
        text = self.ledger.read_fact("factors")
        return {} if text is None else {str(k): int(v) for k, v in json.loads(text).items()}

    def _load_accounts(self) -> Mapping[Pubkey, Account]:
        """The stored accounts, and those of the paper wallet and of tips that are new here.

        A chain that is older than a token has no account of it.
        """
        accounts = dict(self.ledger.load_accounts())
        text = self.ledger.read_fact(_FUNDED_FACT)
        funded = set(map(Pubkey.from_string, json.loads(text))) if text else set(accounts)
        wallet_accounts = genesis.build_wallet_accounts(self.options)
        accounts_given = wallet_accounts | genesis.build_tip_accounts()
        added = {key: each for key, each in accounts_given.items() if key not in funded}
        if added:
            self.ledger.commit_block(self.clock.slot(), (), added)
        self.ledger.store_fact(_FUNDED_FACT, json.dumps([*map(str, accounts_given)]))
        return accounts | added

    def _build_view(self, slot: int, fault_injection: FaultInjection) -> ChainView:
        bank, mints, pools = self.bank, self._mints, self.pools

        def get_account(key: Pubkey) -> Account | None:
            return bank.get(key) or mints.get(key) or pools.peek_account(key, slot)

        def get_pool(address: Pubkey) -> HostedPool | None:
            return fault_injection.draw_moved_pool(address, slot) or pools.get_pool(address, slot)

        return ChainView(
            self._programs,
            get_account,
            get_pool,
            pools.get_vault,
            self.is_pool_account,
            fault_injection.draw_failure,
        )
