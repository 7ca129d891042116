"""The limits of compute units: measured once for each shape, and corrected by what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from solders.pubkey import Pubkey

from backend.chain.compute_budget import UNIT_LIMIT_MAX
from backend.chain.rpc.errors import ReadFailure
from backend.chain.rpc.results import SimulationResult
from backend.chain.swap_instructions import SwapInstructions
from backend.chain.transactions import (
    SwapLeg,
    SwapParameters,
    build_instructions,
    derive_wrap_seed,
)
from backend.execution.budget.compute_units import FAILED_S, ComputeUnits
from backend.venues import CPMM, DAMM_V2
from backend.venues.hosting import HostedVenue
from tests.pools import SOL, USDC

OWNER = Pubkey(bytes([9] * 32))
SINGLE = 120_000
SIGNATURE = "a signature"


def build(
    *venues: HostedVenue, number: int = 1, owner: Pubkey = OWNER, is_purchase: bool = False
) -> SwapInstructions:
    pair = (USDC, SOL) if is_purchase else (SOL, USDC)
    pools = [
        each.create_pool(SOL, USDC, 10**15, 10**14, fee_e9=3_000_000) for each in venues or (CPMM,)
    ]
    seed = derive_wrap_seed(UUID(int=number), 1)
    legs = [SwapLeg(pool, 10**9 + number, 1) for pool in pools]
    return build_instructions(SwapParameters(legs, *pair, seed), owner)


class Simulations:
    """A node's simulations: their number, and what they answer once ``answered`` is set."""

    def __init__(self, units: int | None = 50_000, err: object = None) -> None:
        self.count = 0
        self.units, self.err = units, err
        self.is_down = False
        self.answered = asyncio.Event()
        self.answered.set()

    async def simulate(self, instructions: SwapInstructions) -> SimulationResult:
        self.count += 1
        await self.answered.wait()
        if self.is_down:
            raise ReadFailure("node_unavailable", "nobody is there")
        return SimulationResult(self.err, (), self.units, 1)


def choose(units: ComputeUnits, instructions: SwapInstructions, *, missing: bool = False) -> int:
    return units.choose_limit(instructions, instructions.find_shape(are_missing=missing))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_orders_of_a_shape_share_one_simulation_and_none_waits_for_it() -> None:
    node = Simulations()
    node.answered.clear()
    units = ComputeUnits(node.simulate, SINGLE)
    assert {choose(units, build(number=each)) for each in range(1, 50)} == {SINGLE}
    await settle()
    assert node.count == 1
    node.answered.set()
    await settle()
    assert {choose(units, build(number=each)) for each in range(1, 50)} == {60_000}
    await settle()
    assert node.count == 1


async def test_what_units_depend_on_is_another_shape() -> None:
    node = Simulations()
    units = ComputeUnits(node.simulate, SINGLE)
    others: list[Callable[[], int]] = [
        lambda: choose(units, build()),
        lambda: choose(units, build(), missing=True),
        lambda: choose(units, build(is_purchase=True)),
        lambda: choose(units, build(DAMM_V2)),
        lambda: choose(units, build(CPMM, DAMM_V2)),
        lambda: choose(units, build(owner=Pubkey(bytes([8] * 32)))),
    ]
    for number, ask in enumerate(others, start=1):
        ask()
        await settle()
        assert node.count == number
        assert ask() == 60_000


@pytest.mark.parametrize("trouble", ["refused", "fails", "silent"])
async def test_a_node_that_tells_no_units_leaves_the_bound_and_is_not_asked_again_at_once(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Simulations(
        units=None if trouble == "silent" else 50_000,
        err={"InstructionError": [3, {"Custom": 6_005}]} if trouble == "fails" else None,
    )
    node.is_down = trouble == "refused"
    units = ComputeUnits(node.simulate, SINGLE)
    for _ in range(5):
        assert choose(units, build()) == SINGLE
        await settle()
    assert node.count == 1
    node.is_down, node.units, node.err = False, 50_000, None
    now = asyncio.get_running_loop().time()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now + FAILED_S + 1)
    choose(units, build())
    await settle()
    assert choose(units, build()) == 60_000


async def learned() -> tuple[ComputeUnits, SwapInstructions, Simulations]:
    node, swap = Simulations(), build()
    units = ComputeUnits(node.simulate, SINGLE)
    choose(units, swap)
    await settle()
    return units, swap, node


@pytest.mark.parametrize(("used", "limit"), [(57_000, 60_000), (57_001, 68_402), (60_000, 72_000)])
async def test_a_transaction_that_comes_near_its_limit_raises_it(used: int, limit: int) -> None:
    units, swap, node = await learned()
    units.follow(SIGNATURE, swap.find_shape(are_missing=False), 60_000)
    units.note_used(SIGNATURE, used)
    assert choose(units, swap) == limit
    await settle()
    assert node.count == 1


async def test_a_transaction_that_lacked_units_has_its_shape_measured_again() -> None:
    units, swap, node = await learned()
    units.follow(SIGNATURE, swap.find_shape(are_missing=False), 60_000)
    units.note_exhausted(SIGNATURE, 60_000)
    assert choose(units, swap) == SINGLE
    await settle()
    assert node.count == 2
    assert choose(units, swap) == 90_000, "the simulation told too little before"
    units.note_exhausted(SIGNATURE, 60_000)
    assert choose(units, swap) == 90_000, "what is told twice counts once"


async def test_a_program_that_fails_with_units_left_raises_no_limit() -> None:
    units, swap, node = await learned()
    units.follow(SIGNATURE, swap.find_shape(are_missing=False), 60_000)
    units.note_exhausted(SIGNATURE, 30_000)
    assert choose(units, swap) == 60_000
    await settle()
    assert node.count == 1


async def test_no_limit_is_above_that_of_the_protocol() -> None:
    node = Simulations(units=1_300_000)
    units, swap = ComputeUnits(node.simulate, SINGLE), build()
    choose(units, swap)
    await settle()
    units.follow(SIGNATURE, swap.find_shape(are_missing=False), UNIT_LIMIT_MAX)
    units.note_exhausted(SIGNATURE, None)
    assert choose(units, swap) == UNIT_LIMIT_MAX


async def test_a_simulation_that_tells_far_too_much_is_believed_within_bounds() -> None:
    node = Simulations(units=UNIT_LIMIT_MAX)
    units = ComputeUnits(node.simulate, SINGLE)
    instructions = build()
    choose(units, instructions)
    await settle()
    assert choose(units, instructions) == 2 * SINGLE
    shape = instructions.find_shape(are_missing=True)
    assert units.learn(instructions, shape, UNIT_LIMIT_MAX) == 2 * SINGLE
    assert units.choose_more(instructions, 2 * SINGLE) == 4 * SINGLE
    assert units.choose_more(build(CPMM, DAMM_V2, CPMM, DAMM_V2), 0) == 4 * (SINGLE + 3 * 60_000)
