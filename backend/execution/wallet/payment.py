"""The payment of one order: which wallet pays, and what the commit of its transaction reserves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from backend.domain.errors import Rejected
from backend.domain.lifecycle import Cause
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.execution.event_data import FUNDS_RESERVED, TRADING_HALTED, describe_signed
from backend.execution.step_recorder import StepRecorder, TransitionFields
from backend.execution.trading.route_measurer import RouteMeasurer
from backend.execution.unsent_limiter import UnsentPlace
from backend.execution.wallet.wallets import Wallets
from backend.routing.route import Route
from backend.store.trading.held_orders import OrderHeld
from backend.store.wallets.spending import BudgetRevoked, FundsReserved


class Payment:
    """The wallet of one execution; ``place`` is given back while it waits for funds."""

    def __init__(
        self, wallets: Wallets, measurer: RouteMeasurer, order: LeasedOrder, place: UnsentPlace
    ) -> None:
        self._measurer = measurer
        self.funds = wallets.find(order.wallet)
        self._wallets = wallets
        self._place = place

    async def choose_wallet(self, order: LeasedOrder, route: Route) -> None:
        """Choose the wallet that pays for a route.

        Raises ``Rejected`` (``insufficient_funds``) if every wallet lacks it that may pay for it,
        ``Transient`` if balances cannot be read.
        """
        self.funds = self._wallets.choose(order, route)
        if not self.funds.may_lack(order.terms, route):
            return
        try:
            await self.funds.require(order.terms, route)
        except Rejected:
            # By balances of before: one of the other wallets may have been paid into meanwhile.
            for other in self._wallets.list_others(order, self.funds):
                with suppress(Rejected):
                    await other.require(order.terms, route)
                    self.funds = other
                    return
            raise

    async def store(
        self, steps: StepRecorder, signed: SignedTransaction, route: Route
    ) -> SignedTransaction | None:
        """Store a signed transaction with what it reserves, and return it.

        ``None`` after a wait for orders in flight that have reserved what it takes: the order is
        to be routed again. Raises as ``Journal.record``, ``Funds.reserve`` and ``await_free``.
        """
        order, measure = steps.order, None
        if self._measurer.is_wanted:
            measure = await self._measurer.measure(order.terms, route)
        while True:
            spend = await self.funds.reserve(order.terms, route, signed.fee_lamports)
            try:
                data = describe_signed(signed, measure)
                fields: TransitionFields = {"signed": signed, "spend": spend, "measure": measure}
                await steps.record(Cause.SIGNED, data, **fields)
            except BudgetRevoked:
                self.funds.void_budgets()
            except FundsReserved:
                break
            except OrderHeld:
                await _step_back(steps, TRADING_HALTED)
                raise
            else:
                return signed
        self.funds.mark_short()
        if self._wallets.choose(order, route) is self.funds:
            self._place.pause()
            waits = not order.time_in_force.has_one_attempt
            await self.funds.await_free(order.terms, route, signed.fee_lamports, waits=waits)
        await _step_back(steps, FUNDS_RESERVED)
        return None


async def _step_back(steps: StepRecorder, data: Mapping[str, object]) -> None:
    """Take back that an order has a route: it is to be routed again."""
    if steps.has_deferred:
        steps.drop_deferred()
    else:
        await steps.record(Cause.INTERRUPTED, data)
