"""The release of orders whose price was met: one commit, and their jobs after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import orjson

from backend.domain.amounts import Token
from backend.domain.prices import PriceOf, PriceRatio
from backend.store.waiting.waiting_orders import MetTrigger, WaitingOrders
from backend.triggers import observe_triggers
from backend.triggers.attempts import WatchPoint, ignore_point
from backend.triggers.book import MetOrder
from backend.triggers.directions.direction import Direction
from backend.triggers.watched_orders import Watched

OBSERVED_S_MAX: Final = 2.0
"""A release that comes so long after its market was read is none: the process was held up."""
RETRY_S: Final = 1.0
"""How long an order whose release was refused is left alone: its expiry may be ending it."""
RELEASES_MAX: Final = 500
"""Most orders of one commit: the jobs of the first are executed while the next are released."""
JOBS_MAX: Final = 1_000
"""About so many jobs are sent for one owner at once: the rest is claimed from the rows."""


class JobSender(Protocol):
    """The queue of jobs."""

    async def send(
        self, owner: str, order_ids: Sequence[UUID], *, pair: tuple[str, str] | None = None
    ) -> None:
        """Send a job for each order, in the background."""
        ...

    def announce(self, owner: str) -> None:
        """Announce that an owner has orders in the rows."""
        ...


class ReleasedOrder(NamedTuple):
    """An order that is to be executed, with what its job tells of it."""

    id: UUID
    owner: str
    token_in: Token
    token_out: Token


class Met(NamedTuple):
    """An order whose price was met, and what is known of it."""

    order: MetOrder
    watched: Watched


class Releases:
    """Releases orders and sends their jobs. ``on_point`` may end the process."""

    def __init__(
        self,
        orders: WaitingOrders,
        jobs: JobSender,
        on_point: Callable[[WatchPoint], None] = ignore_point,
    ) -> None:
        self._orders = orders
        self._jobs = jobs
        self._on_point = on_point

    async def release(self, met: Sequence[Met]) -> set[UUID]:
        """Release orders; returns those that were not: they are to be loaded again.

        Raises ``DATABASE_ERRORS``; then it is in doubt which of the last commit were released.
        """
        self._on_point(WatchPoint.ORDERS_MET)
        refused: set[UUID] = set()
        sent: Counter[str] = Counter()
        for at in range(0, len(met), RELEASES_MAX):
            part = met[at : at + RELEASES_MAX]
            released = await self._orders.release([_describe(each) for each in part])
            await self.send_jobs(part, released, sent)
            refused.update(each.order.order.id for each in part)
            refused -= released
        return refused

    async def send_jobs(
        self, met: Sequence[Met], released: Collection[UUID], sent: Counter[str]
    ) -> None:
        """Send the jobs of those orders that a commit has released.

        ``sent`` has how many were sent for each owner at this moment, and is added to.
        """
        observe_triggers.orders_released(len(released), len(met) - len(released))
        if released:
            self._on_point(WatchPoint.ORDERS_RELEASED)
        orders = [
            ReleasedOrder(each.order.order.id, each.watched.owner, *each.watched.direction)
            for each in met
            if each.order.order.id in released
        ]
        await send_jobs(self._jobs, orders, sent)


async def send_jobs(jobs: JobSender, released: Iterable[ReleasedOrder], sent: Counter[str]) -> None:
    """Send the jobs of released orders, those of an owner and a pair together.

    ``sent`` counts the orders of each owner, of this call and those before that belong together:
    after ``JOBS_MAX`` of them the owner is announced instead.
    """
    groups: defaultdict[tuple[str, tuple[str, str]], list[UUID]] = defaultdict(list)
    for each in released:
        pair = each.token_in.symbol, each.token_out.symbol
        groups[each.owner, pair].append(each.id)
    for (owner, pair), ids in groups.items():
        if sent[owner] < JOBS_MAX:
            await jobs.send(owner, ids, pair=pair)
        else:
            jobs.announce(owner)
        sent[owner] += len(ids)


def _describe(met: Met) -> MetTrigger:
    order, watched = met.order.order, met.watched
    data = orjson.dumps(describe_met(met)).decode()
    return MetTrigger(
        order.id, order.seq, watched.owner, data, order.state.high_water, watched.oco_group
    )


def describe_met(met: Met) -> dict[str, object]:
    """The event of a release: the price that was observed, where and when, and what it met."""
    order, quote = met.order.order, met.order.quote
    direction, price_of = met.watched.direction, met.watched.price_of
    price = PriceRatio(quote.amount_out, quote.amount_in)
    data: dict[str, object] = {
        "executablePrice": _format(price, direction, price_of),
        "slot": quote.slot,
        "dex": quote.dex.value,
        "pool": quote.pool,
    }
    trigger = order.trigger
    if trigger is not None and trigger.numerator:
        data["triggerPrice"] = _format(trigger, direction, price_of)
    return data


def _format(price: PriceRatio, direction: Direction, price_of: PriceOf) -> str:
    token_in, token_out = direction
    return price.format(token_in.decimals, token_out.decimals, price_of)
