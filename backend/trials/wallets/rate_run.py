"""The rate of a node that takes so many transactions of one fee payer into a slot, by wallets."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

from backend.trials.wallets.system import run_wallet_engine

LAMPORTS: Final = 10**13
WARM_UP: Final = 8


@dataclass(frozen=True, slots=True)
class RateFigures:
    """Orders a second, and how many each wallet paid for."""

    wallets: int
    rate: float
    orders: Counter[str]


async def run_rate_trial(
    wallets: int, orders: int, transactions_per_slot: int, timeout_s: float
) -> RateFigures:
    """Measure the rate of orders that are placed at once.

    Raises ``Transient`` if the engine does not start, or orders do not end.
    """
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.01"}
    async with run_wallet_engine(wallets=wallets, workers=1, settings={}) as engine:
        for wallet in engine.wallets:
            await engine.fund(wallet, "USDC", 1)
            await engine.fund(wallet, "SOL", LAMPORTS)
        await engine.serialize_payers(transactions_per_slot)
        await engine.place([order] * WARM_UP)
        await engine.wait_ended(WARM_UP, timeout_s)
        started_at = asyncio.get_running_loop().time()
        await engine.place([order] * orders)
        await engine.wait_ended(WARM_UP + orders, timeout_s)
        took_s = asyncio.get_running_loop().time() - started_at
        payers = Counter(str(each["wallet"]) for each in await engine.read_orders())
        return RateFigures(wallets, orders / took_s, payers)
