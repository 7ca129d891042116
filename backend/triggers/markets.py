"""The markets of the pairs that somebody waits for, read once a slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.route_constraints import RouteConstraints
from backend.routing.pair_read import PairRead
from backend.triggers import observe_triggers
from backend.triggers.directions.direction import Direction
from backend.triggers.pool_market import PoolMarket
from backend.venues.venue import Pool

Pair = tuple[Token, Token]
READ_S_MAX: Final = 10.0


class PoolSource(Protocol):
    """The part of the router that is needed here."""

    async def read_pools(self, pairs: Sequence[Pair]) -> list[PairRead]:
        """Read the pools of each pair."""
        ...

    async def await_pools(self, pairs: Sequence[Pair]) -> None:
        """Wait until the pools of some pairs were looked for, for as long as a quote does."""
        ...


class SlotSource(Protocol):
    """The part of the node's subscriptions that is needed here."""

    @property
    def is_live(self) -> bool:
        """Whether the node tells slots at present."""
        ...

    async def wait_for_slot(self) -> None:
        """Return when the node tells a newer slot."""
        ...


class Markets(NamedTuple):
    """The markets of some directions, and the newest slot that is known with them."""

    by_direction: dict[Direction, PoolMarket]
    current_slot: int


class MarketReader:
    """Reads the pools of pairs together, in every slot.

    Where the node tells no slots, every ``interval_s`` stands for one.
    """

    def __init__(
        self,
        router: PoolSource,
        slots: SlotSource | None,
        *,
        interval_s: float,
        settle_s: float,
        trusted_slots: int = 0,
    ) -> None:
        self._router = router
        self._slots = slots
        self._interval_s = interval_s
        self._settle_s = settle_s
        self._trusted_slots = trusted_slots

    async def wait_for_slot(self) -> None:
        """Return in the next slot, when its notifications have had time to come."""
        if self._slots is not None and self._slots.is_live:
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * self._interval_s):
                    await self._slots.wait_for_slot()
            await asyncio.sleep(self._settle_s)
        else:
            await asyncio.sleep(self._interval_s)

    async def find_pools(self, directions: Iterable[Direction]) -> None:
        """Wait, not for long, until the pools of some directions were looked for."""
        await self._router.await_pools(list({direction.pair for direction in directions}))

    async def read(self, directions: Iterable[Direction]) -> Markets:
        """Read the markets of some directions; one without an allowed pool now has none.

        The pools of a pair are read once for all its directions.
        """
        wanted: dict[Pair, list[Direction]] = {}
        for direction in directions:
            wanted.setdefault(direction.pair, []).append(direction)
        async with asyncio.timeout(READ_S_MAX):
            found = await self._router.read_pools(list(wanted))
        # The node's newest slot is ahead of every confirmed state: it says nothing about these.
        newest = max((each.pool.slot for pair in found for each in pair.read), default=0)
        markets: dict[Direction, PoolMarket] = {}
        incomplete = 0
        for pair, read in zip(wanted, found, strict=True):
            incomplete += not read.is_complete(None)
            for direction in wanted[pair]:
                market = build_market(
                    direction,
                    read,
                    direction.allowed,
                    lambda pool: self._find_observed_slot(pool, newest),
                )
                if market.pools:
                    markets[direction] = market
        observe_triggers.markets_read(len(wanted), incomplete)
        return Markets(markets, newest)

    def _find_observed_slot(self, pool: Pool, newest: int) -> int:
        """The slot in which a pool was as it is: one that is subscribed to changes in few slots.

        The router quotes it from the notifications while it is so many slots behind.
        """
        return newest if newest - pool.slot <= self._trusted_slots else pool.slot


def build_market(
    tokens: Iterable[Token],
    read: PairRead,
    allowed: RouteConstraints | None,
    find_slot: Callable[[Pool], int],
) -> PoolMarket:
    """The market of a token in and a token out, as of the oldest slot of those pools allowed."""
    mint_in, mint_out = (Pubkey.from_string(token.mint) for token in tokens)
    pools = read.select_pools(allowed)
    slot = min(map(find_slot, pools), default=0)
    return PoolMarket(mint_in, mint_out, pools, slot, read.is_complete(allowed))
