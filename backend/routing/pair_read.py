"""The pools of a pair as they were read, and what is known of those without a state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from backend.domain.errors import NO_POOL_CODE, EngineError, Transient, Unavailable
from backend.domain.quotes import Quote
from backend.domain.route_constraints import RouteConstraints
from backend.routing.pool_finder import FoundPool
from backend.routing.quote_choice import MissingQuote
from backend.venues.venue import Pool, Venue

UNSETTLED: Final = ", as far as they are known yet"
"""Said of pools of which more may still be found."""


class ReadPool(NamedTuple):
    """A pool as it was read, and the venue that it is of."""

    venue: Venue
    pool: Pool


class PairRead(NamedTuple):
    """The pools of a pair that are quoted, as they were read, and those without a state.

    ``is_settled`` unless more pools may be found, ``is_searched`` if they have been looked for.
    ``allowed`` are constraints of pools everywhere here, ``None`` where every pool may be used.
    """

    read: Sequence[ReadPool]
    missing: Sequence[MissingQuote]
    is_settled: bool
    is_searched: bool = True

    def select_pools(self, allowed: RouteConstraints | None) -> list[Pool]:
        """The pools that are allowed."""
        if allowed is None:
            return [each.pool for each in self.read]
        return [
            pool
            for venue, pool in self.read
            if allowed.allows(venue.dex.value, venue.name, str(pool.address))
        ]

    def is_complete(self, allowed: RouteConstraints | None) -> bool:
        """Whether no allowed pool without a state may trade: what is rejected trades nothing."""
        return self.is_searched and not any(
            isinstance(each.error, Transient) and _may_be_allowed(each, allowed)
            for each in self.missing
        )

    def has_none(self, allowed: RouteConstraints | None) -> bool:
        """Whether there is certainly no pool that is allowed, not even one that does not trade."""
        if self.select_pools(allowed) or not self.is_settled:
            return False
        return all(
            each.error.code == NO_POOL_CODE
            for each in self.missing
            if _may_be_allowed(each, allowed)
        )


async def await_reads(
    reads: Sequence[tuple[FoundPool, asyncio.Future[Pool]]],
    is_settled: bool,
    is_searched: bool = True,
) -> PairRead:
    """Wait for the reads of the pools of a pair."""
    pools: list[ReadPool] = []
    missing: list[MissingQuote] = []
    for found, read in reads:
        try:
            pools.append(ReadPool(found.venue, await read))
        except EngineError as error:
            missing.append(explain_missing(found, error))
    if not pools:
        missing = mark_unsettled(missing, is_settled=is_settled)
    return PairRead(pools, missing, is_settled, is_searched)


def explain_missing(found: FoundPool, error: EngineError) -> MissingQuote:
    """The entry of a pool without a state or a quote."""
    if error.code == NO_POOL_CODE:
        return MissingQuote(found.venue.dex, error)
    return MissingQuote(found.venue.dex, error, found.venue.name, str(found.address))


def mark_unsettled(missing: Sequence[MissingQuote], *, is_settled: bool) -> list[MissingQuote]:
    """Why no pool of two mints is there, which is not final while one may still be found."""
    if is_settled or any(each.error.code != NO_POOL_CODE for each in missing):
        return [*missing]
    return [
        replace(each, error=Unavailable(NO_POOL_CODE, f"{each.error.reason}{UNSETTLED}"))
        for each in missing
    ]


def drop_absent(
    missing: Sequence[MissingQuote], quotes: Sequence[Quote]
) -> tuple[MissingQuote, ...]:
    """Leave out the default pools that do not exist, of exchanges that have other pools."""
    others = {quote.dex for quote in quotes}
    others |= {each.dex for each in missing if each.error.code != NO_POOL_CODE}
    return tuple(
        each for each in missing if each.error.code != NO_POOL_CODE or each.dex not in others
    )


def _may_be_allowed(missing: MissingQuote, allowed: RouteConstraints | None) -> bool:
    if allowed is None or missing.program is None or missing.pool is None:
        return True
    return allowed.allows(missing.dex.value, missing.program, missing.pool)
