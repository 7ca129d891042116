"""Orders that sell a share of what the wallet holds free: as they are met, it decides the amount.

What it holds is read for them alone, beside the judgement of prices, so that no other order waits
for it. They are judged by an estimate, which is renewed every few seconds. If the market does not
meet an order with the amount that it has really, it gets that for its estimate, and is judged
again. An order of which nothing can be sold is held: a note says why, and it is judged again after
some seconds. If the balances cannot be read, it is judged again after a second.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from time import monotonic
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import orjson

from backend.domain.amounts import U64_MAX, Token, format_amount
from backend.domain.conditions import get_release
from backend.domain.tokens import SOL
from backend.domain.waiting.shares import compute_share, describe_share
from backend.store.waiting.share_releases import (
    InFlightOrder,
    MetShare,
    ShareEstimate,
    ShareReleases,
)
from backend.store.waiting.waiting_orders import WaitingNote, WaitingOrders
from backend.triggers.attempts import attempt
from backend.triggers.book import WaitingOrder
from backend.triggers.releases import (
    OBSERVED_S_MAX,
    RELEASES_MAX,
    RETRY_S,
    Met,
    Releases,
    describe_met,
)
from backend.triggers.watched_orders import Watched, WatchedOrders

HELD_S: Final = 5.0
"""How long an order of which nothing can be sold is left alone."""
ESTIMATE_S: Final = 5.0
"""How often the estimates are renewed."""
_CHANGES_MIN: Final = 1_000
"""An estimate that is off by less than this part of itself is left: a release is exact."""
NOTHING_FREE_CODE: Final = "nothing_free"


class FreeFunds(Protocol):
    """What the wallet holds as of a slot."""

    @property
    def slot(self) -> int:
        """The slot of the balances."""
        ...

    @property
    def fee_lamports(self) -> int:
        """What each order in execution pays the network."""
        ...

    def measure(self, token_in: Token, token_out: Token) -> int:
        """How much of a token can be sold for another, but for orders in execution."""
        ...


class FundsReader(Protocol):
    """Reads what the wallet holds."""

    async def read_free(self, tokens: Iterable[Token] = ()) -> FreeFunds:
        """Read the balances now, with those of ``tokens``. Raises ``EngineError``."""
        ...


class _Taken(NamedTuple):
    """An order that is met by a market that was read at a time."""

    met: Met
    read_at: float


class _Resolved(NamedTuple):
    """The orders with their amounts, why others are held, and the amounts that are not met."""

    met: list[MetShare]
    held: list[WaitingNote]
    unmet: list[ShareEstimate]


class ShareSales:
    """Releases such orders; ``run`` must be running."""

    def __init__(
        self,
        store: ShareReleases,
        orders: WaitingOrders,
        watched: WatchedOrders,
        releases: Releases,
        funds: FundsReader,
    ) -> None:
        self._store = store
        self._orders = orders
        self._watched = watched
        self._releases = releases
        self._funds = funds
        self._taken: list[_Taken] = []
        self._has_taken = asyncio.Event()

    def take(self, met: Sequence[Met], read_at: float) -> Sequence[Met]:
        """Take the orders that sell a share; returns the others, which are released as they are.

        What becomes of those taken is seen to here: they count as held meanwhile.
        """
        taken = [each for each in met if each.watched.amount_in_bps is not None]
        if not taken:
            return met
        self._leave_alone(taken, HELD_S)
        self._taken += [_Taken(each, read_at) for each in taken]
        self._has_taken.set()
        return [each for each in met if each.watched.amount_in_bps is None]

    async def run(self) -> None:
        """Release what is taken, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew_estimates())
            tasks.create_task(self._sell_taken())

    async def _sell_taken(self) -> None:
        while True:
            await self._has_taken.wait()
            self._has_taken.clear()
            taken, self._taken = self._taken, []
            for at in range(0, len(taken), RELEASES_MAX):
                await attempt("release shares", partial(self._sell, taken[at : at + RELEASES_MAX]))

    async def _renew_estimates(self) -> None:
        while True:
            await asyncio.sleep(ESTIMATE_S)
            await attempt("estimate shares", self._estimate)

    async def _estimate(self) -> None:
        shares = self._watched.list_shares()
        if not shares:
            return
        async with asyncio.timeout(OBSERVED_S_MAX):
            funds = await self._funds.read_free(_list_tokens(watched for _, watched in shares))
        estimates = [
            estimate
            for order, watched in shares
            if (estimate := _estimate_one(order, watched, funds)) is not None
        ]
        for at in range(0, len(estimates), RELEASES_MAX):
            part = estimates[at : at + RELEASES_MAX]
            stored = await self._store.store_estimates(part)
            for each in part:
                if each.id in stored:
                    self._watched.change_amount(each.id, each.seq, each.amount_in)

    async def _sell(self, taken: Sequence[_Taken]) -> None:
        left = {each.met.order.order.id: each.met for each in taken}
        try:
            earlier = await self._store.read_in_flight()
            async with asyncio.timeout(OBSERVED_S_MAX):
                funds = await self._funds.read_free(
                    _list_tokens(each.met.watched for each in taken)
                )
            now = monotonic()
            met = [each.met for each in taken if now - each.read_at < OBSERVED_S_MAX]
            resolved = _Resolved([], [], [])

            def resolve(in_flight: Sequence[InFlightOrder]) -> list[MetShare]:
                nonlocal resolved
                resolved = _resolve(met, in_flight, funds)
                return resolved.met

            released = await self._store.release(resolve, earlier=earlier, slot=funds.slot)
            held = {each.id for each in resolved.held}
            for order_id in released | held:
                left.pop(order_id, None)
            untried = held | {each.id for each in resolved.unmet}
            tried = [each for each in met if each.order.order.id not in untried]
            await self._releases.send_jobs(tried, released, Counter())
            await self._orders.note(resolved.held)
            await self._store.store_estimates(resolved.unmet)
        finally:
            # Refused, in doubt, too late, or the balances are not known: it is loaded again.
            self._leave_alone([*left.values()], RETRY_S)

    def _leave_alone(self, met: Sequence[Met], seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        for each in met:
            self._watched.cool_down(each.order.order.id, each.order.order.seq, until)


def _list_tokens(orders: Iterable[Watched]) -> list[Token]:
    return [token for direction in {each.direction for each in orders} for token in direction]


def _resolve(met: Sequence[Met], in_flight: Sequence[InFlightOrder], funds: FreeFunds) -> _Resolved:
    """What each order sells, in their order: what one sells is not free for the next."""
    resolved = _Resolved([], [], [])
    groups: set[UUID] = set()
    seen = {each.id for each in in_flight}
    sold = Counter({SOL.symbol: funds.fee_lamports * len(in_flight)})
    for order in in_flight:
        sold[order.token_in] += order.amount_in
    for each in met:
        group, (token_in, token_out) = each.watched.oco_group, each.watched.direction
        if each.order.order.id in seen or group in groups:
            continue  # it is released already, or the other order of its group goes first
        seen.add(each.order.order.id)
        held = funds.measure(token_in, token_out)
        share = _resolve_one(each, held, sold[token_in.symbol])
        if isinstance(share, WaitingNote):
            resolved.held.append(share)
            continue
        if isinstance(share, ShareEstimate):
            resolved.unmet.append(share)
            continue
        resolved.met.append(share)
        sold[token_in.symbol] += share.amount_in
        sold[SOL.symbol] += funds.fee_lamports
        if group is not None:
            groups.add(group)
    return resolved


def _resolve_one(met: Met, held: int, sold: int) -> MetShare | ShareEstimate | WaitingNote:
    order, bps = met.order.order, met.watched.amount_in_bps
    assert bps is not None, "it sells a share"
    token_in, token_out = met.watched.direction
    amount = compute_share(max(held - sold, 0), bps)
    if not amount:
        reason = _describe_nothing(token_in, held, sold)
        return WaitingNote(order.id, order.seq, f"{NOTHING_FREE_CODE}: {reason}")
    least = _find_minimum(order, amount)
    if least is not None and least > U64_MAX:
        reason = f"its limit asks for more than a 64-bit amount of {token_out.symbol}"
        return WaitingNote(order.id, order.seq, f"limit_out_of_range: {reason}")
    met_order = met.order.judge_amount(amount)
    if met_order is None:
        return ShareEstimate(order.id, order.seq, amount, least)
    data = {
        **describe_met(met._replace(order=met_order)),
        "amountIn": format_amount(amount, token_in.decimals),
        **describe_share(bps),
    }
    if least is not None:
        data["minAmountOut"] = format_amount(least, token_out.decimals)
    text = orjson.dumps(data).decode()
    mark, group = order.state.high_water, met.watched.oco_group
    return MetShare(order.id, order.seq, text, amount, least, mark, group)


def _estimate_one(order: WaitingOrder, watched: Watched, funds: FreeFunds) -> ShareEstimate | None:
    """What an order would sell by now, if that is another amount than it is judged by."""
    assert watched.amount_in_bps is not None, "it sells a share"
    amount = compute_share(funds.measure(*watched.direction), watched.amount_in_bps)
    if not amount or abs(amount - order.amount_in) * _CHANGES_MIN < order.amount_in:
        return None
    least = _find_minimum(order, amount)
    if least is not None and least > U64_MAX:
        return None
    return ShareEstimate(order.id, order.seq, amount, least)


def _find_minimum(order: WaitingOrder, amount: int) -> int | None:
    """The least that a limit receives for an amount.

    One that is held waits for a better price than its own, which it is executed by.
    """
    limit = order.limit
    if limit is None and (released := get_release(order.condition).limit) is not None:
        limit = released.price
    return None if limit is None else limit.min_amount_out(amount)


def _describe_nothing(token: Token, held: int, sold: int) -> str:
    beyond = " beyond fees and the reserve" if token == SOL else ""
    if not held:
        return f"the wallet holds no {token.symbol}{beyond}"
    shown, taken = (format_amount(each, token.decimals) for each in (held, sold))
    return (
        f"the wallet holds {shown} {token.symbol}{beyond}, and orders in execution take"
        f" {taken} of it"
    )
