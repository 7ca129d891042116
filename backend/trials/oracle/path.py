"""A random path of prices on a halted chain, walked slot by slot, and the pools of every step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any, Final, NamedTuple

import aiohttp
from solders.pubkey import Pubkey

from backend.chain.rpc.client import KEYS_MAX, RpcClient
from backend.domain.amounts import Token
from backend.domain.errors import Rejected
from backend.domain.quotes import Quote
from backend.domain.tokens import BONK, JUP, KNOWN_TOKENS, RAY, SOL, USDC, USDT, WBTC, WETH
from backend.simulator.market.prices import usd_price_e6
from backend.simulator.options import SimulatorOptions
from backend.trials.oracle.orders import Direction
from backend.trials.oracle.restrictions import PairPool, Restriction, draw_restriction
from backend.venues import MAINNET_VENUES
from backend.venues.spl import CLOCK, CLOCK_SYSVAR
from backend.venues.venue import Account, Pool, Venue

Json = dict[str, Any]

PAIRS: Final = ((SOL, USDC), (JUP, USDC), (BONK, SOL), (SOL, RAY), (WETH, USDT), (WBTC, SOL))
DOLLARS: Final = {
    token: usd_price_e6(token, SimulatorOptions().sol_price) / 1_000_000 for token in KNOWN_TOKENS
}
"""About what one token is worth on the simulated node."""
MOVE_BPS: Final = 60
JUMP_BPS: Final = 500
JUMP_SHARE: Final = 0.05
LEVEL_MAX: Final = 1.1
"""Beyond so far from where it began, a price tends back."""


@dataclass(frozen=True, slots=True)
class Step:
    """One slot of the path, its time by the chain's clock, and the pools of each pair in it."""

    slot: int
    time: int
    pools: Mapping[frozenset[Token], Sequence[Pool]]

    def find_price(
        self,
        direction: Direction,
        amount_in: int,
        cap_bps: int,
        only: Collection[str] | None = None,
    ) -> Fraction | None:
        """What the best pool pays within the cap, for each base unit in; ``None`` if none does.

        ``only`` are the addresses of those that are asked, if these are not all.
        """
        pools = self.pools[frozenset(direction)]
        return find_best_price(pools, direction[0], amount_in, cap_bps, only)


def find_best_price(
    pools: Iterable[Pool],
    token_in: Token,
    amount_in: int,
    cap_bps: int,
    only: Collection[str] | None = None,
) -> Fraction | None:
    """What the best of some pools pays within the cap, for each base unit in.

    ``only`` are the addresses of those that are asked, if these are not all.
    """
    mint_in = Pubkey.from_string(token_in.mint)
    paid = [
        quote.amount_out
        for pool in pools
        if (only is None or str(pool.address) in only)
        and (quote := _quote(pool, mint_in, amount_in))
        and quote.is_within_impact(cap_bps)
    ]
    return Fraction(max(paid), amount_in) if paid else None


def convert_dollars(dollars: float, token: Token) -> int:
    """Base units of a token that are worth about so much."""
    return int(dollars / DOLLARS[token] * 10**token.decimals)


def _quote(pool: Pool, mint_in: Pubkey, amount_in: int) -> Quote | None:
    try:
        return pool.quote(mint_in, amount_in)
    except Rejected:
        return None


class _PathPool(NamedTuple):
    """A pool of a pair, and the accounts that it is read from."""

    tokens: frozenset[Token]
    venue: Venue
    address: Pubkey
    accounts: Sequence[Pubkey]


