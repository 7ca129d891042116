"""Routing: the venue that pays more gets the order, whatever the pools look like."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest
from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected, Transient
from backend.domain.orders import OrderType, Terms
from backend.domain.quotes import Dex, Quote
from backend.domain.tokens import JUP, SOL, USDC
from backend.routing.route import NoQuote, choose
from backend.routing.router import Router
from backend.venues import CPMM, DAMM_V2, VENUES
from backend.venues.hosting import HostedPool
from backend.venues.spl import CLOCK_SYSVAR
from backend.venues.venue import Account
from tests.pools import clock_account

MINT_IN = Pubkey.from_string(SOL.mint)
MINT_OUT = Pubkey.from_string(USDC.mint)


def terms(amount_in: int = 10**9, min_out: int | None = None, slippage_bps: int = 50) -> Terms:
    return Terms(OrderType.MARKET, SOL, USDC, amount_in, min_out, slippage_bps)


@dataclass
class MemoryNode:
    """A node whose accounts are those of some pools."""

    pools: Sequence[HostedPool]
    reads: list[int] = field(default_factory=list)
    down: Dex | None = None
    """This exchange's accounts cannot be read."""

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        self.reads.append(len(keys))
        accounts: dict[Pubkey, Account] = {CLOCK_SYSVAR: clock_account()}
        for pool in self.pools:
            accounts |= pool.accounts()
        for venue in VENUES:
            if venue.dex is self.down and venue.pool_address(MINT_IN, MINT_OUT) in keys:
                raise Transient("node_timeout", "no answer")
        await asyncio.sleep(0)
        return 7, [accounts.get(key) for key in keys]


@asynccontextmanager
async def router_on(node: MemoryNode, age_s: float = 0) -> AsyncIterator[Router]:
    router = Router(VENUES, node, timeout_s=5, age_s=age_s)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(router.run())
        try:
            yield router
        finally:
            task.cancel()


