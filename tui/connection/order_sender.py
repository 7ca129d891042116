"""Sends orders, each under a name of its own, so that no silence and no repeat can double them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tui.connection.client import BATCH_ORDERS_MAX, Client, Refused, Unreachable
from tui.model.messages import WireProblem, WireTerms
from tui.model.orders import Order

_TRIES: Final = 4
_UNSURE: Final = "database_unavailable"
"""The refusal after which nobody knows whether the orders were stored."""
_RETRY_S: Final = 0.5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Left:
    """An order that was not accepted, and why."""

    terms: WireTerms
    code: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """What became of the orders so far."""

    total: int
    accepted: int = 0
    left: list[Left] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    retry_after_s: float | None = None

    def stop(self, error: Refused | Unreachable, orders: Sequence[WireTerms]) -> None:
        """These orders were not sent, or refused together."""
        code = error.code if isinstance(error, Refused) else "unreachable"
        reason = error.detail if isinstance(error, Refused) else str(error)
        self.left += [Left(terms, code, reason) for terms in orders]
        self.retry_after_s = error.retry_after_s if isinstance(error, Refused) else None

    @property
    def reasons(self) -> dict[str, tuple[int, str]]:
        """For each code, how many orders were refused, and one of the reasons."""
        found: dict[str, tuple[int, str]] = {}
        for each in self.left:
            count, _ = found.get(each.code, (0, ""))
            found[each.code] = (count + 1, each.reason)
        return found


async def send(
    client: Client,
    orders: Sequence[WireTerms],
    *,
    pace: int,
    new_id: Callable[[], str],
    progress: Callable[[Outcome], None],
) -> Outcome:
    """Send orders, ``pace`` a second or all at once (0); ``progress`` is told after each batch.

    They have names (``named``), so that what is left can be sent again without a doubt. A refusal
    of a whole batch, or a server that does not answer, leaves the rest unsent.
    """
    outcome = Outcome(len(orders))
    size = min(pace or BATCH_ORDERS_MAX, BATCH_ORDERS_MAX)
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    for at in range(0, len(orders), size):
        await asyncio.sleep(max(due_s - loop.time(), 0))
        due_s += 1 if pace else 0
        try:
            await _send(client, orders[at : at + size], new_id(), outcome)
        except (Refused, Unreachable) as error:
            outcome.stop(error, orders[at:])
            break
        finally:
            progress(outcome)
    return outcome


async def place(client: Client, order: WireTerms, *, new_id: Callable[[], str]) -> Outcome:
    """Send a single order."""
    outcome, key = Outcome(1), new_id()
    try:
        await _asked(lambda: client.place(order, key=key))
        outcome.accepted = 1
    except (Refused, Unreachable) as error:
        outcome.stop(error, [order])
    return outcome


async def _send(client: Client, orders: Sequence[WireTerms], key: str, outcome: Outcome) -> None:
    posted = await _asked(lambda: client.post(orders, key=key))
    if posted.batch_id is not None:
        outcome.batches.append(posted.batch_id)
    for terms, place in zip(orders, posted.places, strict=True):
        if "problem" in place:
            outcome.left.append(_left(terms, place["problem"]))
        else:
            outcome.accepted += 1


async def _asked(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Ask again while there is no answer.

    What was asked may have been done all the same: under the same key the answer is the same.
    """
    for _ in range(_TRIES - 1):
        try:
            return await ask()
        except Unreachable:
            await asyncio.sleep(_RETRY_S)
        except Refused as refusal:
            if refusal.code != _UNSURE:
                raise
            await asyncio.sleep(_RETRY_S)
    return await ask()


def _left(terms: WireTerms, problem: WireProblem) -> Left:
    detail = problem.get("detail") or problem.get("title") or ""
    return Left(terms, problem.get("code", "refused"), detail)


def named(orders: Iterable[WireTerms], new_id: Callable[[], str]) -> list[WireTerms]:
    """The orders with a name for each: sent again, by whatever way, they are the same orders."""
    return [{**order, "clientOrderId": new_id()} for order in orders]


def terms_of(
    order: Order, *, slippage_bps: int | None = None, is_floor_kept: bool = True
) -> WireTerms:
    """What an order asked for, to be asked for again; its minimum out only if that is kept."""
    terms = WireTerms(
        tokenIn=order.token_in,
        tokenOut=order.token_out,
        amount=order.amount_in,
        slippageBps=order.slippage_bps if slippage_bps is None else slippage_bps,
        type=order.type,
    )
    if order.min_amount_out is not None and is_floor_kept:
        terms["minAmountOut"] = order.min_amount_out
    if order.limit_price is not None:
        terms["limitPrice"] = order.limit_price
    return terms
