"""The comparison of what wallets hold with what orders explain.

A difference counts once several readings in a row show the same: that of an order which has landed,
and of which nobody has heard yet, passes. It is told once, and what was read is the new baseline.
What archived orders did is known as well, but for the times of attempts that failed: a difference
of SOL within their fees is not told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from backend.domain.amounts import Token, parse_amount
from backend.domain.tokens import SOL, TokenRegistry
from backend.execution.wallet import observe_wallets
from backend.execution.wallet.ledger import Reading, WalletLedger
from backend.store.database import DatabasePool
from backend.store.wallets.reconciliations import (
    Baseline,
    OrderChange,
    read_baseline,
    read_changes,
    read_unknown_fees,
    store_baseline,
)

READINGS: Final = 3
"""So many readings in a row have to show the same difference."""
READINGS_MAX: Final = 10
"""After so many the next interval begins: too much happens at once."""
PAUSE_S: Final = 1.0
IN_FLIGHT_S: Final = 45.0
"""While orders of a wallet are in flight a difference has to last so long: one of them may have
landed, and whoever follows it may have died; another worker confirms it after a lease."""


class Reconciler:
    """Compares the balances of wallets at an interval; ``run`` must be running."""

    def __init__(
        self,
        pool: DatabasePool,
        ledgers: Sequence[WalletLedger],
        tokens: TokenRegistry,
        *,
        interval_s: float,
        random: Random,
    ) -> None:
        self._pool = pool
        self._ledgers = ledgers
        self._tokens = tokens
        self._interval_s = interval_s
        self._random = random
        self._doubts: dict[str, tuple[Mapping[str, int], float]] = {}
        """Differences by wallet that an order in flight may explain, and since when."""

    async def run(self) -> None:
        """Compare until cancelled. Several processes can: what one has told, no other tells."""
        while self._interval_s:
            for ledger in self._ledgers:
                try:
                    await self._reconcile(ledger)
                except Exception as error:  # noqa: BLE001 - the next one may succeed
                    observe_wallets.reconciliation_failed(error)
            pause_s = self._interval_s * self._random.uniform(0.9, 1.0)
            await asyncio.sleep(min(pause_s, IN_FLIGHT_S / 3) if self._doubts else pause_s)

    async def _reconcile(self, ledger: WalletLedger) -> None:
        baseline = await read_baseline(self._pool, ledger.address, self._interval_s / 2)
        if baseline is not None and not baseline.is_due:
            return  # another process has just done so
        if baseline is None:
            await self._store(ledger, await ledger.read(()), {}, earlier_slot=-1)
            return
        earlier: list[Mapping[str, int] | None] = []
        for _ in range(READINGS_MAX):
            reading = await ledger.read(())
            differences = await self._find_differences(ledger, baseline, reading)
            earlier.append(differences)
            is_same = earlier[-READINGS:] == [differences] * READINGS
            if differences == {} or (differences is not None and is_same):
                differences = await self._leave_fees(ledger, baseline, differences)
                if not self._is_in_doubt(ledger, reading, differences):
                    await self._store(ledger, reading, differences, earlier_slot=baseline.slot)
                return
            await asyncio.sleep(PAUSE_S)

    async def _leave_fees(
        self, ledger: WalletLedger, baseline: Baseline, differences: Mapping[str, int]
    ) -> Mapping[str, int]:
        """Leave out a difference of SOL that fees of archived attempts may explain."""
        amount = differences.get(SOL.symbol, 0)
        if not amount:
            return differences
        if abs(amount) > await read_unknown_fees(self._pool, ledger.address, baseline):
            return differences
        observe_wallets.fees_unknown(ledger.address, amount)
        ledger.budgets.void()
        return {name: each for name, each in differences.items() if name != SOL.symbol}

    def _is_in_doubt(
        self, ledger: WalletLedger, reading: Reading, differences: Mapping[str, int]
    ) -> bool:
        """Whether an order in flight may explain differences, which have not lasted yet."""
        now = asyncio.get_running_loop().time()
        earlier, since = self._doubts.pop(ledger.address, ({}, now))
        if not differences or not reading.find_reserved(SOL):
            return False
        since = since if differences == earlier else now
        if now - since >= IN_FLIGHT_S:
            return False
        self._doubts[ledger.address] = differences, since
        return True

    async def _find_differences(
        self, ledger: WalletLedger, baseline: Baseline, reading: Reading
    ) -> Mapping[str, int] | None:
        """What no order explains, by tokens' names; ``None`` if an amount is not known yet."""
        changes = await read_changes(self._pool, ledger.address, baseline, reading.snapshot.slot)
        if any(each.is_filled and each.amount_out is None for each in changes):
            return None
        # Whether a slot was over when the balances were read is not known, of either reading.
        first, last = baseline.slot, reading.snapshot.slot
        variants = [
            self._compare(baseline, reading, [each for each in changes if each.slot not in left])
            for left in ((first,), (), (first, last), (last,))
        ]
        return min(variants, key=len)

    def _compare(
        self, baseline: Baseline, reading: Reading, changes: Sequence[OrderChange]
    ) -> Mapping[str, int]:
        held = self._list_balances(reading)
        expected = Counter({name: baseline.balances.get(name, held[name]) or 0 for name in held})
        self._apply(expected, changes)
        return {
            name: (balance or 0) - expected[name]
            for name, balance in held.items()
            if (balance or 0) != expected[name]
        }

    def _apply(self, balances: Counter[str], changes: Sequence[OrderChange]) -> None:
        for each in changes:
            balances[SOL.symbol] -= each.cost_lamports
            if not each.is_filled:
                continue
            balances[each.token_in] -= each.amount_in
            balances[each.token_out] += each.amount_out or 0
            for residual in each.residuals:
                token = self._tokens.find(residual["token"], "token")
                balances[token.symbol] += parse_amount(residual["amount"], token.decimals)

    async def _store(
        self,
        ledger: WalletLedger,
        reading: Reading,
        differences: Mapping[str, int],
        *,
        earlier_slot: int,
    ) -> None:
        told = await store_baseline(
            self._pool,
            ledger.address,
            self._list_balances(reading),
            differences,
            slot=reading.snapshot.slot,
            horizon=reading.snapshot.horizon,
            earlier_slot=earlier_slot,
        )
        if differences:
            ledger.budgets.void()
        for name, amount in told:
            token = self._tokens.find(name, "token")
            observe_wallets.balance_differs(ledger.address, token, amount)

    def _list_balances(self, reading: Reading) -> dict[str, int | None]:
        """The balances of listed tokens by their names; ``None`` without an account."""
        tokens: list[Token] = list(self._tokens)
        return {
            token.symbol: reading.balances.lamports
            if token == SOL
            else reading.balances.tokens.get(token.mint)
            for token in tokens
        }
