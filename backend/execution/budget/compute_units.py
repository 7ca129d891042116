"""The limit of compute units of each transaction, from simulations of others of its shape.

A transaction pays for its limit, whatever it uses of it, and fails if that is too low. So one of
each shape is simulated, beside the first order that has it: this order does not wait, it takes the
bound by experience, which is too high rather than too low. A node that does not simulate leaves all
to that bound. What a landed transaction has used, and one that failed for want of units, correct
what is known of their shape.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from backend.chain.compute_budget import UNIT_LIMIT_MAX
from backend.chain.rpc.results import SimulationResult
from backend.chain.swap_instructions import RouteShape, SwapInstructions
from backend.domain.amounts import ceil_div
from backend.domain.errors import EngineError
from backend.runtime import observe_node
from backend.runtime.background import shield

MARGIN_PERCENT: Final = 120
"""The limit, of the units that a simulation or a transaction has used."""
TOLD_MAX: Final = 2
"""A simulation is believed up to so many times the bound by experience: a transaction that needs
more fails, and is signed again with more. So a node that lies costs no more than that."""
LACKING_MAX: Final = 4
"""So many times that bound is the limit of an order whose transaction had too few units."""
NEAR_PERCENT: Final = 95
"""A transaction that uses more of its limit shows that it is too low."""
FAILED_S: Final = 10.0
"""So long a shape is not simulated again after that has failed, nor any after a node refused."""
_SHAPES_MAX: Final = 1_024
_SIGNATURES_MAX: Final = 16_384

SimulateSwap = Callable[[SwapInstructions], Awaitable[SimulationResult]]
"""Simulates a swap with the highest limit, and without a price."""


@dataclass(slots=True)
class _ShapeUnits:
    """``limit`` is ``None`` until it is known; ``least`` is what a failure has shown to need."""

    limit: int | None = None
    least: int = 0
    failed_at: float = float("-inf")
    measuring: asyncio.Future[None] | None = None


class ComputeUnits:
    """Chooses the limits of transactions; ``single`` is the bound of one swap without arrays."""

    def __init__(self, simulate: SimulateSwap, single: int) -> None:
        self._simulate = simulate
        self._single = single
        self._refused_at = float("-inf")
        self._shapes: OrderedDict[RouteShape, _ShapeUnits] = OrderedDict()
        self._signed: OrderedDict[str, tuple[RouteShape, int]] = OrderedDict()

    def choose_limit(self, instructions: SwapInstructions, shape: RouteShape) -> int:
        """Choose the limit of a transaction; the first ones of a shape begin to measure it."""
        units = self._find(shape)
        if units.limit is None:
            self._begin_measuring(instructions, units)
            return _bound(max(instructions.estimate_units(self._single), units.least))
        return max(units.limit, units.least)

    def learn(
        self, instructions: SwapInstructions, shape: RouteShape, used: int | None
    ) -> int | None:
        """Take what a simulation has used for what the shape takes, and return the limit for it.

        ``None`` if the node does not tell it.
        """
        if used is None:
            return None
        units = self._find(shape)
        units.limit = self._believe(instructions, used)
        return max(units.limit, units.least)

    def choose_more(self, instructions: SwapInstructions, limit: int) -> int:
        """Choose the limit of an order whose last transaction had too few units."""
        return max(limit, _bound(LACKING_MAX * instructions.estimate_units(self._single)))

    def _believe(self, instructions: SwapInstructions, used: int) -> int:
        most = TOLD_MAX * instructions.estimate_units(self._single)
        return _bound(min(ceil_div(used * MARGIN_PERCENT, 100), most))

    def follow(self, signature: str, shape: RouteShape, limit: int) -> None:
        """Remember what a transaction was signed with, until it has landed."""
        self._signed[signature] = shape, limit
        if len(self._signed) > _SIGNATURES_MAX:
            self._signed.popitem(last=False)

    def note_used(self, signature: str, used: int | None) -> None:
        """Take note of what a landed transaction has used, in case that its limit was near."""
        shape, limit = self._signed.pop(signature, (None, 0))
        if shape is not None and used is not None and used * 100 > limit * NEAR_PERCENT:
            units = self._find(shape)
            units.limit = max(units.limit or 0, _bound(ceil_div(used * MARGIN_PERCENT, 100)))

    def note_exhausted(self, signature: str, used: int | None) -> None:
        """Take note of a transaction that failed as its limit was too low: it is measured again.

        One that has ``used`` far less failed of something else, which looks the same.
        """
        shape, limit = self._signed.pop(signature, (None, 0))
        if shape is not None and (used is None or used * 100 > limit * NEAR_PERCENT):
            units = self._find(shape)
            units.limit, units.least = None, _bound(max(units.least, limit + limit // 2))
            observe_node.compute_units_exceeded(limit)

    def _find(self, shape: RouteShape) -> _ShapeUnits:
        units = self._shapes.get(shape)
        if units is None:
            units = self._shapes[shape] = _ShapeUnits()
            if len(self._shapes) > _SHAPES_MAX:
                self._shapes.popitem(last=False)
        else:
            self._shapes.move_to_end(shape)
        return units

    def _begin_measuring(self, instructions: SwapInstructions, units: _ShapeUnits) -> None:
        now = asyncio.get_running_loop().time()
        paused_since = max(units.failed_at, self._refused_at)
        if units.measuring is None and now - paused_since > FAILED_S:
            units.measuring = shield(self._measure(instructions, units))

    async def _measure(self, instructions: SwapInstructions, units: _ShapeUnits) -> None:
        now = asyncio.get_running_loop().time
        try:
            result = await self._simulate(instructions)
        except EngineError as error:
            self._refused_at = now()
            observe_node.compute_units_unknown(str(error))
        else:
            if result.err is None and result.units is not None:
                units.limit = self._believe(instructions, result.units)
            else:
                units.failed_at = now()
                observe_node.compute_units_unknown(_describe_failure(result))
        finally:
            units.measuring = None


def _describe_failure(result: SimulationResult) -> str:
    if result.err is None:
        return "the node does not tell what a simulation consumes"
    return f"the simulation fails: {result.err}"


def _bound(units: int) -> int:
    return min(units, UNIT_LIMIT_MAX)
