"""A wallet on a chain of its own process: quotes swaps from account bytes, and lands them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.domain.quotes import Quote
from backend.simulator.chain.chain import Chain
from backend.simulator.chain.genesis import PAPER_WALLET
from backend.simulator.chain.ledger_rows import LedgerEntry
from backend.simulator.options import SimulatorOptions
from backend.simulator.programs.token import read_amount
from backend.simulator.wire.transaction_parser import ParsedTransaction, parse_transaction
from backend.venues import MAINNET_VENUES
from backend.venues.spl import NATIVE_MINT, TOKEN_PROGRAM, derive_ata, make_token_account
from backend.venues.venue import Account, AccountsMissing, Pool, SwapAccounts, Venue

OWNER: Final = PAPER_WALLET.pubkey()
_STARTED_AT: Final = 1_800_000_000.0
_COMPUTE_UNITS: Final = 1_400_000
_WRAPPED_LAMPORTS: Final = 10**16
_READS_MAX: Final = 8


class PoolLocation(NamedTuple):
    """A pool by its address, with its program and its two tokens."""

    venue: Venue
    address: Pubkey
    mints: tuple[Pubkey, Pubkey]


class QuotedSwap(NamedTuple):
    """A swap through one pool, in the state of which ``quote`` was made."""

    pool: Pool
    mint_in: Pubkey
    mint_out: Pubkey
    quote: Quote


class Trader:
    """The paper wallet on a chain with many pools, whose time passes only in ``advance``.

    It has accounts of all tokens, also one of wrapped SOL.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._now = _STARTED_AT
        options = SimulatorOptions(seed=seed, pools="many")
        self.chain: Final = Chain(options, folder, lambda: self._now)
        self._count = 0
        wrapped = make_token_account(NATIVE_MINT, OWNER, _WRAPPED_LAMPORTS)
        self.chain.override_accounts({derive_ata(OWNER, NATIVE_MINT): wrapped})

    def advance(self, seconds: float) -> None:
        """Let time pass: in another slot every pool is at its market price again."""
        self._now += seconds

    def list_pools(self) -> list[PoolLocation]:
        """List all pools, found as an engine finds them: by size and mints of their accounts."""
        return [
            PoolLocation(venue, key, _read_mints(venue, account))
            for venue in MAINNET_VENUES.hosted
            for key, account in self.chain.list_program_accounts(venue.program)
            if len(account.data) == venue.search.data_size
        ]

    def read_pool(self, location: PoolLocation, mint_in: Pubkey, amount_in: int) -> Pool:
        """Read a pool with all accounts that a quote needs; raises ``Rejected``."""
        venue, address = location.venue, location.address
        own = self.chain.get_account(address)
        assert own is not None, "a pool that was listed is there"
        keys = list(venue.list_accounts(address, own))
        keys += venue.guess_accounts(address, self._read_accounts(keys))
        slot = self.chain.clock.slot()
        for _ in range(_READS_MAX):
            pool = venue.decode_pool(address, self._read_accounts(keys), slot)
            try:
                pool.quote(mint_in, amount_in)
            except AccountsMissing as missing:
                keys += missing.keys
            else:
                return pool
        raise AssertionError(f"a quote of {address} always needs more accounts")

    def sign(self, swaps: Sequence[Instruction]) -> ParsedTransaction:
        """Sign a transaction of swaps between accounts that the wallet has.

        Raises ``MalformedTransaction`` if it is too large.
        """
        self._count += 1
        clock = self.chain.clock
        recent = Hash(bytes(clock.blockhash(clock.height(clock.slot()))))
        # The price makes each transaction another one.
        budget = [set_compute_unit_limit(_COMPUTE_UNITS), set_compute_unit_price(self._count)]
        message = MessageV0.try_compile(OWNER, [*budget, *swaps], [], recent)
        return parse_transaction(bytes(VersionedTransaction(message, [PAPER_WALLET])))

    def build_swap(
        self, pool: Pool, mints: tuple[Pubkey, Pubkey], amount_in: int, minimum: int
    ) -> Instruction:
        """Build the swap of an amount from the first mint to the second."""
        accounts = SwapAccounts(OWNER, *(self.derive_account(mint) for mint in mints))
        return pool.swap_instruction(accounts, mints[0], amount_in, minimum)

    def land(self, transaction: ParsedTransaction) -> LedgerEntry:
        """Land a transaction in the current block."""
        assert self.chain.land_batch([transaction]) == [transaction]
        entry = self.chain.ledger.find_entry(transaction.signature)
        assert entry is not None, "what has landed is in the ledger"
        return entry

    def read_balance(self, mint: Pubkey) -> int:
        """The wallet's tokens of a mint, in base units."""
        account = self.chain.get_account(self.derive_account(mint))
        return 0 if account is None else read_amount(account)

    def derive_account(self, mint: Pubkey) -> Pubkey:
        """Derive the wallet's token account of a mint."""
        return derive_ata(OWNER, mint, self._get_program(mint))

    def _get_program(self, mint: Pubkey) -> Pubkey:
        account = self.chain.get_account(mint)
        return TOKEN_PROGRAM if account is None else account.owner

    def _read_accounts(self, keys: Iterable[Pubkey]) -> dict[Pubkey, Account | None]:
        return {key: self.chain.get_account(key) for key in keys}


def _read_mints(venue: Venue, account: Account) -> tuple[Pubkey, Pubkey]:
    first, second = (Pubkey(account.data[at : at + 32]) for at in venue.search.mint_offsets)
    return first, second
