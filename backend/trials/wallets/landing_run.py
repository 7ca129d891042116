"""How soon transactions land on a chain that prices inclusion, through the whole engine."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from backend.chain.transaction_costs import read_fees
from backend.domain.quotes import Dex
from backend.runtime.background import run_in_background
from backend.simulator.server import read_wall_clock
from backend.trials.audit.evidence import fetch_landed, fetch_ledger
from backend.trials.wallets.system import RECENT_BLOCKS, Json, WalletEngine, run_wallet_engine

GOING_PRICE: Final = 50_000
"""What a compute unit costs on average, in micro-lamports."""
WANDER_BPS: Final = 5_000
CEILING_LAMPORTS: Final = 2_500
SLOTS: Final = 2
LANDED_SHARE_MIN: Final = 0.95
LAMPORTS: Final = 10**13
INTERVAL_S: Final = 0.1
POLL_S: Final = 0.01
_ORDER: Final[Json] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.01", "slippageBps": 500}


@dataclass(frozen=True, slots=True)
class PricePolicy:
    """How transactions are priced in a run: its settings, and what is asked of it."""

    name: str
    settings: Mapping[str, object]
    ceiling_lamports: int | None = None
    is_measured: bool = False
    """Whether enough of its transactions have to land in time."""


POLICIES: Final = (
    PricePolicy(
        "auto",
        {"priority_fee": "auto", "priority_fee_ceiling_lamports": 20_000},
        ceiling_lamports=20_000,
        is_measured=True,
    ),
    PricePolicy(
        "auto, ceiling below the going price",
        {"priority_fee": "auto", "priority_fee_ceiling_lamports": CEILING_LAMPORTS},
        ceiling_lamports=CEILING_LAMPORTS,
    ),
    PricePolicy("fixed at the average price", {"priority_fee_microlamports": GOING_PRICE}),
)


@dataclass(frozen=True, slots=True)
class LandingFigures:
    """Of each order that landed, how many slots after its submission; and all priority fees."""

    policy: PricePolicy
    orders: int
    slots: Sequence[int]
    fees: Sequence[int]

    @property
    def share(self) -> float:
        """The part of all orders that landed within ``SLOTS`` slots."""
        return sum(each <= SLOTS for each in self.slots) / self.orders

    def list_violations(self) -> Iterator[str]:
        """What must not be, as sentences."""
        if self.policy.is_measured and self.share < LANDED_SHARE_MIN:
            yield f"{self.policy.name}: {self.share:.1%} landed within {SLOTS} slots"
        ceiling = self.policy.ceiling_lamports
        if ceiling is not None and max(self.fees) > ceiling:
            yield f"{self.policy.name}: {max(self.fees)} lamports paid, the ceiling is {ceiling}"


async def run_landing_trial(
    policy: PricePolicy, orders: int, rate: float, timeout_s: float
) -> LandingFigures:
    """Place orders at a rate, and see in which slots they land, and what they paid.

    Raises ``Transient`` if the engine does not start, or orders do not end.
    """
    async with run_wallet_engine(wallets=1, workers=1, settings=policy.settings) as engine:
        [wallet] = engine.wallets
        await engine.fund(wallet, "USDC", 1)
        await engine.fund(wallet, "SOL", LAMPORTS)
        await engine.set_congestion(GOING_PRICE, WANDER_BPS)
        await _measure_units(engine, timeout_s)
        _, mark = await fetch_ledger(engine.node, "", 0)
        clock = _SlotClock(engine)
        async with run_in_background(clock.run):
            ids = await _place_at_rate(engine, orders, rate)
            await engine.wait_ended(len(Dex) + orders, timeout_s)
        histories = await engine.read_events(ids)
        entries, _ = await fetch_ledger(engine.node, "", mark)
        landed = await fetch_landed(engine.node_url, entries)
        return LandingFigures(
            policy,
            orders,
            [clock.count_slots(events) for events in histories if _is_filled(events)],
            [read_fees(each).priority_fee for each in landed],
        )


async def _measure_units(engine: WalletEngine, timeout_s: float) -> None:
    """Have the engine know what a swap at each venue takes, by an order there.

    The first one pays for a limit that is not measured yet: below a ceiling that is too little a
    unit for any block, so the chain is moved on to where its transaction has expired.
    """
    await engine.place([{**_ORDER, "dexes": [dex]} for dex in Dex])
    await engine.wait_submitted(len(Dex), timeout_s)
    await engine.advance(RECENT_BLOCKS + 1)
    await engine.wait_ended(len(Dex), timeout_s)


class _SlotClock:
    """Which slot the chain was in at a time, as it is seen a moment later."""

    def __init__(self, engine: WalletEngine) -> None:
        self._engine = engine
        self._times: list[float] = []
        self._slots: list[int] = []

    async def run(self) -> None:
        """Look at the chain until cancelled."""
        while True:
            slot = await self._engine.read_slot()
            if not self._slots or slot != self._slots[-1]:
                self._times.append(read_wall_clock())
                self._slots.append(slot)
            await asyncio.sleep(POLL_S)

    def count_slots(self, events: Sequence[Json]) -> int:
        """How many slots after its first submission an order landed."""
        submitted = next(each for each in events if each["status"] == "submitted")
        at = datetime.fromisoformat(submitted["at"]).timestamp()
        slot: int = events[-1]["slot"]
        return slot - self._slots[max(0, bisect_right(self._times, at) - 1)]


def _is_filled(events: Sequence[Json]) -> bool:
    return bool(events[-1]["status"] == "confirmed")


async def _place_at_rate(engine: WalletEngine, orders: int, rate: float) -> list[str]:
    ids: list[str] = []
    each = max(1, round(rate * INTERVAL_S))
    while len(ids) < orders:
        ids += await engine.place([_ORDER] * min(each, orders - len(ids)))
        await asyncio.sleep(INTERVAL_S)
    return ids
