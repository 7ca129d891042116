"""The wallet's balances: read along with pools, and alone only where something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from solders.pubkey import Pubkey

from backend.chain.costs import FeeBounds
from backend.chain.token_accounts import derive_token_address
from backend.domain.amounts import Token
from backend.domain.errors import Rejected, Transient
from backend.domain.fees.order_fees import AUTO, OrderFees
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.tokens import JUP, KNOWN_TOKENS, SOL, USDC, USDT
from backend.execution.wallet.balances import WalletBalances
from backend.execution.wallet.funds import WalletFunds
from backend.routing.route import Route
from backend.venues import CPMM
from backend.venues.spl import (
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT_RENT,
    TOKEN_PROGRAM,
    derive_ata,
    make_token_account,
)
from backend.venues.venue import Account, Pool
from tests.pools import make_cpmm_pool

WALLET = Pubkey(bytes([1] * 32))
POOL_KEYS = [Pubkey(bytes([2, n] + [0] * 30)) for n in range(100)]
USDC_MINT = Pubkey.from_string(USDC.mint)
POOL = make_cpmm_pool()
SALE = OrderTerms(OrderType.MARKET, SOL, USDC, 10**9, None, 50)
PURCHASE = OrderTerms(OrderType.MARKET, USDC, SOL, 10**6, None, 50)


def make_route(terms: OrderTerms, pool: Pool = POOL) -> Route:
    mint_in = SOL.mint if terms.token_in == SOL else USDC.mint  # tokens that are not listed, too
    quote = POOL.quote(Pubkey.from_string(mint_in), 10**6)
    return Route.of_pool(terms, (pool, quote), [quote], [], 1)


SALE_ROUTE, PURCHASE_ROUTE = make_route(SALE), make_route(PURCHASE)


@dataclass
class MemoryNode:
    """A node that serves one wallet, and notes how many accounts each request asked for.

    ``others`` are what it holds of tokens that are not listed, by their number.
    """

    lamports: int = 10**10
    usdc: int | None = 10**9
    slot: int = 7
    requests: list[int] = field(default_factory=list)
    error: Transient | None = None
    others: dict[int, int] = field(default_factory=dict)

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        self.requests.append(len(keys))
        slot, accounts = self.slot, self._list_accounts()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return slot, [accounts.get(key) for key in keys]

    def _list_accounts(self) -> dict[Pubkey, Account]:
        accounts = {key: Account(SYSTEM_PROGRAM, 1, b"pool") for key in POOL_KEYS}
        accounts[WALLET] = Account(SYSTEM_PROGRAM, self.lamports, b"")
        if self.usdc is not None:
            account = make_token_account(USDC_MINT, WALLET, self.usdc)
            accounts[derive_token_address(WALLET, USDC_MINT)] = account
        for number, amount in self.others.items():
            mint, program = make_mint(number), (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)[number % 2]
            account = make_token_account(mint, WALLET, amount, program)
            accounts[derive_ata(WALLET, mint, program)] = account
        return accounts


def make_mint(number: int) -> Pubkey:
    return Pubkey(bytes([3, number] + [0] * 30))


def make_other(number: int) -> Token:
    """A token that is not listed; those of an odd number are of Token-2022."""
    return Token(str(make_mint(number)), str(make_mint(number)), 0)


def watch_wallet(node: MemoryNode) -> tuple[WalletBalances, WalletFunds]:
    balances = WalletBalances(node)
    balances.watch(WALLET, KNOWN_TOKENS)
    return balances, WalletFunds(
        balances, fees=FeeBounds(5_120, 1_005_000), reserve_lamports=10_000_000
    )


async def test_the_balances_come_with_the_pools_and_the_pools_alone_are_returned() -> None:
    node = MemoryNode()
    balances, _ = watch_wallet(node)
    slot, accounts = await balances.get_multiple_accounts(POOL_KEYS[:3])
    assert (slot, [each.data for each in accounts if each is not None]) == (7, [b"pool"] * 3)
    assert balances.latest is not None
    assert (balances.latest.slot, balances.latest.lamports) == (7, 10**10)
    assert balances.latest.tokens[USDC.mint] == 10**9
    assert balances.latest.tokens[JUP.mint] is None
    assert node.requests == [3 + len(KNOWN_TOKENS)]


async def test_balances_that_were_just_read_are_not_read_again_until_the_wallet_changes() -> None:
    node = MemoryNode()
    balances, funds = watch_wallet(node)
    for _ in range(5):
        await balances.get_multiple_accounts(POOL_KEYS[:3])
    assert node.requests == [3 + len(KNOWN_TOKENS), 3, 3, 3, 3]
    funds.mark_changed()
    node.lamports = 5
    await balances.get_multiple_accounts(POOL_KEYS[:3])
    assert node.requests[-1] == 3 + len(KNOWN_TOKENS)
    assert balances.latest is not None
    assert balances.latest.lamports == 5


async def test_a_change_during_a_read_leaves_the_balances_due() -> None:
    node = MemoryNode()
    balances, funds = watch_wallet(node)
    async with asyncio.TaskGroup() as group:
        group.create_task(balances.get_multiple_accounts(POOL_KEYS[:1]))
        await asyncio.sleep(0)
        funds.mark_changed()
    await balances.get_multiple_accounts(POOL_KEYS[:1])
    assert node.requests == [1 + len(KNOWN_TOKENS)] * 2


async def test_a_request_without_room_or_without_a_wallet_is_passed_on_as_it_is() -> None:
    node = MemoryNode()
    balances, _ = watch_wallet(node)
    _, accounts = await balances.get_multiple_accounts(POOL_KEYS)
    assert len(accounts) == 100
    await WalletBalances(node).get_multiple_accounts(POOL_KEYS[:3])
    assert node.requests == [100, 3]
    assert balances.latest is None


async def test_a_node_that_is_behind_does_not_bring_back_what_was_spent() -> None:
    node = MemoryNode(lamports=5)
    balances, funds = watch_wallet(node)
    await balances.get_multiple_accounts([])
    funds.mark_changed()
    node.slot, node.lamports = 6, 10**10
    await balances.get_multiple_accounts([])
    assert balances.latest is not None
    assert balances.latest.lamports == 5


async def test_enough_needs_no_request_and_unknown_balances_are_left_to_the_chain() -> None:
    node = MemoryNode()
    balances, funds = watch_wallet(node)
    assert not funds.may_lack(SALE, SALE_ROUTE)
    await balances.get_multiple_accounts([])
    assert not funds.may_lack(SALE, SALE_ROUTE)
    assert len(node.requests) == 1


async def test_a_shortage_counts_only_by_a_new_reading() -> None:
    node = MemoryNode(lamports=0)
    balances, funds = watch_wallet(node)
    await balances.get_multiple_accounts([])
    node.lamports = 10**10
    assert funds.may_lack(SALE, SALE_ROUTE)
    await funds.require(SALE, SALE_ROUTE)
    assert not funds.may_lack(SALE, SALE_ROUTE)


async def test_a_thousand_orders_that_lack_funds_share_the_reading() -> None:
    node = MemoryNode(lamports=0, usdc=0)
    balances, funds = watch_wallet(node)
    await balances.get_multiple_accounts([])

    async def execute() -> str:
        assert funds.may_lack(PURCHASE, PURCHASE_ROUTE)
        with pytest.raises(Rejected) as caught:
            await funds.require(PURCHASE, PURCHASE_ROUTE)
        return caught.value.reason

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(execute()) for _ in range(1_000)]
    assert {task.result() for task in tasks} == {
        "needs 0.0020444 SOL for the network fee and rent, the wallet holds 0: 0.0020444 SOL are"
        " missing; needs 1 USDC, the wallet holds 0: 1 USDC are missing"
    }
    assert len(node.requests) <= 3


async def test_a_reading_that_fails_fails_all_who_wait_for_it_and_rejects_none() -> None:
    node = MemoryNode(lamports=0)
    balances, funds = watch_wallet(node)
    await balances.get_multiple_accounts([])
    node.error = Transient("node_timeout", "no answer")

    async def execute() -> str:
        with pytest.raises(Transient) as caught:
            await funds.require(PURCHASE, PURCHASE_ROUTE)
        return caught.value.code

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(execute()) for _ in range(100)]
    assert {task.result() for task in tasks} == {"node_timeout"}
    assert len(node.requests) <= 3


async def test_the_first_of_a_token_costs_the_rent_of_its_account() -> None:
    node = MemoryNode(lamports=10**9 + 5_120 + 10_000_000)
    balances, funds = watch_wallet(node)
    await balances.get_multiple_accounts([])
    assert not funds.may_lack(SALE, SALE_ROUTE)
    node.usdc = None
    funds.mark_changed()
    await balances.get_multiple_accounts([])
    assert funds.may_lack(SALE, SALE_ROUTE)
    with pytest.raises(Rejected, match=r"0\.00203928 SOL are missing"):
        await funds.require(SALE, SALE_ROUTE)


@pytest.mark.parametrize(
    ("fees", "missing"),
    [
        (OrderFees(900_000), "0.00089988"),
        (OrderFees(AUTO), "0.00099988"),
        (OrderFees(AUTO, 6_120), "0.000001"),
        (OrderFees(0), None),
        (OrderFees(max_fee=5_120), None),
    ],
)
async def test_the_most_that_an_order_may_pay_has_to_be_there(
    fees: OrderFees, missing: str | None
) -> None:
    node = MemoryNode(lamports=10**9 + 5_120 + 10_000_000)
    balances, funds = watch_wallet(node)
    await balances.get_multiple_accounts([])
    sale = replace(SALE, fees=fees)
    assert funds.may_lack(sale, SALE_ROUTE) == (missing is not None)
    if missing is not None:
        with pytest.raises(Rejected, match=rf": {missing} SOL are missing"):
            await funds.require(sale, SALE_ROUTE)
    # A share of all was computed with the usual fee: a higher one comes from the reserve.
    share = replace(sale, type=OrderType.STOP, amount_in_bps=10_000)
    assert not funds.may_lack(share, SALE_ROUTE)


async def test_a_token_of_token_2022_is_left_to_the_chain() -> None:
    side0, side1 = POOL.sides
    sides = [
        replace(side, token_program=TOKEN_2022_PROGRAM) if side.mint == USDC_MINT else side
        for side in (side0, side1)
    ]
    pool = replace(POOL, sides=(sides[0], sides[1]))
    assert pool.token_program(USDC_MINT) == TOKEN_2022_PROGRAM != TOKEN_PROGRAM
    node = MemoryNode(usdc=None)
    _, funds = watch_wallet(node)
    await funds.require(PURCHASE, make_route(PURCHASE, pool))
    with pytest.raises(Rejected, match="1 USDC are missing"):
        await funds.require(PURCHASE, PURCHASE_ROUTE)


def test_a_token_in_between_that_the_wallet_never_held_costs_the_rent_of_its_account() -> None:
    node = MemoryNode(lamports=10**9 + 5_120 + 10_000_000)
    balances, funds = watch_wallet(node)
    asyncio.run(balances.refresh())
    [leg] = SALE_ROUTE.legs
    mint_in, between = (Pubkey.from_string(token.mint) for token in (SOL, USDT))
    pool = CPMM.create_pool(mint_in, between, 10**12, 10**12, fee_e9=3_000_000)
    legs = (replace(leg, pool=pool, token_out=USDT), replace(leg, token_in=USDT))
    route = replace(SALE_ROUTE, legs=legs)
    assert not funds.may_lack(SALE, SALE_ROUTE)
    assert funds.may_lack(SALE, route)
    node.lamports += TOKEN_ACCOUNT_RENT
    asyncio.run(balances.refresh())
    assert not funds.may_lack(SALE, route)
