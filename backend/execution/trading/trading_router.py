"""The router of executions: it routes nothing that a trading state holds, as far as is known here.

The commit that stores a transaction has the last word. Orders of an owner that is halted are not
known here by their terms: they are not claimed, or stopped by that commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from backend.domain.errors import Rejected
from backend.domain.orders import OrderTerms
from backend.domain.route_constraints import NO_CONSTRAINTS
from backend.domain.trading.states import TradingRule, find_hold, list_halted_exchanges
from backend.execution.context import OrderRouter
from backend.routing.route import Route
from backend.store.trading.held_orders import OrderHeld


class TradingRouter:
    """Routes as ``router``, by the trading states in force that ``get_rules`` returns."""

    def __init__(self, router: OrderRouter, get_rules: Callable[[], Sequence[TradingRule]]) -> None:
        self._router = router
        self._get_rules = get_rules

    async def route(self, terms: OrderTerms) -> Route:
        """The best route to fill an order now, without exchanges that are halted.

        Raises as ``OrderRouter.route``, and ``OrderHeld`` for an order that is held: also for one
        at the market that cannot be filled without those exchanges.
        """
        rules = self._get_rules()
        if not rules:
            return await self._router.route(terms)
        if find_hold(rules, None, terms.token_in, terms.token_out) is not None:
            raise OrderHeld
        halted = list_halted_exchanges(rules)
        if not halted:
            return await self._router.route(terms)
        try:
            return await self._router.route(_exclude(terms, halted))
        except Rejected as error:
            if terms.condition is not None:
                raise  # it waits again
            raise OrderHeld from error


def _exclude(terms: OrderTerms, exchanges: Sequence[str]) -> OrderTerms:
    constraints = terms.constraints or NO_CONSTRAINTS
    excluded = tuple(dict.fromkeys((*constraints.exclude_dexes, *exchanges)))
    return replace(terms, constraints=replace(constraints, exclude_dexes=excluded))
