"""Sends orders with client order ids, so that timeouts and retries cannot duplicate them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

from tui.connection.client import BATCH_ORDERS_MAX, ApiClient, RequestRefused, ServerUnreachable
from tui.model.orders import Order
from tui.model.wire import WireOrderTerms, WireProblem
from tui.text.format import format_timestamp

_ATTEMPTS_MAX: Final = 4
_OUTCOME_UNKNOWN_CODE: Final = "database_unavailable"
"""The problem after which it is unknown whether the orders were stored."""
_RETRY_S: Final = 0.5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RefusedOrder:
    """An order that was not accepted, and the reason; ``can_pass``: it may be accepted later."""

    terms: WireOrderTerms
    code: str
    reason: str
    can_pass: bool


@dataclass(slots=True)
class SendOutcome:
    """The results of the orders sent so far."""

    total: int
    accepted: int = 0
    refused: list[RefusedOrder] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    retry_after_s: float | None = None

    def refuse_rest(
        self, error: RequestRefused | ServerUnreachable, orders: Sequence[WireOrderTerms]
    ) -> None:
        """Add orders that were refused together or not sent because of an error."""
        code = error.code if isinstance(error, RequestRefused) else "unreachable"
        reason = error.detail if isinstance(error, RequestRefused) else str(error)
        can_pass = not isinstance(error, RequestRefused) or _is_temporary(error.status)
        self.refused += [RefusedOrder(terms, code, reason, can_pass) for terms in orders]
        self.retry_after_s = error.retry_after_s if isinstance(error, RequestRefused) else None

    @property
    def refusals_by_code(self) -> dict[str, tuple[int, str]]:
        """For each code, the number of refused orders and one of the reasons."""
        refusals: dict[str, tuple[int, str]] = {}
        for order in self.refused:
            count, _ = refusals.get(order.code, (0, ""))
            refusals[order.code] = (count + 1, order.reason)
        return refusals


async def send_orders(
    client: ApiClient,
    orders: Sequence[WireOrderTerms],
    *,
    pace: int,
    new_id: Callable[[], str],
    progress: Callable[[SendOutcome], None],
) -> SendOutcome:
    """Send orders, ``pace`` a second or all at once (0); calls ``progress`` after each batch.

    The orders need client order ids (``assign_client_order_ids``), so that unsent ones can be sent
    again safely. A problem for a whole batch, or an unreachable server, stops the sending.
    """
    outcome = SendOutcome(len(orders))
    size = min(pace or BATCH_ORDERS_MAX, BATCH_ORDERS_MAX)
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    for start in range(0, len(orders), size):
        await asyncio.sleep(max(due_s - loop.time(), 0))
        due_s += 1 if pace else 0
        try:
            await _send_batch(client, orders[start : start + size], new_id(), outcome)
        except (RequestRefused, ServerUnreachable) as error:
            outcome.refuse_rest(error, orders[start:])
            break
        finally:
            progress(outcome)
    return outcome


async def send_order(
    client: ApiClient, order: WireOrderTerms, *, new_id: Callable[[], str]
) -> SendOutcome:
    """Send a single order outside any batch."""
    outcome, key = SendOutcome(1), new_id()
    try:
        await _retry_request(lambda: client.place_order(order, key=key))
        outcome.accepted = 1
    except (RequestRefused, ServerUnreachable) as error:
        outcome.refuse_rest(error, [order])
    return outcome


async def _send_batch(
    client: ApiClient, orders: Sequence[WireOrderTerms], key: str, outcome: SendOutcome
) -> None:
    result = await _retry_request(lambda: client.place_batch(orders, key=key))
    if result.batch_id is not None:
        outcome.batches.append(result.batch_id)
    for terms, entry in zip(orders, result.entries, strict=True):
        if "problem" in entry:
            outcome.refused.append(_build_refused_order(terms, entry["problem"]))
        else:
            outcome.accepted += 1


async def _retry_request(send: Callable[[], Awaitable[_T]]) -> _T:
    """Repeat a request while its outcome is unknown.

    The server may have executed an attempt that timed out: with the same idempotency key every
    attempt returns the same result.
    """
    for _ in range(_ATTEMPTS_MAX - 1):
        try:
            return await send()
        except ServerUnreachable:
            await asyncio.sleep(_RETRY_S)
        except RequestRefused as refusal:
            if refusal.code != _OUTCOME_UNKNOWN_CODE:
                raise
            await asyncio.sleep(_RETRY_S)
    return await send()


def _build_refused_order(terms: WireOrderTerms, problem: WireProblem) -> RefusedOrder:
    detail = problem.get("detail") or problem.get("title") or ""
    can_pass = _is_temporary(problem.get("status", 0))
    return RefusedOrder(terms, problem.get("code", "refused"), detail, can_pass)


def _is_temporary(status: int) -> bool:
    """Whether the same request may be accepted later: too many at a time, or a part is away."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def assign_client_order_ids(
    orders: Iterable[WireOrderTerms], new_id: Callable[[], str]
) -> list[WireOrderTerms]:
    """Give each order a client order id: sent again on any path, it remains the same order.

    The ids of what is sent as one have a name in common, by which it is one batch to its readers.
    """
    name = f"send-{new_id().replace('-', '')}"
    return [{**order, "clientOrderId": f"{name}-{number}"} for number, order in enumerate(orders)]


def build_resubmit_terms(
    order: Order, *, now_ms: int, slippage_bps: int | None = None, is_min_out_kept: bool = True
) -> WireOrderTerms:
    """Build the terms to send an order again; its minimum out only if ``is_min_out_kept``.

    The minimum of what waits for a price follows from that price. An expiry that has passed by
    ``now_ms`` is left out. Only for orders that ``explain_left_out`` says nothing of.
    """
    terms = WireOrderTerms(
        tokenIn=order.token_in,
        tokenOut=order.token_out,
        amount=order.share or order.amount_in,
        slippageBps=order.slippage_bps if slippage_bps is None else slippage_bps,
        type=order.type,
    )
    if order.max_price_impact_bps is not None:
        terms["maxPriceImpactBps"] = order.max_price_impact_bps
    if order.condition is not None:
        terms.update(order.condition.to_terms())  # type: ignore[typeddict-item]
    elif order.min_amount_out is not None and is_min_out_kept:
        terms["minAmountOut"] = order.min_amount_out
    terms.update(dict(order.guards))  # type: ignore[typeddict-item]
    if order.relations is not None and order.relations.bracket:
        terms["bracket"] = _build_bracket(order.relations.bracket)
    is_expiring = order.expires_ms is not None and order.expires_ms > now_ms
    if order.time_in_force != "gtc" and (is_expiring or order.time_in_force != "gtd"):
        terms["timeInForce"] = order.time_in_force
    if order.expires_ms is not None and is_expiring:
        terms["expiresAt"] = format_timestamp(order.expires_ms)
    return terms


def _build_bracket(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The bracket of a request from that of an order.

    The slippage of a take-profit is told, but not asked for: it follows from the entry's.
    """
    legs = {name: dict(leg) for name, leg in told.items() if leg}
    legs.get("takeProfit", {}).pop("slippageBps", None)
    return legs
