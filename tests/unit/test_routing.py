"""Routing: the venue that pays more gets the order, whatever the state of the pools."""

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
from backend.domain.errors import Rejected, Transient, Unavailable
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.quotes import Dex, Quote
from backend.domain.tokens import JUP, SOL, USDC
from backend.routing.quote_choice import MissingQuote, choose_quote
from backend.routing.router import Router
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from backend.venues.hosting import HostedPool
from backend.venues.spl import CLOCK_SYSVAR
from backend.venues.venue import Account
from tests.pools import make_clock_account

MINT_IN = Pubkey.from_string(SOL.mint)
MINT_OUT = Pubkey.from_string(USDC.mint)


def make_terms(
    amount_in: int = 10**9, min_out: int | None = None, slippage_bps: int = 50
) -> OrderTerms:
    return OrderTerms(OrderType.MARKET, SOL, USDC, amount_in, min_out, slippage_bps)


@dataclass
class MemoryNode:
    """A node that serves the accounts of some pools from memory."""

    pools: Sequence[HostedPool]
    reads: list[int] = field(default_factory=list)
    down: Dex | None = None
    """This exchange's accounts cannot be read."""
    stalled: Dex | None = None
    """This exchange's accounts are not answered."""
    error_code: str = "node_timeout"

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        self.reads.append(len(keys))
        accounts: dict[Pubkey, Account] = {CLOCK_SYSVAR: make_clock_account()}
        for pool in self.pools:
            accounts |= pool.encode_accounts()
        for venue in MAINNET_VENUES.default:
            if venue.derive_pool_address(MINT_IN, MINT_OUT) not in keys:
                continue
            if venue.dex is self.down:
                raise Transient(self.error_code, "no answer")
            if venue.dex is self.stalled:
                await asyncio.Event().wait()
        await asyncio.sleep(0)
        return 7, [accounts.get(key) for key in keys]


@asynccontextmanager
async def run_router(node: MemoryNode, age_max_s: float = 0) -> AsyncIterator[Router]:
    router = Router(MAINNET_VENUES.default, node, timeout_s=5, age_max_s=age_max_s)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(router.run())
        try:
            yield router
        finally:
            task.cancel()


