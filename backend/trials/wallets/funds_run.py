"""Many orders at once on a wallet that can pay for some of them: exactly those are sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from backend.chain.compute_budget import ComputeBudget
from backend.chain.costs import compute_network_fee
from backend.domain.amounts import parse_amount
from backend.domain.errors import INSUFFICIENT_FUNDS
from backend.domain.tokens import SOL
from backend.trials.wallets.system import run_wallet_engine
from backend.venues.spl import TOKEN_ACCOUNT_RENT

AMOUNT: Final = "0.1"
RESERVE: Final = "0.01"
UNIT_PRICE: Final = 0
"""What a transaction pays does not depend on its limit of compute units then."""


@dataclass(frozen=True, slots=True)
class FundsFigures:
    """How orders ended, and what landed on chain."""

    orders: int
    payable: int
    statuses: Counter[str]
    codes: Counter[str]
    reason: str
    """Of one that failed."""
    landed: Counter[str]

    def list_violations(self) -> list[str]:
        """What must not be, as sentences."""
        unpaid = self.orders - self.payable
        facts = {
            "orders confirmed": (self.statuses["confirmed"], self.payable),
            "orders failed": (self.statuses["failed"], unpaid),
            "failures for lack of funds": (self.codes[INSUFFICIENT_FUNDS], unpaid),
            "transactions landed": (self.landed["landed"], self.payable),
            "transactions reverted": (self.landed["reverted"], 0),
        }
        return [
            f"{name}: {found}, and not {expected}"
            for name, (found, expected) in facts.items()
            if found != expected
        ]


async def run_funds_trial(
    orders: int, payable: int, workers: int, timeout_s: float
) -> FundsFigures:
    """Place ``orders`` on a wallet that holds what ``payable`` of them take, to the lamport.

    Raises ``Transient`` if the engine does not start, or orders do not end.
    """
    settings = {"sol_reserve": RESERVE, "priority_fee_microlamports": UNIT_PRICE}
    fee = compute_network_fee(ComputeBudget(unit_price=UNIT_PRICE))
    each = parse_amount(AMOUNT, SOL.decimals) + fee
    async with run_wallet_engine(wallets=1, workers=workers, settings=settings) as engine:
        held = payable * each + parse_amount(RESERVE, SOL.decimals)
        # An account of the token out, so that no order opens it.
        await engine.fund(engine.wallets[0], "USDC", 1)
        await engine.fund(engine.wallets[0], "SOL", held)
        order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": AMOUNT}
        await engine.place([order] * orders)
        await engine.wait_ended(orders, timeout_s)
        ended = await engine.read_orders()
        failures = [order["lastError"] for order in ended if order["status"] == "failed"]
        return FundsFigures(
            orders,
            payable,
            Counter(order["status"] for order in ended),
            Counter(failure.partition(":")[0] for failure in failures),
            failures[0] if failures else "",
            await engine.count_transactions(),
        )


assert parse_amount(RESERVE, SOL.decimals) > 2 * TOKEN_ACCOUNT_RENT
