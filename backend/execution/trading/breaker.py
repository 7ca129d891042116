"""The breaker: halts trading by itself when too much goes wrong; only a person resumes it.

Every worker looks, at what all of them have stored: whoever is first halts, once for each reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final

from backend.domain.amounts import format_amount
from backend.domain.errors import EngineError
from backend.domain.tokens import SOL
from backend.execution.wallet.ledger import WalletLedger
from backend.store.database import DatabasePool
from backend.store.errors import DATABASE_ERRORS
from backend.store.trading import observe_trading
from backend.store.trading.breakers import (
    BreakerReason,
    ChainOutcome,
    arm_floor,
    fire,
    read_armed,
    read_outcomes,
)

INTERVAL_S: Final = 0.5
OUTCOMES_MORE: Final = 500
"""So many more outcomes are read than have to fail in a row: a row may have ended since."""
BALANCE_AGE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When trading is halted; 0 for what never halts it.

    ``failures`` on chain in a row; a mean loss above ``loss_bps`` over the latest ``loss_orders``;
    a wallet that holds less than ``floor_lamports``.
    """

    failures: int = 0
    loss_bps: int = 0
    loss_orders: int = 20
    floor_lamports: int = 0

    def list_reasons(self) -> list[BreakerReason]:
        """The reasons that are switched on."""
        limits = {
            BreakerReason.FAILURES: self.failures,
            BreakerReason.LOSS: self.loss_bps,
            BreakerReason.FLOOR: self.floor_lamports,
        }
        return [reason for reason, limit in limits.items() if limit]


class Breaker:
    """Looks at an interval whether trading is to be halted; ``run`` must be running."""

    def __init__(
        self,
        pool: DatabasePool,
        ledgers: Sequence[WalletLedger],
        policy: BreakerPolicy,
        random: Random,
    ) -> None:
        self._pool = pool
        self._ledgers = ledgers
        self._policy = policy
        self._random = random

    async def run(self) -> None:
        """Look until cancelled, if any reason is switched on."""
        while self._policy.list_reasons():
            try:
                await self.look()
            except (*DATABASE_ERRORS, EngineError) as error:
                observe_trading.breaker_check_failed(error)
            await asyncio.sleep(INTERVAL_S * self._random.uniform(0.9, 1.1))

    async def look(self) -> None:
        """Halt trading if there is a reason. Raises ``DATABASE_ERRORS`` or ``EngineError``."""
        policy, reasons = self._policy, self._policy.list_reasons()
        armed = await read_armed(self._pool, reasons)
        if (failures := armed.get(BreakerReason.FAILURES)) is not None:
            count = policy.failures + OUTCOMES_MORE
            outcomes = await read_outcomes(self._pool, failures.from_txid, count)
            await self._fire(BreakerReason.FAILURES, find_failures(outcomes, policy.failures))
        if (loss := armed.get(BreakerReason.LOSS)) is not None:
            count = policy.loss_orders + OUTCOMES_MORE
            outcomes = await read_outcomes(self._pool, loss.from_txid, count)
            await self._fire(BreakerReason.LOSS, find_loss(outcomes, policy))
        if BreakerReason.FLOOR in reasons:
            await self._look_at_floor(is_armed=BreakerReason.FLOOR in armed)

    async def _look_at_floor(self, *, is_armed: bool) -> None:
        floor = self._policy.floor_lamports
        for ledger in self._ledgers:
            held = (await ledger.read((), age_max_s=BALANCE_AGE_S)).balances.lamports
            if held < floor and is_armed:
                # Another worker may have armed it since, at a balance that is newer than this one.
                held = (await ledger.read((), age_max_s=0)).balances.lamports
            if held < floor:
                holds, least = (format_amount(each, SOL.decimals) for each in (held, floor))
                why = f"the wallet {ledger.address} holds {holds} SOL, less than {least}"
                if is_armed:
                    await self._fire(BreakerReason.FLOOR, why)
                return
        if not is_armed:
            await arm_floor(self._pool)

    async def _fire(self, reason: BreakerReason, why: str | None) -> None:
        if why is not None and await fire(self._pool, reason, why):
            observe_trading.breaker_fired(reason, why)


def find_failures(outcomes: Sequence[ChainOutcome], limit: int) -> str | None:
    """Why trading is to be halted, if so many outcomes in a row have failed."""
    failed = 0
    for each in outcomes:
        failed = 0 if each.is_filled else failed + 1
        if failed >= limit:
            return f"{limit} transactions in a row have failed on chain"
    return None


def find_loss(outcomes: Sequence[ChainOutcome], policy: BreakerPolicy) -> str | None:
    """Why trading is to be halted, if the latest filled orders have lost too much on average."""
    losses = [each.loss_bps for each in outcomes if each.loss_bps is not None]
    latest = losses[: policy.loss_orders]
    if len(latest) < policy.loss_orders:
        return None
    mean = sum(latest, Decimal(0)) / len(latest)
    if mean <= policy.loss_bps:
        return None
    return (
        f"the last {len(latest)} orders have received {mean:.1f} basis points less than their"
        f" quotes on average, more than {policy.loss_bps}"
    )