@dataclass(slots=True)
class MarketPath:
    """Walks the chain of a node and records its pools; the chain must be halted."""

    chain_url: str
    session: aiohttp.ClientSession
    random: Random
    steps: list[Step] = field(default_factory=list)
    _pools: list[_PathPool] = field(default_factory=list)
    _levels: dict[tuple[str, str, str], float] = field(default_factory=dict)

    async def halt(self) -> None:
        """Halt the chain: only ``advance`` moves it from now on."""
        await self.control("halt", {})

    async def advance(self) -> Step:
        """Move to another slot with other prices, all in one moment; record and return it."""
        blocks = self.random.choice((1, 1, 2, 20))
        await self.control("advance", {"blocks": blocks, "prices": self._draw_moves()})
        return await self.record()

    def _draw_moves(self) -> list[Json]:
        moves: list[Json] = []
        for base, quote in PAIRS:
            for venue in MAINNET_VENUES.default:
                key = base.symbol, quote.symbol, venue.dex.value
                level = self._levels.get(key, 1.0)
                most = JUMP_BPS if self.random.random() < JUMP_SHARE else MOVE_BPS
                low = 0 if level < 1 / LEVEL_MAX else -most
                high = 0 if level > LEVEL_MAX else most
                bps = self.random.randint(low, high)
                if bps:
                    self._levels[key] = level * (1 + bps / 10_000)
                    pair = [base.symbol, quote.symbol]
                    moves.append({"pair": pair, "bps": bps, "venue": venue.dex.value})
        return moves

    async def record(self) -> Step:
        """Read all pools of the current slot."""
        async with RpcClient(self.chain_url) as rpc:
            if not self._pools:
                self._pools = await _find_pools(rpc)
            keys = [CLOCK_SYSVAR, *(key for each in self._pools for key in each.accounts)]
            slot, accounts = await read_accounts(rpc, list(dict.fromkeys(keys)))
        clock = accounts[CLOCK_SYSVAR]
        assert clock is not None, "every chain has a clock"
        pools: dict[frozenset[Token], list[Pool]] = {}
        for each in self._pools:
            own = {key: accounts[key] for key in each.accounts}
            pool = each.venue.decode_pool(each.address, own, slot)
            pools.setdefault(each.tokens, []).append(pool)
        step = Step(slot, CLOCK.read(clock.data).unix_time, pools)
        self.steps.append(step)
        return step

    def draw_restriction(self, random: Random, direction: Direction) -> Restriction:
        """Draw which of the pools of a direction an order may use."""
        mine, others = list[PairPool](), list[str]()
        for each in self._pools:
            if each.tokens == frozenset(direction):
                mine.append(PairPool(each.venue.dex.value, each.venue.name, str(each.address)))
            else:
                others.append(str(each.address))
        return draw_restriction(random, mine, others)

    async def control(self, path: str, body: Json) -> Json:
        """Ask something of the node, beside its JSON-RPC."""
        url = f"{self.chain_url}/control/{path}"
        async with self.session.post(url, json=body) as response:
            reply: Json = await response.json()
            assert response.status == 200, reply
            return reply


async def _find_pools(rpc: RpcClient) -> list[_PathPool]:
    pools = []
    for base, quote in PAIRS:
        mints = Pubkey.from_string(base.mint), Pubkey.from_string(quote.mint)
        for venue in MAINNET_VENUES.default:
            address = venue.derive_pool_address(*mints)
            _, (account,) = await rpc.get_multiple_accounts([address])
            assert account is not None, "the simulated node has every pool"
            keys = venue.list_accounts(address, account)
            pools.append(_PathPool(frozenset((base, quote)), venue, address, keys))
    return pools


async def read_accounts(
    rpc: RpcClient, keys: Sequence[Pubkey]
) -> tuple[int, dict[Pubkey, Account | None]]:
    """Read accounts of the current slot, which is told with them."""
    found: dict[Pubkey, Account | None] = {}
    slots = set()
    for at in range(0, len(keys), KEYS_MAX):
        part = keys[at : at + KEYS_MAX]
        slot, accounts = await rpc.get_multiple_accounts(part)
        slots.add(slot)
        found.update(zip(part, accounts, strict=True))
    assert len(slots) == 1, "the chain is halted"
    return slots.pop(), found