def pools(random: Random) -> list[HostedPool]:
    def reserve() -> int:
        return random.randrange(10**6, 10 ** random.randrange(8, 16))

    ours, theirs = reserve(), reserve()
    skew = random.randrange(900, 1100)
    return [
        CPMM.create(MINT_IN, MINT_OUT, ours, theirs, fee_e9=3_000_000),
        DAMM_V2.create(MINT_IN, MINT_OUT, ours, theirs * skew // 1000 + 1, fee_e9=2_000_000),
    ]


def largest(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The largest number from ``low`` to ``high`` for which it still holds, by bisection."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def raydium_pays(pool: HostedPool, amount: int) -> int:
    """By the invariant alone: the most that can leave without the product falling."""
    vaults = [account for account in pool.accounts().values() if len(account.data) == 165]
    held = {account.data[:32]: int.from_bytes(account.data[64:72], "little") for account in vaults}
    x, y = held[bytes(MINT_IN)], held[bytes(MINT_OUT)]
    net = amount - -(-amount * 3 // 1000)
    return largest(0, y, lambda out: (x + net) * (y - out) >= x * y)


def meteora_pays(pool: HostedPool, amount: int) -> int:
    """By the invariant alone: the furthest price to which the amount carries the range."""
    data = pool.accounts()[pool.address].data
    liquidity, root = (int.from_bytes(data[at : at + 16], "little") for at in (360, 456))
    if data[168:200] == bytes(MINT_IN):  # token A comes in, 1/√p rises by at most amount/L
        fall = largest(0, root - 1, lambda by: liquidity * by <= amount * root * (root - by))
        gross = liquidity * fall >> 128
    else:
        rise = largest(0, 1 << 128, lambda by: liquidity * by <= amount << 128)
        gross = liquidity * rise // (root * (root + rise))
    return gross - -(-gross * 2 // 1000)


async def test_the_venue_that_pays_more_is_chosen_on_a_thousand_random_pools() -> None:
    random = Random(20_261_121)
    chosen: Counter[Dex] = Counter()
    while chosen.total() < 1_000:
        raydium, meteora = pools(random)
        amount = random.randrange(10**3, 10 ** random.randrange(4, 14))
        pays = {
            Dex.RAYDIUM: raydium_pays(raydium, amount),
            Dex.METEORA: meteora_pays(meteora, amount),
        }
        if min(pays.values()) == 0:
            continue
        async with router_on(MemoryNode([raydium, meteora])) as router:
            route = await router.route(terms(amount))
        assert {quote.dex: quote.amount_out for quote in route.quotes} == pays
        assert route.quote.amount_out == max(pays.values())
        assert route.pool.address == VENUES[route.quote.dex is Dex.METEORA].pool_address(
            MINT_IN, MINT_OUT
        )
        chosen[route.quote.dex] += 1
    assert min(chosen.values()) > 200


async def test_the_quote_that_was_passed_over_is_kept() -> None:
    wanted = terms()
    async with router_on(MemoryNode(pools(Random(1)))) as router:
        route = await router.route(wanted)
    shown = route.to_json(wanted)
    assert [quote["dex"] for quote in shown["quotes"]] == ["raydium", "meteora"]
    assert shown["dex"] == route.quote.dex
    assert "unavailable" not in shown


@pytest.mark.parametrize("down", Dex)
async def test_with_one_venue_down_the_other_gets_the_order_and_the_event_says_so(
    down: Dex,
) -> None:
    wanted = terms()
    async with router_on(MemoryNode(pools(Random(1)), down=down)) as router:
        route = await router.route(wanted)
    assert route.quote.dex is not down
    [missing] = route.to_json(wanted)["unavailable"]
    assert missing == {"dex": down.value, "code": "node_timeout", "reason": "no answer"}


async def test_orders_that_ask_together_share_a_read() -> None:
    node = MemoryNode(pools(Random(1)))
    async with router_on(node) as router:
        await router.route(terms())
        node.reads.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(500):
                group.create_task(router.route(terms()))
    assert len(node.reads) <= 4


@pytest.mark.parametrize(("age_s", "reads"), [(0.0, 2), (3_600.0, 0)])
async def test_a_pool_is_read_again_once_it_is_too_old_to_be_quoted(
    age_s: float, reads: int
) -> None:
    node = MemoryNode(pools(Random(1)))
    async with router_on(node, age_s) as router:
        first = await router.route(terms())
        node.reads.clear()
        assert await router.route(terms()) == first
    assert len(node.reads) == reads


async def test_a_pool_that_could_not_be_read_is_read_again() -> None:
    node = MemoryNode(pools(Random(1)), down=Dex.RAYDIUM)
    async with router_on(node, 3_600) as router:
        assert len((await router.route(terms())).quotes) == 1
        node.down = None
        assert len((await router.route(terms())).quotes) == 2


async def test_tokens_without_a_pool_are_rejected() -> None:
    async with router_on(MemoryNode(pools(Random(1)))) as router:
        with pytest.raises(Rejected, match="no_pool"):
            await router.route(Terms(OrderType.MARKET, JUP, USDC, 10**6, None, 50))


def quote(dex: Dex, amount_out: int) -> Quote:
    return Quote(dex, "pool", 10**9, amount_out, 0, 0, 1)


DOWN = NoQuote(Dex.METEORA, Transient("venue_timeout", "slow"))
CLOSED = NoQuote(Dex.METEORA, Rejected("pool_disabled", "closed"))


def test_the_minimum_is_the_stricter_of_the_clients_and_the_slippage() -> None:
    offer = quote(Dex.RAYDIUM, 1_000)
    assert choose(terms(slippage_bps=100), [offer], []) == (offer, 990)
    assert choose(terms(min_out=995, slippage_bps=100), [offer], []) == (offer, 995)
    assert choose(terms(min_out=900, slippage_bps=100), [offer], []) == (offer, 990)


def test_a_minimum_that_no_venue_meets_is_final() -> None:
    offers = [quote(Dex.RAYDIUM, 1_000), quote(Dex.METEORA, 999)]
    with pytest.raises(Rejected, match="min_out_not_met") as caught:
        choose(terms(min_out=1_001), offers, [])
    assert "0.001 USDC on raydium" in caught.value.reason


def test_a_minimum_that_an_unheard_venue_might_meet_is_not_final() -> None:
    with pytest.raises(Transient, match="min_out_not_met"):
        choose(terms(min_out=U64_MAX), [quote(Dex.RAYDIUM, 1_000)], [DOWN])
    with pytest.raises(Rejected, match="min_out_not_met"):
        choose(terms(min_out=U64_MAX), [quote(Dex.RAYDIUM, 1_000)], [CLOSED])


def test_without_a_quote_it_matters_whether_any_venue_may_still_answer() -> None:
    with pytest.raises(Transient, match="venues_unavailable"):
        choose(terms(), [], [CLOSED, DOWN])
    with pytest.raises(Rejected, match="pool_disabled"):
        choose(terms(), [], [CLOSED])


def test_on_a_tie_the_choice_is_repeatable() -> None:
    offers = [quote(Dex.RAYDIUM, 5), quote(Dex.METEORA, 5)]
    assert choose(terms(), offers, [])[0].dex is Dex.RAYDIUM
