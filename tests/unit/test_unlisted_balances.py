"""Balances in tokens that are not listed: read for their first order, and then along with pools."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.tokens import KNOWN_TOKENS, SOL, USDC
from backend.execution.wallet.balances import OTHERS_READ_MAX
from backend.venues import CPMM
from backend.venues.spl import TOKEN_ACCOUNT, derive_ata
from backend.venues.venue import Account
from tests.unit.test_wallet_balances import (
    POOL_KEYS,
    WALLET,
    MemoryNode,
    make_mint,
    make_other,
    make_route,
    watch_wallet,
)


@pytest.mark.parametrize("number", [2, 3])
async def test_a_token_that_is_not_listed_is_read_for_its_first_order_and_then_along(
    number: int,
) -> None:
    node = MemoryNode(others={number: 9})
    balances, funds = watch_wallet(node)
    await balances.get_multiple_accounts([])
    token = make_other(number)
    sale = OrderTerms(OrderType.MARKET, token, USDC, 9, None, 50)
    assert funds.may_lack(sale, make_route(sale))
    await funds.require(sale, make_route(sale))
    assert not funds.may_lack(sale, make_route(sale))
    with pytest.raises(Rejected, match=r"needs 10 .*, the wallet holds 9: 1 "):
        await funds.require(replace(sale, amount_in=10), make_route(sale))
    node.others[number] = 5
    funds.mark_changed()
    await balances.get_multiple_accounts(POOL_KEYS[:3])
    assert node.requests[-1] == 3 + len(KNOWN_TOKENS) + 2
    assert funds.may_lack(sale, make_route(sale))
    assert balances.latest is not None
    assert balances.latest.tokens[token.mint] == 5


async def test_the_first_of_a_token_that_is_not_listed_costs_the_rent_of_its_account() -> None:
    node = MemoryNode(lamports=10**9 + 5_120 + 10_000_000)
    balances, funds = watch_wallet(node)
    await balances.get_multiple_accounts([])
    token = make_other(2)
    mint_in, mint_out = (Pubkey.from_string(each.mint) for each in (SOL, token))
    pool = CPMM.create_pool(mint_in, mint_out, 10**12, 10**12, fee_e9=3_000_000)
    purchase = OrderTerms(OrderType.MARKET, SOL, token, 10**9, None, 50)
    with pytest.raises(Rejected, match=r"0\.00203928 SOL are missing"):
        await funds.require(purchase, make_route(purchase, pool))
    node.others[2] = 0
    await funds.require(purchase, make_route(purchase, pool))


async def test_many_tokens_that_are_not_listed_are_read_in_several_requests() -> None:
    node = MemoryNode(others={number: number for number in range(1, 200)})
    balances, funds = watch_wallet(node)
    tokens = [make_other(number) for number in range(1, 200)]
    free = await funds.read_free([*tokens, USDC])
    assert [free.measure(token, USDC) for token in tokens] == [*range(1, 200)]
    assert free.measure(USDC, SOL) == 10**9
    assert max(node.requests) <= 100
    funds.mark_changed()
    await balances.get_multiple_accounts(POOL_KEYS[:3])
    assert node.requests[-1] == 3 + len(KNOWN_TOKENS) + 2 * OTHERS_READ_MAX
    last = tokens[-1]
    node.others[199] = 1
    node.requests.clear()
    assert (await funds.read_free([last])).measure(last, USDC) == 1
    assert len(node.requests) == 1


async def test_those_who_wait_for_a_reading_have_their_tokens_in_it() -> None:
    node = MemoryNode(others={number: number for number in range(1, 100)})
    _, funds = watch_wallet(node)

    async def read(number: int) -> int:
        token = make_other(number)
        return (await funds.read_free([token])).measure(token, USDC)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(read(number)) for number in range(1, 100)]
    assert [task.result() for task in tasks] == [*range(1, 100)]


async def test_a_frozen_account_stays_known_while_others_are_read_and_until_it_is_thawed() -> None:
    node = FreezingNode(others={2: 9, 3: 9})
    balances, funds = watch_wallet(node)
    sale = OrderTerms(OrderType.MARKET, make_other(2), USDC, 9, None, 50)
    route = make_route(sale)
    leg = replace(route.legs[0], token_in=sale.token_in)
    route = replace(route, legs=(leg,))
    pools = POOL_KEYS[: 99 - len(KNOWN_TOKENS)]  # they leave no room for other tokens
    for is_frozen in (True, False):
        node.is_frozen = is_frozen
        await balances.refresh([sale.token_in])
        for _ in range(2):
            assert funds.may_lack(sale, route) == is_frozen
            funds.mark_changed()
            await balances.get_multiple_accounts(pools)
        if is_frozen:
            with pytest.raises(Rejected, match="account_frozen"):
                await funds.require(sale, route)


class FreezingNode(MemoryNode):
    """A node on which the wallet's account of the token 2 can be frozen."""

    is_frozen = False

    def _list_accounts(self) -> dict[Pubkey, Account]:
        accounts = super()._list_accounts()
        key = derive_ata(WALLET, make_mint(2))
        record = replace(TOKEN_ACCOUNT.read(accounts[key].data), state=2 if self.is_frozen else 1)
        data = TOKEN_ACCOUNT.write(record, accounts[key].data)
        return {**accounts, key: replace(accounts[key], data=data)}
