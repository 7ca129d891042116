"""The pools of the venues, which arbitrage resets to their market price in every block.

The state of a pool at the start of a block is therefore a function of the slot alone: nothing of
it has to be stored, and price impact is real within a block but does not accumulate over blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, Token
from backend.domain.quotes import E9, Dex
from backend.simulator.market.market_pool import MarketPool
from backend.simulator.market.pool_plan import DEEP_PAIRS, list_plans
from backend.simulator.market.prices import (
    PRICE_BANDS,
    move_factor,
    reference_price,
    walk_factor_e9,
)
from backend.simulator.market.table_plan import plan_lookup_table
from backend.simulator.options import SimulatorOptions
from backend.simulator.state.clock import ChainClock
from backend.simulator.wire.lookup_tables import NODE_TABLE
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import CLOCK, CLOCK_SYSVAR, SYSVAR_OWNER, Clock
from backend.venues.venue import Account

_CLOCK_ACCOUNT_LAMPORTS: Final = 1_169_280
_SLOTS_PER_EPOCH: Final = 432_000


class PoolMarket:
    """All pools, by address and by the accounts that belong to them.

    A chain with many pools also has a lookup table of those of its deep pairs.
    """

    def __init__(
        self, options: SimulatorOptions, clock: ChainClock, price_factors: Mapping[str, int]
    ) -> None:
        self._options = options
        self._clock = clock
        self._pools_by_address: dict[Pubkey, MarketPool] = {}
        for plan in list_plans(options):
            factor_e9 = price_factors.get(plan.name, E9)
            state = MarketPool(
                plan.venue,
                plan.base,
                plan.quote,
                plan.create_pool(options),
                plan.name,
                factor_e9,
                is_stale=plan.is_stale,
            )
            self._pools_by_address[state.genesis.address] = state
        self._pools_by_account = {
            key: state
            for state in self._pools_by_address.values()
            for key in state.genesis.encode_accounts()
        }
        self._clock_account: tuple[int, Account] | None = None
        self._tables = {NODE_TABLE: self._plan_table()} if options.has_many_pools else {}

    def add(
        self, venue: HostedVenue, base: Token, quote: Token, pool: HostedPool, price: Fraction
    ) -> None:
        """Add a launched pool, whose price stays that of its launch.

        Raises ``ValueError`` if there is a pool at its address.
        """
        if pool.address in self._pools_by_address:
            raise ValueError(f"there is a pool at {pool.address}")
        name = f"{venue.dex}/{base.symbol}/{quote.symbol}"
        state = MarketPool(venue, base, quote, pool, name, E9, launch_price=price)
        self._pools_by_address[pool.address] = state
        for key in pool.encode_accounts():
            self._pools_by_account.setdefault(key, state)

    def list_owned(self, program: Pubkey) -> list[Pubkey]:
        """The addresses of the accounts of pools that a program owns."""
        return [
            key
            for key, state in self._pools_by_account.items()
            if state.accounts[key].owner == program
        ]

    def get_pool(self, address: Pubkey, slot: int) -> HostedPool | None:
        """A pool in its current state of the current slot."""
        state = self._pools_by_address.get(address)
        return None if state is None else self._refresh(state, slot).pool

    def build_moved_pool(
        self, address: Pubkey, slot: int, base: Token | None, bps: int
    ) -> HostedPool | None:
        """A pool at a price that is moved by ``bps``; the pool itself does not change."""
        state = self._pools_by_address.get(address)
        if state is None:
            return None
        return self._build_pool(
            state, slot, move_factor(state.price_factor_e9, _convert_move(state, base, bps))
        )

    def get_vault(self, address: Pubkey, mint: Pubkey) -> Pubkey:
        """The token account in which a pool keeps one of its mints."""
        return self._pools_by_address[address].vaults[mint]

    def record_swaps(
        self, pools: Mapping[Pubkey, HostedPool], vaults: Mapping[Pubkey, Account]
    ) -> None:
        """Replace the state of pools and vaults after swaps in the current slot."""
        for address, pool in pools.items():
            state = self._pools_by_address[address]
            state.pool = pool
            state.is_account_stale = True
        for key, account in vaults.items():
            self._pools_by_account[key].accounts[key] = account

    def get_account(self, key: Pubkey, slot: int) -> Account | None:
        """An account of a pool, or the clock sysvar, in the current slot."""
        state = self._pools_by_account.get(key)
        if state is None:
            return self.peek_account(key, slot)
        self._refresh(state, slot)
        if state.is_account_stale and key not in state.vaults.values():
            state.accounts = state.pool.encode_accounts()
            state.is_account_stale = False
        return state.accounts[key]

    def peek_account(self, key: Pubkey, slot: int) -> Account | None:
        """Like ``get_account``, but all bytes except those of vaults may precede the last swap.

        That is enough for programs, which read pools as ``HostedPool`` and not as bytes.
        """
        state = self._pools_by_account.get(key)
        if state is not None:
            return self._refresh(state, slot).accounts[key]
        return self._get_clock_account(slot) if key == CLOCK_SYSVAR else self._tables.get(key)

    def find_dex(self, key: Pubkey) -> Dex | None:
        """The venue that an account belongs to."""
        state = self._pools_by_account.get(key)
        return None if state is None else state.dex

    def find_swapped_pool(self, key: Pubkey) -> Pubkey | None:
        """The address of the pool whose swaps write an account: the pool itself and its vaults."""
        state = self._pools_by_account.get(key)
        if state is None:
            return None
        address = state.genesis.address
        return address if key == address or key in state.vaults.values() else None

    def is_pool_of(
        self, address: Pubkey, dex: Dex | None, pair: tuple[Token, Token] | None
    ) -> bool:
        """Whether a pool is of a venue and trades a pair; ``None`` matches every one."""
        state = self._pools_by_address.get(address)
        return (
            state is not None
            and dex in {None, state.dex}
            and (pair is None or {state.base, state.quote} == set(pair))
        )

    def move_price(self, base: Token, quote: Token, dex: Dex | None, bps: int) -> dict[str, int]:
        """Move the price of ``base`` in ``quote`` permanently. Returns the new factors by pool.

        A stale pool does not follow.
        """
        factors_by_pool = {}
        for state in self._pools_by_address.values():
            is_meant = self.is_pool_of(state.genesis.address, dex, (base, quote))
            if is_meant and not state.is_stale:
                state.price_factor_e9 = move_factor(
                    state.price_factor_e9, _convert_move(state, base, bps)
                )
                factors_by_pool[state.name] = state.price_factor_e9
        self.discard_swaps()
        return factors_by_pool

    def discard_swaps(self) -> None:
        """Discard the swaps of the current block: every pool is recomputed on its next access."""
        for state in self._pools_by_address.values():
            state.slot = -1

    def _refresh(self, state: MarketPool, slot: int) -> MarketPool:
        if state.slot != slot:
            state.start_slot(slot, self._build_pool(state, slot, state.price_factor_e9))
        return state

    def _build_pool(self, state: MarketPool, slot: int, price_factor_e9: int) -> HostedPool:
        if state.launch_price is not None:
            return self._build_launched(state, state.launch_price, slot, price_factor_e9)
        walk_factor = E9
        if self._options.has_moving_prices and not state.is_stale:
            at_ms = self._clock.elapsed_ms(slot)
            walk_factor = walk_factor_e9(
                self._options.seed, state.name, PRICE_BANDS[state.dex], at_ms
            )
        price = reference_price(state.base, state.quote, self._options.sol_price)
        price *= Fraction(walk_factor * price_factor_e9, E9 * E9)
        mint = Pubkey.from_string(state.base.mint)
        pool = state.genesis.with_price(mint, price.numerator, price.denominator)
        return pool.with_clock(self._build_clock(slot))

    def _build_launched(
        self, state: MarketPool, price: Fraction, slot: int, price_factor_e9: int
    ) -> HostedPool:
        pool = state.genesis
        if price_factor_e9 != E9:
            moved, mint = price * Fraction(price_factor_e9, E9), Pubkey.from_string(state.base.mint)
            pool = pool.with_price(mint, moved.numerator, moved.denominator)
        return pool.with_clock(self._build_clock(slot))

    def _plan_table(self) -> Account:
        """The account of the lookup table: as tables only grow, the same at every start."""
        clock = self._build_clock(0)
        pools = [
            state.genesis.with_clock(clock)
            for state in self._pools_by_address.values()
            if (state.base, state.quote) in DEEP_PAIRS
        ]
        return plan_lookup_table(pools).encode_account()

    def _build_clock(self, slot: int) -> Clock:
        epoch, slot_index = divmod(slot, _SLOTS_PER_EPOCH)
        return Clock(
            slot=slot,
            epoch_start=self._clock.unix_time(slot - slot_index),
            epoch=epoch,
            leader_epoch=epoch + 1,
            unix_time=self._clock.unix_time(slot),
        )

    def _get_clock_account(self, slot: int) -> Account:
        if self._clock_account is None or self._clock_account[0] != slot:
            data = CLOCK.write(self._build_clock(slot))
            self._clock_account = slot, Account(SYSVAR_OWNER, _CLOCK_ACCOUNT_LAMPORTS, data)
        return self._clock_account[1]


def _convert_move(state: MarketPool, base: Token | None, bps: int) -> int:
    """Convert a move of the price of ``base`` to one of the price of the pool's base token."""
    if base in {None, state.base}:
        return bps
    return BPS * BPS // (BPS + bps) - BPS
