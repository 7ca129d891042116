"""The pools of a pair by program: how deep each is, and why those are left out that are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, Token
from backend.domain.errors import NO_POOL_CODE, EngineError, Rejected
from backend.engine.examination.market_services import MarketServices
from backend.routing.pair_read import PairRead
from backend.routing.pool_depth import measure_depth
from backend.routing.pool_finder import FoundPool, MintPair, sort_pair
from backend.routing.pool_registry import QUOTED_MAX, SEARCH_S_MAX
from backend.venues.venue import Pool

POLL_S: Final = 0.2
_SOME_AMOUNT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ListedPool:
    """A pool of a pair. ``depth`` is in base units of the token that is sold.

    ``left_out`` tells why it is not quoted; empty if it is.
    """

    found: FoundPool
    depth: int | None
    left_out: str

    @property
    def program(self) -> str:
        """Its exchange and program."""
        return f"{self.found.venue.dex} {self.found.venue.name}"


async def list_pools(market: MarketServices, token_in: Token, token_out: Token) -> list[ListedPool]:
    """List the pools of two tokens, those that are quoted and are deepest first.

    Waits until they were looked for. Raises ``EngineError`` if the node does not answer.
    """
    quoted = _list_addresses(await await_pools(market, token_in, token_out))
    mints = Pubkey.from_string(token_in.mint), Pubkey.from_string(token_out.mint)
    pair = sort_pair(*mints)
    known = market.finder.list_pools(pair)
    reads = [(each, market.router.look_at_pool(each.venue, each.address)) for each in known]
    pools: dict[Pubkey, Pool] = {}
    errors: dict[Pubkey, EngineError] = {}
    for found, read in reads:
        try:
            pools[found.address] = await read
        except EngineError as error:
            errors[found.address] = error
    depths = {address: measure_depth(pool, mints) for address, pool in pools.items()}
    idle = [address for address, depth in depths.items() if depth is None]
    errors |= {address: _find_refusal(pools[address], mints[0]) for address in idle}
    listed = [
        ListedPool(each, depths.get(each.address), reason)
        for each, reason in _explain(market, known, depths, errors, quoted)
    ]
    listed += [
        ListedPool(each, None, "excluded by ORDER_ENGINE_POOLS_FILE")
        for each in await _find_excluded(market, pair)
    ]
    return sorted(listed, key=lambda each: (bool(each.left_out), -(each.depth or 0)))


async def await_pools(market: MarketServices, token_in: Token, token_out: Token) -> PairRead:
    """Read the pools of two tokens that are quoted, once they were looked for."""
    pair, loop = (token_in, token_out), asyncio.get_running_loop()
    gives_up_at = loop.time() + SEARCH_S_MAX
    while True:
        await market.router.await_pools([pair])
        [read] = await market.router.read_pools([pair])
        if read.is_settled or loop.time() >= gives_up_at:
            return read
        await asyncio.sleep(POLL_S)


def _list_addresses(read: PairRead) -> set[str]:
    readable = {str(each.pool.address) for each in read.read}
    return readable | {each.pool for each in read.missing if each.pool is not None}


def _explain(
    market: MarketServices,
    known: Sequence[FoundPool],
    depths: Mapping[Pubkey, int | None],
    errors: Mapping[Pubkey, EngineError],
    quoted: set[str],
) -> Iterator[tuple[FoundPool, str]]:
    """Each pool that exists, and why it is not quoted."""
    share = market.preferences.depth_min_bps
    deepest = max((depth or 0 for depth in depths.values()), default=0)
    for each in known:
        error, depth = errors.get(each.address), depths.get(each.address)
        if error is not None:
            if error.code != NO_POOL_CODE:
                yield each, error.reason
        elif str(each.address) in quoted:
            yield each, ""
        elif (depth or 0) * BPS < deepest * share:
            yield each, f"less than {share} bps of the deepest, ORDER_ENGINE_POOL_DEPTH_MIN_BPS"
        else:
            yield each, f"{QUOTED_MAX} others are deeper"


def _find_refusal(pool: Pool, mint_in: Pubkey) -> EngineError:
    """Why a pool swaps nothing."""
    try:
        pool.quote(mint_in, _SOME_AMOUNT)
    except EngineError as error:
        return error
    return Rejected("no_liquidity", "it has no liquidity about its price")


async def _find_excluded(market: MarketServices, pair: MintPair) -> list[FoundPool]:
    found = await market.finder.identify(list(market.preferences.excluded))
    return [each for each in found if each.pair == pair]
