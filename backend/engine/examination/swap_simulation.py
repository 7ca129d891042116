"""A swap as a worker would sign it, simulated on a node and never sent, and what it would pay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, NamedTuple
from uuid import UUID

from solders.pubkey import Pubkey

from backend.chain.outcomes import NODE_FAULTS, classify_onchain_error
from backend.chain.rpc.results import Blockhash, SimulationResult
from backend.chain.token_accounts import derive_token_address
from backend.chain.transactions import (
    UnsignedTransaction,
    build_instructions,
    compile_swap,
    derive_wrap_seed,
)
from backend.domain.amounts import Token
from backend.domain.errors import EngineError, Transient
from backend.domain.orders import OrderTerms
from backend.domain.tokens import SOL
from backend.engine.examination.market_services import MarketServices
from backend.execution.route_swap import make_swap
from backend.routing.route import Route
from backend.runtime.background import raise_single_error
from backend.venues.spl import TOKEN_ACCOUNT
from backend.venues.venue import Account

TRIES_MAX: Final = 5
"""So often a swap is simulated if the node is at fault, or somebody else uses the wallet."""


class TransactionFee(NamedTuple):
    """The compute limit of a transaction in units, and its whole fee in lamports."""

    unit_limit: int
    lamports: int


class SwapEffects(NamedTuple):
    """What a transaction changes in its wallet, in base units, apart from its fee.

    ``rent_lamports`` are those of token accounts that it opens and leaves.
    """

    amount_in: int
    amount_out: int
    rent_lamports: int


@dataclass(frozen=True, slots=True)
class SimulatedSwap:
    """A simulated swap. ``effects`` are ``None`` if it failed, with the ``error`` of a worker."""

    route: Route
    slot: int
    units: int | None
    fee: TransactionFee
    effects: SwapEffects | None
    error: EngineError | None

    @property
    def difference(self) -> int:
        """What it pays more than its quote, in base units; it must not have failed."""
        assert self.effects is not None, "a swap that fails pays nothing"
        return self.effects.amount_out - self.route.amount_out

    @property
    def difference_part(self) -> Fraction:
        """The difference as a part of the quote."""
        return Fraction(self.difference, self.route.amount_out)


class _Changes(NamedTuple):
    """The accounts of some tokens before and after a transaction; that of SOL is the wallet's."""

    tokens: tuple[Token, ...]
    before: Sequence[Account | None]
    after: Sequence[Account | None]

    def measure_rent(self) -> int:
        """The lamports of token accounts that were opened."""
        return sum(
            after.lamports
            for token, before, after in zip(*self, strict=True)
            if token != SOL and before is None and after is not None
        )

    def measure(self, token: Token) -> int:
        """The change of the balance in a token."""
        place = self.tokens.index(token)
        read = _read_lamports if token == SOL else _read_amount
        return read(self.after[place]) - read(self.before[place])


class SwapSimulator:
    """Simulates the swaps of the wallet at an address, whose key is not needed."""

    def __init__(self, market: MarketServices, wallet: Pubkey) -> None:
        self._market = market
        self._wallet = wallet
        self._count = 0

    async def simulate(self, terms: OrderTerms) -> SimulatedSwap:
        """Route an order, build its transaction, and simulate it.

        Raises ``EngineError`` if there is no route, or the node does not answer.
        """
        for _ in range(TRIES_MAX):
            swap, is_final = await self._try(terms)
            if is_final:
                return swap
        if swap.error is not None:
            return swap
        raise Transient("wallet_in_use", "the balances of the wallet change with every look")

    async def _try(self, terms: OrderTerms) -> tuple[SimulatedSwap, bool]:
        """Simulate once; and whether that says something of the order.

        It does not if the node is at fault, or the wallet's balances change meanwhile.
        """
        rpc, route = self._market.rpc, await self._market.router.route(terms)
        accounts = self._find_accounts(route)
        keys = list(accounts.values())
        with raise_single_error():
            async with asyncio.TaskGroup() as tasks:  # at once: the quote gets older meanwhile
                balances = tasks.create_task(rpc.get_multiple_accounts(keys))
                recent = tasks.create_task(rpc.get_latest_blockhash())
        (_, before), blockhash = balances.result(), recent.result()
        unsigned, unit_limit = await self._build(terms, route, blockhash)
        simulation = await rpc.simulate_transaction(
            unsigned.wire, min_context_slot=max(blockhash.slot, route.slot), accounts=keys
        )
        after = list(map(_find_open, simulation.accounts))
        changes = _Changes(tuple(accounts), before, after)
        fee = TransactionFee(unit_limit, unsigned.fee_lamports)
        swap = self._describe(terms, route, fee, simulation, changes)
        if swap.error is not None:
            return swap, swap.error.code not in NODE_FAULTS
        assert swap.effects is not None, "a swap without an error has effects"
        if not swap.difference and swap.effects.amount_in == terms.amount_in:
            return swap, True
        _, still = await rpc.get_multiple_accounts(keys)
        return swap, still == before

    async def _build(
        self, terms: OrderTerms, route: Route, blockhash: Blockhash
    ) -> tuple[UnsignedTransaction, int]:
        """Build the transaction of a swap; also return its limit of units."""
        market = self._market
        self._count += 1
        swap = make_swap(terms, route, derive_wrap_seed(UUID(int=self._count), 1))
        instructions = build_instructions(swap, self._wallet)
        budget = await market.fees.choose_budget(instructions, 1)
        limit = instructions.estimate_units(market.budget.unit_limit)
        unsigned = compile_swap(
            instructions, blockhash, replace(budget, unit_limit=limit), market.tables.usable
        )
        return unsigned, limit

    def _find_accounts(self, route: Route) -> dict[Token, Pubkey]:
        """The accounts in which the wallet has each token of a route, and SOL, after a swap."""
        accounts = {SOL: self._wallet}
        for leg in route.legs:
            for token in (leg.token_in, leg.token_out):
                mint = Pubkey.from_string(token.mint)
                program = leg.pool.token_program(mint)
                if token != SOL:
                    accounts[token] = derive_token_address(self._wallet, mint, program)
        return accounts

    def _describe(
        self,
        terms: OrderTerms,
        route: Route,
        fee: TransactionFee,
        simulation: SimulationResult,
        changes: _Changes,
    ) -> SimulatedSwap:
        effects, error = None, None
        if simulation.err is not None:
            venues = self._market.cluster.venues.all
            error = classify_onchain_error(simulation.err, simulation.logs, venues)
        elif len(changes.after) != len(changes.before):
            raise Transient("node_error", "the node does not tell what a simulation leaves")
        else:
            rent = changes.measure_rent()
            taken, paid = -changes.measure(terms.token_in), changes.measure(terms.token_out)
            if terms.token_in == SOL:
                taken -= fee.lamports + rent
            if terms.token_out == SOL:
                paid += fee.lamports + rent
            effects = SwapEffects(taken, paid, rent)
        return SimulatedSwap(route, simulation.slot, simulation.units, fee, effects, error)


def _find_open(account: Account | None) -> Account | None:
    """An account that exists: a simulation may leave one without lamports, which is gone."""
    return account if account is not None and account.lamports else None


def _read_lamports(account: Account | None) -> int:
    return 0 if account is None else account.lamports


def _read_amount(account: Account | None) -> int:
    return 0 if account is None else TOKEN_ACCOUNT.read(account.data).amount