def create_pools(random: Random) -> list[HostedPool]:
    def reserve() -> int:
        return random.randrange(10**6, 10 ** random.randrange(8, 16))

    ours, theirs = reserve(), reserve()
    skew = random.randrange(900, 1100)
    return [
        CPMM.create_pool(MINT_IN, MINT_OUT, ours, theirs, fee_e9=3_000_000),
        DAMM_V2.create_pool(MINT_IN, MINT_OUT, ours, theirs * skew // 1000 + 1, fee_e9=2_000_000),
    ]


def find_largest(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Find the largest number from ``low`` to ``high`` that fulfils ``holds``, by bisection."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def compute_raydium_output(pool: HostedPool, amount: int) -> int:
    """Compute by the invariant alone: the most that can be paid without the product falling."""
    vaults = [account for account in pool.encode_accounts().values() if len(account.data) == 165]
    balances = {
        account.data[:32]: int.from_bytes(account.data[64:72], "little") for account in vaults
    }
    x, y = balances[bytes(MINT_IN)], balances[bytes(MINT_OUT)]
    net = amount - -(-amount * 3 // 1000)
    return find_largest(0, y, lambda out: (x + net) * (y - out) >= x * y)


def compute_meteora_output(pool: HostedPool, amount: int) -> int:
    """Compute by the invariant alone: the furthest price to which the amount moves the range."""
    data = pool.encode_accounts()[pool.address].data
    liquidity, root = (int.from_bytes(data[at : at + 16], "little") for at in (360, 456))
    if data[168:200] == bytes(MINT_IN):  # token A comes in, 1/√p rises by at most amount/L
        fall = find_largest(0, root - 1, lambda by: liquidity * by <= amount * root * (root - by))
        gross = liquidity * fall >> 128
    else:
        rise = find_largest(0, 1 << 128, lambda by: liquidity * by <= amount << 128)
        gross = liquidity * rise // (root * (root + rise))
    return gross - -(-gross * 2 // 1000)


async def test_the_venue_that_pays_more_is_chosen_on_a_thousand_random_pools() -> None:
    random = Random(20_261_121)
    chosen: Counter[Dex] = Counter()
    while chosen.total() < 1_000:
        raydium, meteora = create_pools(random)
        amount = random.randrange(10**3, 10 ** random.randrange(4, 14))
        pays = {
            Dex.RAYDIUM: compute_raydium_output(raydium, amount),
            Dex.METEORA: compute_meteora_output(meteora, amount),
        }
        if min(pays.values()) == 0:
            continue
        async with run_router(MemoryNode([raydium, meteora])) as router:
            route = await router.route(make_terms(amount))
        assert {quote.dex: quote.amount_out for quote in route.quotes} == pays
        assert route.quote.amount_out == max(pays.values())
        assert route.pool.address == MAINNET_VENUES.default[
            route.quote.dex is Dex.METEORA
        ].derive_pool_address(MINT_IN, MINT_OUT)
        chosen[route.quote.dex] += 1
    assert min(chosen.values()) > 200


async def test_the_quote_that_was_not_chosen_is_kept() -> None:
    order_terms = make_terms()
    async with run_router(MemoryNode(create_pools(Random(1)))) as router:
        route = await router.route(order_terms)
    shown = route.to_json(order_terms)
    assert [quote["dex"] for quote in shown["quotes"]] == ["raydium", "meteora"]
    assert shown["dex"] == route.quote.dex
    assert "unavailable" not in shown


@pytest.mark.parametrize("down", Dex)
async def test_with_one_venue_down_the_other_gets_the_order_and_the_event_says_so(
    down: Dex,
) -> None:
    order_terms = make_terms()
    async with run_router(MemoryNode(create_pools(Random(1)), down=down)) as router:
        route = await router.route(order_terms)
    assert route.quote.dex is not down
    [missing] = route.to_json(order_terms)["unavailable"]
    venue = next(each for each in MAINNET_VENUES.default if each.dex is down)
    assert missing == {
        "dex": down.value,
        "program": venue.name,
        "pool": str(venue.derive_pool_address(MINT_IN, MINT_OUT)),
        "code": "node_timeout",
        "reason": "no answer",
    }


async def test_concurrent_orders_share_a_read() -> None:
    node = MemoryNode(create_pools(Random(1)))
    async with run_router(node) as router:
        await router.route(make_terms())
        node.reads.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(500):
                group.create_task(router.route(make_terms()))
    assert len(node.reads) <= 4


@pytest.mark.parametrize(("age_max_s", "reads"), [(0.0, 1), (3_600.0, 0)])
async def test_a_pool_is_read_again_once_it_is_too_old_to_be_quoted(
    age_max_s: float, reads: int
) -> None:
    node = MemoryNode(create_pools(Random(1)))
    async with run_router(node, age_max_s) as router:
        first = await router.route(make_terms())
        node.reads.clear()
        assert await router.route(make_terms()) == first
    assert len(node.reads) == reads


async def test_a_pool_that_could_not_be_read_is_read_again() -> None:
    node = MemoryNode(create_pools(Random(1)), down=Dex.RAYDIUM)
    async with run_router(node, 3_600) as router:
        assert len((await router.route(make_terms())).quotes) == 1
        node.down = None
        assert len((await router.route(make_terms())).quotes) == 2


async def test_tokens_without_a_pool_are_rejected() -> None:
    async with run_router(MemoryNode(create_pools(Random(1)))) as router:
        with pytest.raises(Rejected, match="no_pool"):
            await router.route(OrderTerms(OrderType.MARKET, JUP, USDC, 10**6, None, 50))


def make_quote(dex: Dex, amount_out: int) -> Quote:
    return Quote(dex, "cpmm", "pool", 10**9, amount_out, 0, 0, 1)


UNAVAILABLE = MissingQuote(Dex.METEORA, Unavailable("venue_timeout", "slow", 7))
UNREADABLE = MissingQuote(Dex.RAYDIUM, Transient("unknown_layout", "new"))
CLOSED = MissingQuote(Dex.METEORA, Rejected("pool_disabled", "closed"))


def test_the_minimum_is_the_stricter_of_the_clients_and_the_slippage() -> None:
    offer = make_quote(Dex.RAYDIUM, 1_000)
    assert choose_quote(make_terms(slippage_bps=100), [offer], []) == (offer, 990)
    assert choose_quote(make_terms(min_out=995, slippage_bps=100), [offer], []) == (offer, 995)
    assert choose_quote(make_terms(min_out=900, slippage_bps=100), [offer], []) == (offer, 990)


def test_a_minimum_that_no_venue_meets_is_final() -> None:
    offers = [make_quote(Dex.RAYDIUM, 1_000), make_quote(Dex.METEORA, 999)]
    with pytest.raises(Rejected, match="min_out_not_met") as caught:
        choose_quote(make_terms(min_out=1_001), offers, [])
    assert "0.001 USDC on raydium" in caught.value.reason


def test_a_minimum_that_an_unavailable_venue_might_meet_is_not_final() -> None:
    with pytest.raises(Transient, match="min_out_not_met"):
        choose_quote(make_terms(min_out=U64_MAX), [make_quote(Dex.RAYDIUM, 1_000)], [UNAVAILABLE])
    with pytest.raises(Rejected, match="min_out_not_met"):
        choose_quote(make_terms(min_out=U64_MAX), [make_quote(Dex.RAYDIUM, 1_000)], [CLOSED])


def test_without_a_quote_it_matters_whether_any_venue_may_still_respond() -> None:
    with pytest.raises(Transient, match="venues_unavailable"):
        choose_quote(make_terms(), [], [CLOSED, UNAVAILABLE])
    with pytest.raises(Rejected, match="pool_disabled"):
        choose_quote(make_terms(), [], [CLOSED])


def test_only_what_waiting_may_mend_is_unavailable() -> None:
    offer = make_quote(Dex.RAYDIUM, 1_000)
    for terms, quotes in ((make_terms(), []), (make_terms(min_out=U64_MAX), [offer])):
        with pytest.raises(Unavailable) as caught:
            choose_quote(terms, quotes, [CLOSED, UNAVAILABLE])
        assert caught.value.retry_after_s == 7
        with pytest.raises(Transient) as other:
            choose_quote(terms, quotes, [UNREADABLE, UNAVAILABLE])
        assert not isinstance(other.value, Unavailable)


def test_on_a_tie_the_choice_is_deterministic() -> None:
    offers = [make_quote(Dex.RAYDIUM, 5), make_quote(Dex.METEORA, 5)]
    assert choose_quote(make_terms(), offers, [])[0].dex is Dex.RAYDIUM
