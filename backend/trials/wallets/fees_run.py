"""Mixed orders on several wallets: is every lamport explained by what the orders tell?

Some transactions are reverted, some open token accounts, SOL is sold and bought, prices of
inclusion move, and every transaction pays a tip. What each wallet holds in the end has to be what
it held before, and what its orders sold, received and cost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import parse_amount
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.trials.audit.evidence import fetch_balances, fetch_fees, fetch_ledger
from backend.trials.wallets.system import Json, WalletEngine, run_wallet_engine

COSTS: Final = ("networkFeeLamports", "priorityFeeLamports", "tipLamports", "rentLamports")
SPENT: Final = ("networkFeeLamports", "tipLamports", "rentLamports")
"""The priority fee is a part of the network's fee."""
UNIT_PRICE: Final = 50_000
WANDER_BPS: Final = 3_000
TIP_LAMPORTS: Final = 12_345
HELD: Final = {SOL: 10_000 * 10**SOL.decimals, USDC: 1_000_000 * 10**USDC.decimals}
FAULTS: Final[Sequence[Mapping[str, object]]] = (
    {"fault": "fail", "reason": "slippage", "probability": 0.1},
    {"fault": "fail", "reason": "funds", "probability": 0.02},
    {"fault": "http", "status": 429, "methods": ["sendBundle"], "probability": 0.5},
)
SETTINGS: Final = {
    "priority_fee": "auto",
    "tip_lamports": TIP_LAMPORTS,
    "backoff_s": 0.05,
    "resend_s": 1,
}
_ORDERS: Final = (
    ("SOL", "USDC", "0.5"),
    ("USDC", "SOL", "20"),
    ("SOL", "JUP", "0.2"),
    ("USDC", "BONK", "10"),
    ("SOL", "RAY", "0.3"),
    ("USDC", "USDT", "7"),
    ("USDC", "SOL", "3"),
    ("SOL", "WETH", "0.7"),
)

Balances = dict[tuple[str, str], int]
"""Base units by wallet and mint."""


@dataclass(frozen=True, slots=True)
class FeesFigures:
    """How orders ended, what they have cost, and balances that they do not explain."""

    orders: int
    statuses: Counter[str]
    landed: Counter[str]
    costs: Mapping[str, int]
    charged: int
    """The network fees of all transactions in the chain's ledger."""
    balances: int
    violations: Sequence[str]

    def list_violations(self) -> Iterator[str]:
        """What must not be, as sentences."""
        yield from self.violations
        if self.charged != self.costs["networkFeeLamports"]:
            told = self.costs["networkFeeLamports"]
            yield f"orders tell network fees of {told} lamports, the ledger has {self.charged}"
        if not self.landed["reverted"] or not all(self.costs[name] for name in COSTS):
            yield "nothing was reverted, or one kind of cost did not occur: try more orders"


async def run_fees_trial(orders: int, wallets: int, workers: int, timeout_s: float) -> FeesFigures:
    """Execute mixed orders, and compare each wallet's balances with what the orders tell.

    Raises ``Transient`` if the engine does not start, or orders do not end.
    """
    async with run_wallet_engine(
        wallets=wallets, workers=workers, settings=SETTINGS, has_bundles=True
    ) as engine:
        for wallet in engine.wallets:
            for token, amount in HELD.items():
                await engine.fund(wallet, token.symbol, amount)
        before = await _read_balances(engine)
        await engine.set_congestion(UNIT_PRICE, WANDER_BPS)
        for fault in FAULTS:
            await engine.arm_fault(fault)
        await engine.place([_build_order(number) for number in range(orders)])
        await engine.wait_ended(orders, timeout_s)
        ended = await engine.read_orders()
        histories = await engine.read_events([order["orderId"] for order in ended])
        expected = _sum_up(before, ended, histories)
        after = await _read_balances(engine)
        entries, _ = await fetch_ledger(engine.node, "", 0)
        return FeesFigures(
            orders,
            Counter(order["status"] for order in ended),
            await engine.count_transactions(),
            _sum_costs(ended),
            await fetch_fees(engine.node_url, entries),
            len(after),
            [*_check_events(ended, histories), *_compare(expected, after)],
        )


def _build_order(number: int) -> Json:
    token_in, token_out, amount = _ORDERS[number % len(_ORDERS)]
    return {"tokenIn": token_in, "tokenOut": token_out, "amount": amount, "slippageBps": 300}


async def _read_balances(engine: WalletEngine) -> Balances:
    return {
        (wallet, mint): amount
        for wallet in engine.wallets
        for mint, amount in (
            await fetch_balances(engine.node_url, Pubkey.from_string(wallet))
        ).items()
    }


def _sum_costs(told: Sequence[Json]) -> Mapping[str, int]:
    """The costs that orders or events tell."""
    costs = [_get_costs(each) for each in told]
    return {name: sum(each[name] for each in costs) for name in COSTS}


def _get_costs(told: Json) -> Mapping[str, int]:
    return {name: told.get(name) or 0 for name in COSTS}


def _sum_up(
    before: Balances, orders: Sequence[Json], histories: Sequence[Sequence[Json]]
) -> Balances:
    """The balances that follow from what orders and their events tell."""
    tokens = TokenRegistry()
    expected = defaultdict(int, before)

    def add(wallet: str, name: str, amount: str, sign: int = 1) -> None:
        token = tokens.find(name, "token")
        expected[wallet, token.mint] += sign * parse_amount(amount, token.decimals)

    for order, events in zip(orders, histories, strict=True):
        wallet, costs = str(order["wallet"]), _get_costs(order)
        if order["wallet"] is not None:
            expected[wallet, SOL.mint] -= sum(costs[name] for name in SPENT)
        if order["status"] == "confirmed":
            add(wallet, order["tokenIn"], order["amountIn"], -1)
            add(wallet, order["tokenOut"], order["amountOut"])
            for residual in events[-1].get("residuals", ()):
                add(wallet, residual["token"], residual["amount"])
    return dict(expected)


def _compare(expected: Balances, found: Balances) -> Iterator[str]:
    for (wallet, mint), amount in expected.items():
        held = found.get((wallet, mint), 0)
        if held != amount:
            yield f"{wallet} holds {held} of {mint}, and its orders tell {amount}"


def _check_events(orders: Sequence[Json], histories: Sequence[Sequence[Json]]) -> Iterator[str]:
    """Sentences about orders whose costs are not the sums of those of their events."""
    for order, events in zip(orders, histories, strict=True):
        costs, told = _get_costs(order), _sum_costs(events)
        if told != costs:
            yield f"order {order['orderId']} tells {costs}, its events tell {told}"
        if not order["costsKnown"]:
            yield f"what order {order['orderId']} has cost is not known"
